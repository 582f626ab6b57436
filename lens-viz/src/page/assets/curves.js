/* What the charts show: a line for each pinned token, or, of one token, a line for each component. */

/* How the numbers stand on the axis: probability from 0 to 1, or rank on a logarithmic axis with 1 on top. */
function curveScale(trace, kind) {
  if (kind === "prob") {
    return { level: (prob) => prob, ticks: [0, 0.25, 0.5, 0.75, 1].map((prob) => [prob, String(prob)]) };
  }
  const most = Math.max(trace.vocabulary, 10);
  const ticks = [];
  for (let rank = 1; rank <= most; rank *= 10) ticks.push([rank, rank.toLocaleString("en")]);
  return { level: (rank) => 1 - Math.log(rank) / Math.log(most), ticks };
}

/* What the lines of the charts are: their names, what is known of them at a place, and of another run. */
class Lines {
  constructor(page) {
    const { state, pins, trace } = page;
    Object.assign(this, { page, kind: state.curve, apart: state.component === "all" });
    this.rows = pins.curves();
    this.row = this.rows.includes(state.lead) ? state.lead : this.rows[0] ?? null;
    this.layers = this.apart ? [...new Set(trace.points.map((point) => point.layer))] : [];
    this.components = this.apart && this.row !== null ? this.ordered() : [];
    this.count = this.apart ? this.components.length : this.rows.length;
  }

  /* The components, heads last, the heads with the most to say of the token first among them. */
  ordered() {
    const { trace, state } = this.page;
    const [heads, others] = [true, false].map((is) => trace.components.filter((one) => one.startsWith("head.") === is && one !== "embed"));
    const better = this.kind === "prob" ? (number) => number ?? -1 : (number) => -(number ?? Infinity);
    const best = new Map(heads.map((head) => [head, -Infinity]));
    for (const point of trace.points) {
      if (best.has(point.component)) best.set(point.component, Math.max(best.get(point.component), better(this.score(point, state.column))));
    }
    return [...others, ...heads.sort((a, b) => best.get(b) - best.get(a))];
  }

  score(point, column) {
    return this.page.trace.score(column, point, this.row)[this.kind];
  }

  /* The point of a component at a layer; the stream begins at the embedding. */
  at(component, layer) {
    const wanted = layer === null && component.startsWith("resid") ? "embed" : component;
    return this.page.trace.points.find((point) => point.layer === layer && point.component === wanted) ?? null;
  }

  name(series) {
    return this.apart ? this.components[series] : this.page.vocabulary.node(this.rows[series]);
  }

  /* The numbers of every line at places, of which `place` gives the column and, for a component, the point. */
  numbers(places, of) {
    return Array.from({ length: this.count }, (_, series) => {
      const row = this.apart ? this.row : this.rows[series];
      return places.map((place) => {
        const { column, point } = place(this.components[series]);
        return point === null ? null : of(column, point, row)[this.kind];
      });
    });
  }
}

class Curves {
  constructor(page) {
    this.page = page;
    this.layer = new Chart(byId("by-layer"), byId("by-layer-says"), (i) => this.toLayer(i));
    this.position = new Chart(byId("by-position"), byId("by-position-says"), (i) => {
      page.update({ column: i });
      page.grid.reveal();
    });
    for (const kind of ["prob", "rank"]) {
      byId(`curve-${kind}`).addEventListener("click", () => page.update({ curve: kind }));
    }
    byId("lead").addEventListener("change", ({ target }) => page.update({ lead: Number(target.value) }));
    const observer = new ResizeObserver(() => {
      for (const chart of [this.layer, this.position]) chart.wide = chart.svg.clientWidth;
      this.draw();
    });
    for (const chart of [this.layer, this.position]) observer.observe(chart.svg);
  }

  /* Of a layer with many rows, the row of the component that was chosen. */
  toLayer(i) {
    const { page } = this;
    const wanted = this.lines.apart ? this.lines.layers[i] : this.points[i].layer;
    const rows = page.trace.rows(page.state.component, 1).filter((point) => point.layer === wanted);
    page.update({ point: (rows.find((point) => point.component === page.point.component) ?? rows.at(-1)).key });
    page.grid.reveal();
  }

