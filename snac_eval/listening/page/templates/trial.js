// One trial on the screen, whatever it asks: its sounds are loaded, the time that it takes is
// counted, and it is left when nothing is missing.
class Stopwatch {
  constructor(seconds) {
    this.seconds = seconds;
    this.since = document.hidden ? null : performance.now();
    this.look = () => {
      this.seconds = this.read();
      this.since = document.hidden ? null : performance.now();
    };
    document.addEventListener("visibilitychange", this.look);
  }

  read() {
    return this.seconds + (this.since == null ? 0 : (performance.now() - this.since) / 1000);
  }

  end() {
    document.removeEventListener("visibilitychange", this.look);
  }
}

class TrialScreen {
  constructor(screen, onDone) {
    this.screen = screen;
    this.trial = screen.trial;
    this.onDone = onDone;
    this.state = memory.data.current;
    this.state.heard ??= [];
    this.watch = new Stopwatch(this.state.seconds ?? 0);
    this.deck = new Deck({ loops: this.state.loops ?? true });
    this.missing = make("p", { className: "missing", id: "missing" }, { role: "status" });
    this.next = button("Next", () => this.leave(), { className: "primary next" }, { "aria-describedby": "missing" });
    this.play = button("Play", () => this.deck.toggle(), { className: "play" }, { "aria-keyshortcuts": "Space" });
    this.body = make("div", { className: "trial" });
  }

  // All sounds that this trial plays.
  get sounds() {
    return this.trial.reference ? [this.trial.reference, ...this.screen.order] : this.screen.order;
  }

  async open(root) {
    root.append(...this.heading(), this.body);
    const bar = make("progress", { value: 0 }, { "aria-label": "loading the sounds" });
    this.body.replaceChildren(make("p", { className: "loading" }, {}, ["Loading the sounds … ", bar]));
    try {
      await this.deck.load(this.sounds, (share) => (bar.value = share));
    } catch (error) {
      const again = button("Try again", () => {
        root.replaceChildren();
        this.open(root);
      });
      this.body.replaceChildren(text("p", `A sound could not be loaded (${error.message}).`, "warning"), again);
      return;
    }
    if (this.isClosed) return;
    if (this.state.region) this.deck.setRegion(...this.state.region);
    this.deck.onHeard = (name, seconds) => this.hear(name, seconds);
    this.deck.onTick = () => this.tick();
    this.body.replaceChildren(...this.build(), make("div", { className: "leave" }, {}, [this.missing, this.next]));
    this.show();
  }

  heading() {
    const title = make("h1", { tabIndex: -1, textContent: this.title() });
    const parts = [title, text("p", this.task(), "task")];
    if (this.trial.training) {
      parts.push(text("p", "This is training: get to know the sounds and the page. Your answer does not count.", "note"));
    }
    return parts;
  }

  save() {
    this.state.seconds = this.watch.read();
    memory.save();
  }

  // A sound counts as heard after a second, or all of what is heard of a short clip.
  hear(name, seconds) {
    const [from, to] = this.deck.region;
    if (this.state.heard.includes(name) || seconds < Math.min(1, to - from) - 0.02) return;
    this.state.heard.push(name);
    this.save();
    this.show();
  }

  get unheard() {
    return this.sounds.filter((name) => !this.state.heard.includes(name));
  }

  pick(name) {
    if (this.deck.active === name && this.deck.isWanted) {
      this.deck.stop();
    } else {
      this.deck.choose(name);
      if (!this.deck.isWanted) this.deck.start();
    }
    this.show();
  }

  keepRegion() {
    this.state.region = this.deck.isWhole ? null : this.deck.region;
    this.state.loops = this.deck.loops;
    this.save();
  }

  tick() {
    const words = this.deck.isWanted ? "Pause" : "Play";
    if (this.play.textContent !== words) this.play.textContent = words;
    this.timeline?.point();
  }

  // What must still be done, as a sentence; empty when all is done.
  lacks() {
    return "";
  }

  leave() {
    if (this.isClosed || !this.deck.names) return;
    const lacks = this.lacks();
    this.hasTried = true;
    this.show();
    if (lacks || (this.warning && !this.warn())) return;
    this.onDone(this.answer());
  }

  // Whether the listener has been warned before and goes on all the same.
  warn() {
    if (this.wasWarned) return true;
    this.wasWarned = true;
    this.show();
    return false;
  }

  show() {
    const lacks = this.lacks();
    this.next.setAttribute("aria-disabled", String(Boolean(lacks)));
    const warns = !lacks && this.wasWarned && this.warning;
    this.next.textContent = warns ? "Next all the same" : "Next";
    const words = lacks || (warns ? this.warning : "");
    if (this.missing.textContent !== words) this.missing.textContent = words;
    this.missing.classList.toggle("urgent", Boolean(words && (this.hasTried || warns)));
    this.tick();
  }

  close() {
    this.isClosed = true;
    this.deck.silence();
    this.watch.end();
  }

  // Whether the key was for this screen.
  key(event) {
    if (!this.deck.names) return false;
    const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
    if (key === " ") this.deck.toggle();
    else if (key === "Enter") this.leave();
    else return this.timeline?.key(key) || this.ownKey(key);
    return true;
  }

  ownKey() {
    return false;
  }
}

function list(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
