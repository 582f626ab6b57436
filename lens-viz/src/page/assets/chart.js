/* Curves of the pinned tokens, by layer and by position. A curve breaks where the trace does not know the token. */

const MARGIN = { left: 52, right: 14, top: 10, bottom: 40 };
const CHART_HEIGHT = 250;

/* Markers tell curves apart where colours do not. */
function marker(series, x, y) {
  const d = [
    `M${x - 3} ${y}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0Z`,
    `M${x - 3} ${y - 3}h6v6h-6Z`,
    `M${x} ${y - 4}l4 7h-8Z`,
    `M${x} ${y - 4}l4 4l-4 4l-4 -4Z`,
    `M${x} ${y + 4}l-4 -7h8Z`,
    `M${x - 3} ${y - 3}l6 6M${x - 3} ${y + 3}l6 -6`,
    `M${x - 4} ${y}h8M${x} ${y - 4}v8`,
    `M${x - 4} ${y - 1}h8v2h-8Z`,
  ][series % 8];
  return shape("path", { class: "marker", d });
}

class Chart {
  /* `choose` is told the index of the place that was clicked. */
  constructor(svg, says, choose) {
    Object.assign(this, { svg, says, places: 0 });
    svg.addEventListener("click", (event) => {
      const along = (event.clientX - svg.getBoundingClientRect().left - MARGIN.left) / this.room();
      if (this.places > 0) choose(clamp(Math.round(along * (this.places - 1)), 0, this.places - 1));
    });
  }

  room() {
    return Math.max(this.svg.clientWidth - MARGIN.left - MARGIN.right, 60);
  }

  /* `labels` are nodes or texts by place, `curves` and the paler `others` numbers or null by place, `scale` what the numbers are. */
  draw({ caption, labels, here, curves, others = [], scale, axis }) {
    this.places = labels.length;
    this.says.replaceChildren(...caption);
    const width = this.room();
    const x = (i) => MARGIN.left + (labels.length > 1 ? (i / (labels.length - 1)) * width : width / 2);
    const y = (level) => MARGIN.top + (1 - level) * (CHART_HEIGHT - MARGIN.top - MARGIN.bottom);
    this.svg.setAttribute("viewBox", `0 0 ${width + MARGIN.left + MARGIN.right} ${CHART_HEIGHT}`);
    this.svg.setAttribute("height", CHART_HEIGHT);
    const parts = [...this.horizontal(scale, width, y), ...this.vertical(labels, x, axis)];
    if (here >= 0) parts.push(shape("path", { class: "here", d: `M${x(here)} ${MARGIN.top}V${CHART_HEIGHT - MARGIN.bottom}` }));
    for (const [series, numbers] of others.entries()) {
      const pale = this.curve(numbers, series, x, (number) => y(scale.level(number)));
      pale.classList.add("other");
      parts.push(pale);
    }
    /* The first curve is the most important: it is drawn last, over the others. */
    curves.map((numbers, series) => this.curve(numbers, series, x, (number) => y(scale.level(number)))).reverse().forEach((curve) => parts.push(curve));
    this.svg.replaceChildren(...parts);
  }

  curve(numbers, series, x, y) {
    let path = "";
    let open = false;
    const markers = [];
    numbers.forEach((number, i) => {
      if (number === null) {
        open = false;
        return;
      }
      const alone = !open && (numbers[i + 1] ?? null) === null;
      path += `${open ? "L" : "M"}${x(i).toFixed(1)} ${y(number).toFixed(1)}`;
      open = true;
      if (alone || numbers.length <= 48) markers.push(marker(series, x(i), y(number)));
    });
    return shape("g", { class: `s${series}` }, shape("path", { class: "curve", d: path }), ...markers);
  }

  horizontal(scale, width, y) {
    return scale.ticks.flatMap(([number, text]) => {
      const at = y(scale.level(number));
      return [
        shape("path", { class: "rule", d: `M${MARGIN.left} ${at}h${width}` }),
        shape("text", { class: "tick", x: MARGIN.left - 7, y: at + 4, "text-anchor": "end" }, text),
      ];
    });
  }