  draw() {
    const { trace, vocabulary, state, pair } = this.page;
    const kind = state.curve;
    for (const each of ["prob", "rank"]) byId(`curve-${each}`).setAttribute("aria-pressed", String(each === kind));
    const lines = new Lines(this.page);
    this.lines = lines;
    this.points = trace.rows(state.component, 1);
    this.keys(lines);
    const position = trace.positions[state.column];
    const token = trace.raw.tokens[position];
    const here = token === undefined ? [] : [vocabulary.node(token, {}, trace.said(position))];
    const of = () => (lines.apart && lines.row !== null ? [" of ", vocabulary.node(lines.row)] : []);
    const name = kind === "prob" ? "Probability" : "Rank";
    const shared = { scale: curveScale(trace, kind), names: (series) => lines.name(series), written: kind === "prob" ? exactPercent : (rank) => `#${rank}`, second: pair?.second.name };
    this.layer.draw({
      ...shared,
      ...this.byLayer(lines),
      caption: [name, ...of(), ` by layer, after position ${trace.positions[state.column]} `, ...here],
    });
    this.position.draw({
      ...shared,
      ...this.byPosition(lines),
      caption: [name, ...of(), ` by position, at ${lines.apart ? placeName(this.page.point) : this.page.point.key}`],
    });
    byId("curve-note").replaceChildren(
      ...(pair ? [`Pale and dotted: ${pair.second.name}. `] : []),
      ...(lines.count > MOST_COLOURS ? [`Thin and grey: the ${lines.count - MOST_COLOURS} heads that say less of the token. `] : []),
      "A curve breaks where the trace holds neither the token among the most probable nor a question about it.");
  }

  byLayer(lines) {
    const { trace, state, point } = this.page;
    const { column } = state;
    const places = lines.apart
      ? lines.layers.map((layer) => (component) => ({ column, point: lines.at(component, layer) }))
      : this.points.map((at) => () => ({ column, point: at }));
    const layers = lines.apart ? lines.layers : this.points.map((at) => at.layer);
    const labels = layers.map((layer) => (layer === null ? "embed" : String(layer)));
    return {
      labels,
      places: (i) => [layers[i] === null ? "embedding" : `layer ${layers[i]}`],
      here: lines.apart ? layers.indexOf(point.layer) : this.points.indexOf(point),
      axis: lines.apart ? "layer" : `layer (${state.component})`,
      ...this.curves(lines, places),
    };
  }

  byPosition(lines) {
    const { trace, vocabulary, state, point } = this.page;
    const places = trace.positions.map((_, column) => (component) => (
      { column, point: lines.apart ? lines.at(component, point.layer) : point }));
    const token = (column) => trace.raw.tokens[trace.positions[column]];
    return {
      labels: trace.positions.map(String),
      places: (i) => [`position ${trace.positions[i]} `, ...(token(i) === undefined ? [] : [vocabulary.node(token(i), {}, trace.said(trace.positions[i]))])],
      here: state.column,
      axis: "position",
      ...this.curves(lines, places),
    };
  }

  curves(lines, places) {
    const { trace, pair } = this.page;
    return {
      curves: lines.numbers(places, (column, point, row) => trace.score(column, point, row)),
      others: pair ? lines.numbers(places, (column, point, row) => pair.otherScore(column, point, row)) : [],
    };
  }

  /* Which line is which component, and of which token. */
  keys(lines) {
    const { vocabulary } = this.page;
    byId("lead-label").hidden = !lines.apart || lines.row === null;
    options(byId("lead"), lines.rows.map((row) => [String(row), `${vocabulary.listed(row)} <id ${vocabulary.id(row)}>`]), String(lines.row));
    byId("components").hidden = !lines.apart;
    byId("components").replaceChildren(...lines.components.slice(0, MOST_COLOURS).map((name, series) =>
      element("li", {}, lineKey(series), name)));
  }
}

/* How a point is called where its component is not what matters. */
const placeName = (point) => (point.layer === null ? "the embedding" : `layer ${point.layer}`);

/* A piece of a line with its marker. */
function lineKey(series) {
  return shape("svg", { class: `key ${series < MOST_COLOURS ? `s${series}` : "rest"}`, viewBox: "0 0 28 12", "aria-hidden": "true" },
    shape("path", { class: "curve", d: "M0 6H28" }), ...(series < MOST_COLOURS ? [marker(series, 14, 6)] : []));
}
