"use strict";

// From samples at any times to windows at the network's rate, and to tables and back.

/**
 * Gives samples at times of any spacing as samples at `rate` a second. Between two samples values are on the line between
 * them. Where more than one sample comes in an interval, as from a faster sensor, their mean stands for it first.
 */
class Resampler {
  constructor(rate) {
    this.interval = 1 / rate;
    this.reset();
  }

  reset() {
    this.last = null;
    this.next = null;
    this.mean = null;
  }

  /** Takes a sample at `time` seconds; returns samples as lists of values. After a gap of ten intervals it begins anew. */
  push(time, values) {
    if (this.last && (time - this.last.time > 10 * this.interval || time < this.last.time)) this.reset();
    const started = this.last !== null;
    if (!this.mean) this.mean = { n: 0, time: 0, values: values.map(() => 0), since: time };
    const { mean } = this;
    mean.n += 1;
    mean.time += time;
    values.forEach((value, i) => (mean.values[i] += value));
    // The first sample stands for itself; others wait until two thirds of an interval have passed.
    if (started && time - this.last.time < (2 / 3) * this.interval) return [];
    const point = { time: mean.time / mean.n, values: mean.values.map((sum) => sum / mean.n) };
    this.mean = null;
    const samples = [];
    if (!started) {
      this.next = point.time + this.interval;
      samples.push(point.values);
    } else {
      const span = point.time - this.last.time;
      for (; this.next <= point.time + 1e-9; this.next += this.interval) {
        const share = Math.min((this.next - this.last.time) / span, 1);
        samples.push(point.values.map((value, i) => this.last.values[i] + share * (value - this.last.values[i])));
      }
    }
    this.last = point;
    return samples;
  }
}

/** Collects samples, and gives a window of `length` samples every `step`. */
class Windows {
  constructor(length, step) {
    Object.assign(this, { length, step });
    this.reset();
  }

  reset() {
    this.samples = [];
    this.until = this.length;
  }

  /** Takes a sample; returns a window (sample by sample) when one is full, else null. */
  push(values) {
    this.samples.push(values);
    if (this.samples.length > this.length) this.samples.shift();
    this.until -= 1;
    if (this.until > 0) return null;
    this.until = this.step;
    return this.samples.flat();
  }
}

/** The rows of a text with separators; a field may stand in double quotes. */
function parseTable(text) {
  text = text.replace(/^\uFEFF/, "");
  const first = /[^\r\n]*/.exec(text.trimStart())[0];
  if (first === "") throw new Error("the file is empty");
  const separator = ["\t", ";", ","].reduce((best, one) => (first.split(one).length > first.split(best).length ? one : best), ",");
  const rows = [];
  let row = [];
  const fields = new RegExp(`("(?:[^"]|"")*"|[^"${separator}\\r\\n][^${separator}\\r\\n]*|)(${separator}|\\r\\n|\\r|\\n|$)`, "gy");
  for (let found = fields.exec(text); found; found = fields.lastIndex < text.length ? fields.exec(text) : null) {
    const [, field, end] = found;
    row.push(field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field.trim());
    if (end === separator) continue;
    if (row.some((field) => field !== "")) rows.push(row);
    row = [];
  }
  const number = (field) => (field === "" ? NaN : Number(separator === "," ? field : field.replace(",", ".")));
  return { rows, number };
}

const SECONDS = { s: 1, ms: 1e-3, us: 1e-6, ns: 1e-9 };

/** The name of a column of times, with its unit where it says one: `time`, `timestamp_ms`, `t (s)`. */
const TIME = /^(?:timestamp|time|t)(?:[ _(]+(s|ms|us|ns)\)?)?$/;

/**
 * The recording in a table: { times (seconds) or null, samples, labels or null }. Columns of channels are found by name, or
 * taken in order where none has such a name.
 */
function readRecording(text, network) {
  const { rows, number } = parseTable(text);
  const has_header = rows[0].some((field) => field !== "" && Number.isNaN(number(field)));
  const header = has_header ? rows[0].map((name) => name.toLowerCase()) : [];
  const body = has_header ? rows.slice(1) : rows;
  const time_column = header.findIndex((name) => TIME.test(name));
  const label_column = header.findIndex((name) => /^(activity|label|class)$/.test(name));
  let columns = network.names.map((name) => header.indexOf(name.toLowerCase()));
  if (columns.some((column) => column < 0)) {
    const others = body[0].map((_, column) => column).filter((column) => column !== time_column && column !== label_column);
    const numeric = others.filter((column) => !Number.isNaN(number(body[0][column] ?? "")));
    if (numeric.length !== network.channels) {
      throw new Error(`the file lacks the columns ${network.names.join(", ")}; it has ${rows[0].join(", ")}`);
    }
    columns = numeric;
  }
  const samples = [];
  const times = [];
  const labels = [];
  body.forEach((row) => {
    const values = columns.map((column) => number(row[column] ?? ""));
    if (values.some(Number.isNaN)) return;
    samples.push(values);
    if (time_column >= 0) times.push(number(row[time_column] ?? ""));
    if (label_column >= 0) labels.push(row[label_column]);
  });
  if (samples.length === 0) throw new Error("no row of the file has a number for every channel");
  const has_times = times.length > 1 && !times.some(Number.isNaN);
  const seconds = has_times ? inSeconds(times, TIME.exec(header[time_column])[1], network.rate) : null;
  return { samples, times: seconds, labels: labels.length ? labels : null };
}

/** Times in seconds: in the unit that is named, else in that which comes nearest to the network's rate. */
function inSeconds(times, named, rate) {
  const steps = times.slice(1).map((time, i) => time - times[i]).filter((step) => step > 0).sort((a, b) => a - b);
  const step = steps[steps.length >> 1] || 1;
  const off = (unit) => Math.abs(Math.log(step * SECONDS[unit] * (rate || 1)));
  const unit = named || Object.keys(SECONDS).reduce((best, one) => (off(one) < off(best) ? one : best));
  return times.map((time) => (time - times[0]) * SECONDS[unit]);
}

/** A field of a CSV file. */
function csvField(text) {
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
