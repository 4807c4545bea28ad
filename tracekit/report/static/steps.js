// One step as an element. Texts are made when the step comes near the window.

function spanNodes(spans) {
  return spans.map((span) => {
    if (span.cut) return make("span", { class: "cut" }, `… ${span.cut.toLocaleString("en")} characters not shown …`);
    return span.evidence ? make("mark", {}, span.text) : span.text;
  });
}

function textBlock(spans, open) {
  const text = make("pre", { class: "text" }, spanNodes(spans));
  return [text, fold(text, open)];
}

function part(name, spans, open, kind = "") {
  if (!spans) return [];
  return [make("div", { class: `part ${kind}` }, make("h4", {}, name), textBlock(spans, open))];
}

function toolBlock(tool, open) {
  return make("div", { class: "tool" },
    make("p", { class: "tool-name" }, make("span", {}, "Tool"), make("code", {}, tool.name || "not named")),
    part("Arguments", tool.arguments, open),
    part("Result", tool.result, open),
    part("Error", tool.error, true, "bad"));
}

function stepHead(run, step) {
  const sure = step.probability >= 0.01 || step.rank;
  return make("header", {},
    make("a", { class: "index", href: `#run-${run.number}-step-${step.index}`, "aria-label": `Step ${step.index}` }, String(step.index)),
    agentLabel(run.agents[step.agent]),
    step.to === undefined ? null : make("span", { class: "to" }, `to ${run.agents[step.to].name}`),
    make("span", { class: "kind" }, step.kind),
    make("span", { class: "blame-share" },
      step.rank ? make("span", { class: "badge suspect-badge" }, `suspect ${step.rank}`) : null,
      sure ? meter(step.probability || 0) : null,
      sure ? make("span", { class: "sure" }, percent(step.probability || 0)) : null));
}

function stepBody(step) {
  const open = Boolean(step.rank) || (step.text || []).some((span) => span.evidence);
  const empty = !step.text && !step.tools;
  return [
    step.text ? textBlock(step.text, open) : null,
    empty ? make("p", { class: "none" }, "no text") : null,
    (step.tools || []).map((tool) => toolBlock(tool, open)),
    stepFoot(step),
  ];
}

function stepFoot(step) {
  const facts = (step.facts || []).join(" · ");
  if (!facts && !step.raw) return null;
  const foot = make("footer", {}, facts ? make("span", { class: "usage" }, facts) : null);
  if (step.raw) {
    const button = make("button", { type: "button", class: "link copy", "aria-label": `Copy the place of step ${step.index} in its file` }, "Copy");
    button.addEventListener("click", () => copy(step.raw, button));
    const short = step.raw.replace(/^.*\/(?=[^/#]*[#:])/, "");
    foot.append(make("span", { class: "raw" }, make("code", { title: step.raw }, short), button));
  }
  return foot;
}

function drawStep(run, step) {
  const element = make("article", {
    class: step.rank ? "step is-suspect" : "step", id: `run-${run.number}-step-${step.index}`,
    tabindex: -1, "aria-label": describe(run, step) }, stepHead(run, step), make("div", { class: "body" }));
  element.step = step;
  return element;
}

function fillStep(element) {
  if (element.filled) return;
  element.filled = true;
  put(element.lastElementChild, stepBody(element.step));
}

// The words a search looks through, made once for each step.
function haystack(run, step) {
  if (step.words === undefined) {
    const tools = (step.tools || []).flatMap((tool) =>
      [{ text: tool.name }, ...(tool.arguments || []), ...(tool.result || []), ...(tool.error || [])]);
    const texts = [...(step.text || []), ...tools].map((span) => span.text || "");
    step.words = [run.agents[step.agent].name, step.kind, texts.join("")].join("\n").toLowerCase();
  }
  return step.words;
}
