// The page itself: keeps what was read, and writes it into the document after each poll. The arithmetic is in
// rate.js, the words in words.js, the drawing in chart.js.

import { drawChart, timeAt } from "./chart.js";
import { poll } from "./feed.js";
import {
  AVERAGE_SECONDS,
  appendReading,
  averageOver,
  binned,
  hashesPerCoin,
  nearest,
  secondsWithoutHash,
} from "./rate.js";
import { recall, remember, watchTheme } from "./theme.js";
import {
  NOTHING,
  averageCaption,
  countText,
  minuteCaption,
  minuteText,
  momentText,
  rateText,
  secondText,
  summaryText,
} from "./words.js";

const RANGE_STORED_AS = "dockercoins.range";
const MINUTE = 60;

// How long the step of the table is, by the range shown: ten to fifteen rows each.
const TABLE_STEPS = { 60: 5, 300: 30, 900: 60, 3600: 300 };

// A worker that met an error waits this long before it goes on; a still count is normal until then.
const STILL_SECONDS = 12;

// For how many readings the page says that it has recovered.
const RECOVERY_READINGS = 5;

const SERVICE_STATES = {
  waiting: { webui: ["unknown", "not asked yet"], redis: ["unknown", "not known yet"] },
  reading: { webui: ["good", "answering"], redis: ["good", "answering"] },
  "redis-away": { webui: ["good", "answering"], redis: ["bad", "failing"] },
  "webui-away": { webui: ["bad", "not answering"], redis: ["unknown", "not known"] },
};

const byId = (id) => document.getElementById(id);
const canvas = byId("canvas");
const plot = byId("plot");

const state = {
  history: [],
  // The kind of the latest outcome, and the outcome.
  kind: "waiting",
  outcome: null,
  // Readings still to come for which the page says what recovered, and what did.
  recovery: { left: 0, text: "" },
  // The server's time, and the browser's steady clock when it was heard.
  clock: { at: Date.now() / 1000, heard: performance.now() },
  range: 300,
  // The right edge of the chart, moved once a poll and not in between, so that nothing moves under the pointer.
  to: Date.now() / 1000,
  // The moment chosen in the chart: pinned to a time (keys, touch), or wherever the mouse is; or null.
  pinned: null,
  mouseX: null,
};

function take(outcome) {
  const before = state.kind;
  state.kind = outcome.kind;
  state.outcome = outcome;
  const at = outcome.kind === "reading" ? outcome.reading.at : outcome.at;
  if (at) state.clock = { at, heard: performance.now() };
  state.to = state.clock.at + (performance.now() - state.clock.heard) / 1000;
  if (outcome.kind === "reading") {
    const failed = before === "redis-away" || before === "webui-away";
    appendReading(state.history, outcome.reading, failed);
    if (failed) {
      const text = before === "redis-away" ? "Redis answers again." : "webui answers again.";
      state.recovery = { left: RECOVERY_READINGS, text };
    } else if (state.recovery.left > 0) {
      state.recovery.left -= 1;
    }
  }
  show();
}

function show() {
  document.body.dataset.state = state.kind;
  showServices();
  showNotice();
  showFigures();
  showChart();
  showTable();
}

function showServices() {
  for (const [name, [kind, word]] of Object.entries(SERVICE_STATES[state.kind])) {
    const item = byId(`${name}-state`);
    item.dataset.state = kind;
    write(item.querySelector(".word"), word);
  }
}

function showNotice() {
  const { tone, text, advice } = noticeOf(state);
  const notice = byId("notice");
  notice.dataset.tone = tone;
  write(byId("notice-text"), text);
  write(byId("notice-advice"), advice);
}

function noticeOf({ kind, outcome, recovery, history }) {
  if (kind === "redis-away" || kind === "webui-away") {
    return { tone: "bad", text: outcome.message, advice: outcome.advice };
  }
  if (recovery.left > 0) return { tone: "good", text: recovery.text, advice: "" };
  if (secondsWithoutHash(history) >= STILL_SECONDS) {
    const text = history.at(-1).hashes > 0n ? "No new hash for a while." : "No hash has been counted yet.";
    return { tone: "hint", text, advice: "Does a worker run, and do rng and hasher answer it? Its log says." };
  }
  return { tone: "none", text: "", advice: "" };
}

function showFigures() {
  const live = state.kind === "reading";
  const last = state.history.at(-1);
  const average = live ? averageOver(state.history, AVERAGE_SECONDS) : null;
  const minute = live ? averageOver(state.history, MINUTE) : null;
  write(byId("average"), rateText(average?.rate ?? null));
  byId("average").dataset.known = average !== null;
  write(byId("average-caption"), averageCaption(average?.seconds ?? null, AVERAGE_SECONDS));
  write(byId("reading"), rateText(live ? (last?.rate ?? null) : null));
  write(byId("minute"), rateText(minute?.rate ?? null));
  write(byId("minute-caption"), minuteCaption(minute?.seconds ?? null));
  // Totals: what was last told, also when it came too close to the reading before to tell a rate.
  const totals = live ? state.outcome.reading : last;
  write(byId("hashes"), totals ? countText(totals.hashes) : NOTHING);
  write(byId("coins"), totals ? countText(totals.coins) : NOTHING);
  write(byId("share"), totals ? rateText(hashesPerCoin(totals)) : NOTHING);
  document.title = titleOf(state.kind, average);
}

