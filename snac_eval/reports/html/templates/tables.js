// Tables that stand in the page: sorted by their headings, with columns to choose and a CSV of each.
const collator = new Intl.Collator("en", { numeric: true });

// By the cells' data-key, else by their text; empty cells go last.
function sortKey(row, index) {
  const cell = row.cells[index];
  return cell.dataset.key === undefined ? cell.textContent : Number(cell.dataset.key);
}

function sortBy(table, heading, index) {
  const down = heading.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const numeric = heading.classList.contains("n");
  for (const body of table.tBodies) {
    // The title of a block stands alone in its body.
    if (body.rows.length < 2) continue;
    const rows = [...body.rows].map((row) => [sortKey(row, index), row]);
    rows.sort(([a], [b]) => {
      if (numeric && typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
      const order = typeof a === "number" ? a - b : collator.compare(a, b);
      return down ? -order : order;
    });
    body.append(...rows.map(([, row]) => row));
  }
}

function makeSortable(table) {
  [...table.tHead.rows[0].cells].forEach((heading, index) => {
    const sorter = button("", () => sortBy(table, heading, index));
    sorter.append(...heading.childNodes);
    heading.replaceChildren(sorter);
  });
}

function columnChooser(table) {
  const headings = [...table.tHead.rows[0].cells];
  const boxes = headings.slice(1).map((heading, place) => {
    const box = make("input", { type: "checkbox", checked: !heading.classList.contains("folded") });
    box.addEventListener("change", () => {
      for (const row of table.rows) {
        row.cells[place + 1]?.classList.toggle("folded", !box.checked);
      }
    });
    const name = heading.textContent.replace(/[\[↑↓].*/, "").trim();
    return make("label", {}, {}, [box, ` ${name}`]);
  });
  return make("details", { className: "columns" }, {}, [
    make("summary", { textContent: "Columns" }),
    ...boxes,
  ]);
}

function addTools(table) {
  const caption = table.caption.textContent.trim();
  const name = table.id || caption;
  const csv = button("CSV", () => saveCsv(tableRows(table), name), {}, {
    "aria-label": `CSV of ${caption}: download`,
  });
  const tools = make("div", { className: "tools" });
  if (table.closest(".narrow:not(.fixed)")) tools.append(columnChooser(table));
  tools.append(csv);
  table.closest(".scroll").before(tools);
}

// Rows of codecs that are not shown go; a row says in one of its first cells whose it is.
function hideRows(tables) {
  const hidden = new Set([...state.off].map(codecName));
  for (const table of tables) {
    for (const body of table.tBodies) {
      for (const row of body.rows) {
        row.hidden = [...row.cells].slice(0, 2).some((cell) => hidden.has(cell.textContent.trim()));
      }
    }
  }
}

function buildTables() {
  const tables = [...document.querySelectorAll("table.sortable")];
  for (const table of tables) {
    makeSortable(table);
    if (table.id) addTools(table);
  }
  let before = "";
  listeners.push(() => {
    const now = [...state.off].sort().join();
    if (now !== before) hideRows(tables);
    before = now;
  });
}
