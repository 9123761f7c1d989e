// The words and numbers of the page, as text: pure functions, in English whatever the browser's language, as
// the page is.

const TENTHS = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat("en", { notation: "scientific", maximumFractionDigits: 1 });
const MINUTES = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const SECONDS = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const NOTHING = "–";

// One decimal tells 3.3 from 3.4; from a thousand on it would only flicker. A million a second is no rate of
// hashes but a count that someone has set: it is kept short.
export function rateText(rate) {
  if (rate === null) return NOTHING;
  if (rate < 999.95) return TENTHS.format(rate);
  return rate < 1e6 ? WHOLE.format(rate) : SHORT.format(rate);
}

export function countText(count) {
  return WHOLE.format(count);
}

export function minuteText(at) {
  return MINUTES.format(at * 1000);
}

export function secondText(at) {
  return SECONDS.format(at * 1000);
}

export function averageCaption(seconds, wanted) {
  return seconds === null ? `average of ${wanted} s` : `average of the last ${Math.min(wanted, Math.round(seconds))} s`;
}

export function minuteCaption(seconds) {
  return seconds === null || seconds > 59.5 ? "Last minute" : `Last ${Math.round(seconds)} s`;
}

// What a chosen moment of the chart says, for a screen reader.
export function momentText(at, reading) {
  if (!reading) return `${secondText(at)}: no reading`;
  const parts = [];
  if (reading.average !== null) parts.push(`${rateText(reading.average)} hashes per second on average`);
  if (reading.rate !== null) parts.push(`${rateText(reading.rate)} in this reading`);
  if (reading.found > 0) parts.push(reading.found === 1 ? "1 coin" : `${reading.found} coins`);
  return `${secondText(reading.at)}: ${parts.join(", ") || "first reading"}`;
}

// The chart in a sentence.
export function summaryText(readings, minutes) {
  const averages = readings.map(({ average }) => average).filter((average) => average !== null);
  const period = minutes === 1 ? "last minute" : `last ${minutes} minutes`;
  if (averages.length === 0) return `Chart of the ${period}: no rate known yet.`;
  const lowest = averages.reduce((a, b) => Math.min(a, b));
  const highest = averages.reduce((a, b) => Math.max(a, b));
  return (
    `Chart of the ${period}: the 10 s average lay between ${rateText(lowest)} and ${rateText(highest)} ` +
    `hashes per second and ended at ${rateText(averages.at(-1))}.`
  );
}
