// What stands before, between and after the trials.
const TASKS = {
  mushra: "In each trial you hear a clip as a reference, and several versions of it. You rate how close each version is to the reference, from 0 to 100.",
  abx: "In each trial you hear two versions of a clip, A and B, and a third, X, that is one of them again. You say which one.",
  mos: "In each trial you hear one clip, and say how good its quality is, from 1 (bad) to 5 (excellent).",
};

function count(number, what) {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

class Plain {
  constructor(onDone) {
    this.onDone = onDone;
    this.next = button("Continue", () => this.leave(), { className: "primary next" });
  }

  leave() {
    this.onDone();
  }

  close() {}

  key(event) {
    if (event.key !== "Enter" || !this.next.isConnected) return false;
    this.leave();
    return true;
  }
}

class Welcome extends Plain {
  open(root) {
    const { plan, trainings } = memory;
    const training = trainings ? `, after ${trainings} for training` : "";
    this.next.textContent = "I agree, begin";
    root.append(
      make("h1", { tabIndex: -1, textContent: "Welcome" }),
      text("p", TASKS[TEST.method]),
      text("p", `The test has ${count(plan.length - trainings, "trial")}${training}. You can stop at any time and go on later: this browser keeps your place.`),
      text("p", "Please use headphones, in a quiet room."),
      text("h2", "What is stored"),
      make("ul", {}, {}, [
        text("li", "your answers, and how long each of them took;"),
        text("li", "a random name for you, made up by this page;"),
        text("li", "nothing else: no name, no address, no cookies, and nothing about your device."),
      ]),
      text("p", "Your answers go to whoever invited you to this test. Until then they are kept in this browser."),
      text("p", "Taking part is up to you. You may leave whenever you like, without giving a reason."),
      make("div", { className: "leave" }, {}, [this.next]),
    );
  }
}

class Volume extends Plain {
  constructor(onDone) {
    super(onDone);
    this.deck = new Deck();
    this.note = make("p", { className: "missing" }, { role: "status" });
    this.play = button("Play", () => this.toggle(), { className: "play" }, { "aria-keyshortcuts": "Space" });
    this.deck.onTick = () => {
      const words = this.deck.isWanted ? "Pause" : "Play";
      if (this.play.textContent !== words) this.play.textContent = words;
    };
    this.deck.onHeard = () => {
      this.hasHeard = true;
      this.note.textContent = "";
    };
  }

  async open(root) {
    const { trial, order } = memory.plan[0];
    const range = { type: "range", min: 0, max: 100, value: memory.data.volume, id: "volume" };
    const slider = make("input", range);
    slider.addEventListener("input", () => this.set(Number(slider.value)));
    root.append(
      make("h1", { tabIndex: -1, textContent: "Set the volume once" }),
      text("p", "Play this sound. Set the volume of your device, and then the slider here, so that it is loud and still comfortable."),
      text("p", "After this page the volume stays as it is. Please leave that of your device alone too until the end."),
      make("div", { className: "transport single" }, {}, [
        this.play,
        make("label", { textContent: "Volume", htmlFor: "volume" }),
        slider,
      ]),
      make("div", { className: "leave" }, {}, [this.note, this.next]),
    );
    this.name = trial.reference || order[0];
    await this.load();
  }

  async load() {
    this.isLoading = true;
    try {
      await this.deck.load([this.name]);
      this.note.textContent = "";
    } catch (error) {
      this.note.textContent = `The sound could not be loaded (${error.message}). Press Play to try again.`;
    }
    this.isLoading = false;
  }

  async toggle() {
    if (!this.deck.names) this.note.textContent = "The sound is being loaded …";
    if (!this.deck.names && !this.isLoading) await this.load();
    if (this.deck.names) this.deck.toggle();
  }

  set(volume) {
    memory.data.volume = volume;
    memory.save();
    const { bus } = this.deck;
    if (this.deck.voices) bus.gain.setTargetAtTime(gainOf(volume), context.currentTime, 0.02);
  }

  leave() {
    if (this.hasHeard) this.onDone();
    else this.note.textContent = "Please play the sound first.";
  }

  close() {
    this.deck.silence();
  }

  key(event) {
    if (event.key !== " ") return super.key(event);
    this.toggle();
    return true;
  }
}

class Begin extends Plain {
  open(root) {
    const number = memory.plan.length - memory.trainings;
    this.next.textContent = "Begin";
    root.append(
      make("h1", { tabIndex: -1, textContent: "Now the test begins" }),
      text("p", `The training is over. From here on your answers count. ${count(number, "trial")} ${number === 1 ? "follows" : "follow"}.`),
      text("p", "There are no right or wrong answers to prepare for: trust your ears, and take a break whenever you like."),
      make("div", { className: "leave" }, {}, [this.next]),
    );
  }
}

class Done {
  constructor(onNext) {
    this.onNext = onNext;
  }

  open(root) {
    this.state = make("p", {}, { role: "status" });
    const again = button("Another person takes the test", () => {
      if (again.dataset.sure) this.onNext();
      again.dataset.sure = "yes";
      again.textContent = "Really begin anew, with a new random name?";
    });
    root.append(
      make("h1", { tabIndex: -1, textContent: "Thank you!" }),
      text("p", "That was the last trial."),
      this.state,
      make("div", { className: "leave" }, {}, [
        this.save = button("Download my answers (CSV)", downloadAnswers),
        again,
      ]),
    );
    this.update();
  }

  update() {
    const { queue, refused } = memory.data;
    const isSent = sending.url && !queue.length && !refused.length;
    this.save.classList.toggle("primary", !isSent);
    if (isSent) this.state.textContent = "All of your answers have been sent. You may close this page.";
    else if (refused.length) this.state.textContent = "The server refused some of your answers: please download them, and send the file to whoever invited you.";
    else if (sending.url) this.state.textContent = "Your answers are being sent: please leave this page open until this says that they are, or download them.";
    else this.state.textContent = "Please download your answers, and send the file to whoever invited you.";
  }

  close() {}

  key() {
    return false;
  }
}
