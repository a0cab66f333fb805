// Material leaves the buttons of its code blocks in landmarks without a name: screen readers tell
// them apart by one.
new MutationObserver(() => {
  for (const [index, nav] of document.querySelectorAll(".md-code__nav").entries()) {
    const name = `Code block ${index + 1}`;
    if (nav.getAttribute("aria-label") !== name) nav.setAttribute("aria-label", name);
  }
}).observe(document.documentElement, { childList: true, subtree: true });
