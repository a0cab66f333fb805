// All that is known of this listener, kept in the browser after every change: a page that is loaded
// anew goes on where it was.
const STORE = `listening test ${TEST.test}`;
const LISTENER = /^[a-z0-9]{12}$/;

const memory = {
  data: null,
  plan: [],
  isSafe: true, // whether the browser keeps what it is given
  isOurs: true, // whether no other window has taken the test over
  onChange: () => {},

  begin() {
    this.data = this.stored() ?? this.fresh();
    this.data.window = randomName(8); // the newest window has the test: others hear of the change
    this.plan = planFor(this.data.listener);
    if (this.data.place > this.plan.length) this.data.place = this.plan.length;
  },

  fresh() {
    const listener = randomName(12);
    return { listener, step: "welcome", place: 0, volume: 80, current: {}, answers: [], queue: [], refused: [] };
  },

  stored() {
    try {
      const data = JSON.parse(localStorage.getItem(STORE));
      const whole = ["answers", "queue", "refused"].every((name) => Array.isArray(data?.[name]));
      const isPlace = Number.isInteger(data?.place) && data.place >= 0 && data.current;
      return whole && isPlace && LISTENER.test(data.listener) ? data : null;
    } catch {
      return null;
    }
  },

  save() {
    if (!this.isOurs) return;
    try {
      localStorage.setItem(STORE, JSON.stringify(this.data));
      this.isSafe = true;
    } catch {
      this.isSafe = false;
    }
    this.onChange();
  },

  // Another person at the same browser. What was not yet sent still will be.
  next() {
    const { queue, volume, window } = this.data;
    this.data = { ...this.fresh(), queue, volume, window };
    this.plan = planFor(this.data.listener);
    this.save();
  },

  get screen() {
    return this.plan[this.data.place];
  },

  // Which of the trials that count the present one is, from 1.
  get number() {
    return this.data.place - this.trainings + 1;
  },

  get trainings() {
    return this.plan.filter(({ trial }) => trial.training).length;
  },
};

// A row for each sound that was rated; of an ABX trial one, for the sound that X was said to be.
function csvOf(answers) {
  const rows = [["test", "listener", "trial", "stimulus", "rating", "correct", "seconds", "place"]];
  for (const { test, listener, trial, ratings, chosen, correct, seconds, place } of answers) {
    const rated = chosen ? [[chosen, ""]] : Object.entries(ratings);
    for (const [name, value] of rated) {
      rows.push([test, listener, trial, name, value, correct ?? "", seconds, place]);
    }
  }
  const cell = (value) => (/[",\r\n]/.test(value) ? `"${String(value).replaceAll('"', '""')}"` : value);
  return rows.map((row) => row.map(cell).join(",") + "\n").join("");
}

function downloadAnswers() {
  const { answers, listener } = memory.data;
  const address = URL.createObjectURL(new Blob([csvOf(answers)], { type: "text/csv" }));
  const link = make("a", { href: address, download: `answers-${TEST.test}-${listener}.csv` });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
