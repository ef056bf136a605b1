// Gradio 6.31 calls the button of every field for files the same; its label tells a screen reader which one it is.
new MutationObserver(() => {
  for (const button of document.querySelectorAll(".upload-container[aria-label]:not([data-named])")) {
    const label = button.closest(".block")?.querySelector("[data-testid=block-label]")?.textContent.trim();
    if (!label) continue;
    button.dataset.named = "";
    button.ariaLabel = `${label}: ${button.ariaLabel}`;
  }
}).observe(document, { subtree: true, childList: true });
