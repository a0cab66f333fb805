// Single clips: which of them are shown, their plain means, and a table of all, a page at a time.
const PAGE_ROWS = 50;

function showPicked() {
  for (const dataset of datasets) {
    const away = state.dataset >= 0 && state.dataset !== dataset.index;
    dataset.section.hidden = away;
    const picked = mask(dataset);
    for (const [clip, anchor] of Object.entries(dataset.players)) {
      document.getElementById(anchor).hidden = !picked[clip];
    }
  }
}

function meanOf(dataset, run, metric) {
  const values = dataset.values(run, metric);
  const weights = dataset.weights(run, metric);
  const picked = mask(dataset);
  let sum = 0;
  let weight = 0;
  let count = 0;
  for (let clip = 0; values && clip < dataset.size; clip++) {
    if (!picked[clip] || Number.isNaN(values[clip])) continue;
    const own = weights ? weights[clip] : 1;
    sum += own * values[clip];
    weight += own;
    count += 1;
  }
  return { mean: count ? sum / weight : NaN, count };
}

// Cells of a table drawn here: text or, where it is a number, [text, true].
function plainTable(caption, heads, rows) {
  const cell = (tag, value, scope) => {
    const [text, numeric] = Array.isArray(value) ? value : [value, false];
    return make(tag, { textContent: text, className: numeric ? "n" : "" }, scope ? { scope } : {});
  };
  const head = make("tr", {}, {}, heads.map((one) => cell("th", one, "col")));
  const body = rows.map((row) => make("tr", {}, {}, row.map((one, place) => {
    return place ? cell("td", one) : cell("th", one, "row");
  })));
  return make("table", {}, {}, [
    make("caption", { textContent: caption }),
    make("thead", {}, {}, [head]),
    make("tbody", {}, {}, body),
  ]);
}

function framed(table) {
  const label = { role: "region", tabindex: "0", "aria-label": table.caption.textContent };
  return make("div", { className: "scroll narrow" }, label, [table]);
}

function showMeans() {
  const place = document.getElementById("chosen");
  place.hidden = !picksClips();
  if (place.hidden) return place.replaceChildren();
  const judging = metrics.flatMap((metric, index) => (metric.quality ? [index] : []));
  const rows = shownDatasets().flatMap((dataset) => shownRuns(dataset).map((run) => {
    const means = judging.map((metric) => [written(meanOf(dataset, run, metric).mean), true]);
    const count = meanOf(dataset, run, state.metric).count;
    return [codecName(run.codec), dataset.name, [String(count), true], ...means];
  }));
  const heads = ["codec", "dataset", ["clips", true], ...judging.map((one) => [metrics[one].heading, true])];
  const words = "Each codec's own clips, without intervals: to look closer, not to decide.";
  place.replaceChildren(
    framed(plainTable("Means over the picked clips", heads, rows)),
    make("p", { className: "note", textContent: words }),
  );
}

class EveryClip {
  constructor(place) {
    this.place = place;
    this.order = { by: "rank", down: false };
    this.page = 0;
    this.table = make("table");
    this.pages = make("div", { className: "tools pages" });
    this.where = make("output");
    this.pages.append(
      button("Previous", () => this.turn(-1)),
      this.where,
      button("Next", () => this.turn(1)),
      button("CSV", () => this.save(), {}, { "aria-label": "CSV of these clips: download" }),
    );
    const label = { role: "region", tabindex: "0", "aria-label": "Scores of every clip" };
    const frame = make("div", { className: "scroll" }, label, [this.table]);
    place.replaceChildren(this.pages, frame);
    listeners.push(() => {
      this.page = 0;
      this.collect();
      this.show();
    });
  }

  collect() {
    this.rows = [];
    for (const dataset of shownDatasets()) {
      const picked = mask(dataset);
      for (let clip = 0; clip < dataset.size; clip++) {
        if (picked[clip]) this.rows.push({ dataset, clip });
      }
    }
    this.sort();
  }

  // What a column shows of a row, and sorts by: text, or a number.
  columns() {
    const shown = [...codecs.keys()].filter((letter) => !state.off.has(letter));
    const facts = [["clip", ({ dataset, clip }) => dataset.ids[clip]]];
    if (shownDatasets().length > 1) facts.push(["dataset", ({ dataset }) => dataset.name]);
    for (const [name, names] of [["speaker", "speakers"], ["domain", "domains"]]) {
      if (distinct(names).length < 2) continue;
      facts.push([name, ({ dataset, clip }) => dataset[names][dataset[name][clip]]]);
    }
    facts.push(["seconds", ({ dataset, clip }) => dataset.seconds[clip]]);
    return [...facts, ...shown.map((letter) => [letter, (row) => this.value(row, letter)])];
  }

  value({ dataset, clip }, letter) {
    const run = dataset.runs.find((one) => one.codec === letter);
    return (run && dataset.values(run, state.metric)?.[clip]) ?? NaN;
  }

