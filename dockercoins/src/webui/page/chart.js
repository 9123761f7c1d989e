// The chart: readings, their average and the coins over time, on a canvas. Draws what it is given in the
// colours that style.css sets, keeps nothing but its size, decides nothing.

import { axis, binned } from "./rate.js";
import { minuteText, rateText, secondText } from "./words.js";

const MARGIN = { top: 22, right: 10, bottom: 24, left: 42 };
const COIN_STRIP = 26;
const COIN_BINS = 60;
const ROOM_ABOVE = 1.06;
const PIXELS_PER_TIME_MARK = 84;
const PIXELS_PER_RATE_MARK = 44;
const TIME_STEPS = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1200, 1800];

// The axis of an idle app still shows a few whole numbers.
const SMALLEST_TOP = 4;

// A view is { readings, history, from, to, moment }: the readings to draw, the whole history they are from, the
// time shown, and the chosen moment or null.
export function drawChart(canvas, view) {
  const plot = layOut(canvas, view);
  const pen = canvas.getContext("2d");
  pen.setTransform(plot.ratio, 0, 0, plot.ratio, 0, 0);
  pen.clearRect(0, 0, plot.width, plot.height);
  pen.font = `12px ${plot.style.fontFamily}`;
  drawRateAxis(pen, plot);
  drawTimeAxis(pen, plot);
  drawCoins(pen, plot, view.history);
  pen.save();
  pen.beginPath();
  pen.rect(plot.left, 0, plot.right - plot.left, plot.height);
  pen.clip();
  drawArea(pen, plot, view.readings);
  // Where readings lie closer than pixels they fill a band, which should not outshine the average.
  pen.globalAlpha = view.readings.length > (plot.right - plot.left) / 2 ? 0.5 : 1;
  drawLine(pen, plot, view.readings, "rate", plot.colour("--reading"), 1.25);
  pen.globalAlpha = 1;
  drawLine(pen, plot, view.readings, "average", plot.colour("--average"), 2.5);
  pen.restore();
  if (view.moment === null) drawEnd(pen, plot, view.readings.at(-1));
  else drawMoment(pen, plot, view);
}

// The time under a position across the canvas, in pixels from its left edge.
export function timeAt(canvas, x, { from, to }) {
  const width = canvas.clientWidth - MARGIN.left - MARGIN.right;
  const share = Math.min(1, Math.max(0, (x - MARGIN.left) / width));
  return from + share * (to - from);
}

function layOut(canvas, view) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = globalThis.devicePixelRatio || 1;
  const [columns, rows] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== columns || canvas.height !== rows) {
    canvas.width = columns;
    canvas.height = rows;
  }
  const style = getComputedStyle(canvas);
  const left = MARGIN.left;
  const right = width - MARGIN.right;
  const base = height - MARGIN.bottom - COIN_STRIP;
  const largest = view.readings.reduce((most, { rate }) => Math.max(most, rate ?? 0), 0);
  const marks = Math.max(2, Math.floor((base - MARGIN.top) / PIXELS_PER_RATE_MARK));
  const { top, step } = axis(Math.max(largest * ROOM_ABOVE, SMALLEST_TOP), marks);
  return {
    ...{ width, height, ratio, style, left, right, base, top, step },
    from: view.from,
    to: view.to,
    x: (at) => left + ((at - view.from) / (view.to - view.from)) * (right - left),
    y: (rate) => base - (rate / top) * (base - MARGIN.top),
    colour: (name) => style.getPropertyValue(name),
  };
}

function drawRateAxis(pen, plot) {
  pen.textBaseline = "middle";
  pen.lineWidth = 1;
  for (let mark = 0; mark * plot.step <= plot.top * (1 + 1e-9); mark += 1) {
    const rate = mark * plot.step;
    // Half a pixel: a line of one pixel, not two grey ones.
    const y = Math.round(plot.y(rate)) + 0.5;
    pen.strokeStyle = plot.colour(mark === 0 ? "--axis" : "--grid");
    line(pen, plot.left, y, plot.right, y);
    pen.fillStyle = plot.colour("--muted");
    pen.textAlign = "right";
    pen.fillText(plot.step < 1 ? rateText(rate) : String(Math.round(rate * 10) / 10), plot.left - 8, y);
  }
  pen.textAlign = "left";
  pen.fillText("hashes/s", 0, 8);
}

