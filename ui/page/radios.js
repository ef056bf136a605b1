// Gradio 6.31 gives each radio button a name of its own and the group none. Buttons of one name are what the arrow keys
// move between, what Tab stops at once, and what a screen reader counts.
new MutationObserver(() => {
  for (const group of document.querySelectorAll("fieldset:has(input[type=radio])")) {
    const label = group.querySelector("[data-testid=block-info]")?.textContent.trim();
    if (label && group.ariaLabel !== label) group.ariaLabel = label;
    for (const radio of group.querySelectorAll("input[type=radio]")) if (radio.name !== group.id) radio.name = group.id;
  }
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["name"] });
