// The rows of a board: ordered by a metric that the reader picks, filtered, with columns to choose.
// All that is picked stands in the address, so that a link shows what its sender saw.
const bands = [...document.querySelectorAll("section.band")];
const boardTables = bands.map((band) => band.querySelector("table"));
const boardRows = boardTables.flatMap((table) => [...table.tBodies[0].rows]);
const metricHeads = boardTables.length ? [...boardTables[0].tHead.rows[0].cells].filter((cell) => cell.dataset.metric) : [];
const columnOf = new Map(metricHeads.map((cell) => [cell.dataset.metric, cell.cellIndex]));
const headOf = new Map(metricHeads.map((cell) => [cell.dataset.metric, cell]));
const plain = {
  metric: metricHeads.length ? metricHeads[0].dataset.metric : "",
  sort: "", band: "", kind: "", family: "", licence: "", alike: "", q: "", columns: "",
};
const wanted = { ...plain };
const fields = {};

function known(name) {
  return [...new Set(boardRows.map((row) => row.dataset[name]))].filter(Boolean).sort(collator.compare);
}

function cellOf(row, metric) {
  return row.cells[columnOf.get(metric)];
}

function shownMetrics() {
  if (wanted.columns) return new Set(wanted.columns.split(",").filter((name) => columnOf.has(name)));
  return new Set(metricHeads.filter((cell) => !cell.classList.contains("extra")).map((cell) => cell.dataset.metric));
}

// Rows measured alike stand together, best first; what has no value stands last.
function compareRows(a, b) {
  const [kind, down] = wanted.sort.startsWith("-") ? [wanted.sort.slice(1), -1] : [wanted.sort, 1];
  if (kind === "codec") return down * collator.compare(a.cells[0].innerText, b.cells[0].innerText);
  const [one, other] = kind === "bitrate" ? [a.cells[3], b.cells[3]] : [cellOf(a, wanted.metric), cellOf(b, wanted.metric)];
  const [x, y] = [one, other].map((cell) => (cell.dataset.key ? Number(cell.dataset.key) : NaN));
  if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
  if (kind === "bitrate") return down * (x - y);
  const letters = [one, other].map((cell) => cell.dataset.alike);
  if (letters[0] !== letters[1]) return letters[0].length - letters[1].length || (letters[0] < letters[1] ? -1 : 1);
  return down * (headOf.get(wanted.metric).dataset.better === "1" ? y - x : x - y);
}

function fitsRow(row) {
  for (const name of ["kind", "family", "licence"]) {
    if (wanted[name] && row.dataset[name] !== wanted[name]) return false;
  }
  if (wanted.alike && cellOf(row, wanted.metric)?.dataset.alike !== "M1") return false;
  const text = row.cells[0].textContent.toLowerCase();
  return wanted.q.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function showRow(row) {
  const cell = wanted.metric ? cellOf(row, wanted.metric) : null;
  const rank = row.querySelector("td.rank");
  rank.textContent = cell?.dataset.rank ?? "–";
  rank.title = cell?.title ?? "";
  row.querySelector("td.alike").textContent = cell?.dataset.alike ?? "–";
  row.querySelector("td.clips").textContent = cell?.dataset.n ?? "–";
}

function showColumns() {
  const shown = shownMetrics();
  for (const table of boardTables) {
    for (const row of table.rows) {
      for (const [metric, place] of columnOf) row.cells[place].classList.toggle("folded", !shown.has(metric) && metric !== wanted.metric);
    }
  }
  for (const [metric, box] of fields.columns) box.checked = shown.has(metric);
}

function showHeads(table) {
  for (const cell of table.tHead.rows[0].cells) {
    const by = cell.dataset.by;
    const sorted = by ? wanted.sort.replace("-", "") === by : cell.dataset.metric === wanted.metric && !/codec|bitrate/.test(wanted.sort);
    cell.classList.toggle("picked", cell.dataset.metric === wanted.metric);
    if (!sorted) cell.removeAttribute("aria-sort");
    else cell.setAttribute("aria-sort", wanted.sort.startsWith("-") !== (!by && cell.dataset.better === "1") ? "descending" : "ascending");
  }
  const named = table.closest(".band").querySelector(".by");
  if (named) named.textContent = headOf.get(wanted.metric)?.dataset.title ?? "";
}

// Without a script the first drawing stands open and the others are folded.
function gatherRates() {
  const place = document.getElementById("rates");
  const rest = place?.querySelector("details.rest");
  if (rest) rest.replaceWith(...rest.querySelectorAll(".rate"));
}

function showRates() {
  const drawn = [...document.querySelectorAll("#rates .rate")];
  for (const one of drawn) one.hidden = one.dataset.metric !== wanted.metric;
  const undrawn = document.getElementById("undrawn");
  if (undrawn) undrawn.hidden = drawn.some((one) => !one.hidden);
}

function showBoard() {
  let shown = 0;
  for (const band of bands) {
    const table = band.querySelector("table");
    const body = table.tBodies[0];
    let here = 0;
    for (const row of [...body.rows].sort(compareRows)) {
      row.hidden = !fitsRow(row);
      here += row.hidden ? 0 : 1;
      showRow(row);
      body.append(row);
    }
    showHeads(table);
    band.hidden = !here || Boolean(wanted.band && wanted.band !== band.dataset.band);
    shown += band.hidden ? 0 : here;
  }
  showColumns();
  showRates();
  document.getElementById("nothing").hidden = shown > 0;
  fields.count.textContent = `${shown} of ${boardRows.length} rows`;
  for (const name of ["metric", "band", "kind", "family", "licence", "q"]) {
    if (fields[name] && fields[name].value !== wanted[name]) fields[name].value = wanted[name];
  }
  if (fields.alike) fields.alike.checked = Boolean(wanted.alike);
}

function readAddress() {
  // A part of the page that was jumped to says nothing of what is picked.
  if (location.hash.length > 1 && !location.hash.includes("=") && fields.read) return;
  fields.read = true;
  const words = new URLSearchParams(location.hash.slice(1));
  for (const name of Object.keys(plain)) wanted[name] = words.get(name) ?? plain[name];
  if (!columnOf.has(wanted.metric)) wanted.metric = plain.metric;
  showBoard();
}

// Typing would fill the history; any other choice can be gone back from.
function pick(changes, typing = false) {
  Object.assign(wanted, changes);
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(wanted)) if (value !== plain[name]) words.set(name, value);
  history[typing ? "replaceState" : "pushState"](null, "", `#${words}`);
  showBoard();
}

