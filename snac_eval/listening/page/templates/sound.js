// Sounds: read, decoded once, and played all at the same instant. Switching opens one gain and
// closes the others, so that nothing jumps in time.
const FADE_S = 0.002; // time constant: 5 ms until nine tenths are there
const EDGE_S = 0.005;
const AHEAD_S = 0.03;
const SHORTEST_S = 0.5;
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

const arrived = new Map();
const decoded = new Map();
let context = null;

// Called by the script beside a sound: a page from a disk may load scripts, and read no files.
function sound(name, base64) {
  arrived.set(name, base64);
}

async function bytesOf(name) {
  if (location.protocol !== "file:") {
    const reply = await fetch(`audio/${encodeURIComponent(name)}.wav`);
    if (!reply.ok) throw new Error(`status ${reply.status}`);
    return reply.arrayBuffer();
  }
  await new Promise((done, fail) => {
    const script = make("script", { src: `audio/${encodeURIComponent(name)}.js` });
    script.onload = done;
    script.onerror = () => fail(new Error("the file cannot be read"));
    document.head.append(script);
    script.remove();
  });
  const binary = atob(arrived.get(name));
  arrived.delete(name);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes.buffer;
}

// Decoded at its own rate: a browser would else resample each sound by itself.
async function decode(name) {
  const bytes = await bytesOf(name);
  return new OfflineAudioContext(1, 1, rateOf(new DataView(bytes))).decodeAudioData(bytes);
}

// WAV has its rate at byte 24, FLAC in the 20 bits from byte 18 on.
function rateOf(view) {
  const isFlac = view.getUint32(0) === 0x664c6143;
  return isFlac ? view.getUint32(18) >>> 12 : view.getUint32(24, true);
}

function fetchSound(name) {
  if (!decoded.has(name)) {
    const promise = decode(name);
    decoded.set(name, promise);
    promise.catch(() => decoded.delete(name));
  }
  return decoded.get(name);
}

// Sounds of other screens make room.
function forgetAllBut(names) {
  for (const name of [...decoded.keys()]) if (!names.includes(name)) decoded.delete(name);
}

function contextFor(rate) {
  if (context && context.sampleRate !== rate) {
    context.close();
    context = null;
  }
  context ??= new AudioContext({ sampleRate: rate });
  return context;
}

// The part of a sound between two samples, padded to its length, its edges faded so that a loop
// does not click.
function cut(buffer, from, to) {
  if (from === 0 && to === buffer.length) return buffer;
  const { numberOfChannels, sampleRate } = buffer;
  const part = new AudioBuffer({ length: to - from, numberOfChannels, sampleRate });
  const edge = Math.min(Math.round(EDGE_S * sampleRate), (to - from) >> 1);
  for (let channel = 0; channel < numberOfChannels; channel++) {
    const samples = part.getChannelData(channel);
    samples.set(buffer.getChannelData(channel).subarray(from, Math.min(to, buffer.length)));
    for (let i = 0; i < edge; i++) {
      const gain = 0.5 - 0.5 * Math.cos((Math.PI * (i + 0.5)) / edge);
      samples[i] *= gain;
      samples[samples.length - 1 - i] *= gain;
    }
  }
  return part;
}

class Deck {
  constructor({ loops = true } = {}) {
    this.loops = loops;
    this.active = "";
    this.voices = null;
    this.isWanted = false;
    this.heard = new Map();
    this.onTick = () => {};
    this.onHeard = () => {};
    this.onEnd = () => {};
  }

  async load(names, onProgress = () => {}) {
    let count = 0;
    const buffers = await Promise.all(names.map(async (name) => {
      const buffer = await fetchSound(name);
      onProgress(++count / names.length);
      return buffer;
    }));
    this.names = names;
    this.buffers = new Map(names.map((name, index) => [name, buffers[index]]));
    this.rate = buffers[0].sampleRate;
    this.length = Math.max(...buffers.map((buffer) => buffer.duration));
    this.position = 0;
    this.active ||= names[0];
    this.region = [0, this.length];
    this.cutAll();
  }

  get isWhole() {
    return this.region[0] <= 0 && this.region[1] >= this.length;
  }

  cutAll() {
    const [from, to] = this.region.map((seconds) => Math.round(seconds * this.rate));
    this.parts = new Map([...this.buffers].map(([name, buffer]) => [name, cut(buffer, from, to)]));
  }

