// What was chosen, and all that shows it.

const data = JSON.parse(document.getElementById("data").textContent);
const $ = (id) => document.getElementById(id);
const stills = data.stills, colors = bytesOf(data.colors), lastStill = stills.length - 1;
const isStill = matchMedia("(prefers-reduced-motion: reduce)");
const BINS = 96, TINT_STAYS_MS = 900, TINT_FADES_MS = 350, KEY_STEP = 0.02;

const state = {
  still: Math.floor(lastStill / 2), focus: data.focus, strength: data.strength, view: "refocused",
  range: data.zone.dofRange, mode: "hold", keys: new Map(), point: null, mask: null, cross: null, tintedAt: -1e9,
};
const disparities = await Promise.all(stills.map(({ disparity }) => unpack(disparity)));
const things = await Promise.all(stills.map((still) => unpackThings(still.things)));
const pictures = new Pictures(stills, () => redraw());
const layer = document.createElement("canvas"), outline = document.createElement("canvas");
const zone = document.createElement("canvas"), shades = document.createElement("canvas");
const grays = new Map(), histograms = [];
const context = $("picture").getContext("2d");

/** The keys of the pull in order of time. */
function keysInOrder() {
  return [...state.keys].sort(([a], [b]) => a - b)
    .map(([still, { value }]) => ({ still, value, seconds: stills[still].seconds, moment: stills[still].moment }));
}

/** The focus at the moment that is shown. */
function focusNow() {
  if (state.mode === "given") return stills[state.still].focus;
  const keys = state.mode === "pull" ? keysInOrder() : [];
  return keys.length ? valueAt(keys, stills[state.still].seconds, data.easing) : state.focus;
}

/** Where the focus of the moment that is shown was clicked, if it was. */
function pointHere() {
  if (state.mode === "pull") return state.keys.get(state.still)?.point;
  return state.point?.still === state.still ? state.point : undefined;
}

function commandLine() {
  const given = state.mode === "given" ? data.command.focus : "";
  const focus = given || focusOptions({ ...state, keys: keysInOrder() }, data.easing);
  const range = state.range > 0 ? `--dof-range ${short(state.range, 2)}` : "";
  return [data.command.before, focus, `--k ${short(state.strength, 1)}`, range, data.command.after].filter(Boolean).join(" ");
}

let isDue = false;

/** Draw the picture before the next frame of the screen, however often it is asked for. */
function redraw() {
  $("picture").dataset.settled = "no";
  if (isDue) return;
  isDue = true;
  requestAnimationFrame((now) => {
    isDue = false;
    drawPicture(now);
  });
}

function drawPicture(now) {
  const still = state.still, focus = focusNow(), original = pictures.originals[still];
  const tinted = tintAt(now), passes = state.view !== "zone" && tinted > 0;
  let isComplete = Boolean(original);
  if (state.view === "refocused") {
    isComplete = drawRefocused(still, focus);
  } else if (state.view === "disparity") {
    paintDisparity(shades, disparities[still], colors);
    drawFull(context, shades);
  } else if (original && state.view === "zone") {
    if (!grays.has(still)) grays.set(still, inGray(original));
    drawFull(context, grays.get(still));
  } else if (original) {
    drawFull(context, original);
  }
  const mask = state.mode === "subject" && state.point?.still === still ? state.mask : null;
  if (mask && original && state.view === "refocused") drawHeld(original, mask);
  if (tinted > 0) drawTint(tinted);
  if (mask) {
    paintOutline(outline, mask);
    drawFull(context, outline);
  }
  if (passes) redraw();
  else if (isComplete) $("picture").dataset.settled = "yes";
}

/**
 * Draw the lens's picture of a moment. With a depth that stays sharp, what is farther is drawn as if the focus were at
 * the far end of it, what is nearer as if it were at the near end, and what is between is the original.
 */
function drawRefocused(still, focus) {
  const draw = (on, plane) => pictures.drawRefocused(
    on, still, between(data.focusValues, plane), between(data.strengths, state.strength, true));
  const half = state.range / 2, code = (disparity) => Math.round(disparity * LARGEST_CODE);
  let isComplete = draw(context, half ? Math.max(0, focus - half) : focus);
  if (!half) return isComplete;
  const parts = [
    [[code(focus), LARGEST_CODE], (on) => draw(on, Math.min(1, focus + half))],
    [[code(focus - half), code(focus + half)], (on) => drawFull(on, pictures.originals[still])],
  ];
  if (!pictures.originals[still]) return false;
  [layer.width, layer.height] = [context.canvas.width, context.canvas.height];
  const brush = layer.getContext("2d");
  for (const [codes, fill] of parts) {
    brush.globalCompositeOperation = "source-over";
    brush.clearRect(0, 0, layer.width, layer.height);
    isComplete = (fill(brush) ?? true) && isComplete;
    paintZone(zone, disparities[still], codes, [0, 0, 0]);
    brush.globalCompositeOperation = "destination-in";
    drawFull(brush, zone);
    context.drawImage(layer, 0, 0);
  }
  return isComplete;
}

/** Draw the original where a mask is: all of a held subject stays sharp. */
function drawHeld(original, mask) {
  [layer.width, layer.height] = [context.canvas.width, context.canvas.height];
  const brush = layer.getContext("2d");
  paintMask(zone, mask);
  drawFull(brush, original);
  brush.globalCompositeOperation = "destination-in";
  drawFull(brush, zone);
  context.drawImage(layer, 0, 0);
}