function boardSelect(label, name, options) {
  if (options.length < 2) return [];
  const made = select(label, name === "metric" ? options : [["", "all"], ...options], (value) => pick(name === "metric" ? { metric: value, sort: "" } : { [name]: value }));
  fields[name] = made.querySelector("select");
  return [made];
}

function alikeBox() {
  const mixed = boardRows.some((row) => [...columnOf.values()].some((place) => (row.cells[place].dataset.alike ?? "M1") !== "M1"));
  if (!mixed) return [];
  fields.alike = make("input", { type: "checkbox" });
  fields.alike.addEventListener("change", () => pick({ alike: fields.alike.checked ? "M1" : "" }));
  return [make("label", {}, {}, [fields.alike, " measured alike only (M1)"])];
}

function columnBoxes() {
  fields.columns = new Map();
  const labels = metricHeads.map((cell) => {
    const box = make("input", { type: "checkbox" });
    box.addEventListener("change", () => {
      const shown = shownMetrics();
      if (box.checked) shown.add(cell.dataset.metric);
      else shown.delete(cell.dataset.metric);
      pick({ columns: metricHeads.map((one) => one.dataset.metric).filter((name) => shown.has(name)).join(",") || "none" });
    });
    fields.columns.set(cell.dataset.metric, box);
    return make("label", {}, {}, [box, ` ${cell.dataset.title}`]);
  });
  return make("details", { className: "columns" }, {}, [make("summary", { textContent: "Columns" }), ...labels]);
}

function headingPick(cell) {
  const { metric, by } = cell.dataset;
  if (by) pick({ sort: wanted.sort === by ? `-${by}` : by });
  else if (metric === wanted.metric && !/codec|bitrate/.test(wanted.sort)) pick({ sort: wanted.sort ? "" : "-" });
  else pick({ metric, sort: "" });
}

function makeHeads() {
  for (const table of boardTables) {
    for (const cell of table.tHead.rows[0].cells) {
      if (!cell.dataset.metric && !cell.dataset.by) continue;
      const sorter = button("", () => headingPick(cell));
      sorter.append(...cell.childNodes);
      cell.replaceChildren(sorter);
    }
  }
}

function buildBoard() {
  const place = document.getElementById("picker");
  if (!place || !boardTables.length) return;
  const pairs = (values) => values.map((value) => [value, value]);
  const search = make("input", { type: "search", placeholder: "part of a name" });
  search.addEventListener("input", () => pick({ q: search.value }, true));
  fields.q = search;
  fields.count = make("output", { className: "count" });
  const box = make("div", { className: "picking" }, { role: "search", "aria-label": "Pick rows" }, [
    ...boardSelect("Order by", "metric", metricHeads.map((cell) => [cell.dataset.metric, cell.dataset.title])),
    ...boardSelect("Bitrate", "band", bands.map((band) => [band.dataset.band, band.dataset.title])),
    ...boardSelect("Kind", "kind", pairs(known("kind"))),
    ...boardSelect("Family", "family", pairs(known("family"))),
    ...boardSelect("Licence", "licence", pairs(known("licence"))),
    make("label", {}, {}, ["Search ", search]),
    ...alikeBox(),
    button("Show all", () => pick({ ...plain })),
    fields.count,
  ]);
  place.append(make("details", { className: "picks", open: innerWidth > 700 }, {}, [make("summary", { textContent: "Pick and filter" }), box, columnBoxes()]));
  place.hidden = false;
  makeHeads();
  gatherRates();
  addEventListener("popstate", readAddress);
  readAddress();
}

buildBoard();
