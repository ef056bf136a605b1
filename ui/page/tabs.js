// Gradio 6.31 knows no keys for tabs. After the ARIA pattern they are one stop of the Tab key, and the arrow keys walk
// through all of them, those that have no room and wait in the menu too.
new MutationObserver(() => {
  for (const tab of document.querySelectorAll("#tabs [role=tab]")) {
    const stop = tab.ariaSelected === "true" ? 0 : -1;
    if (tab.getAttribute("tabindex") !== String(stop)) tab.tabIndex = stop;
  }
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["aria-selected"] });
document.addEventListener("keydown", (event) => {
  const tab = event.target.closest?.("#tabs [role=tab]");
  if (!tab || !["ArrowLeft", "ArrowRight", "Home", "End"].includes(event.key)) return;
  event.preventDefault();
  const titleOf = (button) => button.textContent.trim();
  const titles = [...document.querySelectorAll("#tabs .tab-container[aria-hidden] button")].map(titleOf);
  const at = titles.indexOf(titleOf(tab));
  const place = { ArrowLeft: at - 1, ArrowRight: (at + 1) % titles.length, Home: 0, End: -1 }[event.key];
  const named = (buttons) => [...document.querySelectorAll(buttons)].find((one) => titleOf(one) === titles.at(place));
  named("#tabs [role=tab], #tabs .overflow-dropdown button")?.click();
  let frames = 10; // until it has its place among the others, or the user has gone on
  const follow = () => {
    if (!document.activeElement.matches("body, #tabs [role=tab]")) return;
    named("#tabs [role=tab]")?.focus();
    if (frames--) requestAnimationFrame(follow);
  };
  follow();
});
