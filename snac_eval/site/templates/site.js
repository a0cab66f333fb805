// What every page of the site does once its parts are known; a page's own scripts ran before.
function buildCopies() {
  for (const text of document.querySelectorAll("pre[data-copy]")) {
    const said = make("span", { className: "copied" }, { role: "status" });
    const copy = button("Copy", async () => {
      try {
        await navigator.clipboard.writeText(text.textContent);
        said.textContent = "copied";
      } catch {
        getSelection().selectAllChildren(text);
        said.textContent = "selected: copy it with the keyboard";
      }
    }, { className: "copy" }, { "aria-label": `Copy ${text.getAttribute("aria-label")}` });
    text.before(copy, said);
  }
}

buildPicking();
buildTables();
document.querySelectorAll("figure.plot").forEach(addSaver);
buildCopies();
if (typeof buildPlayers === "function") buildPlayers();
changed();
performance.mark("ready");