  // The part that is heard, in seconds; no shorter than half a second.
  setRegion(from, to) {
    const shortest = Math.min(SHORTEST_S, this.length);
    from = Math.min(Math.max(0, from), this.length - shortest);
    to = Math.min(this.length, Math.max(to, from + shortest));
    const position = this.now();
    const playing = this.isWanted;
    this.silence();
    this.region = [from, to];
    this.cutAll();
    this.position = position >= from && position < to ? position : from;
    if (playing) this.start();
    else this.onTick();
  }

  setLoops(loops) {
    const playing = this.isWanted;
    this.position = this.now();
    this.silence();
    this.loops = loops;
    if (playing) this.start();
  }

  now() {
    if (!this.voices) return this.position;
    const [from, to] = this.region;
    const run = this.position - from + Math.max(0, context.currentTime - this.startedAt);
    return this.loops ? from + (run % (to - from)) : Math.min(to, from + run);
  }

  async start() {
    this.isWanted = true;
    const here = contextFor(this.rate);
    await here.resume();
    // A second press may have come meanwhile.
    if (!this.isWanted || this.voices) return;
    const [from, to] = this.region;
    if (this.position < from || this.position >= to - 0.01) this.position = from;
    this.startedAt = here.currentTime + AHEAD_S;
    this.bus = new GainNode(here, { gain: 0 });
    this.bus.gain.setValueAtTime(0, this.startedAt);
    this.bus.gain.linearRampToValueAtTime(gainOf(memory.data.volume), this.startedAt + EDGE_S);
    this.bus.connect(here.destination);
    this.voices = new Map(this.names.map((name) => [name, this.voice(name, here)]));
    const voices = this.voices;
    voices.get(this.names[0]).source.onended = () => {
      if (this.voices !== voices) return;
      this.account();
      this.silence();
      this.position = this.region[0];
      this.onEnd();
      this.onTick();
    };
    this.accounted = here.currentTime;
    this.timer = setInterval(() => this.account(), 50);
    this.paint();
  }

  voice(name, here) {
    const source = new AudioBufferSourceNode(here, { buffer: this.parts.get(name), loop: this.loops });
    const gain = new GainNode(here, { gain: name === this.active ? 1 : 0 });
    source.connect(gain).connect(this.bus);
    source.start(this.startedAt, this.position - this.region[0]);
    return { source, gain: gain.gain };
  }

  // Fades out what plays; the position stays for the caller to set.
  silence() {
    this.isWanted = false;
    clearInterval(this.timer);
    if (!this.voices) return;
    const end = context.currentTime;
    this.bus.gain.cancelScheduledValues(end);
    this.bus.gain.setTargetAtTime(0, end, FADE_S);
    for (const { source } of this.voices.values()) source.stop(end + 6 * FADE_S);
    this.voices = null;
  }

  stop() {
    this.account();
    this.position = this.now();
    this.silence();
    this.onTick();
  }

  toggle() {
    if (this.isWanted) this.stop();
    else this.start();
  }

  moveTo(seconds) {
    const [from, to] = this.region;
    const playing = this.isWanted;
    this.account();
    this.silence();
    this.position = Math.min(Math.max(from, seconds), to);
    if (playing) this.start();
    else this.onTick();
  }

  choose(name) {
    this.account();
    this.active = name;
    this.voices?.forEach(({ gain }, voice) => {
      gain.setTargetAtTime(voice === name ? 1 : 0, context.currentTime, FADE_S);
    });
  }

  // How long each sound has been heard, in seconds.
  account() {
    if (!this.voices) return;
    const now = context.currentTime;
    const since = Math.max(this.accounted, this.startedAt);
    this.accounted = now;
    if (now <= since) return;
    const total = (this.heard.get(this.active) ?? 0) + now - since;
    this.heard.set(this.active, total);
    this.onHeard(this.active, total);
  }

  paint() {
    this.onTick();
    if (!this.voices) return;
    if (STILL.matches) setTimeout(() => this.paint(), 250);
    else requestAnimationFrame(() => this.paint());
  }
}

// The page's own volume: 0 to 100 is -40 to 0 dB.
function gainOf(volume) {
  return 10 ** ((volume - 100) / 50);
}
