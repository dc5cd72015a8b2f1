"use strict";

// The page: sensors, recordings and what the network says about them.

const network = openNetwork(JSON.parse(document.getElementById("model").textContent));
const find = (id) => document.getElementById(id);
const colours = ["#d1495b", "#2e8b57", "#3b76c4", "#b8860b", "#7b4fa3", "#4a9ba8"];

/** Makes an element with text, which is never read as HTML. */
function element(name, text = "", attributes = {}) {
  const made = Object.assign(document.createElement(name), attributes);
  made.textContent = text;
  return made;
}

// What the network is.

find("title").textContent = `Recognises ${network.classes.join(", ")}`;
const seconds = network.rate ? ` (${(network.window / network.rate).toFixed(1)} s at ${network.rate} Hz)` : "";
find("facts").textContent = `Windows of ${network.window} samples${seconds} of ${network.names.join(", ")}.`;
find("about").textContent = Object.entries(network.about)
  .filter(([key]) => !["classes", "channels"].includes(key))
  .map(([key, value]) => `${key} ${value}`)
  .join(" · ");
network.classes.forEach((name) => find("activities").append(element("option", "", { value: name })));
find("legend").replaceChildren(
  ...network.names.flatMap((name, i) => {
    const entry = element("b", name);
    entry.style.color = colours[i % colours.length];
    return [entry, " "];
  }),
);

// What it says.

const bars = network.classes.map((name) => {
  const bar = element("div", "", { className: "bar" });
  const number = element("div", "", { className: "number" });
  find("scores").append(element("div", name), bar, number);
  return { bar, number };
});

const shown = (score) => (network.softmax ? `${(100 * score).toFixed(1)} %` : score.toFixed(2));

/** Recognises a window, shows what it is, and returns { class, score }. */
function recognise(window, when) {
  const scores = network.scores(window);
  const best = scores.indexOf(Math.max(...scores));
  const [low, high] = network.softmax ? [0, 1] : [Math.min(...scores), Math.max(...scores)];
  scores.forEach((score, i) => {
    bars[i].bar.style.width = `${(100 * (score - low)) / (high - low || 1)}%`;
    bars[i].number.textContent = shown(score);
  });
  find("class").textContent = network.classes[best] ?? "–";
  find("when").textContent = when;
  return { class: network.classes[best], score: scores[best] };
}

/** Draws samples, each a list of values. */
function draw(samples) {
  const canvas = find("signal");
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  const all = samples.flat();
  const low = all.reduce((a, b) => Math.min(a, b), Infinity);
  const high = all.reduce((a, b) => Math.max(a, b), -Infinity);
  const x = (t) => (t / Math.max(network.window - 1, 1)) * canvas.width;
  const y = (value) => canvas.height - 6 - ((value - low) / (high - low || 1)) * (canvas.height - 12);
  for (let channel = 0; channel < network.channels; channel++) {
    context.strokeStyle = colours[channel % colours.length];
    context.lineWidth = 2;
    context.beginPath();
    samples.forEach((sample, t) => context.lineTo(x(t), y(sample[channel])));
    context.stroke();
  }
}

// Sensors.

const SENSORS = {
  "acceleration with gravity": { read: (event) => event.accelerationIncludingGravity, units: { "m/s²": 1, g: 1 / 9.80665, mg: 1000 / 9.80665 } },
  "acceleration without gravity": { read: (event) => event.acceleration, units: { "m/s²": 1, g: 1 / 9.80665, mg: 1000 / 9.80665 } },
  "rotation rate": {
    read: (event) => event.rotationRate && { x: event.rotationRate.beta, y: event.rotationRate.gamma, z: event.rotationRate.alpha },
    units: { "rad/s": Math.PI / 180, "°/s": 1 },
  },
  nothing: { read: () => ({ x: 0, y: 0, z: 0 }), units: { "–": 1 } },
};

/** The sensor that a channel's name tells. */
function sensorOf(name) {
  if (/gyr|rot|omega|ω/i.test(name)) return "rotation rate";
  if (/lin|user|body/i.test(name)) return "acceleration without gravity";
  return /mag|baro|press|temp|heart|hr\b/i.test(name) ? "nothing" : "acceleration with gravity";
}

