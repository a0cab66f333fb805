// Which screen stands, and where keys and changes go.
const SCREENS = { mushra: Mushra, abx: Abx, mos: Mos };
const root = document.getElementById("screen");
const notice = document.getElementById("notice");
let shown = null;

function screenNow() {
  const { data, screen, trainings } = memory;
  if (data.step === "welcome") return new Welcome(() => go("volume"));
  if (data.step === "volume") return new Volume(() => go("trial"));
  if (!screen) return new Done(() => {
    memory.next();
    open();
  });
  if (trainings && data.place === trainings && data.step !== "counts") return new Begin(() => go("counts"));
  return new SCREENS[TEST.method](screen, answered);
}

function go(step) {
  memory.data.step = step;
  memory.save();
  open();
}

function answered(answer) {
  const { data, screen, number } = memory;
  const { watch } = shown;
  if (!screen.trial.training) {
    const { test } = TEST;
    const seconds = Number(watch.read().toFixed(1));
    const whole = { id: randomName(24), test, listener: data.listener, trial: screen.trial.id, ...answer, seconds, place: number };
    data.answers.push(whole);
    data.queue.push(whole);
  }
  data.place += 1;
  data.current = {};
  memory.save();
  sending.now();
  open();
}

function open() {
  shown?.close();
  shown = screenNow();
  root.replaceChildren();
  scrollTo(0, 0);
  shown.open(root);
  root.querySelector("h1").focus({ preventScroll: true });
  tellPlace();
  tellSaved();
  prefetch();
}

// The sounds of this screen and of the next.
async function prefetch() {
  const { plan, data } = memory;
  const names = plan.slice(data.place, data.place + 2).flatMap(({ trial, order }) => [trial.reference, ...order].filter(Boolean));
  forgetAllBut(names);
  for (const name of names) {
    try {
      await fetchSound(name);
    } catch {
      return; // The screen that needs it says so.
    }
  }
}

function tellPlace() {
  const { plan, data, trainings, number } = memory;
  const all = plan.length - trainings;
  const bar = document.getElementById("progress");
  const isTrial = shown instanceof TrialScreen;
  const words = number < 1 ? `Training ${data.place + 1} of ${trainings}` : `Trial ${number} of ${all}`;
  document.getElementById("place").textContent = isTrial ? words : "";
  bar.hidden = data.step === "welcome";
  bar.value = data.place / plan.length;
}

function tellSaved() {
  document.getElementById("saved").textContent = sending.say();
  document.getElementById("download").hidden = !memory.data.answers.length || shown instanceof Done;
  if (shown instanceof Done) shown.update();
}

function takenOver(event) {
  if (event.key !== STORE || !memory.isOurs) return;
  memory.isOurs = false;
  shown.close();
  root.replaceChildren(
    text("h1", "The test goes on in another window"),
    text("p", "Your answers are kept there. You may close this window."),
    button("Go on here instead", () => location.reload(), { className: "primary" }),
  );
  shown = { close() {}, key: () => false };
}

// What uses a key itself keeps it: buttons their space and Enter, a choice its arrows.
function isTaken({ target, key, ctrlKey, altKey, metaKey, defaultPrevented, repeat }) {
  if (ctrlKey || altKey || metaKey || defaultPrevented) return true;
  if (repeat && (key === " " || key === "Enter")) return true;
  if (key !== " " && key !== "Enter") return false;
  return Boolean(target.closest?.("button, a, summary") || (key === " " && target.closest?.("input[type=radio]")?.checked === false));
}

function begin() {
  if (!window.AudioContext || !window.OfflineAudioContext) {
    root.append(text("p", "This browser cannot play the test: please use a current Firefox, Chrome, Edge or Safari.", "warning"));
    return;
  }
  memory.begin();
  memory.onChange = sending.onChange = tellSaved;
  memory.save();
  addEventListener("storage", takenOver);
  document.addEventListener("keydown", (event) => {
    if (!isTaken(event) && shown.key(event)) event.preventDefault();
  });
  document.getElementById("download").addEventListener("click", downloadAnswers);
  sending.begin();
  open();
  performance.mark("ready");
}

begin();
