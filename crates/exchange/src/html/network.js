"use strict";

// The network: from a window as the sensor gave it to one score for each class.

/** The network of a page: `model` is the object in the page, `scores` computes. */
function openNetwork(model) {
  const bytes = Uint8Array.from(atob(model.weights), (char) => char.charCodeAt(0));
  const values = new Float32Array(bytes.buffer);
  let next = 0;
  const take = (n) => values.subarray(next, (next += n));
  const layers = model.layers.map((layer) => {
    if (layer.type === "pool") return layer;
    const n_inputs = layer.type === "conv" ? layer.kernel * layer.channels[0] : layer.inputs;
    const units = layer.type === "conv" ? layer.channels[1] : layer.units;
    return { ...layer, weights: take(n_inputs * units), bias: take(units) };
  });
  const run = { conv: convolution, pool: pooling, dense };

  /** One score for each class of `window` (samples × channels, sample by sample). */
  function scores(window) {
    let x = prepare(model.per_window, Float32Array.from(window), model.channels);
    if (model.scaler) {
      const { mean, scale } = model.scaler;
      x = x.map((value, i) => (value - mean[i % mean.length]) / scale[i % scale.length]);
    }
    for (const layer of layers) x = run[layer.type](layer, x);
    return Array.from(model.softmax ? softmax(x) : x);
  }

  return { ...model, scores };
}

function activate(activation, x) {
  switch (activation.name) {
    case "relu":
      return x > 0 || x !== x ? x : 0;
    case "elu":
      return x > 0 ? x : Math.expm1(x);
    case "gelu":
      return x * normalDistribution(x);
    case "leaky_relu":
      return x > 0 ? x : activation.slope * x;
    case "tanh":
      return Math.tanh(x);
    default:
      return x;
  }
}

/** The distribution function of the normal distribution: its series near 0, a continued fraction beyond. */
function normalDistribution(x) {
  const z = Math.abs(x);
  let tail;
  if (z < 3) {
    let term = z;
    let sum = z;
    for (let k = 1; Math.abs(term) > 1e-17; k++) {
      term *= (z * z) / (2 * k + 1);
      sum += term;
    }
    tail = 0.5 - (sum * Math.exp(-0.5 * z * z)) / Math.sqrt(2 * Math.PI);
  } else {
    let fraction = z;
    for (let k = 60; k > 0; k--) fraction = z + k / fraction;
    tail = Math.exp(-0.5 * z * z) / (Math.sqrt(2 * Math.PI) * fraction);
  }
  return x > 0 ? 1 - tail : tail;
}

function convolution({ positions, channels, kernel, stride, dilation, before, activation, weights, bias }, x) {
  const [n_in, n_out] = positions;
  const [c_in, c_out] = channels;
  const y = new Float32Array(n_out * c_out);
  for (let t = 0; t < n_out; t++) {
    for (let o = 0; o < c_out; o++) {
      let sum = bias[o];
      for (let k = 0; k < kernel; k++) {
        const p = t * stride + k * dilation - before;
        if (p < 0 || p >= n_in) continue;
        for (let c = 0; c < c_in; c++) sum += x[p * c_in + c] * weights[(k * c_in + c) * c_out + o];
      }
      y[t * c_out + o] = activate(activation, sum);
    }
  }
  return y;
}

function pooling({ kind, positions, channels, size, stride, before }, x) {
  const [n_in, n_out] = positions;
  const n = channels[0];
  const y = new Float32Array(n_out * n);
  for (let t = 0; t < n_out; t++) {
    const start = Math.max(t * stride - before, 0);
    const end = Math.min(t * stride - before + size, n_in);
    for (let c = 0; c < n; c++) {
      let pooled = kind === "max" ? -Infinity : 0;
      for (let p = start; p < end; p++) pooled = kind === "max" ? Math.max(pooled, x[p * n + c]) : pooled + x[p * n + c];
      y[t * n + c] = kind === "max" ? pooled : pooled / (end - start);
    }
  }
  return y;
}

function dense({ units, activation, weights, bias }, x) {
  const y = new Float32Array(units);
  for (let o = 0; o < units; o++) {
    let sum = bias[o];
    for (let i = 0; i < x.length; i++) sum += x[i] * weights[i * units + o];
    y[o] = activate(activation, sum);
  }
  return y;
}

function softmax(x) {
  const largest = x.reduce((a, b) => Math.max(a, b));
  const e = x.map((value) => Math.exp(value - largest));
  const total = e.reduce((a, b) => a + b);
  return e.map((value) => value / total);
}

function channelMean(x, channels, c) {
  let sum = 0;
  for (let i = c; i < x.length; i += channels) sum += x[i];
  return (sum * channels) / x.length;
}

