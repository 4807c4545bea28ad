// The run at a glance: a bar of blame over each step, and below it a lane for each agent. Where the
// steps have values, their line stands on top.

const LANES = 10;
const BLAME = 46;
const VALUE = 56;
const LANE = 16;
const AXIS = 18;

// Agents by lane: those of suspects first, then the busiest; what does not fit shares the last.
function lanes(run) {
  const weight = run.agents.map((agent) => (agent.probability || 0) * 1e6 + agent.steps);
  const acting = run.agents.map((_, place) => place).filter((place) => run.agents[place].steps);
  const kept = new Set([...acting].sort((a, b) => weight[b] - weight[a])
    .slice(0, acting.length > LANES ? LANES - 1 : LANES));
  const own = acting.filter((place) => kept.has(place));
  const rest = acting.length - own.length;
  const rows = own.map((place) => agentLabel(run.agents[place]));
  if (rest) rows.push(make("span", { class: "agent" }, `${rest} others`));
  const row = new Map(acting.map((place) => [place, kept.has(place) ? own.indexOf(place) : own.length]));
  return { rows, row };
}

function describe(run, step) {
  const blame = step.probability ? `, ${percent(step.probability)}` : "";
  const value = scored(step) ? `, success ${percent(step.value)}` : "";
  return `Step ${step.index}, ${run.agents[step.agent].name}, ${step.kind}${blame}${value}`;
}

const scored = (step) => step.value !== undefined && step.value !== null;

// The line of values: one point a step, at 0 to 1 of its band.
function curve(run, width) {
  const high = (step) => 4 + (1 - step.value) * (VALUE - 14);
  const parts = [0, 0.5, 1].map((value) => shape("line", {
    class: "grid", x1: 0, x2: "100%", y1: high({ value }), y2: high({ value }) }));
  for (const [place, step] of run.steps.entries()) {
    const before = run.steps[place - 1];
    if (before) parts.push(shape("line", {
      class: "value", x1: width(place - 0.5), x2: width(place + 0.5), y1: high(before), y2: high(step) }));
    if (run.steps.length <= 150) parts.push(shape("circle", { class: "value", cx: width(place + 0.5), cy: high(step), r: 2.5 }));
  }
  return parts;
}

function drawTimeline(section, run, pick) {
  const count = run.steps.length;
  if (!count) return () => {};
  const { rows, row } = lanes(run);
  const above = run.steps.every(scored) ? VALUE : 0;
  const height = above + BLAME + rows.length * LANE + AXIS;
  const highest = Math.max(0.01, ...run.steps.map((step) => step.probability || 0));
  const width = (places) => `${(places / count) * 100}%`;
  const picture = shape("svg", { class: "chart", height, "aria-hidden": "true" });
  const cursor = shape("rect", { class: "cursor", y: 0, height: height - AXIS, width: width(1), visibility: "hidden" });
  const drawing = shape("g", { transform: `translate(0 ${above})` });
  picture.append(cursor, ...(above ? curve(run, width) : []), drawing);
  rows.forEach((_, number) => drawing.append(shape("rect", {
    class: "lane", x: 0, width: "100%", y: BLAME + number * LANE + LANE - 4.5, height: 1 })));
  for (const [start, end] of stretches(run, row)) {
    const place = run.steps[start].agent;
    drawing.append(shape("rect", {
      class: `block a${run.agents[place].colour}`, x: width(start), width: width(end - start),
      y: BLAME + row.get(place) * LANE + 3, height: LANE - 6 }));
  }
  const labels = [];
  for (const step of [...run.steps].sort((a, b) => (a.rank || 1e9) - (b.rank || 1e9))) {
    if (!step.probability) continue;
    const size = Math.max(1.5, (step.probability / highest) * (BLAME - 16));
    const middle = width(step.index + 0.5);
    drawing.append(shape("line", {
      class: step.rank ? "blame top" : "blame", x1: middle, x2: middle, y1: BLAME, y2: BLAME - size,
      "stroke-width": Math.min(14, Math.max(2.5, 620 / count)) }));
    const apart = labels.every((other) => Math.abs(other - step.index) > count / 45);
    if (step.rank && apart) {
      labels.push(step.index);
      drawing.append(shape("text", { class: "rank", x: middle, y: BLAME - size - 4 }, String(step.rank)));
    }
  }
  for (const [place, index] of ticks(count).entries()) {
    const edge = count < 40 ? "middle" : { 0: "start", [count - 1]: "end" }[index];
    const side = edge || "middle";
    const at = { start: 0, middle: index + 0.5, end: count }[side];
    picture.append(shape("text", { class: place % 2 && index < count - 1 ? "tick minor" : "tick", x: width(at), y: height - 4, "text-anchor": side }, String(index)));
  }
  const slider = make("div", {
    class: "slider", role: "slider", tabindex: 0, "aria-label": "Step",
    "aria-valuemin": 0, "aria-valuemax": count - 1, "aria-valuenow": 0 }, picture);
  const hint = make("p", { class: "hint" });
  const names = make("div", { class: "lanes", "aria-hidden": "true" },
    above ? make("span", { class: "value-name" }, "Success") : "",
    make("span", { class: "blame-name" }, "Blame"), rows);
  section.replaceChildren(names, slider, hint);
  const show = (index) => {
    cursor.setAttribute("x", width(index));
    cursor.setAttribute("visibility", "visible");
    slider.setAttribute("aria-valuenow", index);
    slider.setAttribute("aria-valuetext", describe(run, run.steps[index]));
    hint.textContent = describe(run, run.steps[index]);
  };
  listen(slider, count, pick, (index) => { hint.textContent = describe(run, run.steps[index]); });
  return show;
}

// Neighbouring steps of one agent are one block once single steps are too thin to tell apart.
function stretches(run, row) {
  const found = [];
  const thin = run.steps.length > 150;
  for (const step of run.steps) {
    const last = found.at(-1);
    if (thin && last && run.steps[last[0]].agent === step.agent) last[1] = step.index + 1;
    else found.push([step.index, step.index + (thin ? 1 : 0.86)]);
  }
  return found.filter(([start]) => row.has(run.steps[start].agent));
}

function ticks(count) {
  const wanted = Math.max(1, Math.ceil(count / 10));
  const power = 10 ** Math.floor(Math.log10(wanted));
  const gap = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= wanted);
  const found = [];
  for (let index = 0; index < count - gap * 0.6; index += gap) found.push(index);
  if (found.at(-1) !== count - 1) found.push(count - 1);
  return found;
}

function listen(slider, count, pick, hover) {
  const under = (event) => {
    const box = slider.getBoundingClientRect();
    const place = Math.floor(((event.clientX - box.left) / box.width) * count);
    return Math.min(count - 1, Math.max(0, place));
  };
  slider.addEventListener("pointermove", (event) => hover(under(event)));
  slider.addEventListener("click", (event) => pick(under(event), true));
  slider.addEventListener("keydown", (event) => {
    const now = Number(slider.getAttribute("aria-valuenow"));
    const far = Math.max(1, Math.round(count / 20));
    const next = {
      ArrowLeft: now - 1, ArrowRight: now + 1, ArrowDown: now - 1, ArrowUp: now + 1,
      PageUp: now - far, PageDown: now + far, Home: 0, End: count - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    pick(Math.min(count - 1, Math.max(0, next)), false);
  });
}
