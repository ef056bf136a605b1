// The address says whom the page is about, so that a reload, the back button and a link that is sent on keep it.
new MutationObserver(() => {
  const cards = document.querySelector(".cards[data-of-customer]");
  if (!cards) return;
  const { ofCustomer, top } = cards.dataset;
  const address = new URL(location.href);
  const before = address.searchParams.get("customer");
  address.searchParams.set("customer", ofCustomer);
  address.searchParams.set("top", top);
  if (address.href === location.href) return;
  // Another customer is a step that the back button undoes; another number of products is not.
  if (before === null || before === ofCustomer) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
}).observe(document, { subtree: true, childList: true });
window.addEventListener("popstate", () => location.reload());
// Another language is the same page once more.
document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a.language");
  if (!link) return;
  event.preventDefault();
  const address = new URL(location.href);
  address.searchParams.set("lang", link.hreflang);
  location.assign(address);
});
