// What the reader can take along: tables as CSV, plots as SVG, sounds as FLAC.
const FORMULA = /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/;
const NUMBER = /^[-+]?[\d.]+(\s*to\s*[-+]?[\d.]+)?$/;

function save(content, type, name) {
  const link = make("a", { href: URL.createObjectURL(new Blob(content, { type })) });
  link.download = name.replace(/[^\p{L}\p{N}._-]+/gu, "_").slice(-120);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// A spreadsheet runs text that begins like a formula: an apostrophe makes it text.
function field(value) {
  const text = String(value ?? "");
  const safe = FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function saveCsv(rows, name) {
  save(rows.map((row) => `${row.map(field).join(",")}\n`), "text/csv", `${name}.csv`);
}

function tableRows(table) {
  return [...table.rows].map((row) => [...row.cells].map((cell) => {
    return cell.textContent.trim().replace(/\s+/g, " ");
  }));
}

// A copy that needs no style sheet: the page's colours become what they are now.
function saveSvg(svg, name) {
  const style = getComputedStyle(document.documentElement);
  const text = new XMLSerializer().serializeToString(svg);
  const plain = text.replace(/var\((--[\w-]+)\)/g, (_, key) => style.getPropertyValue(key).trim());
  save([plain], "image/svg+xml", `${name}.svg`);
}

function saveSound(uri, name) {
  const [head, content] = [uri.slice(0, uri.indexOf(",")), uri.slice(uri.indexOf(",") + 1)];
  const type = head.slice("data:".length, head.indexOf(";"));
  save([bytesOf(content)], type, `${name}.${type.split("/")[1]}`);
}