/** For each channel, the controls that say where it comes from. */
const sources = network.names.map((name, i) => {
  const options = (select, names) => select.replaceChildren(...names.map((option) => element("option", option)));
  const sensor = element("select", "", { title: `Sensor of ${name}` });
  const axis = element("select", "", { title: `Axis of ${name}` });
  const unit = element("select", "", { title: `Unit of ${name}` });
  options(sensor, Object.keys(SENSORS));
  options(axis, ["x", "y", "z"]);
  sensor.value = sensorOf(name);
  axis.value = /[xyz]$/i.test(name) ? name.slice(-1).toLowerCase() : "xyz"[i % 3];
  const offer = () => options(unit, Object.keys(SENSORS[sensor.value].units));
  sensor.addEventListener("change", offer);
  offer();
  const wanted = network.units[Math.floor(i / 3)];
  if (wanted in SENSORS[sensor.value].units) unit.value = wanted;
  const all = element("span");
  all.append(axis, " ", unit);
  find("sources").append(element("b", name), sensor, all);
  return { sensor, axis, unit };
});

find("turned").checked = /iPhone|iPad|iPod/.test(navigator.userAgent) || (/Macintosh/.test(navigator.userAgent) && navigator.maxTouchPoints > 1);

const live = {
  resampler: network.rate ? new Resampler(network.rate) : null,
  windows: new Windows(network.window, network.step),
  n_events: 0,
  first: null,
};

/** The network's channels of a motion event, in its units; null where the device has no such sensor. */
function channelsOf(event) {
  const values = sources.map(({ sensor, axis, unit }) => {
    const { read, units } = SENSORS[sensor.value];
    const value = read(event)?.[axis.value];
    const is_acceleration = sensor.value.startsWith("acceleration");
    return value == null ? null : value * units[unit.value] * (is_acceleration && find("turned").checked ? -1 : 1);
  });
  return values.includes(null) ? null : values;
}

function onMotion(event) {
  const values = channelsOf(event);
  if (!values) {
    find("live-state").textContent = "This device lacks a sensor that the network needs: see which sensor is which channel.";
    return;
  }
  const time = event.timeStamp / 1000;
  live.first ??= time;
  live.n_events += 1;
  record(time, values);
  if (live.resampler?.isGap(time)) live.windows.reset();
  for (const sample of live.resampler ? live.resampler.push(time, values) : [values]) {
    const window = live.windows.push(sample);
    if (window) recognise(window, "Live, the window until now.");
  }
  if (live.n_events % 6 === 0) {
    draw(live.windows.samples);
    const span = time - live.first;
    const rate = span > 0 ? ` at ${((live.n_events - 1) / span).toFixed(0)} Hz` : "";
    find("live-state").textContent = `${live.n_events} samples${rate}`;
  }
}

find("live").addEventListener("click", async () => {
  const state = find("live-state");
  if (typeof DeviceMotionEvent === "undefined") {
    state.textContent = "This browser gives pages no motion: open the page over https, or with another browser.";
    return;
  }
  try {
    // iOS asks the person, and only after a touch.
    const answer = await DeviceMotionEvent.requestPermission?.();
    if (answer && answer !== "granted") throw new Error("the permission was not given");
  } catch (error) {
    state.textContent = `No motion: ${error.message}.`;
    return;
  }
  addEventListener("devicemotion", onMotion);
  find("live").disabled = true;
  state.textContent = "Waiting for the first sample: a computer without sensors never gives one.";
});

// Recordings.

let replays = 0;

