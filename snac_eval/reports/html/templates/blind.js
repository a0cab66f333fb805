// A blind test: the versions of each clip stand in a drawn order under numbers, and what could give
// them away is hidden, until they are revealed. The reference stays what it is.
function drawn(items) {
  const order = [...items];
  const random = crypto.getRandomValues(new Uint32Array(order.length));
  for (let i = order.length - 1; i > 0; i--) {
    const j = random[i] % (i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

class Blind {
  constructor(player) {
    this.player = player;
    this.article = player.root.closest("article");
    this.names = player.versions.map((version) => version.querySelector(".who").textContent);
    this.letters = player.letters;
    this.reveal = button("Reveal", () => this.show(), { hidden: true, className: "reveal" });
    player.controls.append(this.reveal);
  }

  get codecs() {
    return this.player.versions.map((_, index) => index).filter((index) => this.letters[index] !== "A");
  }

  // Numbers instead of letters, in an order that only the draw knows.
  hide() {
    const order = drawn(this.codecs);
    const numbers = new Map(order.map((index, place) => [index, String(place + 1)]));
    this.player.letters = this.letters.map((letter, index) => numbers.get(index) ?? letter);
    this.arrange([...numbers.keys()], (index) => (numbers.has(index) ? "" : this.names[index]));
    this.article.classList.add("blind");
    this.reveal.hidden = false;
    this.player.choose(0);
  }

  // The numbers stay, with the names beside them.
  show() {
    const order = this.codecs.sort((a, b) => this.player.letters[a] - this.player.letters[b]);
    this.arrange(order, (index) => this.names[index]);
    this.article.classList.remove("blind");
    this.reveal.hidden = true;
  }

  end() {
    this.player.letters = this.letters;
    this.arrange(this.codecs, (index) => this.names[index]);
    this.article.classList.remove("blind");
    this.reveal.hidden = true;
  }

  arrange(order, nameOf) {
    const { root, versions, choices, letterBox } = this.player;
    for (const index of order) {
      root.append(versions[index]);
      letterBox.append(choices[index]);
    }
    versions.forEach((version, index) => {
      version.querySelector(".who").textContent = nameOf(index);
    });
    this.player.name();
  }
}

function buildBlind() {
  const tests = [...players.values()].map((player) => new Blind(player)).filter((one) => one.codecs.length);
  if (!tests.length) return;
  const toggle = button("Blind test", () => {
    const on = toggle.getAttribute("aria-pressed") !== "true";
    toggle.setAttribute("aria-pressed", String(on));
    for (const test of tests) on ? test.hide() : test.end();
  }, { id: "blind", title: "shuffle the versions of each clip and hide which is which" });
  toggle.setAttribute("aria-pressed", "false");
  document.querySelector("#filters .controls").append(toggle);
}
