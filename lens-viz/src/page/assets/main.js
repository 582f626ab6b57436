/* The page as a whole: one state, and everything drawn from it. */

class Page {
  constructor(data) {
    this.vocabulary = new Vocabulary(data.vocabulary);
    this.grades = data.grades;
    this.traces = data.traces.map((raw) => new Trace(raw, data.statistics));
    this.pairs = new Pairs(data, this.traces, this.vocabulary);
    this.tracked = (column) => this.trackedAt(column);
    this.grid = new Grid(byId("grid"), this);
    this.detail = new Detail(byId("detail"), this);
    this.pins = new Pins(byId("pins"), this);
    this.search = new Search(byId("search"), byId("found"), this);
    this.controls = new Controls(this);
    this.slice = new Slice(byId("slice"), this);
    this.film = new Film(this);
    this.curves = new Curves(this);
    this.export = new Export(this);
    this.found = new Set();
    this.read();
    this.describeGrades();
  }

  get trace() {
    return this.traces[this.state.trace];
  }

  /* The run that is taken away from the shown one, with both laid over one another; null where none is. */
  get pair() {
    return this.pairs.get(this.state.trace, this.state.minus);
  }

  /* What cells can show: of one run, or as the difference of two what both have. */
  get statistics() {
    const { pair, trace } = this;
    if (pair === null) return trace.statistics;
    const shared = trace.statistics.filter((one) => pair.second.statistics.some((other) => other.key === one.key));
    const tracked = { key: this.state.tracked, at: this.tracked };
    return shared.map((one) => differenceOf(one, pair, tracked, this.state.component));
  }

  get statistic() {
    const { statistics } = this;
    return statistics.find((one) => one.key === this.state.statistic) ?? statistics[0];
  }

  get point() {
    return this.trace.points.find((point) => point.key === this.state.point);
  }

  /* The token whose probability or rank is shown at a position. */
  trackedAt(column) {
    const { tracked } = this.state;
    if (tracked === "final") return this.trace.answer(column);
    return tracked === "next" ? this.trace.next(column) : tracked;
  }

  /* Takes the state from the address. */
  read() {
    this.state = fromAddress(location.hash.slice(1), this.traces, this.vocabulary, this.pairs);
    this.found = this.search.rows(this.state.query);
    this.draw();
    this.grid.follow();
  }

  update(changes) {
    const next = { ...this.state, ...changes };
    const trace = this.traces[next.trace];
    if (next.trace !== this.state.trace) {
      /* The place stays where the other run has it. */
      next.column = this.pairs.get(this.state.trace, next.trace)?.columns[this.state.column] ?? null;
      if (!this.pairs.of(next.trace).includes(next.minus)) next.minus = null;
      if (!trace.statistics.some((one) => one.key === next.statistic)) next.statistic = "top";
      if (![...trace.components, "all"].includes(next.component)) next.component = usualComponent(trace);
    }
    this.state = settled(next, trace);
    if ("query" in changes) this.found = this.search.rows(this.state.query);
    /* An address for every frame of a film would be too many. */
    if (!this.film.isRunning()) this.write();
    this.draw();
  }

  write() {
    const address = toAddress(this.state, this.trace, this.vocabulary);
    try {
      history.replaceState(null, "", address === "" ? location.pathname + location.search : `#${address}`);
    } catch {
      /* A frame without an address of its own, as in a notebook: the view works, it cannot be linked. */
    }
  }

  draw() {
    const { state } = this;
    if (state.theme) document.documentElement.dataset.theme = state.theme;
    else delete document.documentElement.dataset.theme;
    this.traces.forEach((_, i) => {
      byId(`head-${i}`).hidden = i !== state.trace;
    });
    this.previewed = null;
    this.grid.draw();
    this.detail.draw(this.point, state.column);
    this.pins.draw();
    this.search.draw();
    this.controls.draw();
    this.slice.draw();
    this.film.draw();
    this.curves.draw();
  }

  /* Shows a readout without choosing it; null goes back to the chosen one. */
  preview(place) {
    const same = (a, b) => a?.point === b?.point && a?.column === b?.column;
    if (same(place, this.previewed)) return;
    this.previewed = place;
    this.detail.draw(place?.point ?? this.point, place?.column ?? this.state.column);
  }

  isDark() {
    return this.state.theme ? this.state.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  toggleTheme() {
    this.update({ theme: this.isDark() ? "light" : "dark" });
  }

  /* Acts on a key of the grid; says whether there was anything to do. */
  shortcut(key) {
    const { state } = this;
    const after = (list, here) => list[(list.indexOf(here) + 1) % list.length];
    const acts = {
      s: () => this.update({ statistic: after(this.statistics.map((one) => one.key), state.statistic) }),
      r: () => this.update({ trace: (state.trace + 1) % this.traces.length, pins: null }),
      m: () => this.update({ minus: after([null, ...this.pairs.of(state.trace)], state.minus) }),
      c: () => this.update({ component: after([...byId("component").options].map((option) => option.value), state.component) }),
      d: () => this.toggleTheme(),
      "[": () => this.controls.by(-1),
      "]": () => this.controls.by(1),
      h: () => this.markTop(),
      t: () => this.update({ text: state.text === "read" ? "written" : "read" }),
      p: () => this.film.start(),
      Escape: () => this.update({ query: "" }),
      Enter: () => this.pinTop(),
      " ": () => this.pinTop(),
    };
    acts[key]?.();
    if (acts[key]) this.grid.focus();
    return key in acts;
  }

  get topHere() {
    return this.trace.top(this.state.column, this.point)?.[0][0];
  }

  pinTop() {
    const row = this.topHere;
    if (row !== undefined) this.pins.toggle(row);
  }

  markTop() {
    const row = this.topHere;
    if (row !== undefined) this.search.everywhere(row);
  }

  describeGrades() {
    byId("grades").replaceChildren(...this.grades.map(({ up_to: most, meaning }, i) => element("li", {},
      element("span", { class: `mark g${i}` }), ` ${meaning}: ${most === null ? "more" : `up to ${most} nats`}`)));
  }
}
