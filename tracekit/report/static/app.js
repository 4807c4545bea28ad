// What is open, which keys do what, and the theme.

const root = document.documentElement;
const articles = new Map([...document.querySelectorAll("article.run")].map((item) => [item.dataset.run, item]));
const pages = new Map();
const section = document.getElementById("overview");
const overview = new Overview(section);
const search = document.getElementById("search");
const help = document.getElementById("help");
const single = articles.size === 1;
let open = null;

function openRun(number) {
  const article = articles.get(number);
  if (!pages.has(number)) pages.set(number, new RunPage(article));
  return pages.get(number);
}

// `#run-3` and `#run-3-step-12` name what is shown; anything else is the list of runs.
function route() {
  const match = /^#run-(\d+)(?:-step-(\d+))?$/.exec(location.hash);
  const number = match && articles.has(match[1]) ? match[1] : single ? "1" : null;
  const before = open;
  if (open) open.article.classList.remove("current");
  open = number ? openRun(number) : null;
  document.body.dataset.view = open ? "run" : "overview";
  if (before !== open && search.value) {
    search.value = "";
    if (before) before.filter("");
    else overview.filter("");
  }
  document.getElementById("search-label").textContent = open ? "Search the steps" : "Search the runs";
  search.placeholder = open ? "Search steps" : "Search runs";
  if (open) {
    open.article.classList.add("current");
    if (match && match[2]) open.select(Number(match[2]));
    else if (before !== open && before !== undefined) scrollTo(0, 0);
  } else if (before) {
    scrollTo(0, 0);
    section.querySelector(`a[href="#run-${before.run.number}"]`).focus();
  }
}

function neighbour(by) {
  if (!open) return;
  const next = String(open.run.number + by);
  if (articles.has(next)) location.hash = `#run-${next}`;
}

function find() {
  if (open) open.filter(search.value);
  else overview.filter(search.value);
}

function isDark() {
  if (root.dataset.theme) return root.dataset.theme === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

function setTheme(theme) {
  root.dataset.theme = theme;
  try { localStorage.setItem("tracekit-theme", theme); } catch { /* not kept, still shown */ }
  document.getElementById("theme").setAttribute("aria-pressed", String(theme === "dark"));
}

const keys = {
  j: () => (open || overview).move(1),
  k: () => (open || overview).move(-1),
  n: () => open && open.suspect(1),
  p: () => open && open.suspect(-1),
  "[": () => neighbour(-1),
  "]": () => neighbour(1),
  u: () => { if (!single) location.hash = ""; },
  d: () => setTheme(isDark() ? "light" : "dark"),
  "/": () => { search.focus(); search.select(); },
  "?": () => help.showModal(),
  Enter: () => open && open.toggle(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
  if (event.target === search) {
    if (event.key === "Escape") { search.value = ""; find(); search.blur(); }
    if (event.key === "Enter" && open) { search.blur(); open.move(1); }
    return;
  }
  if (event.target.closest("input, select, textarea")) return;
  if (event.key === "Enter" && event.target.closest("a, button")) return;
  if (event.key === "Escape" && search.value) { search.value = ""; find(); return; }
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
});

search.addEventListener("input", find);
help.addEventListener("click", (event) => { if (event.target === help) help.close(); });
document.getElementById("help-button").addEventListener("click", () => help.showModal());
document.getElementById("theme").addEventListener("click", () => setTheme(isDark() ? "light" : "dark"));
document.getElementById("theme").setAttribute("aria-pressed", String(isDark()));
for (const id of ["search-box", "theme", "help-button"]) document.getElementById(id).hidden = false;
addEventListener("hashchange", route);
addEventListener("beforeprint", () => { if (open) open.fillAll(); });
route();
performance.mark("tracekit-ready");