function titleOf(kind, average) {
  const says = {
    waiting: "",
    reading: average ? `${rateText(average.rate)} hashes/s · ` : "",
    "redis-away": "Redis failing · ",
    "webui-away": "webui not answering · ",
  };
  return `${says[kind]}DockerCoins`;
}

function visible() {
  const from = state.to - state.range;
  // One reading more than fits, so that the lines run to the edge.
  const first = Math.max(0, state.history.findIndex(({ at }) => at >= from) - 1);
  const readings = state.history.length > 0 && state.history.at(-1).at >= from ? state.history.slice(first) : [];
  return { from, to: state.to, history: state.history, readings };
}

function showChart() {
  const view = visible();
  if (state.pinned !== null && (state.pinned < view.from || state.pinned > view.to)) state.pinned = null;
  view.moment = state.mouseX === null ? state.pinned : timeAt(canvas, state.mouseX, view);
  view.reading = view.moment === null ? null : nearest(view.readings, view.moment);
  drawChart(canvas, view);
  showLegend(view);
  write(byId("plot-summary"), summaryText(view.readings, state.range / MINUTE));
  byId("plot-empty").hidden = view.readings.some(({ rate }) => rate !== null) || state.kind.endsWith("-away");
}

function showLegend({ moment, reading, to }) {
  const live = state.kind === "reading" ? state.history.at(-1) : null;
  const shown = moment === null ? live : reading;
  write(byId("legend-average"), rateText(shown?.average ?? null));
  write(byId("legend-reading"), rateText(shown?.rate ?? null));
  write(byId("legend-coins"), shown ? `+${shown.found}` : NOTHING);
  write(byId("legend-moment"), moment === null ? "now" : `at ${secondText(reading?.at ?? moment)}`);
  plot.setAttribute("aria-valuemin", -state.range);
  plot.setAttribute("aria-valuenow", moment === null ? 0 : Math.round((reading?.at ?? moment) - to));
  const text = moment === null ? "now" : momentText(moment, reading);
  if (plot.getAttribute("aria-valuetext") !== text) plot.setAttribute("aria-valuetext", text);
}

function showTable() {
  if (!byId("table-details").open) return;
  const step = TABLE_STEPS[state.range];
  const { from, to, history } = visible();
  const known = Math.max(from, history[0]?.at ?? to);
  const rows = binned(history, known, to, step).reverse().map(tableRow);
  byId("table-rows").replaceChildren(...rows);
  const length = step < MINUTE ? `${step} s` : `${step / MINUTE} min`;
  write(byId("table-caption"), `Average over each ${length}, newest first`);
}

function tableRow({ at, rate, coins }) {
  const row = document.createElement("tr");
  const time = document.createElement("th");
  time.scope = "row";
  time.textContent = state.range <= 300 ? secondText(at) : minuteText(at);
  row.append(time);
  for (const text of rate === null ? ["no reading", NOTHING] : [rateText(rate), countText(coins)]) {
    row.insertCell().textContent = text;
  }
  return row;
}

// Only what changed: a live region speaks again at each write, even of the same words.
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function watchRange() {
  const inputs = [...document.querySelectorAll("input[name=range]")];
  const stored = inputs.find(({ value }) => value === recall(RANGE_STORED_AS));
  if (stored) stored.checked = true;
  state.range = Number(inputs.find(({ checked }) => checked).value);
  for (const input of inputs) {
    input.addEventListener("change", () => {
      state.range = Number(input.value);
      remember(RANGE_STORED_AS, input.value);
      showChart();
      showTable();
    });
  }
}

function watchPlot() {
  const position = (event) => event.clientX - canvas.getBoundingClientRect().left;
  plot.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse") choose({ mouseX: position(event) });
    else pinTo(timeAt(canvas, position(event), visible()));
  });
  plot.addEventListener("pointerdown", (event) => {
    if (event.pointerType !== "mouse") pinTo(timeAt(canvas, position(event), visible()));
  });
  plot.addEventListener("pointerleave", () => choose({ mouseX: null }));
  plot.addEventListener("blur", () => choose({ pinned: null }));
  plot.addEventListener("keydown", (event) => {
    const moved = moveOf(event.key);
    if (moved === undefined) return;
    event.preventDefault();
    if (moved === null) choose({ pinned: null });
    else pinTo(moved);
  });
}

// Where a key moves the chosen moment: a time, null for back to now, undefined when it is none of these keys.
function moveOf(key) {
  const { from, to, readings } = visible();
  const at = state.pinned ?? to;
  const step = state.range / 60;
  switch (key) {
    case "ArrowLeft":
    case "ArrowDown":
      return at - step;
    case "ArrowRight":
    case "ArrowUp":
      return at + step;
    case "PageDown":
      return at - 10 * step;
    case "PageUp":
      return at + 10 * step;
    case "Home":
      return Math.max(from, readings[0]?.at ?? from);
    case "End":
      return to;
    case "Escape":
      return null;
    default:
      return undefined;
  }
}

function pinTo(at) {
  const { from, to } = visible();
  choose({ pinned: Math.min(to, Math.max(from, at)), mouseX: null });
}

function choose(change) {
  Object.assign(state, change);
  showChart();
}

watchTheme(showChart);
watchRange();
watchPlot();
byId("table-details").addEventListener("toggle", showTable);
new ResizeObserver(showChart).observe(canvas);
poll(take);
