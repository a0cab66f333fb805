// Trials that are answered by a choice. ABX: which of two sounds is X? Absolute categories (ITU-T
// P.800): how good is the one sound?
class Choice extends TrialScreen {
  radios(question, options, isLow = false) {
    this.options = options.map(([value, sign, words]) => {
      const radio = make("input", { type: "radio", name: "answer", value, checked: this.state.choice === value });
      radio.addEventListener("change", () => this.decide(value));
      return make("label", { className: "option" }, {}, [radio, text("b", sign), text("span", words)]);
    });
    return make("fieldset", { className: isLow ? "options low" : "options" }, {}, [
      text("legend", question), ...this.options,
    ]);
  }

  decide(value) {
    this.state.choice = value;
    for (const option of this.options) {
      const radio = option.querySelector("input");
      radio.checked = radio.value === value;
    }
    this.save();
    this.show();
  }
}

class Abx extends Choice {
  title() {
    return "Is X the same as A or as B?";
  }

  task() {
    return "A and B are two different sounds. X is one of them again. If you cannot tell, guess.";
  }

  get letters() {
    const [a, b] = this.screen.order;
    return [["A", a], ["B", b], ["X", "X"]];
  }

  // X is a voice of its own: it is played beside A and B, and counted by itself.
  get sounds() {
    return [...this.screen.order, "X"];
  }

  async open(root) {
    const load = this.deck.load;
    this.deck.load = async (names, onProgress) => {
      await load.call(this.deck, this.screen.order, onProgress);
      this.deck.names = [...this.screen.order, "X"];
      this.deck.buffers.set("X", this.deck.buffers.get(this.screen.x));
      this.deck.cutAll();
    };
    await super.open(root);
  }

  build() {
    this.buttons = new Map(this.letters.map(([sign, name]) => [name, button(sign, () => this.pick(name), {
      className: "choose", title: `sound ${sign}`,
    }, { "aria-label": `play ${sign}`, "aria-keyshortcuts": sign })]));
    this.timeline = new Timeline(this.deck, this.deck.buffers.get(this.screen.order[0]), () => this.keepRegion());
    const [a, b] = this.screen.order;
    return [
      make("div", { className: "transport" }, {}, [this.play, this.timeline.root]),
      make("div", { className: "letters" }, { role: "group", "aria-label": "sounds" }, [...this.buttons.values()]),
      this.radios("Your answer", [[a, "X is A", ""], [b, "X is B", ""]]),
      keysHelp([
        ["Space", "play, pause"], ["A B X", "sounds"], ["1", "X is A"], ["2", "X is B"], ["L", "loop"],
        ["[ ]", "part from here, to here"], ["W", "whole clip"], ["Enter", "next"],
      ]),
    ];
  }

  lacks() {
    const unheard = this.letters.filter(([, name]) => !this.state.heard.includes(name)).map(([sign]) => sign);
    const parts = [];
    if (unheard.length) parts.push(`listen to ${list(unheard)}`);
    if (!this.state.choice) parts.push("choose A or B");
    const words = parts.join(", then ");
    return words && `Still to do: ${words}.`;
  }

  show() {
    for (const [name, element] of this.buttons) {
      element.setAttribute("aria-pressed", String(name === this.deck.active));
      element.classList.toggle("heard", this.state.heard.includes(name));
    }
    super.show();
  }

  ownKey(key) {
    const found = this.letters.find(([sign]) => sign === key);
    if (found && (found[1] !== this.deck.active || !this.deck.isWanted)) this.pick(found[1]);
    else if (key === "1" || key === "2") this.decide(this.screen.order[key - 1]);
    else return Boolean(found);
    return true;
  }

  answer() {
    const { choice } = this.state;
    return { ratings: {}, chosen: choice, correct: choice === this.screen.x };
  }
}

class Mos extends Choice {
  constructor(...all) {
    super(...all);
    this.deck.loops = false;
    this.deck.onEnd = () => {
      const [name] = this.screen.order;
      // From the start to the end: whoever moves on within the clip has not heard it.
      if (!this.state.heard.includes(name) && this.deck.heard.get(name) >= this.deck.length - 0.25) {
        this.state.heard.push(name);
        this.save();
      }
      this.show();
    };
  }

  title() {
    return "How good is this sound?";
  }

  task() {
    return "Listen to it until its end, then say how good its quality is.";
  }

  build() {
    this.bar = make("progress", { value: 0 }, { "aria-label": "how much of the sound has been played" });
    const options = [...LABELS].map((label, index) => [String(index + 1), String(index + 1), label]).reverse();
    return [
      make("div", { className: "transport single" }, {}, [this.play, this.bar]),
      this.radios("The quality is", options, true),
      keysHelp([["Space", "play, pause"], ["1 … 5", "your answer"], ["Enter", "next"]]),
    ];
  }

  hear() {}

  tick() {
    super.tick();
    if (this.bar) this.bar.value = this.deck.now() / this.deck.length;
  }

  lacks() {
    const parts = [];
    if (this.unheard.length) parts.push("listen to the end");
    if (!this.state.choice) parts.push("choose an answer");
    const words = parts.join(", then ");
    return words && `Still to do: ${words}.`;
  }

  ownKey(key) {
    if (!"12345".includes(key)) return false;
    this.decide(key);
    return true;
  }

  answer() {
    return { ratings: { [this.screen.order[0]]: Number(this.state.choice) }, chosen: "", correct: null };
  }
}
