buildFilters();
buildTables();
buildFigures();
buildClips();
buildPlayers();
buildBlind();
changed();
// The bar covers what a link leads to unless the page knows how high it is.
const bar = document.querySelector(".bar");
new ResizeObserver(() => {
  document.documentElement.style.setProperty("--bar", `${bar.offsetHeight}px`);
}).observe(bar);
// A link into a fold opens it.
function unfold() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  for (let one = target; one; one = one.parentElement) if (one.tagName === "DETAILS") one.open = true;
}
addEventListener("hashchange", unfold);
unfold();
performance.mark("ready");
