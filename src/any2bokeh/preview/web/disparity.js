// Disparity, packed by pack.py: numbers that no picture decoder touches, so that none is altered.

const LARGEST_CODE = 4095;

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

async function inflate(packed) {
  const inflated = new Blob([bytesOf(packed)]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(inflated).arrayBuffer());
}

/** Width and height, which everything packed begins with. */
function sizeOf(bytes) {
  return { width: bytes[0] + 256 * bytes[1], height: bytes[2] + 256 * bytes[3] };
}

/** The codes (0 to LARGEST_CODE) of a packed disparity, row by row from the upper left corner. */
async function unpack(packed) {
  const bytes = await inflate(packed), { width, height } = sizeOf(bytes);
  const count = width * height, codes = new Uint16Array(count), low = bytes.subarray(4), high = low.subarray(count);
  for (let i = 0; i < count; i++) {
    const folded = low[i] + 256 * high[i];
    const step = folded & 1 ? -((folded + 1) >> 1) : folded >> 1;
    codes[i] = (i % width ? codes[i - 1] : i ? codes[i - width] : 0) + step;
  }
  return { width, height, codes };
}

/** The disparity at a point, in shares of the frame: the median around it, as `--focus-at` reads it. */
function readAt({ width, height, codes }, x, y, patchShare) {
  const radius = Math.max(1, Math.round(patchShare * Math.max(width, height)));
  const column = Math.min(Math.floor(x * width), width - 1), row = Math.min(Math.floor(y * height), height - 1);
  const patch = [];
  for (let r = Math.max(0, row - radius); r <= Math.min(height - 1, row + radius); r++) {
    for (let c = Math.max(0, column - radius); c <= Math.min(width - 1, column + radius); c++) {
      patch.push(codes[r * width + c]);
    }
  }
  patch.sort((a, b) => a - b);
  return patch[(patch.length - 1) >> 1] / LARGEST_CODE;
}

/** From which code to which one (both included) the blur stays below a pixel of the clip. */
function zoneOf(focus, strength, { longerSide, inFocusPx, dofRange, nearStrength, farStrength }) {
  const perDisparity = (strength * longerSide) / 1024;
  const reach = (factor) => dofRange / 2 + (perDisparity * factor > 0 ? inFocusPx / (perDisparity * factor) : 2);
  const far = Math.floor((focus - reach(farStrength)) * LARGEST_CODE) + 1;
  const near = Math.ceil((focus + reach(nearStrength)) * LARGEST_CODE) - 1;
  return [Math.max(0, far), Math.min(LARGEST_CODE, near)];
}

/** How far away a disparity is, given the distances of disparity 1 and 0 in meters; nothing where there are none. */
function metersOf(disparity, distances) {
  if (!distances) return "";
  const [near, far] = distances;
  return ` (${Number((1 / (1 / far + disparity * (1 / near - 1 / far))).toPrecision(3))} m)`;
}

/** Paint the inside of a zone with one color (r, g, b) on a canvas, and nothing else. */
function paintZone(canvas, { width, height, codes }, [far, near], color) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const inside = new Uint32Array(new Uint8ClampedArray([...color, 255]).buffer)[0];
  for (let i = 0; i < codes.length; i++) pixels[i] = codes[i] >= far && codes[i] <= near ? inside : 0;
  context.putImageData(image, 0, 0);
}

/** Paint disparity in colors (256 of three bytes, far to near) on a canvas. */
function paintDisparity(canvas, { width, height, codes }, colors) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let i = 0; i < codes.length; i++) {
    const from = 3 * Math.round((codes[i] * 255) / LARGEST_CODE);
    image.data.set([colors[from], colors[from + 1], colors[from + 2], 255], 4 * i);
  }
  context.putImageData(image, 0, 0);
}

/** How many samples fall into each of `bins` equal parts of 0 to 1. */
function countInBins({ codes }, bins) {
  const counts = new Array(bins).fill(0);
  for (const code of codes) counts[Math.min(bins - 1, Math.floor((code / LARGEST_CODE) * bins))]++;
  return counts;
}
