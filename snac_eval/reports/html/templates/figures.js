// Plots: those of the picked metric stand large. How the picked clips are spread is drawn here, from
// the data; intervals and frontiers are not, for they are of all clips and were decided elsewhere.
const SVG = "http://www.w3.org/2000/svg";
const MOST_DOTS = 100;
const LINE = { height: 34, width: 460, left: 24, right: 12, top: 12, bottom: 40 };

function draw(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function quantile(sorted, share) {
  const place = share * (sorted.length - 1);
  const low = Math.floor(place);
  const next = sorted[Math.min(low + 1, sorted.length - 1)];
  return sorted[low] + (next - sorted[low]) * (place - low);
}

// The picked clips of a run that have a value, lowest first.
function rankedClips(dataset, run, metric) {
  const values = dataset.values(run, metric);
  if (!values) return { clips: [], values: [] };
  const picked = mask(dataset);
  const clips = [];
  for (let clip = 0; clip < dataset.size; clip++) {
    if (picked[clip] && !Number.isNaN(values[clip])) clips.push(clip);
  }
  clips.sort((a, b) => values[a] - values[b]);
  return { clips, values: clips.map((clip) => values[clip]) };
}

function niceTicks(low, high, most = 6) {
  const rough = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((one) => one * power).find((one) => one >= rough);
  const ticks = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) {
    ticks.push(Number(at.toPrecision(12)));
  }
  return ticks;
}

function scaleOf(lines) {
  const ends = lines.flatMap((line) => [line.values[0], line.values.at(-1)]);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const room = (high - low) * 0.04 || Math.abs(high) * 0.05 || 1;
  const width = LINE.width - LINE.left - LINE.right;
  const at = (value) => LINE.left + ((value - low + room) / (high - low + 2 * room)) * width;
  return { low: low - room, high: high + room, at };
}

function drawBox(line, scale, middle, colour) {
  const [p5, p25, p50, p75, p95] = [0.05, 0.25, 0.5, 0.75, 0.95].map((share) => {
    return scale.at(quantile(line.values, share));
  });
  const half = LINE.height / 4;
  const path = `M${p5} ${middle - half / 2}v${half}M${p95} ${middle - half / 2}v${half}`
    + `M${p5} ${middle}H${p25}M${p75} ${middle}H${p95}`
    + `M${p25} ${middle - half}H${p75}v${2 * half}H${p25}z`;
  return [
    draw("path", { d: path, fill: "none", stroke: colour, "stroke-width": 1.6 }),
    draw("path", { d: `M${p50} ${middle - half}v${2 * half}`, stroke: "var(--text)", "stroke-width": 2.2 }),
  ];
}

function drawDots(dataset, line, scale, middle, colour) {
  const count = Math.min(MOST_DOTS, line.clips.length);
  return Array.from({ length: count }, (_, index) => {
    const place = Math.round((index * (line.clips.length - 1)) / Math.max(1, count - 1));
    // Spread, but the same each time: the golden ratio's multiples.
    const offset = (((index * 0.618034) % 1) - 0.5) * LINE.height * 0.4;
    const dot = { cx: scale.at(line.values[place]), cy: middle + offset, r: 2.4, fill: colour };
    const title = draw("title", {}, "");
    title.textContent = `${codecs.get(line.run.codec).name}, ${dataset.ids[line.clips[place]]}: `
      + written(line.values[place]);
    return draw("circle", { ...dot, "fill-opacity": 0.65 }, title);
  });
}

function drawAxis(scale, bottom, label) {
  const parts = niceTicks(scale.low, scale.high).flatMap((tick) => {
    const at = scale.at(tick);
    const line = { d: `M${at} ${LINE.top}V${bottom}`, stroke: "var(--line)", "stroke-width": 0.7 };
    const text = draw("text", { x: at, y: bottom + 14, "text-anchor": "middle" }, String(tick));
    return [draw("path", line), text];
  });
  const middle = (LINE.left + LINE.width - LINE.right) / 2;
  return [...parts, draw("text", { x: middle, y: bottom + 32, "text-anchor": "middle" }, label)];
}

function drawSpread(dataset, metric) {
  const lines = shownRuns(dataset)
    .map((run) => ({ run, ...rankedClips(dataset, run, metric) }))
    .filter((line) => line.clips.length);
  if (!lines.length) return null;
  const scale = scaleOf(lines);
  const bottom = LINE.top + lines.length * LINE.height;
  const size = `0 0 ${LINE.width} ${bottom + LINE.bottom}`;
  const label = `${metrics[metric].heading}, picked clips of ${dataset.name}`;
  const svg = draw("svg", { viewBox: size, role: "img", "aria-label": label, class: "live", fill: "var(--text)" });
  svg.append(...drawAxis(scale, bottom, metrics[metric].heading));
  lines.forEach((line, index) => {
    const middle = LINE.top + (index + 0.5) * LINE.height;
    const colour = `var(--s${codecs.get(line.run.codec).colour % 8})`;
    svg.append(
      draw("text", { x: LINE.left - 6, y: middle + 4, "text-anchor": "end" }, line.run.codec),
      ...drawDots(dataset, line, scale, middle, colour),
      ...drawBox(line, scale, middle, colour),
    );
  });
  return svg;
}

function addSaver(figure) {
  const title = figure.dataset.title;
  const act = () => saveSvg(figure.querySelector("svg"), title);
  const saver = button("SVG", act, {}, { "aria-label": `SVG of ${title}: download` });
  figure.append(make("div", { className: "tools" }, {}, [saver]));
}

function liveFigure(dataset) {
  const svg = drawSpread(dataset, state.metric);
  if (!svg) return make("p", { className: "note", textContent: "No picked clip has a value by this metric." });
  const title = `${metrics[state.metric].name}, picked clips of ${dataset.name}`;
  const figure = make("figure", { className: "plot" }, { "data-title": title }, [svg]);
  addSaver(figure);
  return figure;
}

class Figures {
  constructor(dataset) {
    this.dataset = dataset;
    this.large = dataset.section.querySelector(".plots.large");
    this.small = dataset.section.querySelector(".plots.small");
    this.still = [...dataset.section.querySelectorAll("figure.plot")];
    this.first = new Set(this.large?.children ?? []);
    this.drawn = [0, state.metric, false].join();
    this.still.forEach(addSaver);
    listeners.push(() => this.update());
  }

  isLarge(figure, name) {
    if (!state.picked) return this.first.has(figure);
    return figure.dataset.metric === name && figure.dataset.axis !== "speed";
  }

  update() {
    const filtered = picksClips() || state.off.size > 0;
    const key = [filtered ? version : 0, state.metric, state.picked].join();
    if (!this.large || key === this.drawn) return;
    this.drawn = key;
    this.arrange(filtered);
  }

  arrange(filtered) {
    const name = metrics[state.metric].name;
    const spread = (figure) => figure.dataset.axis === "spread";
    let large = this.still.filter((figure) => this.isLarge(figure, name));
    if (filtered) large = large.filter((figure) => !spread(figure));
    const shown = [...large];
    if (!large.some(spread)) shown.push(liveFigure(this.dataset));
    this.large.replaceChildren(...shown);
    this.small?.replaceChildren(...this.still.filter((figure) => !large.includes(figure)));
    for (const mark of this.dataset.section.querySelectorAll("[data-codec]")) {
      mark.style.display = state.off.has(mark.dataset.codec) ? "none" : "";
    }
  }
}

function buildFigures() {
  for (const dataset of datasets) new Figures(dataset);
}
