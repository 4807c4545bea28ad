// One run: drawn when it is opened first, then moved through and searched.

class RunPage {
  constructor(article) {
    this.article = article;
    this.list = article.querySelector(".list");
    this.count = article.querySelector(".steps .count");
    this.run = JSON.parse(article.querySelector("script.data").textContent);
    this.current = null;
    this.query = "";
    this.only = "";
    this.elements = this.run.steps.map((step) => drawStep(this.run, step));
    this.suspects = [...article.querySelectorAll(".suspect")].map((item) => Number(item.dataset.step));
    this.show = drawTimeline(article.querySelector(".timeline"), this.run,
      (index, focus) => this.select(index, { focus }));
    this.list.replaceChildren(...this.elements);
    for (const element of article.querySelectorAll("[data-fold]")) {
      const button = fold(element);
      if (button) element.after(button);
    }
    this.filterBox();
    this.fillNear();
    this.list.addEventListener("click", (event) => {
      const element = event.target.closest(".step");
      if (element && !getSelection().toString()) this.mark(element.step.index);
    });
  }

  // Bodies are made a few windows ahead; all of them for print and for the browser's own search.
  fillNear() {
    const watcher = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        if (!entry.isIntersecting) continue;
        fillStep(entry.target);
        watcher.unobserve(entry.target);
      }
    }, { rootMargin: "2000px" });
    for (const element of this.elements) watcher.observe(element);
    const rest = [...this.elements];
    const more = (deadline) => {
      while (rest.length && deadline.timeRemaining() > 4) fillStep(rest.shift());
      if (rest.length) later(more);
    };
    later(more);
  }

  fillAll() {
    this.elements.forEach(fillStep);
  }

  mark(index) {
    if (this.current !== null) this.elements[this.current].removeAttribute("aria-current");
    this.current = index;
    this.elements[index].setAttribute("aria-current", "step");
    this.show(index);
  }

  select(index, { focus = true } = {}) {
    const element = this.elements[index];
    if (!element) return;
    if (element.hidden) this.filter("", "");
    this.elements.slice(Math.max(0, index - 8), index + 8).forEach(fillStep);
    this.mark(index);
    element.scrollIntoView({ block: "start" });
    if (focus) element.focus({ preventScroll: true });
    this.settle(element, 3);
    history.replaceState(null, "", `#${element.id}`);
  }

  // Steps above get their true heights once they come into view: aim again a few frames long.
  settle(element, frames) {
    requestAnimationFrame(() => {
      if (this.elements[this.current] !== element) return;
      element.scrollIntoView({ block: "start" });
      if (frames > 1) this.settle(element, frames - 1);
    });
  }

  move(by) {
    const shown = this.elements.filter((element) => !element.hidden);
    if (!shown.length) return;
    const now = this.current ?? (by > 0 ? -1 : this.elements.length);
    const ahead = by > 0
      ? shown.find((element) => element.step.index > now)
      : shown.findLast((element) => element.step.index < now);
    this.select((ahead || (by > 0 ? shown.at(-1) : shown[0])).step.index);
  }

  // Suspects in order of suspicion; from anywhere else the first one comes first.
  suspect(by) {
    if (!this.suspects.length) return;
    const at = this.suspects.indexOf(this.current);
    const next = at < 0 ? 0 : (at + by + this.suspects.length) % this.suspects.length;
    this.select(this.suspects[next]);
  }

  toggle() {
    if (this.current === null) return;
    const button = this.elements[this.current].querySelector(".unfold");
    if (button) button.click();
  }

  filterBox() {
    const option = (value, text) => make("option", { value }, text);
    this.box = make("select", {}, option("", "all steps"),
      this.suspects.length ? option("suspects", "suspects") : null,
      this.run.agents.map((agent, place) => (agent.steps ? option(String(place), agent.name) : null)));
    this.box.addEventListener("change", () => this.filter(this.query, this.box.value));
    this.list.before(make("label", { class: "pick" }, "Show ", this.box));
  }

  filter(query, only = this.only) {
    this.query = query;
    this.only = only;
    this.box.value = only;
    const word = query.trim().toLowerCase();
    let hits = 0;
    for (const element of this.elements) {
      const step = element.step;
      const chosen = !only || (only === "suspects" ? Boolean(step.rank) : step.agent === Number(only));
      const hit = chosen && (!word || haystack(this.run, step).includes(word));
      element.hidden = !hit;
      hits += hit;
    }
    const total = this.elements.length;
    this.count.textContent = word || only
      ? `${hits.toLocaleString("en")} of ${total.toLocaleString("en")} shown` : "";
    if (!query) document.getElementById("search").value = "";
    if (word) this.comeIntoView();
    this.highlight(word);
  }

  comeIntoView() {
    const box = this.list.getBoundingClientRect();
    if (box.top > innerHeight * 0.7 || box.bottom < 120) this.list.parentElement.scrollIntoView();
  }

  // Marks hits without touching the page's elements, where the browser can.
  highlight(word) {
    if (!globalThis.Highlight) return;
    CSS.highlights.delete("hits");
    if (word.length < 2) return;
    const ranges = [];
    for (const element of this.elements) {
      if (element.hidden || ranges.length > 2000) continue;
      fillStep(element);
      const walker = document.createTreeWalker(element.lastElementChild, NodeFilter.SHOW_TEXT);
      while (walker.nextNode()) ranges.push(...occurrences(walker.currentNode, word));
    }
    CSS.highlights.set("hits", new Highlight(...ranges));
  }
}

function occurrences(node, word) {
  const text = node.data.toLowerCase();
  const ranges = [];
  if (text.length !== node.data.length) return ranges;
  for (let at = text.indexOf(word); at >= 0 && ranges.length < 200; at = text.indexOf(word, at + word.length)) {
    const range = new Range();
    range.setStart(node, at);
    range.setEnd(node, at + word.length);
    ranges.push(range);
  }
  return ranges;
}

function later(work) {
  if (globalThis.requestIdleCallback) requestIdleCallback(work);
  else setTimeout(() => work({ timeRemaining: () => 8 }), 30);
}
