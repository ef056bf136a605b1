// A combobox after the ARIA pattern: ids are found by the server, a few at a time.
const input = element.querySelector("input");
const list = element.querySelector("ul");
const label = element.querySelector("label");
const everyLanguage = JSON.parse(label.dataset.words);
const words = everyLanguage[document.documentElement.lang] ?? everyLanguage.en;
label.textContent = words["search-label"];
input.placeholder = words["search-placeholder"];
list.setAttribute("aria-label", words["search-found"]);
let latest = 0; // the number of the newest request
let active = -1;

function close() {
  latest += 1; // an answer on its way is for what was typed before
  active = -1;
  list.hidden = true;
  list.replaceChildren();
  input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

function choose(id) {
  close();
  input.value = ""; // the card below says who was chosen
  trigger("select", { value: id });
}

function mark(place) {
  const options = [...list.querySelectorAll("[role=option]")];
  if (!options.length) return;
  active = (place + options.length) % options.length;
  options.forEach((option, at) => option.setAttribute("aria-selected", String(at === active)));
  input.setAttribute("aria-activedescendant", options[active].id);
  options[active].scrollIntoView({ block: "nearest" });
}

function show(ids) {
  const marked = active < 0 ? null : list.querySelectorAll("[role=option]")[active].textContent;
  active = -1;
  input.removeAttribute("aria-activedescendant");
  list.replaceChildren(
    ...(ids.length ? ids : [null]).map((id, place) => {
      const option = document.createElement("li");
      option.textContent = id ?? words["search-nobody"];
      if (id !== null) {
        option.id = `${input.id}-${place}`;
        option.setAttribute("role", "option");
        option.setAttribute("aria-selected", "false");
      }
      return option;
    }),
  );
  list.hidden = false;
  input.setAttribute("aria-expanded", "true");
  if (ids.includes(marked)) mark(ids.indexOf(marked)); // the marked customer stays marked while typing goes on
}

async function propose() {
  const request = ++latest;
  const ids = await server.find(input.value);
  if (request === latest) show(ids);
}

input.addEventListener("input", propose);
input.addEventListener("keydown", (event) => {
  if (event.key === "ArrowDown" && list.hidden) propose();
  else if (event.key === "ArrowDown") mark(active + 1);
  else if (event.key === "ArrowUp") mark(active - 1);
  else if (event.key === "Escape") close();
  else if (event.key === "Enter" && input.value.trim())
    choose(active >= 0 ? list.querySelectorAll("[role=option]")[active].textContent : input.value.trim());
  else return;
  event.preventDefault();
});
input.addEventListener("blur", close);
list.addEventListener("mousedown", (event) => {
  event.preventDefault(); // the input keeps the focus
  const option = event.target.closest("[role=option]");
  if (option) choose(option.textContent);
});
