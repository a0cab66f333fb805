// What the page was told of the test, and small helpers.
const TEST = JSON.parse(document.getElementById("facts").textContent);
const LABELS = ["Bad", "Poor", "Fair", "Good", "Excellent"];

function make(tag, properties = {}, attributes = {}, children = []) {
  const element = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function text(tag, words, className = "") {
  return make(tag, { textContent: words, className });
}

function button(words, act, properties = {}, attributes = {}) {
  const element = make("button", { type: "button", textContent: words, ...properties }, attributes);
  element.addEventListener("click", act);
  return element;
}

function randomName(length) {
  const letters = "abcdefghijkmnpqrstuvwxyz23456789";
  const drawn = crypto.getRandomValues(new Uint8Array(length));
  return [...drawn].map((one) => letters[one % letters.length]).join("");
}

// Numbers of 0 to below 1 that the text decides: the same listener meets the same order again.
function randomFrom(seed) {
  let state = 2166136261;
  for (const char of seed) state = Math.imul(state ^ char.codePointAt(0), 16777619);
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
  };
}

function shuffled(items, random) {
  const order = [...items];
  for (let i = order.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

// A listener's own test: training as it stands in the key, then rounds of all trials, each in an
// order of its own. Every screen has the order of its sounds, and for ABX which of them X is.
function planFor(listener) {
  const random = randomFrom(`${TEST.test} ${listener}`);
  const screen = (trial) => {
    const order = shuffled(trial.stimuli, random);
    return { trial, order, x: order[Math.floor(random() * order.length)] };
  };
  const training = TEST.trials.filter((trial) => trial.training).map(screen);
  const counted = TEST.trials.filter((trial) => !trial.training);
  for (let round = 0; round < TEST.repeats; round++) {
    training.push(...shuffled(counted, random).map(screen));
  }
  return training;
}
