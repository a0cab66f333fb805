// Players: every version of a clip starts at the same instant and runs until the end; switching
// only opens one gain and closes the others, so that nothing jumps in time.
const FADE_S = 0.004;
const AHEAD_S = 0.05;
const players = new Map();
let audioContext = null;
let current = null;

class Player {
  constructor(root) {
    this.root = root;
    this.versions = [...root.querySelectorAll(".version")];
    this.letters = this.versions.map((version) => version.dataset.letter);
    this.active = 0;
    this.position = 0;
    this.voices = null;
    this.buffers = null;
    this.spectra = new Spectra(this);
    this.build();
    this.choose(0);
    this.show();
    listeners.push(() => this.hideOff());
  }

  build() {
    this.play = button("", () => this.toggle(), { className: "play" });
    this.choices = this.versions.map((version, index) => {
      version.querySelector("audio").hidden = true;
      this.addSaver(version, index);
      return button("", () => this.choose(index));
    });
    const range = { type: "range", min: 0, max: 1, step: 0.001, value: 0 };
    this.seek = make("input", range, { "aria-label": "position" });
    this.seek.addEventListener("input", () => this.moveTo(this.seek.value * this.length()));
    this.time = make("span", { className: "time" });
    this.letterBox = make("span", { className: "letters" }, {}, this.choices);
    const zooms = [["−", "zoom out of", 0.5], ["+", "zoom into", 2]].map(([text, words, factor]) => {
      const act = () => this.spectra.magnify(factor);
      return button(text, act, { className: "zoom" }, { "aria-label": `${words} the spectrograms` });
    });
    this.controls = make("div", { className: "controls" }, {}, [
      this.play, this.letterBox, this.seek, this.time, ...zooms,
    ]);
    this.root.prepend(this.controls);
    this.name();
  }

  addSaver(version, index) {
    const clip = this.root.closest("article").querySelector("h4").textContent;
    const act = () => {
      const uri = version.querySelector("audio").src;
      saveSound(uri, `${clip} ${version.querySelector(".who").textContent}`);
    };
    const saver = button("FLAC", act, { className: "saver" });
    version.querySelector(".name").append(saver);
  }

  // Says on every button and version what it is; in a blind test that is a number.
  name() {
    this.versions.forEach((version, index) => {
      const who = version.querySelector(".who").textContent;
      const words = `listen to ${this.letters[index]} ${who}`.trim();
      Object.assign(this.choices[index], { textContent: this.letters[index], title: words });
      this.choices[index].setAttribute("aria-label", words);
      version.querySelector(".letter").textContent = this.letters[index];
      const saver = version.querySelector(".saver");
      saver.setAttribute("aria-label", `FLAC of ${this.letters[index]} ${who}: download`);
    });
    this.root.dataset.active = this.letters[this.active];
  }

  // Versions of codecs that are not shown can be neither heard nor seen.
  hideOff() {
    if (this.root.closest(".blind")) return;
    this.versions.forEach((version, index) => {
      version.hidden = this.choices[index].hidden = state.off.has(version.dataset.letter);
    });
    if (this.versions[this.active].hidden) this.choose(0);
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
    if (this.buffers) return;
    const sounds = this.versions.map((version) => {
      const uri = version.querySelector("audio").src;
      return bytesOf(uri.slice(uri.indexOf(",") + 1)).buffer;
    });
    const made = await Promise.all(sounds.map((sound) => audioContext.decodeAudioData(sound)));
    this.buffers ??= made;
  }

  async start() {
    if (current !== this) current?.stop();
    current = this;
    this.wanted = true;
    await this.load();
    await audioContext.resume();
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
    // Asked once: the clock may go on between two voices.
    const now = audioContext?.currentTime;
    this.voices?.forEach(({ gain }, voice) => {
      gain.setTargetAtTime(voice === index ? 1 : 0, now, FADE_S);
    });
    this.choices.forEach((choice, i) => choice.setAttribute("aria-pressed", String(i === index)));
    this.versions.forEach((version, i) => version.classList.toggle("active", i === index));
    this.root.dataset.active = this.letters[index];
  }

  async moveTo(seconds) {
    const playing = this.wanted;
    this.stop();
    await this.load();
    current = this;
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
    const share = this.length() ? now / this.length() : 0;
    this.play.textContent = this.voices ? "Pause" : "Play";
    this.root.dataset.state = this.voices ? "playing" : "paused";
    this.seek.value = share;
    this.time.textContent = this.buffers ? `${now.toFixed(1)} / ${this.length().toFixed(1)} s` : "";
    this.seek.setAttribute("aria-valuetext", `${now.toFixed(1)} seconds`);
    if (this.buffers) this.spectra.point(share);
  }

  key(event) {
    const letter = this.letters.indexOf(event.key.toUpperCase());
    if (event.key === " ") this.toggle();
    else if (event.key === "ArrowLeft") this.moveTo(this.now() - 1);
    else if (event.key === "ArrowRight") this.moveTo(this.now() + 1);
    else if (letter >= 0 && !this.versions[letter].hidden) this.choose(letter);
    else return;
    event.preventDefault();
  }
}

// The player that keys are for: the one in hand, else the first that can be seen, else the first.
function listening(target) {
  const within = players.get(target.closest?.(".player"));
  if (within || current) return within ?? current;
  const shown = [...players.values()].filter((player) => player.root.offsetParent);
  return shown.find(({ root }) => {
    const box = root.getBoundingClientRect();
    return box.bottom > 0 && box.top < innerHeight;
  }) ?? shown[0];
}

// What uses a key itself keeps it: text fields all, buttons and folds the space, sliders the arrows.
function isTaken(event) {
  const { target, key } = event;
  if (event.ctrlKey || event.altKey || event.metaKey || event.defaultPrevented) return true;
  if (target.closest?.("select, textarea, input:not([type=range]), [contenteditable]")) return true;
  if (key === " ") return Boolean(target.closest?.("button, summary, a, audio"));
  if (!key.startsWith("Arrow")) return false;
  return Boolean(target.closest?.("input, audio, .scroll, pre, .picture"));
}

function buildPlayers() {
  if (!window.AudioContext) return;
  for (const root of document.querySelectorAll(".player")) players.set(root, new Player(root));
  if (!players.size) return;
  for (const hint of document.querySelectorAll(".script-only")) hint.hidden = false;
  document.addEventListener("keydown", (event) => {
    if (!isTaken(event)) listening(event.target)?.key(event);
  });
}
