"use strict";

// Tables: a heading's button sorts by the cells' data-key, else by their text; empty cells go last.
const collator = new Intl.Collator("en", { numeric: true });

function sortKey(row, index) {
  const cell = row.cells[index];
  return cell.dataset.key === undefined ? cell.textContent : Number(cell.dataset.key);
}

function sortBy(table, heading, index) {
  const down = heading.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const numeric = heading.classList.contains("n");
  for (const body of table.tBodies) {
    // The title of a block stands alone in its body.
    if (body.rows.length < 2) continue;
    const rows = [...body.rows].map((row) => [sortKey(row, index), row]);
    rows.sort(([a], [b]) => {
      if (numeric && typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
      const order = typeof a === "number" ? a - b : collator.compare(a, b);
      return down ? -order : order;
    });
    body.append(...rows.map(([, row]) => row));
  }
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((heading, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    button.addEventListener("click", () => sortBy(table, heading, index));
    heading.replaceChildren(button);
  });
}

// Players: every version of a clip starts at the same instant and runs until the end; switching
// only opens one gain and closes the others, so that nothing jumps in time.
const FADE_S = 0.004;
const AHEAD_S = 0.05;
let audioContext = null;
let current = null;

function bytesOf(uri) {
  const text = atob(uri.slice(uri.indexOf(",") + 1));
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0)).buffer;
}

function make(tag, properties, attributes = {}) {
  const element = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

class Player {
  constructor(root) {
    this.root = root;
    this.versions = [...root.querySelectorAll(".version")];
    this.letters = this.versions.map((version) => version.dataset.letter);
    this.active = 0;
    this.position = 0;
    this.voices = null;
    this.buffers = null;
    this.build();
    this.choose(0);
    this.show();
  }

  build() {
    this.play = make("button", { type: "button", className: "play" });
    this.play.addEventListener("click", () => this.toggle());
    this.choices = this.versions.map((version, index) => {
      const name = version.querySelector(".name").textContent.trim().replace(/\s+/g, " ");
      const title = `listen to ${name}`;
      const button = make("button", { type: "button", textContent: this.letters[index], title });
      button.setAttribute("aria-label", title);
      button.addEventListener("click", () => this.choose(index));
      version.querySelector("audio").hidden = true;
      return button;
    });
    const range = { type: "range", min: 0, max: 1, step: 0.001, value: 0 };
    this.seek = make("input", range, { "aria-label": "position" });
    this.seek.addEventListener("input", () => this.moveTo(this.seek.value * this.length()));
    this.time = make("span", { className: "time" });
    const controls = make("div", { className: "controls" });
    controls.append(this.play, ...this.choices, this.seek, this.time);
    this.root.prepend(controls);
    this.root.addEventListener("keydown", (event) => this.key(event));
    this.root.addEventListener("keyup", (event) => {
      if (event.key === " ") event.preventDefault();
    });
  }

  length() {
    return this.buffers ? Math.max(...this.buffers.map((buffer) => buffer.duration)) : 0;
  }

  now() {
    if (!this.voices) return this.position;
    const run = Math.max(0, audioContext.currentTime - this.startedAt);
    return Math.min(this.length(), this.position + run);
  }

  async load() {
    audioContext ??= new AudioContext();
    await audioContext.resume();
    const sounds = this.versions.map((version) => bytesOf(version.querySelector("audio").src));
    this.buffers ??= await Promise.all(sounds.map((sound) => audioContext.decodeAudioData(sound)));
  }

  async start() {
    if (current !== this) current?.stop();
    current = this;
    this.wanted = true;
    await this.load();
    // A second key press may have come while the sounds were being decoded.
    if (!this.wanted || this.voices) return;
    if (this.position >= this.length() - 0.01) this.position = 0;
    this.startedAt = audioContext.currentTime + AHEAD_S;
    this.voices = this.buffers.map((buffer, index) => {
      const source = new AudioBufferSourceNode(audioContext, { buffer });
      const gain = new GainNode(audioContext, { gain: index === this.active ? 1 : 0 });
      source.connect(gain).connect(audioContext.destination);
      source.start(this.startedAt, this.position);
      return { source, gain: gain.gain };
    });
    const voices = this.voices;
    voices[0].source.onended = () => {
      if (this.voices !== voices) return;
      this.stop();
      this.position = 0;
      this.show();
    };
    this.tick();
  }

  stop() {
    this.wanted = false;
    this.position = this.now();
    for (const voice of this.voices ?? []) voice.source.stop();
    this.voices = null;
    this.show();
  }

  toggle() {
    return this.wanted ? this.stop() : this.start();
  }

  choose(index) {
    this.active = index;
    this.voices?.forEach(({ gain }, voice) => {
      gain.setTargetAtTime(voice === index ? 1 : 0, audioContext.currentTime, FADE_S);
    });
    this.choices.forEach((choice, i) => choice.setAttribute("aria-pressed", String(i === index)));
    this.versions.forEach((version, i) => version.classList.toggle("active", i === index));
    this.root.dataset.active = this.letters[index];
  }

  async moveTo(seconds) {
    const playing = this.wanted;
    this.stop();
    await this.load();
    this.position = Math.min(Math.max(0, seconds), this.length());
    this.show();
    if (playing) this.start();
  }

  tick() {
    if (!this.voices) return;
    this.show();
    requestAnimationFrame(() => this.tick());
  }

  show() {
    const now = this.now();
    this.play.textContent = this.voices ? "Pause" : "Play";
    this.root.dataset.state = this.voices ? "playing" : "paused";
    this.seek.value = this.length() ? now / this.length() : 0;
    this.time.textContent = this.buffers ? `${now.toFixed(1)} / ${this.length().toFixed(1)} s` : "";
    this.seek.setAttribute("aria-valuetext", `${now.toFixed(1)} seconds`);
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const letter = this.letters.indexOf(event.key.toUpperCase());
    if (event.key === " ") this.toggle();
    else if (event.key === "ArrowLeft") this.moveTo(this.now() - 1);
    else if (event.key === "ArrowRight") this.moveTo(this.now() + 1);
    else if (letter >= 0) this.choose(letter);
    else return;
    current ??= this;
    event.preventDefault();
  }
}

if (window.AudioContext) {
  for (const root of document.querySelectorAll(".player")) new Player(root);
  for (const hint of document.querySelectorAll(".script-only")) hint.hidden = false;
  document.addEventListener("keydown", (event) => {
    if (event.target === document.body) current?.key(event);
  });
}
