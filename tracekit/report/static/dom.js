"use strict";
// Elements from names, properties and children. Strings become text nodes and nothing else does:
// this is the only way text of a log enters the page.

const SVG = "http://www.w3.org/2000/svg";

function put(element, children) {
  for (const child of children.flat()) {
    if (child !== null && child !== undefined && child !== "") element.append(child);
  }
  return element;
}

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null) element.setAttribute(name, value);
  }
  return put(element, children);
}

function shape(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return put(element, children);
}

function percent(probability) {
  if (probability === 0) return "0 %";
  if (probability < 0.0005) return "<0.1 %";
  if (probability < 0.0995) return `${(probability * 100).toFixed(1)} %`;
  return probability >= 0.995 && probability < 1 ? ">99 %" : `${Math.round(probability * 100)} %`;
}

function agentLabel(agent) {
  return make("span", { class: `agent a${agent.colour}` }, agent.name);
}

function meter(probability) {
  return shape("svg", { class: "meter", "aria-hidden": "true" },
    shape("rect", { class: "rail", width: "100%", height: "100%" }),
    shape("rect", { class: "fill", width: `${probability * 100}%`, height: "100%" }));
}

const LONG = { characters: 1100, lines: 16 };

function isLong(text) {
  return text.length > LONG.characters || text.split("\n", LONG.lines + 1).length > LONG.lines;
}

// Puts a long element behind a button that unfolds it; short ones stay as they are.
function fold(element, open = false) {
  const size = element.textContent.length;
  if (!isLong(element.textContent)) return null;
  const button = make("button", { type: "button", class: "link unfold" });
  const set = (folded) => {
    element.classList.toggle("folded", folded);
    button.setAttribute("aria-expanded", String(!folded));
    button.textContent = folded ? `Show all ${size.toLocaleString("en")} characters` : "Show less";
  };
  button.addEventListener("click", () => set(!element.classList.contains("folded")));
  set(!open);
  return button;
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    const shown = button.previousElementSibling;
    shown.textContent = text;
    getSelection().selectAllChildren(shown);
    button.textContent = "Selected";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}
