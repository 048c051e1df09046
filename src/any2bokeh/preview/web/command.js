// What was chosen, as the command line says it.

/** A number with at most `digits` decimals and no idle zeros. */
function short(number, digits) {
  return String(Number(number.toFixed(digits)));
}

/** The value of keys ({seconds, value}, in order) at a time: eased from one to the next, held beyond. */
function valueAt(keys, seconds, easing) {
  const after = keys.findIndex((key) => key.seconds > seconds);
  if (after === 0) return keys[0].value;
  if (after < 0) return keys[keys.length - 1].value;
  const from = keys[after - 1], to = keys[after];
  let share = easing === "hold" ? 0 : (seconds - from.seconds) / (to.seconds - from.seconds);
  if (easing === "smooth") share = share * share * (3 - 2 * share);
  return from.value + share * (to.value - from.value);
}

/** The options that say the focus: a number, keys over time, or a subject. */
function focusOptions({ mode, focus, keys, point }, easing) {
  if (mode === "subject" && point) return `--subject ${pointOf(point)}`;
  if (mode === "pull" && keys.length > 1) {
    const pull = keys.map(({ moment, value }) => `${moment}:${short(value, 3)}`).join(", ");
    return `--focus "${pull}"${easing === "smooth" ? "" : ` --easing ${easing}`}`;
  }
  return `--focus ${short(mode === "pull" && keys.length ? keys[0].value : focus, 3)}`;
}

/** A point as the command line takes it: shares of the frame, and the moment. */
function pointOf({ x, y, moment }) {
  return `${short(x, 4)},${short(y, 4)}@${moment}`;
}
