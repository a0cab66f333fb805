// The page of an agreement: sorted tables, plots to take along, codecs that can be left out.
function hideMarks() {
  for (const mark of document.querySelectorAll("[data-codec]")) {
    mark.style.display = state.off.has(mark.dataset.codec) ? "none" : "";
  }
}

buildTables();
document.querySelectorAll("figure.plot").forEach(addSaver);
const toggles = document.getElementById("codecs");
if (toggles && PAGE.codecs.length > 1) {
  const list = document.querySelector("ul.codecs");
  const marks = [...list.querySelectorAll(".letter")].map((letter) => letter.textContent);
  const group = codecToggles();
  [...group.querySelectorAll("button")].forEach((toggle, index) => {
    toggle.textContent = `${marks[index]} ${PAGE.codecs[index].name}`;
  });
  toggles.className = "controls";
  toggles.append(group);
  toggles.hidden = false;
  list.hidden = true;
  listeners.push(hideMarks);
}
changed();
performance.mark("ready");