  vertical(labels, x, axis) {
    const longest = Math.max(...labels.map((label) => [...label].length), 1);
    const apart = labels.length > 1 ? x(1) - x(0) : 1000;
    const each = Math.max(1, Math.ceil((longest * 7 + 12) / apart));
    const base = CHART_HEIGHT - MARGIN.bottom;
    const ticks = labels.flatMap((label, i) => {
      /* Counted from the last, which always has its label. */
      if ((labels.length - 1 - i) % each !== 0) return [];
      const anchor = i === labels.length - 1 && label.length > 5 ? "end" : "middle";
      return [shape("text", { class: "tick", x: x(i) + (anchor === "end" ? MARGIN.right : 0), y: base + 16, "text-anchor": anchor }, label)];
    });
    const middle = (x(0) + x(labels.length - 1)) / 2;
    return [...ticks, shape("text", { class: "axis", x: middle, y: CHART_HEIGHT - 6, "text-anchor": "middle" }, axis)];
  }
}

/* What the curves show: probability from 0 to 1, or rank on a logarithmic axis with 1 on top. */
function curveScale(trace, kind) {
  if (kind === "prob") {
    return { level: (prob) => prob, ticks: [0, 0.25, 0.5, 0.75, 1].map((prob) => [prob, String(prob)]) };
  }
  const most = Math.max(trace.vocabulary, 10);
  const ticks = [];
  for (let rank = 1; rank <= most; rank *= 10) ticks.push([rank, rank.toLocaleString("en")]);
  return { level: (rank) => 1 - Math.log(rank) / Math.log(most), ticks };
}

class Curves {
  constructor(page) {
    this.page = page;
    this.layer = new Chart(byId("by-layer"), byId("by-layer-says"), (i) => page.update({ point: this.points[i].key }));
    this.position = new Chart(byId("by-position"), byId("by-position-says"), (i) => {
      page.update({ column: i });
      page.grid.reveal();
    });
    for (const kind of ["prob", "rank"]) {
      byId(`curve-${kind}`).addEventListener("click", () => page.update({ curve: kind }));
    }
    new ResizeObserver(() => this.draw()).observe(byId("by-layer"));
  }

  draw() {
    const { trace, vocabulary, state, pins, point, pair } = this.page;
    const kind = state.curve;
    for (const each of ["prob", "rank"]) byId(`curve-${each}`).setAttribute("aria-pressed", String(each === kind));
    const rows = pins.curves();
    const scale = curveScale(trace, kind);
    this.points = trace.rows(state.component, 1);
    const token = trace.raw.tokens[trace.positions[state.column]];
    const name = kind === "prob" ? "Probability" : "Rank";
    const other = (column, at, row) => pair.otherScore(column, at, row)[kind];
    this.layer.draw({
      caption: [`${name} by layer, after position ${trace.positions[state.column]} `, token === undefined ? "" : vocabulary.node(token)],
      labels: this.points.map((row) => (row.layer === null ? "embed" : state.component === "all" ? row.key : String(row.layer))),
      here: this.points.indexOf(point),
      curves: rows.map((row) => this.points.map((at) => trace.score(state.column, at, row)[kind])),
      others: pair ? rows.map((row) => this.points.map((at) => other(state.column, at, row))) : [],
      scale,
      axis: state.component === "all" ? "point" : `layer (${state.component})`,
    });
    this.position.draw({
      caption: [`${name} by position, at ${point.key}`],
      labels: trace.positions.map(String),
      here: state.column,
      curves: rows.map((row) => trace.positions.map((_, column) => trace.score(column, point, row)[kind])),
      others: pair ? rows.map((row) => trace.positions.map((_, column) => other(column, point, row))) : [],
      scale,
      axis: "position",
    });
    byId("curve-note").replaceChildren(
      ...(pair ? [`Pale and dotted: ${pair.second.name}. `] : []),
      "A curve breaks where the trace holds neither the token among the most probable nor a question about it.");
  }
}
