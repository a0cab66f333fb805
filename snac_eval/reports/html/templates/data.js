// What the page's scripts know: codecs, metrics, and of each dataset its clips and their values.
// A column of numbers is decoded when it is first asked for.
const PAGE = JSON.parse(document.getElementById("data").textContent);
const KINDS = { f4: Float32Array, u2: Uint16Array, u4: Uint32Array };

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

function column(base64, kind) {
  return new KINDS[kind](bytesOf(base64).buffer);
}

class Dataset {
  constructor(content, index) {
    Object.assign(this, { index, name: content.name, key: content.key, ids: content.ids });
    this.speakers = content.speakers;
    this.domains = content.domains;
    this.speaker = column(content.speaker, "u4");
    this.domain = column(content.domain, "u4");
    this.seconds = column(content.seconds, "f4");
    this.players = Object.fromEntries(this.playable());
    this.runs = content.runs.map((run) => ({ ...run, decoded: new Map() }));
  }

  // By clip the id of its players, of those that have any.
  playable() {
    const articles = [...document.querySelectorAll(`#${this.key} article.clip`)];
    const known = articles.map(({ id, children: [title] }) => [this.ids.indexOf(title.textContent), id]);
    return known.filter(([clip]) => clip >= 0);
  }

  get size() {
    return this.ids.length;
  }

  get section() {
    return document.getElementById(this.key);
  }

  // The values of a run by a metric, NaN where there is none; undefined: not measured.
  values(run, metric) {
    return this.decoded(run, "values", metric, "f4");
  }

  // How much each clip counts in a mean; undefined where all count alike.
  weights(run, metric) {
    return this.decoded(run, "weights", metric, "f4");
  }

  // Why a run has no value of a clip by a metric: [status, reason]; undefined where it has one.
  reason(run, metric, clip) {
    const places = this.decoded(run, "missing", metric, "u2");
    return places?.[clip] ? PAGE.reasons[places[clip] - 1] : undefined;
  }

  decoded(run, what, metric, kind) {
    const key = `${what} ${metric}`;
    if (!(metric in run[what])) return undefined;
    if (!run.decoded.has(key)) run.decoded.set(key, column(run[what][metric], kind));
    return run.decoded.get(key);
  }

  lowerIds() {
    this.lower ??= this.ids.map((id) => id.toLowerCase());
    return this.lower;
  }
}

const datasets = PAGE.datasets.map((content, index) => new Dataset(content, index));
const codecs = new Map(PAGE.codecs.map((codec) => [codec.letter, codec]));
const metrics = PAGE.metrics;

function codecName(letter) {
  return `${letter} · ${codecs.get(letter).name}`;
}

// As tables of the page write a number: about three digits that mean something.
function written(value) {
  if (Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  return value.toFixed(size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : 3);
}

function make(tag, properties = {}, attributes = {}, children = []) {
  const element = Object.assign(document.createElement(tag), properties);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function button(text, act, properties = {}, attributes = {}) {
  const made = make("button", { type: "button", textContent: text, ...properties }, attributes);
  made.addEventListener("click", act);
  return made;
}