  sort() {
    const found = this.columns().find(([name]) => name === this.order.by);
    if (!found) return;
    const keyed = this.rows.map((row) => [found[1](row), row]);
    const down = this.order.down ? -1 : 1;
    keyed.sort(([a], [b]) => {
      if (typeof a === "string") return down * collator.compare(a, b);
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return down * (a - b);
    });
    this.rows = keyed.map(([, row]) => row);
  }

  sortBy(name) {
    this.order = { by: name, down: this.order.by === name && !this.order.down };
    this.page = 0;
    this.collect();
    this.show();
  }

  turn(by) {
    const last = Math.max(0, Math.ceil(this.rows.length / PAGE_ROWS) - 1);
    this.page = Math.min(last, Math.max(0, this.page + by));
    this.show();
  }

  show() {
    const first = this.page * PAGE_ROWS;
    const rows = this.rows.slice(first, first + PAGE_ROWS);
    const columns = this.columns();
    const heads = columns.map((one) => this.heading(one[0]));
    const metric = metrics[state.metric].heading;
    const order = this.order.by === "rank" ? ", worst clips first" : "";
    this.table.replaceChildren(
      make("caption", { textContent: `${metric}${order}; open a clip for all its scores` }),
      make("thead", {}, {}, [make("tr", {}, {}, heads)]),
      make("tbody", {}, {}, rows.map((row) => this.row(row, columns))),
    );
    const end = first + rows.length;
    this.where.textContent = rows.length ? `${first + 1} to ${end} of ${this.rows.length}` : "no clip";
  }

  heading(name) {
    const numeric = codecs.has(name) || name === "seconds";
    const text = codecs.has(name) ? codecName(name) : name;
    const cell = make("th", { className: numeric ? "n" : "" }, { scope: "col" });
    if (this.order.by === name) {
      cell.setAttribute("aria-sort", this.order.down ? "descending" : "ascending");
    }
    cell.append(button(text, () => {
      this.sortBy(name);
      const cells = [...this.table.tHead.rows[0].cells];
      cells.find((one) => one.textContent === text).querySelector("button").focus();
    }));
    return cell;
  }

  row(row, columns) {
    const line = make("tr");
    columns.forEach(([name, read], place) => {
      const value = read(row);
      if (!place) return line.append(make("th", {}, { scope: "row" }, [this.opener(row, line)]));
      const numeric = typeof value === "number";
      const text = numeric ? written(value) : value;
      line.append(make("td", { textContent: text, className: numeric ? "n" : "" }));
    });
    return line;
  }

  opener(row, line) {
    const name = row.dataset.ids[row.clip];
    const opener = button(name, () => {
      const isOpen = opener.getAttribute("aria-expanded") === "true";
      opener.setAttribute("aria-expanded", String(!isOpen));
      if (isOpen) return line.nextSibling.remove();
      const cell = make("td", {}, { colspan: line.cells.length }, [this.detail(row)]);
      line.after(make("tr", { className: "detail" }, {}, [cell]));
    }, { className: "opener" }, { "aria-expanded": "false" });
    return opener;
  }

  detail({ dataset, clip }) {
    const runs = shownRuns(dataset);
    const scored = metrics.map((_, index) => index).filter((metric) => {
      return runs.some((run) => metric in run.values || metric in run.missing);
    });
    const rows = scored.map((metric) => [metrics[metric].heading, ...runs.map((run) => {
      const why = dataset.reason(run, metric, clip);
      if (why) return `${why[0] === "error" ? "failed" : why[0]}: ${why[1]}`;
      return [written(dataset.values(run, metric)?.[clip] ?? NaN), true];
    })]);
    const heads = ["metric", ...runs.map((run) => codecName(run.codec))];
    const parts = [framed(plainTable(`Scores of ${dataset.ids[clip]}`, heads, rows))];
    const anchor = dataset.players[clip];
    if (anchor) parts.unshift(make("a", { href: `#${anchor}`, textContent: "Listen to it" }));
    return make("div", {}, {}, parts);
  }

  // All scores of the rows' clips, a line for each clip and codec.
  save() {
    const rows = [["dataset", "clip", "speaker", "domain", "seconds", "codec", ...metrics.map((one) => one.name)]];
    for (const { dataset, clip } of this.rows) {
      const speaker = dataset.speakers[dataset.speaker[clip]];
      const domain = dataset.domains[dataset.domain[clip]];
      const facts = [dataset.name, dataset.ids[clip], speaker, domain, exactly(dataset.seconds[clip])];
      for (const run of shownRuns(dataset)) {
        const scores = metrics.map((_, metric) => exactly(dataset.values(run, metric)?.[clip] ?? NaN));
        rows.push([...facts, codecs.get(run.codec).name, ...scores]);
      }
    }
    saveCsv(rows, "clips");
  }
}

// As many digits as the page holds of a number; nothing for none.
function exactly(value) {
  return Number.isNaN(value) ? "" : String(Number(value.toPrecision(7)));
}

function buildClips() {
  listeners.push(showPicked, showMeans);
  new EveryClip(document.getElementById("every-clip"));
}
