/* Small helpers. Text reaches the page through text nodes only. */

const byId = (id) => document.getElementById(id);

/* An element with attributes and children; a child that is no node becomes text. */
function element(name, attributes = {}, ...children) {
  return dress(document.createElement(name), attributes, children);
}

/* The same in SVG, whose namespace the page's own charts know. */
function shape(name, attributes = {}, ...children) {
  return dress(document.createElementNS(byId("by-layer").namespaceURI, name), attributes, children);
}

function dress(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

function options(select, entries, chosen) {
  select.replaceChildren(...entries.map(([value, ...text]) => element("option", { value, selected: value === chosen }, ...text)));
  select.value = chosen;
}

const clamp = (number, low, high) => Math.min(Math.max(number, low), high);

/* A probability as people read it, never 100 % or 0 % that is not. */
function percent(prob) {
  const p = prob * 100;
  if (prob < 1 && p >= 99.95) return ">99.9%";
  if (p >= 99 && p < 100) return `${p.toFixed(1)}%`;
  if (p >= 10) return `${p.toFixed(0)}%`;
  if (p >= 0.1) return `${p.toFixed(1)}%`;
  return p > 0 ? "<0.1%" : "0%";
}

/* The same where there is room: what is small has two digits, as far as anybody reads zeros. */
function exactPercent(prob) {
  const p = prob * 100;
  if (p >= 0.1 || p === 0) return percent(prob);
  return p < 0.000001 ? "<0.000001%" : `${p.toFixed(Math.min(1 - Math.floor(Math.log10(p)), 7))}%`;
}

/* A difference with its sign, which what is nothing does not have. */
function signed(number) {
  const size = Math.abs(number);
  if (size < 0.0005) return "0";
  const text = size >= 100 ? size.toFixed(0) : size.toFixed(size >= 10 ? 1 : size >= 0.1 ? 2 : 3);
  return (number < 0 ? "−" : "+") + text;
}

/* A number with about three digits; what is nearly nothing is less than a thousandth, or a rounding error below 0. */
function brief(number) {
  if (number === 0) return "0";
  const size = Math.abs(number);
  if (size < 0.001) return number > 0 ? "<0.001" : "0.000";
  if (size < 0.01) return number.toFixed(3);
  return size >= 100 ? number.toFixed(0) : number.toFixed(size >= 10 ? 1 : 2);
}

/* A note as a sentence of a paragraph. */
const sentence = (note) => `${note.charAt(0).toUpperCase()}${note.slice(1)}.`;
