// The things of a still, as the bundled network sees them: masks, packed by pack.py.

/** The masks of a still, the surest first: samples (0 or 1) row by row, all of one size. */
async function unpackThings(packed) {
  const bytes = await inflate(packed), { width, height } = sizeOf(bytes), count = width * height;
  const found = [];
  for (let from = 4; count && from < bytes.length; from += Math.ceil(count / 8)) {
    found.push({ width, height, inside: Uint8Array.from({ length: count }, (_, i) => (bytes[from + (i >> 3)] >> (7 - (i & 7))) & 1) });
  }
  return found;
}

/** Whether a point, in shares of the frame, is inside a mask. */
function isInside({ width, height, inside }, x, y) {
  const column = Math.min(Math.floor(x * width), width - 1), row = Math.min(Math.floor(y * height), height - 1);
  return inside[row * width + column] === 1;
}

/** The disparity of a thing: the median of the samples inside its mask; nothing where it has none. */
function disparityOf({ width, height, codes }, mask) {
  const values = codes.filter((_, i) => isInside(mask, (i % width + 0.5) / width, (Math.floor(i / width) + 0.5) / height)).sort();
  return values.length ? values[(values.length - 1) >> 1] / LARGEST_CODE : undefined;
}

/** Paint the inside of a mask on a canvas in black, and nothing else. */
function paintMask(canvas, { width, height, inside }) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let i = 0; i < inside.length; i++) image.data[4 * i + 3] = 255 * inside[i];
  context.putImageData(image, 0, 0);
}
