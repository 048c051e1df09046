// The surface under a point, grown in the disparity, where the network saw no thing.

const WORK_SIDE = 384; // all lengths and slopes below are those of a disparity of this longer side
const STEEP = 0.015, STEEPEST = 0.03, SMALL = 400, FIRST_RANGE = 0.1, FIRST_REACH = 96, PATCH = 2, RIM = 2;

/** The largest change of disparity per pixel of the working size, at each sample. */
function steepnessOf({ width, height, codes }) {
  const steep = new Float32Array(codes.length), scale = Math.max(width, height) / WORK_SIDE / LARGEST_CODE / 8;
  const at = (x, y) => codes[mirrored(y, height) * width + mirrored(x, width)];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const across = at(x + 1, y - 1) + 2 * at(x + 1, y) + at(x + 1, y + 1) - at(x - 1, y - 1) - 2 * at(x - 1, y) - at(x - 1, y + 1);
      const down = at(x - 1, y + 1) + 2 * at(x, y + 1) + at(x + 1, y + 1) - at(x - 1, y - 1) - 2 * at(x, y - 1) - at(x + 1, y - 1);
      steep[y * width + x] = Math.max(Math.abs(across), Math.abs(down)) * scale;
    }
  }
  return steep;
}

function mirrored(place, count) {
  if (count === 1) return 0;
  return place < 0 ? -place : place >= count ? 2 * count - 2 - place : place;
}

/** The mask that is reached from a point, in shares of the frame, without crossing a step. */
function growRegion(disparity, x, y) {
  const { width, height, codes } = disparity, scale = Math.max(width, height) / WORK_SIDE;
  const steep = (disparity.steep ??= steepnessOf(disparity));
  const patch = discAround(Math.min(Math.floor(x * width), width - 1), Math.min(Math.floor(y * height), height - 1),
    Math.max(1, PATCH * scale), width, height);
  const sorted = (values) => [...values].sort((a, b) => a - b), values = sorted(patch.map((i) => codes[i]));
  const middle = values[values.length >> 1], reach = FIRST_RANGE * LARGEST_CODE;
  const slopes = sorted(patch.map((i) => steep[i])), half = slopes.length >> 1;
  let limit = Math.max(STEEP, 1.5 * (slopes.length % 2 ? slopes[half] : (slopes[half - 1] + slopes[half]) / 2));
  const inRange = (i) => Math.abs(codes[i] - middle) <= reach;
  const flood = () => spread(disparity, patch, (i) => inRange(i) && steep[i] < limit, inRange, FIRST_REACH * scale);
  let region = flood();
  while (count(region) < SMALL * scale * scale && limit < STEEPEST) {
    limit *= 1.25;
    region = flood();
  }
  return { width, height, inside: widened(disparity, region, Math.max(1, Math.round(RIM * scale))) };
}

function discAround(column, row, radius, width, height) {
  const found = [];
  for (let y = Math.max(0, Math.ceil(row - radius)); y <= Math.min(height - 1, row + radius); y++) {
    for (let x = Math.max(0, Math.ceil(column - radius)); x <= Math.min(width - 1, column + radius); x++) {
      if ((x - column) ** 2 + (y - row) ** 2 <= radius * radius) found.push(y * width + x);
    }
  }
  return found;
}

/** The samples reached from `seeds` over samples of the surface in so many steps; the seeds where there is none. */
function spread({ width, height, codes }, seeds, isSurface, inRange, steps) {
  const region = new Uint8Array(codes.length);
  let edge = seeds.filter(isSurface);
  if (edge.length < 0.1 * seeds.length) { // a thing too small to have an inside
    for (const i of seeds) if (inRange(i)) region[i] = 1;
    return region;
  }
  for (const i of edge) region[i] = 1;
  for (let step = 0; step < steps && edge.length; step++) {
    const next = [];
    for (const i of edge) {
      const x = i % width, around = [x > 0 ? i - 1 : -1, x < width - 1 ? i + 1 : -1, i - width, i + width];
      for (const other of around) {
        if (other < 0 || other >= width * height || region[other] || !isSurface(other)) continue;
        region[other] = 1;
        next.push(other);
      }
    }
    edge = next;
  }
  return region;
}

function widened({ width, height }, region, radius) {
  const wider = new Uint8Array(region.length);
  for (let i = 0; i < region.length; i++) {
    if (!region[i]) continue;
    for (const other of discAround(i % width, Math.floor(i / width), radius, width, height)) wider[other] = 1;
  }
  return wider;
}

function count(region) {
  return region.reduce((sum, inside) => sum + inside, 0);
}

/** Paint the outline of a mask on a canvas in white between dark lines, so that it shows on any picture. */
function paintOutline(canvas, { width, height, inside: samples }) {
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  const inside = (x, y) => x >= 0 && y >= 0 && x < width && y < height && samples[y * width + x];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const neighbors = inside(x - 1, y) + inside(x + 1, y) + inside(x, y - 1) + inside(x, y + 1);
      if (inside(x, y) ? neighbors === 4 : neighbors === 0) continue;
      image.data.set(inside(x, y) ? [255, 255, 255, 255] : [0, 0, 0, 160], 4 * (y * width + x));
    }
  }
  context.putImageData(image, 0, 0);
}
