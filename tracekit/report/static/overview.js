// The list of runs: sorted by a column, narrowed by state, agent and words.

class Overview {
  constructor(section) {
    this.section = section;
    this.rows = [...section.querySelectorAll("tbody tr")];
    this.order = [...this.rows];
    this.status = document.getElementById("run-count");
    this.wanted = { query: "", state: "", agent: "" };
    if (!this.rows.length) return;
    document.getElementById("filters").hidden = false;
    section.querySelectorAll("th[data-kind]").forEach((head) => this.sortable(head));
    this.agents();
    const chips = [...section.querySelectorAll(".chips button")];
    for (const chip of chips) {
      chip.addEventListener("click", () => {
        chips.forEach((other) => other.setAttribute("aria-pressed", String(other === chip)));
        this.narrow({ state: chip.dataset.state });
      });
    }
    document.getElementById("all-runs").addEventListener("click", () => {
      document.getElementById("search").value = "";
      document.getElementById("agent-filter").value = "";
      if (chips.length) chips[0].click();
      this.narrow({ query: "", agent: "", state: "" });
    });
    section.querySelector("tbody").addEventListener("click", (event) => {
      const link = event.target.closest("tr").querySelector("a");
      if (!event.target.closest("a") && !getSelection().toString()) link.click();
    });
  }

  agents() {
    const box = document.getElementById("agent-filter");
    const names = new Set(this.rows.map((row) => row.dataset.agent).filter(Boolean));
    put(box, [...names].sort().map((name) => make("option", { value: name }, name)));
    box.addEventListener("change", () => this.narrow({ agent: box.value }));
  }

  sortable(head) {
    const column = head.cellIndex;
    const numeric = head.dataset.kind === "number";
    const button = make("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const downFirst = head.textContent === "Probability";
      const was = head.getAttribute("aria-sort");
      const up = was ? was === "descending" : !downFirst;
      for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = (row) => row.cells[column].dataset.value;
      const compare = numeric
        ? (a, b) => Number(value(a)) - Number(value(b))
        : (a, b) => value(a).localeCompare(value(b), "en");
      this.rows = [...this.order].sort((a, b) => (up ? compare(a, b) : compare(b, a)));
      this.section.querySelector("tbody").replaceChildren(...this.rows);
    });
  }

  filter(query) {
    this.narrow({ query: query.trim().toLowerCase() });
  }

  narrow(change) {
    Object.assign(this.wanted, change);
    const { query, state, agent } = this.wanted;
    let shown = 0;
    for (const row of this.rows) {
      const hit = (!state || row.dataset.state === state) && (!agent || row.dataset.agent === agent)
        && (!query || row.textContent.toLowerCase().includes(query));
      row.hidden = !hit;
      shown += hit;
    }
    const all = shown === this.rows.length;
    this.status.textContent = all ? "" : `${shown.toLocaleString("en")} of ${this.rows.length.toLocaleString("en")} runs`;
    document.getElementById("no-runs").hidden = shown > 0;
  }

  move(by) {
    const links = this.rows.filter((row) => !row.hidden).map((row) => row.querySelector("a"));
    const at = links.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by));
    if (links[next]) links[next].focus();
  }
}