/** The limits of what stays sharp, as it is chosen now. */
function zoneNow() {
  return zoneOf(focusNow(), state.strength, { ...data.zone, dofRange: state.range });
}

/** How strongly what is in focus is tinted: always in its own view, else for a moment after a change. */
function tintAt(now) {
  if (state.view === "zone") return 1;
  const rest = state.tintedAt + TINT_STAYS_MS + TINT_FADES_MS - now;
  return isStill.matches ? Number(rest > 0) : Math.min(1, Math.max(0, rest / TINT_FADES_MS));
}

function drawTint(share) {
  paintZone(zone, disparities[state.still], zoneNow(), data.zone.tint);
  context.globalAlpha = 0.5 * share;
  drawFull(context, zone);
  context.globalAlpha = 1;
}

function drawHistogram() {
  const canvas = $("histogram"), scale = devicePixelRatio || 1, inset = 9 * scale; // half the slider's thumb
  const width = (canvas.width = Math.round(canvas.clientWidth * scale));
  const height = (canvas.height = Math.round(canvas.clientHeight * scale));
  const brush = canvas.getContext("2d"), style = getComputedStyle(document.documentElement);
  const counts = (histograms[state.still] ??= countInBins(disparities[state.still], BINS)), tallest = Math.max(...counts);
  const [far, near] = zoneNow().map((code) => code / LARGEST_CODE);
  const x = (disparity) => inset + disparity * (width - 2 * inset), floor = height - 7 * scale;
  counts.forEach((count, bin) => {
    const from = bin / BINS, to = (bin + 1) / BINS, tall = Math.sqrt(count / tallest) * floor;
    brush.fillStyle = style.getPropertyValue(to > far && from <= near ? "--accent" : "--line");
    brush.fillRect(x(from), floor - tall, x(to) - x(from) - 0.5 * scale, tall);
  });
  brush.fillStyle = style.getPropertyValue("--dim");
  for (const value of data.focusValues) brush.fillRect(x(value) - scale / 2, height - 4 * scale, scale, 4 * scale);
}

/** Show everything that follows from what was chosen; `tint` shows for a moment what is in focus. */
function show({ tint = false } = {}) {
  const focus = focusNow(), still = stills[state.still];
  if (tint) state.tintedAt = performance.now();
  $("focus").value = focus;
  $("strength").value = state.strength;
  $("range").value = state.range;
  $("scrub").value = state.still;
  $("focus-value").textContent = focus.toFixed(3) + metersOf(focus, still.distances);
  $("strength-value").textContent = short(state.strength, 1);
  $("range-value").textContent = state.range.toFixed(2);
  $("moment").textContent = still.label;
  $("scrub").setAttribute("aria-valuetext", still.label);
  [...$("strip").children].forEach((frame, index) => {
    frame.classList.toggle("here", index === state.still);
    frame.classList.toggle("key", state.mode === "pull" && state.keys.has(index));
  });
  place($("mark"), pointHere());
  place($("cross"), state.cross);
  showReading(state.cross ?? pointHere());
  showKeys();
  $("hint").textContent = hint();
  $("command").textContent = commandLine();
  drawHistogram();
  redraw();
}

function hint() {
  if (state.mode === "given") return `As asked for: ${data.command.focus}`;
  if (state.mode === "pull") {
    if (state.keys.size === 0) return "Click what should be sharp at this moment; then go to another and click there.";
    return state.keys.size === 1 ? "Go to another moment and click what should be sharp there." : "The focus moves from key to key.";
  }
  if (state.mode === "subject") {
    if (!state.point) return "Click the thing that should stay sharp wherever it moves.";
    if (things[state.point.still].includes(state.mask)) return "The outline is that of the bundled network; all of the subject stays sharp.";
    return "The outline is its surface in the disparity; the command finds all of it, and all of it stays sharp.";
  }
  return state.point ? `The same by the point: --focus-at ${pointOf(state.point)}` : "Click what should be sharp in the whole clip.";
}

function showKeys() {
  const held = document.activeElement?.dataset?.key; // the list is made anew: keep the focus of the keyboard
  const items = state.mode === "pull" ? keysInOrder() : [];
  $("keys").hidden = items.length === 0;
  $("keys").replaceChildren(...items.map(({ still, value }) => {
    const item = document.createElement("li"), label = stills[still].label;
    item.classList.toggle("here", still === state.still);
    item.append(
      button("go", `go ${still}`, `${label}  \u2192  ${value.toFixed(3)}`, `Go to the key at ${label}`, () => goTo(still)),
      button("drop", `drop ${still}`, "\u00d7", `Remove the key at ${label}`, () => dropKey(still)));
    return item;
  }));
  if (held) (document.querySelector(`[data-key="${held}"]`) ?? $("picture")).focus();
}

function button(name, key, text, label, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = name;
  made.dataset.key = key;
  made.textContent = text;
  made.setAttribute("aria-label", label);
  made.addEventListener("click", act);
  return made;
}

function place(element, point) {
  element.hidden = !point;
  if (!point) return;
  element.style.left = `${point.x * 100}%`;
  element.style.top = `${point.y * 100}%`;
  element.style.setProperty("--shift", point.x > 0.8 ? "calc(-100% - 14px)" : "14px");
}

/** Show at a point what the disparity is there, or nothing. */
function showReading(point) {
  place($("bubble"), point);
  if (point) $("bubble").textContent = readAt(disparities[state.still], point.x, point.y, data.patchShare).toFixed(3);
}

function showCross() {
  place($("cross"), state.cross);
  if (state.cross) showReading(state.cross);
}
