/* The tokens that the curves show: those asked for and those that are top-1 at any layer, until somebody chooses others. */

/* More curves than these cannot be told apart. */
const MOST_CURVES = 8;

class Pins {
  constructor(host, page) {
    this.host = host;
    this.page = page;
    byId("pins-reset").addEventListener("click", () => page.update({ pins: null }));
    /* Buttons come and go as readouts are drawn; one listener serves them all. */
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-pin]");
      if (button) this.toggle(Number(button.dataset.pin));
    });
  }

  /* Tokens asked for as they were asked, then the top-1 tokens of the shown component at the chosen position, those first
     that are ever the most probable. */
  usual() {
    const { trace, state } = this.page;
    const asked = new Set(trace.finals.get(state.column)?.targets?.[0] ?? []);
    const best = new Map();
    for (const point of trace.rows(state.component, 1)) {
      for (const row of trace.targets(state.column, point)?.[0] ?? []) asked.add(row);
      const top = trace.top(state.column, point);
      if (top && top[0].length > 0) best.set(top[0][0], Math.max(best.get(top[0][0]) ?? 0, top[1][0]));
    }
    const tops = [...best].sort((a, b) => b[1] - a[1]).map(([row]) => row);
    return [...new Set([...asked, ...tops])];
  }

  all() {
    return this.page.state.pins ?? this.usual();
  }

  curves() {
    return this.all().slice(0, MOST_CURVES);
  }

  toggle(row) {
    const pins = this.curves();
    const without = pins.filter((pinned) => pinned !== row);
    this.page.update({ pins: without.length < pins.length ? without : [row, ...pins].slice(0, MOST_CURVES) });
  }

  button(row) {
    const pinned = this.curves().includes(row);
    const name = `Pin ${this.page.vocabulary.shown(row)}`;
    return element("button", { type: "button", class: "pin", "data-pin": row, "aria-pressed": String(pinned), "aria-label": name }, pinned ? "●" : "○");
  }

  draw() {
    const { vocabulary, state } = this.page;
    const texts = new Map();
    for (const row of this.curves()) texts.set(vocabulary.shown(row), (texts.get(vocabulary.shown(row)) ?? 0) + 1);
    const items = this.curves().map((row, i) => {
      const twin = texts.get(vocabulary.shown(row)) > 1 ? [element("small", {}, ` <id ${vocabulary.id(row)}>`)] : [];
      /* Where the lines are components, no line is a token's. */
      const key = state.component === "all" ? [] : [lineKey(i)];
      return element("li", {}, ...key, vocabulary.node(row), ...twin,
        element("button", { type: "button", "data-pin": row, "aria-label": `Unpin ${vocabulary.shown(row)}` }, "×"));
    });
    const more = this.all().length - items.length;
    if (more > 0) items.push(element("li", { class: "more" }, `and ${more} more`));
    if (items.length === 0) items.push(element("li", { class: "more" }, "none: pin one from a readout or the search"));
    this.host.replaceChildren(...items);
    byId("pins-reset").hidden = state.pins === null;
  }
}
