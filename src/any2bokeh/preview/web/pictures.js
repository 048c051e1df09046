// Pictures of one moment: decoded when they are needed, and mixed to what lies between the rendered ones.

/** The bitmaps of all moments' originals, and of one moment's renderings: those take a few MB. */
class Pictures {
  constructor(stills, changed) {
    this.stills = stills;
    this.changed = changed;
    this.originals = stills.map(() => null);
    this.rendered = [];
    this.still = -1;
    stills.forEach(({ original }, still) => this.decode(original, this.originals, still));
  }

  async decode(webp, into, index) {
    into[index] = await createImageBitmap(new Blob([bytesOf(webp)], { type: "image/webp" }));
    this.changed();
  }

  /** Have the renderings of a moment decoded, in the place of another's. */
  prepare(still) {
    if (this.still === still) return;
    this.still = still;
    this.rendered = this.stills[still].rendered.map((row) => row.map(() => null));
    const rendered = this.rendered;
    this.stills[still].rendered.forEach((row, focus) =>
      row.forEach((webp, strength) => this.decode(webp, rendered[focus], strength)));
  }

  /** Draw a moment mixed of its (up to four) nearest renderings; the original until they are decoded. */
  drawRefocused(context, still, focusParts, strengthParts) {
    this.prepare(still);
    const parts = [];
    for (const [focus, share] of focusParts) {
      for (const [strength, portion] of strengthParts) {
        if (share * portion === 0) continue;
        const bitmap = strength < 0 ? this.originals[still] : this.rendered[focus][strength];
        parts.push([bitmap, share * portion]);
      }
    }
    const isReady = parts.every(([bitmap]) => bitmap);
    if (isReady) mix(context, parts);
    else if (this.originals[still]) drawFull(context, this.originals[still]);
    return isReady;
  }
}

/** Draw bitmaps over each other so that each weighs its share: [[bitmap, share], ...], the sum is 1. */
function mix(context, parts) {
  let drawn = 0;
  for (const [bitmap, share] of parts) {
    drawn += share;
    context.globalAlpha = share / drawn;
    drawFull(context, bitmap);
  }
  context.globalAlpha = 1;
}

function drawFull(context, picture) {
  context.drawImage(picture, 0, 0, context.canvas.width, context.canvas.height);
}

/** Between which of ascending `values` one lies: [[index, share], [index, share]]; index -1 stands for 0. */
function between(values, value, fromZero = false) {
  const after = values.findIndex((candidate) => candidate >= value);
  if (after < 0) return [[values.length - 1, 1]];
  if (after === 0 && !fromZero) return [[0, 1]];
  const low = after ? values[after - 1] : 0, share = (value - low) / (values[after] - low);
  return [[after - 1, 1 - share], [after, share]];
}

/** The picture in gray on a new canvas, as bright as it looks. */
function inGray(bitmap) {
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const image = context.getImageData(0, 0, canvas.width, canvas.height), data = image.data;
  for (let i = 0; i < data.length; i += 4) {
    const gray = 0.2126 * data[i] + 0.7152 * data[i + 1] + 0.0722 * data[i + 2];
    data[i] = data[i + 1] = data[i + 2] = gray;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
