"use strict";

// From samples at any times to windows at the network's rate, and to tables and back.

/**
 * Gives samples at times of any spacing as samples at `rate` a second. Between two samples values are on the line between
 * them. Where more than one sample comes in an interval, as from a faster sensor, their mean stands for it first. This is
 * simpler than the filter that Triax resamples whole recordings with, so that scores differ a little at other rates.
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

  /** Whether a sample at `time` seconds does not go on from the last one: after ten intervals, or before it. */
  isGap(time) {
    return this.last !== null && (time - this.last.time > 10 * this.interval || time < this.last.time);
  }

  /** Takes a sample at `time` seconds; returns samples as lists of values. After a gap it begins anew. */
  push(time, values) {
    if (this.isGap(time)) this.reset();
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
 * The recording in a table: { samples, times (seconds) or null, labels or null, starts, n_left_out }. Columns of channels are
 * found by name, or taken in order where none has such a name. `starts` says of each row whether another subject or activity
 * begins with it. Rows that lack a value or a time are left out.
 */
function readRecording(text, network) {
  const { rows, number } = parseTable(text);
  const has_header = rows[0].some((field) => field !== "" && Number.isNaN(number(field)));
  const header = has_header ? rows[0].map((name) => name.toLowerCase()) : [];
  const body = has_header ? rows.slice(1) : rows;
  const time_column = header.findIndex((name) => TIME.test(name));
  const label_column = header.findIndex((name) => /^(activity|label|class)$/.test(name));
  let columns = network.names.map((name) => header.indexOf(name.toLowerCase()));
  if (body.length === 0) throw new Error("the file has a header and no rows");
  if (columns.some((column) => column < 0)) {
    const others = body[0].map((_, column) => column).filter((column) => column !== time_column && column !== label_column);
    const numeric = others.filter((column) => !Number.isNaN(number(body[0][column] ?? "")));
    if (numeric.length !== network.channels) {
      throw new Error(`the file lacks the columns ${network.names.join(", ")}; it has ${rows[0].join(", ")}`);
    }
    columns = numeric;
  }
  const subject_column = header.findIndex((name) => /^(subject|person|user|participant)(_?id)?$/.test(name));
  const [samples, times, labels, whose] = [[], [], [], []];
  for (const row of body) {
    const values = columns.map((column) => number(row[column] ?? ""));
    const time = time_column >= 0 ? number(row[time_column] ?? "") : 0;
    if ([...values, time].some(Number.isNaN)) continue;
    samples.push(values);
    times.push(time);
    labels.push(label_column >= 0 ? row[label_column] : null);
    whose.push([subject_column, label_column].map((column) => row[column]).join("\n"));
  }
  if (samples.length === 0) throw new Error("no row of the file has a number for every channel, and a time where there is one");
  const seconds = time_column >= 0 ? inSeconds(times, TIME.exec(header[time_column])[1], network.rate) : null;
  const starts = samples.map((_, row) => row === 0 || whose[row] !== whose[row - 1]);
  return { samples, times: seconds, labels: label_column >= 0 ? labels : null, starts, n_left_out: body.length - samples.length };
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
