// Rows of a table are picked by its columns: a heading's data-pick says how. "choice": one of its
// texts; "list": one of the texts that commas part; "range": from a number, to a number. What is
// picked stands in the address, so that a link shows what its sender saw.
class Picking {
  constructor(table) {
    this.table = table;
    this.rows = [...table.tBodies].flatMap((body) => [...body.rows]).filter((row) => row.cells.length > 1);
    this.columns = [...table.tHead.rows[0].cells]
      .map((cell, place) => ({ kind: cell.dataset.pick, place, name: this.nameOf(cell) }))
      .filter(({ kind }) => kind);
    this.picked = new Map();
    this.box = make("div", { className: "picking" }, { role: "search", "aria-label": `Pick rows of ${table.caption.textContent.trim()}` });
    this.fields = new Map();
    for (const column of this.columns) this.add(column);
    this.add({ kind: "search", place: -1, name: "search" });
    this.count = make("output", { className: "count" });
    const reset = button("Show all", () => this.take(new URLSearchParams()));
    this.box.append(reset, this.count);
    table.closest(".scroll").before(this.box);
    addEventListener("hashchange", () => this.read());
    this.read();
  }

  nameOf(cell) {
    return cell.textContent.replace(/[\[↑↓↕▲▼].*/, "").trim();
  }

  key(column, end = "") {
    const table = this.table.id ? `${this.table.id}.` : "";
    return `${table}${column.name.toLowerCase()}${end}`;
  }

  add(column) {
    if (column.kind === "range") return this.addRange(column);
    const field = column.kind === "search" ? this.searchField() : this.choiceField(column);
    if (!field) return;
    field.addEventListener("input", () => this.changed());
    this.fields.set(this.key(column), { ...column, field });
    this.box.append(make("label", {}, {}, [`${column.name[0].toUpperCase()}${column.name.slice(1)} `, field]));
  }

  searchField() {
    return make("input", { type: "search", placeholder: "words in a row" });
  }

  choiceField(column) {
    const known = new Set(this.rows.flatMap((row) => this.texts(row, column)));
    known.delete("–");
    if (known.size < 2) return null;
    const box = make("select");
    box.append(make("option", { value: "", textContent: "all" }));
    for (const one of [...known].sort(collator.compare)) box.append(make("option", { value: one, textContent: one }));
    return box;
  }

  addRange(column) {
    const group = make("fieldset", {}, {}, [make("legend", { textContent: column.name })]);
    for (const [end, words] of [[".from", "from"], [".to", "to"]]) {
      const field = make("input", { type: "number", min: 0, step: "any" }, { "aria-label": `${column.name} ${words}` });
      field.addEventListener("input", () => this.changed());
      this.fields.set(this.key(column, end), { ...column, end, field });
      group.append(words, " ", field);
    }
    this.box.append(group);
  }

  texts(row, column) {
    const text = row.cells[column.place].textContent.trim();
    return column.kind === "list" ? text.split(/,\s*/) : [text];
  }

  fits(row) {
    for (const { field, kind, place, end } of this.fields.values()) {
      if (!field.value) continue;
      if (kind === "search") {
        const text = row.textContent.toLowerCase();
        if (!field.value.toLowerCase().split(/\s+/).every((word) => text.includes(word))) return false;
      } else if (kind === "range") {
        const number = Number(row.cells[place].dataset.key ?? NaN);
        if (end === ".from" ? !(number >= Number(field.value)) : !(number <= Number(field.value))) return false;
      } else if (!this.texts(row, { kind, place }).includes(field.value)) return false;
    }
    return true;
  }

  show() {
    let shown = 0;
    for (const row of this.rows) {
      row.hidden = !this.fits(row);
      shown += row.hidden ? 0 : 1;
    }
    this.count.textContent = `${shown} of ${this.rows.length} rows`;
  }

  changed() {
    const words = new URLSearchParams(location.hash.slice(1));
    for (const [key, { field }] of this.fields) {
      if (field.value) words.set(key, field.value);
      else words.delete(key);
    }
    history.replaceState(null, "", `#${words}`);
    this.show();
  }

  read() {
    this.take(new URLSearchParams(location.hash.slice(1)), false);
  }

  take(words, told = true) {
    for (const [key, { field }] of this.fields) field.value = words.get(key) ?? "";
    if (told) this.changed();
    else this.show();
  }
}

function buildPicking() {
  const tables = [...document.querySelectorAll("table")].filter((table) => table.querySelector("[data-pick]"));
  for (const table of tables) new Picking(table);
}