/** Gives each channel mean 0 and deviation 1; a constant one becomes 0. */
function standardiseWindow(x, channels) {
  for (let c = 0; c < channels; c++) {
    const mean = channelMean(x, channels, c);
    let squares = 0;
    for (let i = c; i < x.length; i += channels) squares += (x[i] - mean) ** 2;
    const deviation = Math.sqrt((squares * channels) / x.length);
    const scale = deviation <= Math.abs(mean) * 2 ** -23 ? 0 : 1 / deviation;
    for (let i = c; i < x.length; i += channels) x[i] = (x[i] - mean) * scale;
  }
}

/** Turns each group of three channels so that its mean points along the third axis. */
function alignGravity(x, channels) {
  for (let first = 0; first < channels; first += 3) {
    const mean = [0, 1, 2].map((axis) => channelMean(x, channels, first + axis));
    const length = Math.hypot(...mean);
    if (length === 0) continue;
    const [a, b, c] = mean.map((value) => value / length);
    const h = 1 / (1 + c);
    const turn =
      c < -1 + 1e-12
        ? [[1, 0, 0], [0, -1, 0], [0, 0, -1]]
        : [[1 - a * a * h, -a * b * h, -a], [-a * b * h, 1 - b * b * h, -b], [a, b, c]];
    for (let i = first; i < x.length; i += channels) {
      const v = [x[i], x[i + 1], x[i + 2]];
      turn.forEach((row, axis) => (x[i + axis] = row[0] * v[0] + row[1] * v[1] + row[2] * v[2]));
    }
  }
}

/** What becomes of a window before the scaler, by steps such as "gravity derive:raw,norm:groups=1": the network's channels. */
function prepare(steps, raw, channels) {
  let x = raw;
  for (const step of (steps ?? "").split(" ")) {
    if (step === "gravity") {
      x = raw.slice();
      alignGravity(x, channels);
    } else if (step === "window") {
      standardiseWindow(x, (channels * x.length) / raw.length);
    } else if (step) {
      x = derive(step, raw, x);
    }
  }
  return x;
}

/** The channels that `step` derives: vectors from `axes`, which may be turned upright, scalars from `raw`. */
function derive(step, raw, axes) {
  const [, kinds, ...rest] = step.split(":");
  const fields = Object.fromEntries(rest.map((field) => field.split("=")));
  const groups = Number(fields.groups);
  const n = 3 * groups;
  const down = (fields.down ?? "").split(",").map(Number);
  const slow = memo((x) => lowPass(x, n, Number(fields.low_pass)));
  const length = (v) => Math.sqrt(v[0] ** 2 + v[1] ** 2 + v[2] ** 2);
  const vector = (x, i) => [x[i], x[i + 1], x[i + 2]];
  const split = (t, group) => {
    const v = vector(raw, t * n + 3 * group);
    const gravity = vector(slow(raw), t * n + 3 * down[group]);
    const size = length(gravity);
    const unit = gravity.map((g) => (size > 0 ? g / size : 0));
    const along = v[0] * unit[0] + v[1] * unit[1] + v[2] * unit[2];
    return [along, length(v.map((value, axis) => value - along * unit[axis]))];
  };
  const later = (t) => (t > 0 || axes.length === n ? t : 1);
  // The value of a kind, for axis or group c of sample t.
  const values = {
    raw: (t, c) => axes[t * n + c],
    gravity: (t, c) => slow(axes)[t * n + c],
    linear: (t, c) => axes[t * n + c] - slow(axes)[t * n + c],
    jerk: (t, c) => (later(t) > 0 ? axes[later(t) * n + c] - axes[(later(t) - 1) * n + c] : 0),
    norm: (t, group) => length(vector(raw, t * n + 3 * group)),
    vertical: (t, group) => split(t, group)[0],
    horizontal: (t, group) => split(t, group)[1],
  };
  const isVector = (kind) => ["raw", "gravity", "linear", "jerk"].includes(kind);
  const derived = [];
  for (let t = 0; t < raw.length / n; t++) {
    for (const kind of kinds.split(",")) {
      for (let c = 0; c < (isVector(kind) ? n : groups); c++) derived.push(values[kind](t, c));
    }
  }
  return Float32Array.from(derived);
}

/** `compute` of an object, once for each. */
function memo(compute) {
  const known = new Map();
  return (x) => {
    if (!known.has(x)) known.set(x, compute(x));
    return known.get(x);
  };
}

/** Two averages after each other over up to `size` samples around each, of each channel, as differences from its first. */
function lowPass(x, channels, size) {
  const n = x.length / channels;
  const half = (size - 1) / 2;
  const slow = new Float64Array(x.length);
  const average = (values) => {
    const sums = [0];
    for (const value of values) sums.push(sums[sums.length - 1] + value);
    return values.map((_, t) => {
      const [start, end] = [Math.max(t - half, 0), Math.min(t + half + 1, n)];
      return (sums[end] - sums[start]) / (end - start);
    });
  };
  for (let c = 0; c < channels; c++) {
    const column = Array.from({ length: n }, (_, t) => x[t * channels + c] - x[c]);
    average(average(column)).forEach((mean, t) => (slow[t * channels + c] = x[c] + mean));
  }
  return slow;
}
