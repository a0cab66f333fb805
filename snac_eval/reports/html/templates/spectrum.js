// Spectrograms: a playhead, a click that seeks, and a closer look, which is drawn from the sound.
const WINDOW = 1024;
const BANDS = 96;
const QUIETEST_PEAK_DB = -60;
const LEVELS = PAGE.colours.level.map(rgb);
const DIFFERENCES = PAGE.colours.difference.map(rgb);
const HANN = Float64Array.from({ length: WINDOW }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / WINDOW));

function rgb(hex) {
  return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

// Radix-2 Fourier transform in place, of a length that is a power of two.
function transform(real, imaginary) {
  const size = real.length;
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let half = 1; half < size; half *= 2) {
    for (let k = 0; k < half; k++) {
      const cos = Math.cos((Math.PI * k) / half);
      const sin = -Math.sin((Math.PI * k) / half);
      for (let i = k; i < size; i += 2 * half) butterfly(real, imaginary, i, i + half, cos, sin);
    }
  }
}

function butterfly(real, imaginary, i, j, cos, sin) {
  const re = real[j] * cos - imaginary[j] * sin;
  const im = real[j] * sin + imaginary[j] * cos;
  real[j] = real[i] - re;
  imaginary[j] = imaginary[i] - im;
  real[i] += re;
  imaginary[i] += im;
}

// Slaney's mel scale, as the page's own pictures have it.
const melOf = (hz) => (hz < 1000 ? (3 * hz) / 200 : 15 + (27 * Math.log(hz / 1000)) / Math.log(6.4));
const hzOf = (mel) => (mel < 15 ? (200 * mel) / 3 : 1000 * 6.4 ** ((mel - 15) / 27));

// For each band its first bin and the weights of the bins from there.
function melFilters(rate) {
  const top = melOf(rate / 2);
  const edges = Array.from({ length: BANDS + 2 }, (_, i) => hzOf((top * i) / (BANDS + 1)));
  return edges.slice(1, -1).map((centre, band) => {
    const [low, high] = [edges[band], edges[band + 2]];
    const first = Math.ceil((low * WINDOW) / rate);
    const weights = [];
    for (let bin = first; (bin * rate) / WINDOW < high && bin <= WINDOW / 2; bin++) {
      const hz = (bin * rate) / WINDOW;
      const part = Math.min((hz - low) / (centre - low), (high - hz) / (high - centre));
      weights.push((Math.max(0, part) * 2) / (high - low));
    }
    return { first, weights };
  });
}

function monoOf(buffer) {
  const mono = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    const samples = buffer.getChannelData(channel);
    for (let i = 0; i < mono.length; i++) mono[i] += samples[i] / buffer.numberOfChannels;
  }
  return mono;
}

// Levels in dB around sample `centre`, a value per band.
function levelsAt(mono, centre, filters) {
  const real = new Float64Array(WINDOW);
  const imaginary = new Float64Array(WINDOW);
  const start = Math.round(centre) - WINDOW / 2;
  for (let i = 0; i < WINDOW; i++) real[i] = HANN[i] * (mono[start + i] ?? 0);
  transform(real, imaginary);
  return filters.map(({ first, weights }) => {
    let sum = 0;
    weights.forEach((weight, i) => {
      sum += weight * Math.hypot(real[first + i], imaginary[first + i]);
    });
    return 20 * Math.log10(Math.max(sum, 1e-7));
  });
}

function peakOf(mono, filters) {
  let peak = QUIETEST_PEAK_DB;
  for (let at = 0; at < mono.length; at += WINDOW) {
    peak = Math.max(peak, ...levelsAt(mono, at, filters));
  }
  return peak;
}

function paint(canvas, columns, colours, place) {
  canvas.width = columns.length;
  canvas.height = BANDS;
  const context = canvas.getContext("2d");
  const picture = context.createImageData(columns.length, BANDS);
  columns.forEach((levels, x) => levels.forEach((level, band) => {
    const share = Math.min(1, Math.max(0, place(level, x, band)));
    const colour = colours[Math.round(share * (colours.length - 1))];
    const at = 4 * ((BANDS - 1 - band) * columns.length + x);
    picture.data.set([...colour, 255], at);
  }));
  context.putImageData(picture, 0, 0);
}