function drawTimeAxis(pen, plot) {
  const room = (plot.right - plot.left) / PIXELS_PER_TIME_MARK;
  const step = TIME_STEPS.find((seconds) => (plot.to - plot.from) / seconds <= room) ?? TIME_STEPS.at(-1);
  const text = step < 60 ? secondText : minuteText;
  pen.textBaseline = "alphabetic";
  pen.textAlign = "center";
  pen.fillStyle = plot.colour("--muted");
  pen.strokeStyle = plot.colour("--axis");
  for (let at = Math.ceil(plot.from / step) * step; at <= plot.to; at += step) {
    const x = Math.round(plot.x(at)) + 0.5;
    line(pen, x, plot.height - MARGIN.bottom, x, plot.height - MARGIN.bottom + 4);
    const half = pen.measureText(text(at)).width / 2;
    if (x - half >= 0 && x + half <= plot.width) pen.fillText(text(at), x, plot.height - 4);
  }
  const floor = plot.height - MARGIN.bottom + 0.5;
  line(pen, plot.left, floor, plot.right, floor);
}

// Coins in a strip of their own below the rates, as columns: they are counts, not rates.
function drawCoins(pen, plot, history) {
  const seconds = Math.max(1, (plot.to - plot.from) / COIN_BINS);
  const bins = binned(history, plot.from, plot.to, seconds);
  const most = bins.reduce((largest, { coins }) => Math.max(largest, coins), 1);
  const floor = plot.height - MARGIN.bottom;
  pen.fillStyle = plot.colour("--coin");
  for (const { at, coins } of bins) {
    if (coins === 0) continue;
    const left = Math.max(plot.left, plot.x(at));
    const right = Math.min(plot.right, plot.x(at + seconds)) - 1.5;
    const height = Math.max(3, (coins / most) * (COIN_STRIP - 8));
    if (right <= left) continue;
    pen.beginPath();
    pen.roundRect(left, floor - height, right - left, height, [2, 2, 0, 0]);
    pen.fill();
  }
}

// Runs of readings with a value, each unbroken: what lies between two runs stays empty.
function runs(readings, value) {
  const found = [];
  let run = null;
  for (const reading of readings) {
    if (reading[value] === null) {
      run = null;
    } else if (run) {
      run.push(reading);
    } else {
      found.push((run = [reading]));
    }
  }
  return found;
}

function drawLine(pen, plot, readings, value, colour, width) {
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.lineJoin = pen.lineCap = "round";
  for (const run of runs(readings, value)) {
    pen.beginPath();
    trace(pen, plot, run, value);
    pen.stroke();
  }
}

function drawArea(pen, plot, readings) {
  const fade = pen.createLinearGradient(0, MARGIN.top, 0, plot.base);
  fade.addColorStop(0, plot.colour("--area"));
  fade.addColorStop(1, plot.colour("--area-end"));
  pen.fillStyle = fade;
  for (const run of runs(readings, "average")) {
    pen.beginPath();
    trace(pen, plot, run, "average");
    pen.lineTo(plot.x(run.at(-1).at), plot.base);
    pen.lineTo(plot.x(run[0].at), plot.base);
    pen.fill();
  }
}

function trace(pen, plot, run, value) {
  // A run of one reading is a line to itself: its round caps make a dot.
  pen.moveTo(plot.x(run[0].at), plot.y(run[0][value]));
  for (const reading of run) pen.lineTo(plot.x(reading.at), plot.y(reading[value]));
}

function drawEnd(pen, plot, last) {
  if (last && last.average !== null) dot(pen, plot, last, "average", plot.colour("--average"), 4.5);
}

function drawMoment(pen, plot, { moment, reading }) {
  const at = reading?.at ?? moment;
  const x = Math.round(plot.x(at)) + 0.5;
  pen.strokeStyle = plot.colour("--ink");
  pen.lineWidth = 1;
  line(pen, x, MARGIN.top - 4, x, plot.height - MARGIN.bottom);
  if (reading && reading.rate !== null) dot(pen, plot, reading, "rate", plot.colour("--reading"), 3.5);
  if (reading && reading.average !== null) dot(pen, plot, reading, "average", plot.colour("--average"), 4.5);
  const label = secondText(at);
  const half = pen.measureText(label).width / 2;
  pen.fillStyle = plot.colour("--ink");
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(label, Math.min(plot.width - half, Math.max(plot.left + 30 + half, x)), 8);
}

function dot(pen, plot, reading, value, colour, radius) {
  pen.beginPath();
  pen.arc(plot.x(reading.at), plot.y(reading[value]), radius, 0, 2 * Math.PI);
  pen.fillStyle = colour;
  pen.fill();
  pen.strokeStyle = plot.colour("--surface");
  pen.lineWidth = 2;
  pen.stroke();
}

function line(pen, fromX, fromY, toX, toY) {
  pen.beginPath();
  pen.moveTo(fromX, fromY);
  pen.lineTo(toX, toY);
  pen.stroke();
}
