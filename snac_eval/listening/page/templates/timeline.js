// The clip along its time: a drag picks the part that is heard, a click goes there.
const SVG = "http://www.w3.org/2000/svg";
const COLUMNS = 400;
const NEAR_PX = 14;

class Timeline {
  constructor(deck, shape, onRegion) {
    this.deck = deck;
    this.onRegion = onRegion;
    this.head = make("span", { className: "head" });
    this.part = make("span", { className: "part" });
    this.strip = make("div", { className: "strip", tabIndex: 0 }, {
      role: "slider", "aria-label": "position in the clip", "aria-valuemin": "0",
      "aria-valuemax": deck.length.toFixed(2),
    }, [drawing(shape), this.part, this.head]);
    this.clock = text("span", "", "clock");
    this.loop = button("Loop", () => this.setLoops(!deck.loops), { title: "L" });
    this.root = make("div", { className: "timeline" }, {}, [
      this.strip,
      make("div", { className: "tools" }, {}, [
        this.loop,
        button("From here", () => this.pick(deck.now(), deck.region[1]), { title: "[" }),
        button("To here", () => this.pick(deck.region[0], deck.now()), { title: "]" }),
        this.whole = button("Whole clip", () => this.pick(0, deck.length), { title: "W" }),
        this.clock,
      ]),
    ]);
    this.listen();
    this.show();
  }

  listen() {
    const { strip } = this;
    strip.addEventListener("pointerdown", (event) => this.grab(event));
    strip.addEventListener("pointermove", (event) => this.drag(event));
    strip.addEventListener("pointerup", (event) => this.drop(event));
    strip.addEventListener("pointercancel", () => {
      this.from = null;
      this.show();
    });
    strip.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -0.25, ArrowDown: -0.25, ArrowRight: 0.25, ArrowUp: 0.25 }[event.key];
      if (!step) return;
      this.deck.moveTo(this.deck.now() + step);
      event.preventDefault();
      event.stopPropagation();
    });
  }

  seconds(event) {
    const box = this.strip.getBoundingClientRect();
    return (Math.min(Math.max(0, event.clientX - box.left), box.width) / box.width) * this.deck.length;
  }

  // Near an edge of the part, that edge is moved; anywhere else a new part begins.
  grab(event) {
    if (event.button) return;
    this.strip.setPointerCapture(event.pointerId);
    const at = this.seconds(event);
    const near = (NEAR_PX / this.strip.clientWidth) * this.deck.length;
    const [from, to] = this.deck.region;
    this.from = at;
    this.hasMoved = false;
    if (this.deck.isWhole) return;
    if (Math.abs(at - from) < near) this.from = to;
    else if (Math.abs(at - to) < near) this.from = from;
  }

  drag(event) {
    if (this.from == null) return;
    const at = this.seconds(event);
    this.hasMoved ||= Math.abs(at - this.from) > (4 / this.strip.clientWidth) * this.deck.length;
    if (this.hasMoved) this.frame(Math.min(at, this.from), Math.max(at, this.from));
  }

  drop(event) {
    if (this.from == null) return;
    const at = this.seconds(event);
    const { from } = this;
    this.from = null;
    if (this.hasMoved) this.pick(Math.min(at, from), Math.max(at, from));
    else this.deck.moveTo(at);
    this.show();
  }

  pick(from, to) {
    this.deck.setRegion(from, to);
    this.onRegion();
    this.show();
  }

  setLoops(loops) {
    this.deck.setLoops(loops);
    this.onRegion();
    this.show();
  }

  frame(from, to) {
    const { length } = this.deck;
    this.part.style.left = `${(100 * from) / length}%`;
    this.part.style.width = `${(100 * (to - from)) / length}%`;
  }

  show() {
    const { deck } = this;
    this.point();
    if (this.from == null) this.frame(...deck.region);
    this.part.hidden = deck.isWhole && this.from == null;
    this.whole.disabled = deck.isWhole;
    this.loop.setAttribute("aria-pressed", String(deck.loops));
  }

  point() {
    const now = this.deck.now();
    this.head.style.left = `${(100 * now) / this.deck.length}%`;
    this.clock.textContent = `${now.toFixed(1)} / ${this.deck.length.toFixed(1)} s`;
    this.strip.setAttribute("aria-valuenow", now.toFixed(2));
    this.strip.setAttribute("aria-valuetext", `${now.toFixed(1)} seconds`);
    if (this.from != null && this.hasMoved) this.part.hidden = false;
  }

  key(key) {
    const { deck } = this;
    if (key === "L") this.setLoops(!deck.loops);
    else if (key === "[") this.pick(deck.now(), deck.region[1]);
    else if (key === "]") this.pick(deck.region[0], deck.now());
    else if (key === "W") this.pick(0, deck.length);
    else return false;
    return true;
  }
}

// How loud the sound is along its time, as a drawing that takes its colours from the page.
function drawing(buffer) {
  const samples = buffer.getChannelData(0);
  const step = samples.length / COLUMNS;
  const peaks = Array.from({ length: COLUMNS }, (_, column) => {
    let peak = 0;
    for (let i = Math.floor(column * step); i < Math.floor((column + 1) * step); i++) {
      peak = Math.max(peak, Math.abs(samples[i]));
    }
    return peak;
  });
  const top = Math.max(...peaks, 1e-4);
  const heights = peaks.map((peak) => Math.max(0.5, (46 * peak) / top));
  const upper = heights.map((height, x) => `${x},${(50 - height).toFixed(1)}`);
  const lower = heights.map((height, x) => `${x},${(50 + height).toFixed(1)}`).reverse();
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${COLUMNS - 1} 100`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", `M${upper.join("L")}L${lower.join("L")}Z`);
  svg.append(path);
  return svg;
}
