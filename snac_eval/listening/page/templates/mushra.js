// ITU-R BS.1534: all sounds of a clip beside a known reference, each rated from 0 to 100. One of them
// is the reference once more.
const SIGNS = "123456789ABCDEFGHIJKMNOPQSTUVXYZ"; // L, R and W are keys of their own
const wordOf = (value) => LABELS[Math.min(4, Math.floor(value / 20))];

class Mushra extends TrialScreen {
  title() {
    return "How close is each sound to the reference?";
  }

  task() {
    return "Rate every sound against the reference. One of them is the reference itself: give it 100.";
  }

  build() {
    this.state.ratings ??= {};
    const { order } = this.screen;
    this.signs = new Map(order.map((name, index) => [name, SIGNS[index] ?? `(${index + 1})`]));
    this.deck.active = this.trial.reference;
    this.buttons = new Map();
    this.sliders = new Map();
    this.values = new Map();
    const reference = make("div", { className: "sound reference" }, {}, [
      this.chooser(this.trial.reference, "Ref", "the reference", "R 0"),
    ]);
    const field = make("div", { className: "sounds" }, {}, [scale(), reference, ...order.map((name) => this.column(name))]);
    this.timeline = new Timeline(this.deck, this.deck.buffers.get(this.trial.reference), () => this.keepRegion());
    return [
      make("div", { className: "transport" }, {}, [this.play, this.timeline.root]),
      field,
      keysHelp([
        ["Space", "play, pause"], ["R", "reference"], ["1 2 3 …", "sounds"], ["↑ ↓", "rating"],
        ["L", "loop"], ["[ ]", "part from here, to here"], ["W", "whole clip"], ["Enter", "next"],
      ]),
    ];
  }

  chooser(name, sign, words, keys) {
    const element = button(sign, (event) => {
      this.pick(name);
      // Whoever points goes on with the arrow keys at once; whoever tabs stays.
      if (event.detail) this.sliders.get(name)?.focus({ preventScroll: true });
    }, { className: "choose", title: words }, { "aria-label": `${sign}: play ${words}`, "aria-keyshortcuts": keys });
    this.buttons.set(name, element);
    return element;
  }

  column(name) {
    const sign = this.signs.get(name);
    const range = { type: "range", min: 0, max: 100, step: 1, value: this.state.ratings[name] ?? 50 };
    const slider = make("input", range, { "aria-label": `rating of sound ${sign}` });
    const value = make("output");
    const rate = () => this.rate(name, Number(slider.value));
    slider.addEventListener("input", rate);
    // A slider that is left where it stands was rated as well.
    slider.addEventListener("change", rate);
    slider.addEventListener("pointerup", rate);
    this.sliders.set(name, slider);
    this.values.set(name, value);
    return make("div", { className: "sound" }, {}, [
      this.chooser(name, sign, `sound ${sign}`, sign),
      make("div", { className: "track" }, {}, [slider]),
      value,
    ]);
  }

  rate(name, value) {
    if (this.state.ratings[name] === value) return;
    this.state.ratings[name] = value;
    this.wasWarned = false;
    this.save();
    this.show();
  }

  get warning() {
    const isRight = Object.values(this.state.ratings).includes(100);
    return isRight ? "" : "No sound has 100, yet one of them is the reference itself. Listen once more, or go on.";
  }

  lacks() {
    const sign = (name) => this.signs.get(name) ?? "the reference";
    const unheard = this.unheard.map(sign);
    const unrated = this.screen.order.filter((name) => !(name in this.state.ratings)).map(sign);
    const all = this.screen.order.length;
    const parts = [];
    if (unheard.length) parts.push(unheard.length > all ? "listen to all sounds" : `listen to ${few(unheard)}`);
    if (unrated.length) parts.push(unrated.length === all ? "rate each of them" : `rate ${few(unrated)}`);
    const words = parts.join(", then ");
    return words && `Still to do: ${words}.`;
  }

  show() {
    for (const [name, element] of this.buttons) {
      element.setAttribute("aria-pressed", String(name === this.deck.active));
      element.parentElement.classList.toggle("active", name === this.deck.active);
      element.classList.toggle("heard", this.state.heard.includes(name));
    }
    for (const [name, slider] of this.sliders) {
      const value = this.state.ratings[name];
      const isRated = value !== undefined;
      slider.classList.toggle("unrated", !isRated);
      slider.setAttribute("aria-valuetext", isRated ? `${value}, ${wordOf(value)}` : "not yet rated");
      this.values.get(name).replaceChildren(text("b", isRated ? value : "–"), text("span", isRated ? wordOf(value) : ""));
    }
    super.show();
  }

  ownKey(key) {
    const isReference = key === "R" || key === "0";
    const found = isReference ? this.trial.reference : this.screen.order[SIGNS.indexOf(key)];
    if (!found || (!isReference && !SIGNS.includes(key))) return false;
    if (found !== this.deck.active || !this.deck.isWanted) this.pick(found);
    (this.sliders.get(found) ?? this.buttons.get(found)).focus({ preventScroll: true });
    return true;
  }

  answer() {
    const ratings = Object.fromEntries(this.screen.order.map((name) => [name, this.state.ratings[name]]));
    return { ratings, chosen: "", correct: null };
  }
}

function few(signs) {
  return signs.length > 5 ? `${signs.slice(0, 4).join(", ")} and ${signs.length - 4} more` : list(signs);
}

function scale() {
  const labels = [...LABELS].reverse().map((label) => text("li", label));
  return make("ol", { className: "scale" }, { "aria-hidden": "true" }, labels);
}

function keysHelp(pairs) {
  const items = pairs.map(([keys, words]) => make("span", {}, {}, [text("kbd", keys), ` ${words}`]));
  return make("p", { className: "keys" }, {}, items);
}
