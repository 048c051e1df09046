// What the user does, and the beginning.

function goTo(still) {
  state.still = Math.min(lastStill, Math.max(0, still));
  show();
}

/** Set the focus at the moment that is shown, a key of the pull, or that of the whole clip. */
function setFocus(value, point = null) {
  if (state.mode === "given") chooseMode("hold");
  if (state.mode === "pull") {
    state.keys.set(state.still, { value, point });
  } else {
    state.focus = value;
    state.point = point;
  }
  show({ tint: true });
}

function dropKey(still) {
  state.keys.delete(still);
  show();
}

function setPoint({ x, y }) {
  const disparity = disparities[state.still], thing = things[state.still].find((one) => isInside(one, x, y));
  state.mask = state.mode === "subject" ? thing ?? growRegion(disparity, x, y) : null;
  const read = (state.mask && disparityOf(disparity, state.mask)) ?? readAt(disparity, x, y, data.patchShare);
  const value = Number(read.toFixed(3));
  $("reading").textContent = `Disparity ${value.toFixed(3)} at ${stills[state.still].label}`;
  setFocus(value, { x, y, still: state.still, moment: stills[state.still].moment });
}

function pointAt(event) {
  const box = $("picture").getBoundingClientRect(), inside = (share) => Math.min(1, Math.max(0, share));
  return { x: inside((event.clientX - box.left) / box.width), y: inside((event.clientY - box.top) / box.height) };
}

function moveCross(event) {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (moves) {
    const { x, y } = state.cross ?? pointHere() ?? { x: 0.5, y: 0.5 }, step = event.shiftKey ? KEY_STEP / 4 : KEY_STEP;
    const moved = (from, by) => Math.min(1, Math.max(0, from + by * step));
    state.cross = { x: moved(x, moves[0]), y: moved(y, moves[1]) };
    place($("cross"), state.cross);
    showReading(state.cross);
  } else if (event.key === "Enter" || event.key === " ") {
    setPoint(state.cross ?? pointHere() ?? { x: 0.5, y: 0.5 });
  } else {
    return;
  }
  event.preventDefault();
}

/** Arrow keys move the focus by hundredths, by thousandths with Shift. */
function stepFocus(event) {
  const sign = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
  if (!sign) return;
  event.preventDefault();
  setFocus(Math.min(1, Math.max(0, Math.round((focusNow() + sign * (event.shiftKey ? 0.001 : 0.01)) * 1000) / 1000)));
}

function chooseMode(mode) {
  document.querySelector(`#modes input[value="${mode}"]`).checked = true;
  state.mode = mode;
}

function setMode(mode) {
  state.mode = mode;
  if (mode === "subject" && state.point) {
    goTo(state.point.still);
    setPoint(state.point);
  }
  if (mode === "pull" && state.keys.size === 0 && state.point) {
    state.keys.set(state.point.still, { value: state.focus, point: state.point });
  }
  show();
}

async function copyCommand() {
  const text = $("command").textContent;
  try {
    await navigator.clipboard.writeText(text);
  } catch { // not allowed: the selection is
    getSelection().selectAllChildren($("command"));
    document.execCommand("copy");
  }
  $("copy").textContent = "Copied";
  setTimeout(() => ($("copy").textContent = "Copy"), 1500);
}

function makeStrip() {
  stills.forEach((still, index) => {
    const frame = document.createElement("div"), thumb = document.createElement("canvas");
    thumb.height = 96;
    thumb.width = Math.round((96 * data.width) / data.height);
    createImageBitmap(new Blob([bytesOf(still.original)], { type: "image/webp" }), { resizeHeight: 96, resizeQuality: "high" })
      .then((bitmap) => drawFull(thumb.getContext("2d"), bitmap));
    frame.append(thumb);
    frame.addEventListener("click", () => goTo(index));
    $("strip").append(frame);
  });
}

function listen() {
  $("scrub").addEventListener("input", (event) => goTo(Number(event.target.value)));
  $("focus").addEventListener("input", (event) => setFocus(Number(event.target.value)));
  $("focus").addEventListener("keydown", stepFocus);
  $("strength").addEventListener("input", (event) => {
    state.strength = Number(event.target.value);
    show({ tint: true });
  });
  $("range").addEventListener("input", (event) => {
    state.range = Number(event.target.value);
    show({ tint: true });
  });
  $("views").addEventListener("change", (event) => {
    state.view = event.target.value;
    show();
  });
  $("modes").addEventListener("change", (event) => setMode(event.target.value));
  $("copy").addEventListener("click", copyCommand);
  const picture = $("picture");
  picture.addEventListener("click", (event) => {
    state.cross = null;
    setPoint(pointAt(event));
  });
  picture.addEventListener("keydown", moveCross);
  picture.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse") showReading(pointAt(event));
  });
  picture.addEventListener("pointerleave", () => showReading(state.cross ?? pointHere()));
  picture.addEventListener("blur", () => {
    state.cross = null;
    show();
  });
  addEventListener("resize", drawHistogram);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawHistogram);
}

function begin() {
  const picture = $("picture");
  [picture.width, picture.height] = [data.width, data.height];
  picture.setAttribute("aria-label", `${data.name}: click what should be sharp`);
  $("stage").style.setProperty("--ratio", data.width / data.height);
  $("scrub").style.setProperty("--count", stills.length);
  $("name").textContent = data.name;
  $("facts").textContent = data.facts;
  $("first").textContent = stills[0].label;
  $("last").textContent = stills[lastStill].label;
  $("scrub").max = lastStill;
  $("strength").max = data.strengths.at(-1);
  $("strongest").textContent = short(data.strengths.at(-1), 1);
  $("drawn").textContent = "Rendered by the lens at the ticks, for K "
    + `${data.strengths.map((value) => short(value, 1)).join(", ")}; in between, a mix of the nearest.`;
  context.imageSmoothingQuality = "high";
  const shade = (share) => `rgb(${colors.slice(3 * Math.round(share * 255), 3 * Math.round(share * 255) + 3).join(" ")})`;
  const steps = [...Array(17).keys()].map((step) => shade(step / 16));
  $("focus").style.setProperty("--track", `linear-gradient(90deg, ${steps.join(", ")})`);
  $("given").hidden = !data.command.focus;
  if (data.command.focus) chooseMode("given");
  makeStrip();
  listen();
  show();
  document.documentElement.dataset.ready = "yes";
}

begin();
