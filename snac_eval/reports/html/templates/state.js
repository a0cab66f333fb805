// What the reader has picked, and the controls to pick with. Whatever shows clips asks here which.
const state = {
  metric: Math.max(0, metrics.findIndex((metric) => metric.name === PAGE.main)),
  picked: false, // whether the reader chose the metric
  dataset: -1,
  speaker: "",
  domain: "",
  search: "",
  off: new Set(), // letters of codecs that are not shown
};
const listeners = [];
let version = 0;

function changed() {
  version += 1;
  for (const listener of listeners) listener();
}

function picksClips() {
  return Boolean(state.speaker || state.domain || state.search.trim());
}

function shownRuns(dataset) {
  return dataset.runs.filter((run) => !state.off.has(run.codec));
}

function shownDatasets() {
  return datasets.filter((dataset) => state.dataset < 0 || state.dataset === dataset.index);
}

// For each clip of the dataset 1 where it is among those that the reader picked.
function mask(dataset) {
  if (dataset.maskVersion === version) return dataset.mask;
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const domain = dataset.domains.indexOf(state.domain);
  const speaker = dataset.speakers.indexOf(state.speaker);
  const found = new Uint8Array(dataset.size);
  const lower = words.length ? dataset.lowerIds() : [];
  for (let clip = 0; clip < dataset.size; clip++) {
    if (state.domain && dataset.domain[clip] !== domain) continue;
    if (state.speaker && dataset.speaker[clip] !== speaker) continue;
    if (words.every((word) => lower[clip].includes(word))) found[clip] = 1;
  }
  Object.assign(dataset, { mask: found, maskVersion: version });
  return found;
}

function select(label, options, act) {
  const box = make("select");
  for (const [value, text] of options) box.append(make("option", { value, textContent: text }));
  box.addEventListener("change", () => act(box.value));
  return make("label", {}, {}, [`${label} `, box]);
}

function metricPicker() {
  const options = metrics.map((metric, index) => [index, metric.heading]);
  const label = select("Metric", options, (value) => {
    state.metric = Number(value);
    state.picked = true;
    changed();
  });
  label.querySelector("select").value = state.metric;
  return label;
}

function choice(label, name, known) {
  const every = ["", `every ${label.toLowerCase()}`];
  return select(label, [every, ...known.map((one) => [one, one])], (value) => {
    state[name] = value;
    changed();
  });
}

function datasetPicker() {
  const known = datasets.map((dataset) => [dataset.index, dataset.name]);
  return select("Dataset", [[-1, "every dataset"], ...known], (value) => {
    state.dataset = Number(value);
    changed();
  });
}

function searchBox() {
  const box = make("input", { type: "search", placeholder: "part of a clip's name" });
  let waiting = 0;
  box.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      state.search = box.value;
      changed();
    }, 120);
  });
  return make("label", {}, {}, ["Search ", box]);
}

function codecToggles() {
  const group = make("span", { className: "toggles" }, { role: "group", "aria-label": "Codecs" });
  for (const codec of PAGE.codecs) {
    const className = `letter s${codec.colour % 8}`;
    const title = codecName(codec.letter);
    const toggle = button(codec.letter, () => {
      if (!state.off.delete(codec.letter)) state.off.add(codec.letter);
      toggle.setAttribute("aria-pressed", String(!state.off.has(codec.letter)));
      changed();
    }, { className, title }, { "aria-pressed": "true", "aria-label": title });
    group.append(toggle);
  }
  return group;
}

function distinct(name) {
  const known = new Set(datasets.flatMap((dataset) => dataset[name]));
  known.delete("");
  return [...known].sort(new Intl.Collator("en", { numeric: true }).compare);
}

function counted() {
  const count = make("output", { className: "count" });
  listeners.push(() => {
    let shown = 0;
    let total = 0;
    for (const dataset of shownDatasets()) {
      total += dataset.size;
      for (const one of mask(dataset)) shown += one;
    }
    count.textContent = `${shown} of ${total} clips`;
  });
  return count;
}

function buildFilters() {
  const controls = make("div", { className: "controls" });
  const speakers = distinct("speakers");
  const domains = distinct("domains");
  controls.append(metricPicker());
  if (datasets.length > 1) controls.append(datasetPicker());
  if (PAGE.codecs.length > 1) controls.append(codecToggles());
  if (domains.length > 1) controls.append(choice("Domain", "domain", domains));
  if (speakers.length > 1) controls.append(choice("Speaker", "speaker", speakers));
  controls.append(searchBox(), counted());
  const fold = make("details", { className: "filters", open: innerWidth > 700 }, {}, [
    make("summary", { textContent: "Pick and filter" }),
    controls,
  ]);
  const place = document.getElementById("filters");
  place.append(fold);
  place.hidden = false;
}
