/* The grid and the charts as drawings of their own, with the colours that the page has at the moment. */

/* Cells of a drawing; of a larger grid, it has the positions around the chosen one. */
const MOST_DRAWN = 12000;

const DRAWN_FONT = "DejaVu Sans, Verdana, Noto Sans, sans-serif";

/* What no XML may hold, however it came into a token. */
const wellFormed = (text) => text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/gu, "\ufffd");

class Drawing {
  constructor(width, height) {
    this.node = shape("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "font-family": DRAWN_FONT });
    this.colours = new Map();
    this.pen = document.createElement("canvas").getContext("2d");
    this.box(0, 0, width, height, this.variable("--paper"));
  }

  /* A colour of the style sheet, by the name of its variable. */
  variable(name) {
    return this.computed(name, (probe) => (probe.style.color = `var(${name})`)).color;
  }

  /* Background and text of a class of the style sheet. */
  ofClass(name) {
    return this.computed(`.${name}`, (probe) => probe.classList.add(name));
  }

  /* The paler text of a class. */
  quietOf(name) {
    return this.computed(`.${name}.quiet`, (probe) => probe.classList.add(name, "quiet")).color;
  }

  computed(key, dressed) {
    if (!this.colours.has(key)) {
      const probe = element("span");
      dressed(probe);
      document.body.append(probe);
      const { color, backgroundColor } = getComputedStyle(probe);
      this.colours.set(key, { color, background: backgroundColor });
      probe.remove();
    }
    return this.colours.get(key);
  }

  box(x, y, width, height, fill, more = {}) {
    this.node.append(shape("rect", { x, y, width, height, fill, ...more }));
  }

  /* A text within a width, in the middle of it or from its start: cut where it is too long, and each of its own direction. */
  text(x, y, text, { size = 12, fill = this.variable("--ink"), width = Infinity, anchor = "middle", weight = null, slant = null } = {}) {
    this.pen.font = `${weight ?? ""} ${size}px ${DRAWN_FONT}`;
    const whole = [...wellFormed(text)];
    let shown = whole.join("");
    for (let kept = whole.length - 1; kept > 0 && this.pen.measureText(shown).width > width; kept--) shown = `${whole.slice(0, kept).join("")}…`;
    this.node.append(shape("text", { x, y, fill, "font-size": size, "text-anchor": anchor, "font-weight": weight, "font-style": slant, "unicode-bidi": "isolate", "xml:space": "preserve" }, shown));
  }

  /* The whole as a file's text. */
  xml() {
    return new XMLSerializer().serializeToString(this.node);
  }
}

/* The columns that a drawing of the grid has. */
function drawnColumns({ trace, grid, state }) {
  const all = trace.positions.length;
  const most = clamp(Math.floor(MOST_DRAWN / grid.rows.length), 1, all);
  const from = clamp(state.column - Math.floor(most / 2), 0, all - most);
  return Array.from({ length: most }, (_, i) => from + i);
}

/* The grid as it is seen, with its legend. */
function drawnGrid(page) {
  const { trace, vocabulary, statistic, grid, state } = page;
  const columns = drawnColumns(page);
  const { width, height, head, side } = grid.size;
  const top = 64;
  const drawing = new Drawing(Math.max(side + columns.length * width, 560) + 24, top + head + grid.rows.length * height + 34);
  const [ink, faint] = [drawing.variable("--ink"), drawing.variable("--faint")];
  const left = (i) => 12 + side + i * width;
  drawing.text(12, 24, `${trace.raw.model.id}${trace.name === "" ? "" : `: ${trace.name}`}`, { size: 15, weight: 600, anchor: "start" });
  drawnLegend(drawing, page);
  columns.forEach((column, i) => {
    const position = trace.positions[column];
    const row = trace.raw.tokens[position];
    const small = state.size === "overview";
    const style = { size: 11, fill: faint, anchor: small ? "start" : "middle" };
    if (!small || column % 10 === 0) drawing.text(small ? left(i) : left(i) + width / 2, top + 14, String(position), style);
    if (!small && row !== undefined) drawing.text(left(i) + width / 2, top + 32, vocabulary.listed(row, trace.said(position)), { width: width - 6, slant: trace.generated.has(position) ? "italic" : null });
  });
  grid.rows.forEach((point, r) => {
    const y = top + head + r * height;
    const name = point.layer === null ? "embed" : state.component === "all" ? point.key : String(point.layer);
    const size = Math.min(12, height - 3);
    drawing.text(12, y + height / 2 + size / 3, name, { size, anchor: "start", width: side - 52, fill: ink });
    if (point.kl !== null) drawing.text(12 + side - 8, y + height / 2 + size / 3, brief(point.kl), { size, anchor: "end", fill: faint });
    columns.forEach((column, i) => drawnCell(drawing, page, point, column, left(i), y));
  });
  const cut = columns.length < trace.positions.length ? ` Positions ${trace.positions[columns[0]]} to ${trace.positions[columns.at(-1)]} of ${trace.positions.length} that were read.` : "";
  drawing.text(12, top + head + grid.rows.length * height + 22, `Beside a layer, its median KL to the final readout in nats. Corner: the final answer; *: the token that really comes next; italics: the token that stands there.${cut}`, { size: 11, fill: faint, anchor: "start" });
  return drawing.xml();
}

function drawnCell(drawing, page, point, column, x, y) {
  const { trace, vocabulary, statistic, grid, search, state } = page;
  const { width, height } = grid.size;
  const said = statistic.read(trace, column, point, page.tracked(column));
  const { color, background } = said.level === null
    ? { color: drawing.variable("--faint"), background: drawing.variable("--raised") }
    : drawing.ofClass(levelClass(said));
  const gap = state.size === "overview" ? 0 : 1;
  drawing.box(x, y, width - gap, height - gap, background);
  const rank = search.rankIn(trace.top(column, point));
  if (rank !== null) drawing.box(x + 2, y + 2, width - 5, height - 5, "none", { stroke: drawing.variable("--ink"), "stroke-width": 2 });
  if (state.size === "overview") return;
  const { agrees, right, differs, echoes } = grid.signs(column, point, said);
  if (agrees) drawing.node.append(shape("path", { d: `M${x + width - 9} ${y}h8v8Z`, fill: color }));
  const word = `${differs ? "≠" : ""}${said.row === null ? "–" : vocabulary.listed(said.row)}${right ? "*" : ""}`;
  const compact = state.size === "compact";
  drawing.text(x + width / 2, compact ? y + 15 : y + 16, word, { size: compact ? 11 : 12.5, fill: echoes && said.level !== null ? drawing.quietOf(levelClass(said)) : color, slant: echoes ? "italic" : null, width: width - 8 });
  if (!compact) drawing.text(x + width / 2, y + 31, rank === null ? said.number : `#${rank} · ${said.number}`, { size: 10.5, fill: color });
}

function drawnLegend(drawing, { trace, statistic, pair }) {
  const [name, low, high] = statistic.scale(trace);
  const says = `${name}: ${low}`;
  drawing.text(12, 46, says, { anchor: "start", fill: drawing.variable("--faint") });
  drawing.pen.font = `12px ${DRAWN_FONT}`;
  const x = 20 + drawing.pen.measureText(says).width;
  for (let level = 0; level <= 40; level++) {
    drawing.box(x + level * 4, 36, 4, 12, drawing.ofClass(levelClass({ level: level / 40, diverging: statistic.diverging })).background);
  }
  drawing.text(x + 172, 46, pair ? `${high}; grey: not in both` : `${high}; grey: not in the trace`, { anchor: "start", fill: drawing.variable("--faint") });
}

/* A chart as it is seen, with its caption, and the names of its lines below it. */
function drawnChart(chart) {
  const { width: across } = chart.svg.viewBox.baseVal;
  const { drawn } = chart;
  const series = drawn.curves.slice(0, MOST_COLOURS);
  const lines = Math.ceil(series.length / 3);
  const drawing = new Drawing(across, CHART_HEIGHT + 30 + lines * 20 + 8);
  const caption = chart.says.textContent.replace(/␠/g, "·");
  drawing.text(12, 20, caption, { size: 13, anchor: "start", width: across - 24 });
  const plot = shape("g", { transform: "translate(0 30)" });
  for (const child of chart.svg.children) if (!child.classList.contains("hover")) plot.append(inked(child));
  drawing.node.append(plot);
  series.forEach((_, i) => {
    const [x, y] = [MARGIN.left + (i % 3) * ((across - MARGIN.left) / 3), CHART_HEIGHT + 42 + Math.floor(i / 3) * 20];
    const key = lineKey(i);
    byId("components").append(key);
    const copy = shape("g", { transform: `translate(${x} ${y - 6})` }, ...[...key.children].map(inked));
    key.remove();
    drawing.node.append(copy);
    const name = drawn.names(i);
    drawing.text(x + 36, y + 4, (typeof name === "string" ? name : name.textContent).replace(/␠/g, "·"), { anchor: "start", width: (across - MARGIN.left) / 3 - 44 });
  });
  return drawing.xml();
}

/* A copy of part of a drawing that needs no style sheet. */
function inked(node) {
  const copy = node.cloneNode(false);
  copy.removeAttribute("class");
  const style = getComputedStyle(node);
  for (const name of ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity"]) copy.setAttribute(name, style.getPropertyValue(name));
  if (node.localName === "text") {
    copy.setAttribute("font-size", style.fontSize);
    copy.textContent = wellFormed(node.textContent);
    return copy;
  }
  copy.append(...[...node.children].map(inked));
  return copy;
}