/** Recognises the windows of a recording in a text, and lists them. Resolves to the list. */
async function replay(text, name) {
  const mine = ++replays;
  const { samples, times, labels, starts, n_left_out } = readRecording(text, network);
  const resampler = times && network.rate ? new Resampler(network.rate) : null;
  const windows = new Windows(network.window, network.step);
  const body = find("answers").tBodies[0];
  body.replaceChildren();
  find("answers").hidden = false;
  const answers = [];
  // Where the recording began that a row is of: its time, or its row.
  let start_at = 0;
  let n_samples = 0;
  let n_right = 0;
  for (let row = 0; row < samples.length; row++) {
    if (mine !== replays) return answers;
    if (times && find("slowly").checked && row > 0) {
      await new Promise((done) => setTimeout(done, Math.min(1000 * Math.max(times[row] - times[row - 1], 0), 1000)));
      draw(windows.samples);
    }
    if (starts[row] || (times && resampler?.isGap(times[row]))) {
      resampler?.reset();
      windows.reset();
      start_at = times ? times[row] : network.rate ? row / network.rate : row;
      n_samples = 0;
    }
    for (const sample of resampler ? resampler.push(times[row], samples[row]) : [samples[row]]) {
      n_samples += 1;
      const window = windows.push(sample);
      if (!window) continue;
      const at = (n) => (network.rate ? `${(start_at + n / network.rate).toFixed(1)} s` : `${start_at + n}`);
      const [start, end] = [at(n_samples - network.window), at(n_samples)];
      const answer = { start, ...recognise(window, `${name}, ${start} to ${end}.`), label: labels?.[row] ?? null };
      answers.push(answer);
      n_right += answer.class === answer.label ? 1 : 0;
      if (answers.length <= 1000) {
        const line = element("tr");
        line.append(...[start, end, answer.class, shown(answer.score), answer.label ?? ""].map((cell) => element("td", cell)));
        if (answer.label !== null && answer.label !== answer.class) line.className = "wrong";
        body.append(line);
      }
    }
  }
  draw(windows.samples);
  const right = labels && answers.length ? `, ${((100 * n_right) / answers.length).toFixed(1)} % as labelled` : "";
  const few = answers.length === 0 ? `: shorter than a window of ${network.window}` : "";
  const left_out = n_left_out > 0 ? ` (${n_left_out} more lack a number or a time, and are left out)` : "";
  find("replay-state").textContent = `${samples.length} rows${left_out}, ${answers.length} windows${right}${few}`;
  return answers;
}

async function replayFile(file) {
  if (!file) return;
  try {
    await replay(await file.text(), file.name);
  } catch (error) {
    find("replay-state").textContent = `${file.name}: ${error.message}.`;
  }
}

find("file").addEventListener("change", (event) => replayFile(event.target.files[0]));
addEventListener("dragover", (event) => {
  event.preventDefault();
  find("drop").classList.add("over");
});
addEventListener("dragleave", () => find("drop").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  find("drop").classList.remove("over");
  replayFile(event.dataTransfer.files[0]);
});

// Recording.

const recorded = { rows: [], is_on: false };

/** Keeps a sample while a recording is on. Times are seconds since 1970. */
function record(time, values) {
  if (!recorded.is_on) return;
  const stamp = (performance.timeOrigin / 1000 + time).toFixed(4);
  recorded.rows.push([recorded.subject, recorded.activity, stamp, ...values.map((value) => Number(value.toPrecision(7)))]);
  if (recorded.rows.length % 10 === 0) showRecorded();
}

function showRecorded() {
  find("record-state").textContent = `${recorded.rows.length} samples`;
  find("save").disabled = find("discard").disabled = recorded.rows.length === 0;
}

/** What was recorded, as the text of a CSV file. */
function recordedTable() {
  const header = ["subject", "activity", "timestamp_s", ...network.names];
  return [header, ...recorded.rows].map((row) => row.map((field) => csvField(String(field))).join(",") + "\n").join("");
}

find("record").addEventListener("click", () => {
  const [subject, activity] = ["subject", "activity"].map((id) => find(id).value.trim());
  if (!recorded.is_on && (subject === "" || activity === "")) {
    find("record-state").textContent = "Say first who does what.";
    return;
  }
  Object.assign(recorded, { is_on: !recorded.is_on, subject, activity });
  find("record").textContent = recorded.is_on ? "Stop" : "Record";
  if (recorded.is_on && live.n_events === 0) find("live").click();
  showRecorded();
});

find("save").addEventListener("click", () => {
  const link = element("a", "", { href: URL.createObjectURL(new Blob([recordedTable()], { type: "text/csv" })) });
  link.download = `recording-${new Date().toISOString().slice(0, 19).replaceAll(":", "-")}.csv`;
  link.click();
});

find("discard").addEventListener("click", () => {
  recorded.rows = [];
  showRecorded();
});
