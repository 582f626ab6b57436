/* The row of choices above the grid, the legend below it, and the steps of a generation. */

class Controls {
  constructor(page) {
    this.page = page;
    const on = (id, event, act) => byId(id).addEventListener(event, (happened) => act(happened.target));
    on("trace", "change", ({ value }) => page.update({ trace: Number(value), pins: null }));
    on("minus", "change", ({ value }) => page.update({ minus: value === "" ? null : Number(value) }));
    on("statistic", "change", ({ value }) => page.update({ statistic: value }));
    on("tracked", "change", ({ value }) => page.update({ tracked: /^\d+$/.test(value) ? Number(value) : value }));
    on("component", "change", ({ value }) => page.update({ component: value }));
    on("stride", "change", ({ value }) => page.update({ stride: Number(value) }));
    on("size", "change", ({ value }) => page.update({ size: value }));
    on("theme", "click", () => page.toggleTheme());
    on("step", "input", ({ value }) => this.toStep(Number(value)));
    on("step-back", "click", () => this.by(-1));
    on("step-on", "click", () => this.by(1));
  }

  draw() {
    const { page } = this;
    const { traces, trace, state, statistic } = page;
    const name = (one) => (one.name.length > 60 ? `${one.name.slice(0, 59)}…` : one.name);
    byId("trace-label").hidden = traces.length < 2;
    options(byId("trace"), traces.map((_, i) => [String(i), name(traces[i])]), String(state.trace));
    const others = page.pairs.of(state.trace);
    byId("minus-label").hidden = traces.length < 2;
    options(byId("minus"), [["", "nothing"], ...others.map((i) => [String(i), name(traces[i])])], state.minus === null ? "" : String(state.minus));
    byId("minus").append(...this.apart(others, name));
    options(byId("statistic"), page.statistics.map((one) => [one.key, one.name]), statistic.key);
    byId("tracked-label").hidden = !statistic.tracked;
    options(byId("tracked"), this.tracked(), String(state.tracked));
    const components = trace.components.filter((component) => component !== "embed" || trace.components.length === 1);
    const every = components.length > 1 ? [["all", "all, one below the other"]] : [];
    options(byId("component"), [...components.map((component) => [component, component]), ...every], state.component);
    const strides = [...new Set([1, 2, 3, 4, 6, 8, 12, 16, state.stride])].sort((a, b) => a - b);
    options(byId("stride"), strides.map((stride) => [String(stride), stride === 1 ? "every" : `1 in ${stride}`]), String(state.stride));
    byId("size").value = state.size;
    byId("theme").textContent = page.isDark() ? "Light" : "Dark";
    this.legend();
    this.steps();
  }

  /* The runs that cannot be taken away from the shown one, and why not. */
  apart(others, name) {
    const { page } = this;
    const { traces, trace, state } = page;
    return traces.flatMap((other, i) => {
      if (i === state.trace || others.includes(i)) return [];
      return [element("option", { disabled: true, value: "none" }, `${name(other)}: ${page.pairs.whyNot(trace, other)}`)];
    });
  }

  /* The tokens whose probability or rank the grid can show. */
  tracked() {
    const { vocabulary, pins, trace, state } = this.page;
    const asked = trace.raw.final.flatMap((last) => last.targets?.[0] ?? []);
    const chosen = typeof state.tracked === "number" ? [state.tracked] : [];
    const rows = [...new Set([...chosen, ...pins.curves(), ...asked])];
    const named = rows.map((row) => [String(row), `${vocabulary.listed(row)} <id ${vocabulary.id(row)}>`]);
    return [["final", "each position's final answer"], ["next", "the token that comes next"], ...named];
  }

  legend() {
    const { trace, statistic, pair } = this.page;
    byId("legend").replaceChildren(...legendOf(statistic, trace, pair));
    byId("pair-says").hidden = pair === null;
    byId("pair-says").replaceChildren(...(pair ? this.differs(pair) : []));
  }

  /* What the colours of a difference mean, and what was assumed to compare the two runs. */
  differs(pair) {
    const [first, second] = [pair.first, pair.second].map(({ name }) => `“${name}”`);
    const says = [`Red: more in ${first}; blue: more in ${second}. Cells show the top-1 token of ${first}, and ≠ where that of `
      + `${second} is another.`, ...pair.notes.map(sentence)];
    return [says.join(" ")];
  }

  steps() {
    const { trace, state, vocabulary } = this.page;
    const { steps } = trace.raw;
    byId("steps").hidden = steps.length === 0;
    if (steps.length === 0) return;
    const at = steps.findIndex((step) => trace.columnOf.get(step[1]) === state.column);
    byId("step").max = steps.length - 1;
    if (at < 0) {
      const tokens = steps.length === 1 ? "1 generated token" : `${steps.length} generated tokens`;
      byId("step-says").replaceChildren(`${tokens}; none was sampled from this position`);
      byId("step").value = 0;
      return;
    }
    const [step, , row, prob] = steps[at];
    byId("step").value = at;
    byId("step").setAttribute("aria-valuetext", `step ${step}: ${vocabulary.shown(row)}`);
    byId("step-says").replaceChildren(`step ${step}, generated token ${step + 1} of ${trace.written()}: `, vocabulary.node(row), ` (${percent(prob)})`);
  }

  by(way) {
    const { trace, state } = this.page;
    const at = trace.raw.steps.findIndex((step) => trace.columnOf.get(step[1]) === state.column);
    this.toStep(clamp(at + way, 0, trace.raw.steps.length - 1));
  }

  toStep(index) {
    const { trace } = this.page;
    const column = trace.columnOf.get(trace.raw.steps[index]?.[1]);
    if (column === undefined) return;
    this.page.update({ column });
    this.page.grid.reveal();
  }
}

/* What colours mean. */
function legendOf(statistic, trace, pair) {
  const [name, low, high] = statistic.scale(trace);
  const ramp = element("span", { class: "ramp", "aria-hidden": "true" });
  for (let level = 0; level <= 40; level++) ramp.append(element("span", { class: levelClass({ level: level / 40, diverging: statistic.diverging }) }));
  return [
    element("span", {}, name), element("span", {}, low), ramp, element("span", {}, high),
    element("span", { class: "unknown swatch", "aria-hidden": "true" }), element("span", {}, pair ? "not in both" : "not in the trace")];
}