// The spectrograms of one player: they scroll and zoom together.
class Spectra {
  constructor(player) {
    this.player = player;
    this.pictures = [...player.root.querySelectorAll(".picture")];
    this.heads = this.pictures.map((picture) => this.prepare(picture));
    this.zoom = 1;
    player.root.style.setProperty("--zoom", 1);
  }

  prepare(picture) {
    const wide = make("div", { className: "wide" });
    const head = make("i", { className: "playhead", hidden: true });
    const axis = picture.parentElement.querySelector(".seconds");
    wide.append(...picture.childNodes, head, axis);
    picture.append(wide);
    picture.parentElement.classList.add("live");
    picture.addEventListener("click", (event) => {
      const box = wide.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      this.player.moveTo(share * Number(this.player.root.dataset.length));
    });
    picture.addEventListener("scroll", () => this.scrolled(picture));
    return head;
  }

  scrolled(from) {
    for (const picture of this.pictures) {
      if (picture.scrollLeft !== from.scrollLeft) picture.scrollLeft = from.scrollLeft;
    }
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.redraw(), 80);
  }

  // Moves the playheads to this share of the clip, and keeps them in sight.
  point(share) {
    for (const head of this.heads) {
      head.hidden = false;
      head.style.left = `${100 * share}%`;
    }
    const [picture] = this.pictures;
    if (this.zoom === 1 || !picture) return;
    const at = share * picture.scrollWidth - picture.scrollLeft;
    if (at < 0 || at > picture.clientWidth) {
      picture.scrollLeft = share * picture.scrollWidth - picture.clientWidth / 10;
    }
  }

  async magnify(factor) {
    this.zoom = Math.min(16, Math.max(1, this.zoom * factor));
    this.player.root.style.setProperty("--zoom", this.zoom);
    const ticks = this.ticks();
    for (const picture of this.pictures) {
      picture.tabIndex = this.zoom > 1 ? 0 : -1;
      picture.querySelector(".seconds").replaceChildren(...ticks.map((tick) => tick.cloneNode(true)));
    }
    await this.player.load();
    this.point(this.player.now() / this.player.length());
    this.redraw();
  }

  ticks() {
    const length = Number(this.player.root.dataset.length);
    return niceTicks(0, length, 5 * this.zoom).filter((at) => at < length * 0.995).map((at) => {
      const item = make("li", { textContent: at ? String(at) : "0 s" });
      item.style.setProperty("--at", at / length);
      return item;
    });
  }

  redraw() {
    this.player.root.querySelectorAll(".picture canvas").forEach((canvas) => canvas.remove());
    if (this.zoom === 1 || !this.player.buffers) return;
    const rate = this.player.buffers[0].sampleRate;
    this.filters ??= melFilters(rate);
    this.mono ??= this.player.buffers.map(monoOf);
    this.peak ??= peakOf(this.mono[0], this.filters);
    const seen = this.mono.map((mono) => this.columns(mono));
    this.player.versions.forEach((version, index) => this.drawVersion(version, seen[index], seen[0]));
  }

  // The levels of what can be seen, a column per pixel.
  columns(mono) {
    const { scrollLeft, scrollWidth, clientWidth } = this.pictures[0];
    const step = this.player.buffers[0].length / scrollWidth;
    return Array.from({ length: clientWidth }, (_, x) => {
      return levelsAt(mono, (scrollLeft + x) * step, this.filters);
    });
  }

  drawVersion(version, seen, reference) {
    const [level, difference] = version.querySelectorAll(".picture");
    this.overlay(level, seen, LEVELS, (db) => 1 + (db - this.peak) / PAGE.levelDb);
    if (!difference) return;
    const floor = this.peak - PAGE.levelDb;
    this.overlay(difference, seen, DIFFERENCES, (db, x, band) => {
      const change = Math.max(db, floor) - Math.max(reference[x][band], floor);
      return 0.5 + change / (2 * PAGE.differenceDb);
    });
  }

  overlay(picture, seen, colours, place) {
    const canvas = make("canvas", {}, { "aria-hidden": "true" });
    canvas.style.left = `${picture.scrollLeft}px`;
    canvas.style.width = `${picture.clientWidth}px`;
    paint(canvas, seen, colours, place);
    picture.querySelector("img").after(canvas);
  }
}
