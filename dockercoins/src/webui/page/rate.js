// The arithmetic of the page: from counts and the server's times to rates. Pure functions over plain arrays;
// nothing here knows the browser's clock, the network or the document.
//
// A history is an array of readings, oldest first, on the server's clock:
//   at        epoch seconds
//   hashes    BigInt (INCRBY counts to 2^63, past what a Number holds exactly)
//   coins     Number
//   follows   whether the count ran on from the reading before: no gap, no failure, no emptied Redis between
//   rate      hashes per second since the reading before, or null where none follows
//   average   hashes per second over the last AVERAGE_SECONDS, or null
//   found     coins found since the reading before

export const AVERAGE_SECONDS = 10;
export const HISTORY_SECONDS = 3600;

// Polls are a second apart, and one may take a few seconds to be answered. Past this, what happened in between
// is not known well enough to draw a line through it.
export const GAP_SECONDS = 5;

// Two polls can come close together when a hidden tab is shown again. Workers report once a second: a rate over
// less than half of that says nothing.
const CLOSEST_SECONDS = 0.5;

// A window of 10 s holds the reading made 10 s ago though polls drift by some milliseconds.
const DRIFT_SECONDS = 0.5;

// Readings come once a second; the bound holds even if a clock made them denser.
const HISTORY_LENGTH = 2 * HISTORY_SECONDS;

// Takes the body of a good answer to a reading. Throws when it is no such body.
export function parseReading(body) {
  const { coins, hashes, now } = body ?? {};
  if (!Number.isFinite(now) || !Number.isSafeInteger(coins) || coins < 0) {
    throw new TypeError("no coins or no time in it");
  }
  if (hashes !== null && !/^-?\d+$/.test(hashes)) {
    throw new TypeError("no count of hashes in it");
  }
  return { at: now, hashes: BigInt(hashes ?? 0), coins };
}

// Adds a reading to the history, in place, and drops what is too old. `broken` says that a poll failed since
// the last one. Returns the reading as kept, or null when it came too close to the last to tell a rate.
export function appendReading(history, { at, hashes, coins }, broken) {
  const last = history.at(-1);
  if (last && at < last.at) {
    shiftBefore(history, at);
    broken = true;
  } else if (last && at - last.at < CLOSEST_SECONDS) {
    return null;
  }
  const seconds = last ? at - last.at : 0;
  const follows = Boolean(last) && !broken && seconds <= GAP_SECONDS && hashes >= last.hashes;
  const reading = {
    at,
    hashes,
    coins,
    follows,
    rate: follows ? Number(hashes - last.hashes) / seconds : null,
    average: null,
    found: follows ? Math.max(0, coins - last.coins) : 0,
  };
  history.push(reading);
  reading.average = averageOver(history, AVERAGE_SECONDS)?.rate ?? null;
  dropOld(history);
  return reading;
}

// The average over the last `seconds` of an unbroken count: the hashes between two readings by the time between
// them. Returns { rate, seconds } with the time it really spans, or null when there are not two readings.
export function averageOver(history, seconds) {
  const last = history.at(-1);
  let first = last;
  for (let index = history.length - 1; index > 0 && history[index].follows; index -= 1) {
    if (last.at - history[index - 1].at > seconds + DRIFT_SECONDS) break;
    first = history[index - 1];
  }
  if (!last || first === last) return null;
  const span = last.at - first.at;
  return { rate: Number(last.hashes - first.hashes) / span, seconds: span };
}

// How long the count has stood still, in seconds, as far as an unbroken history tells.
export function secondsWithoutHash(history) {
  const last = history.at(-1);
  let since = last;
  for (let index = history.length - 1; index > 0 && history[index].follows; index -= 1) {
    if (history[index - 1].hashes !== last.hashes) break;
    since = history[index - 1];
  }
  return last ? last.at - since.at : 0;
}

// How many hashes each coin took; null before the first coin.
export function hashesPerCoin({ hashes, coins }) {
  return coins > 0 ? Number(hashes) / coins : null;
}

// Splits [from, to) into steps of `seconds` on round times and says for each what was counted in it: hashes per
// second (null where nothing was read) and coins. Only whole readings count, each where it ends.
export function binned(history, from, to, seconds) {
  const start = Math.floor(from / seconds) * seconds;
  const bins = [];
  for (let at = start; at < to; at += seconds) {
    bins.push({ at, hashes: 0, measured: 0, coins: 0 });
  }
  for (let index = 1; index < history.length; index += 1) {
    const reading = history[index];
    const bin = bins[Math.floor((reading.at - start) / seconds)];
    if (!bin || reading.at < start || !reading.follows) continue;
    bin.hashes += Number(reading.hashes - history[index - 1].hashes);
    bin.measured += reading.at - history[index - 1].at;
    bin.coins += reading.found;
  }
  return bins.map(({ at, hashes, measured, coins }) => ({
    at,
    rate: measured > 0 ? hashes / measured : null,
    coins,
  }));
}

// The reading nearest to a moment, or null when there is none within a gap's length of it.
export function nearest(history, at) {
  let low = 0;
  let high = history.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (history[middle].at < at) low = middle + 1;
    else high = middle;
  }
  const candidates = [history[low - 1], history[low]].filter(Boolean);
  candidates.sort((a, b) => Math.abs(a.at - at) - Math.abs(b.at - at));
  const found = candidates[0];
  return found && Math.abs(found.at - at) <= GAP_SECONDS ? found : null;
}

// The top of an axis that holds `largest`, and the step between its marks: at most `marks` of them, on round
// numbers.
export function axis(largest, marks) {
  const roughly = Math.max(largest, Number.MIN_VALUE) / marks;
  const power = 10 ** Math.floor(Math.log10(roughly));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= roughly * (1 - 1e-9));
  return { top: Math.ceil(largest / step - 1e-9) * step, step };
}

// The server's clock was set back: move what was read before to just before `at`, so that the curve stays in
// order. The distance to the new reading is not known; it is drawn as a gap.
function shiftBefore(history, at) {
  const offset = history.at(-1).at - (at - GAP_SECONDS);
  for (const reading of history) reading.at -= offset;
}

function dropOld(history) {
  const oldest = history.at(-1).at - HISTORY_SECONDS - AVERAGE_SECONDS;
  let old = Math.max(0, history.length - HISTORY_LENGTH);
  while (history[old].at < oldest) old += 1;
  history.splice(0, old);
}
