/* Where a logit comes from, and where two prompts part: asked for, because both take longer than reading. */

const MOST_PARTS = 16;

class Parts {
  constructor(live) {
    this.live = live;
    byId("take-apart").addEventListener("click", () => this.attribute());
    byId("patch").addEventListener("click", () => this.patch());
  }

  /* Offers the tokens of the chosen cell. */
  draw() {
    const { page } = this.live;
    if (!page) return;
    const { trace, vocabulary, state, pins, point } = page;
    const top = trace.top(state.column, point)?.[0].slice(0, 5) ?? [];
    const answer = trace.answer(state.column);
    const rows = [...new Set([...(answer === null ? [] : [answer]), ...pins.curves(), ...top])];
    const list = byId("part-token");
    const chosen = rows.map((row) => String(vocabulary.id(row))).find((id) => id === list.value);
    options(list, rows.map((row) => [String(vocabulary.id(row)), `${vocabulary.listed(row)} <id ${vocabulary.id(row)}>`]),
      chosen ?? (rows.length > 0 ? String(vocabulary.id(rows[0])) : ""));
    byId("part-place").textContent = `after position ${trace.positions[state.column]}`;
    byId("patch-part").hidden = !this.live.about.patch || this.live.runs < 2;
  }

  async attribute() {
    const { page } = this.live;
    if (!page || byId("part-token").value === "") return;
    const position = page.trace.positions[page.state.column];
    const question = { run: this.live.runOf(page.state.trace), position, target: Number(byId("part-token").value) };
    await this.asked("take-apart", "/api/attribute", question, "attribution", (trace) => this.shares(trace));
  }

  async patch() {
    await this.asked("patch", "/api/patch", {}, "patching", (trace) => this.places(trace));
  }

  /* Asks one of the two questions and shows the answer, or what went wrong. */
  async asked(button, path, question, name, show) {
    byId(button).setAttribute("aria-busy", "true");
    this.live.quiet();
    byId("parts-says").textContent = "The model is being asked …";
    try {
      for await (const event of events(await ask(path, question))) {
        if (event.event === "error") throw new Refused(event);
        if (event.event === name) {
          byId("parts-shown").replaceChildren(...show(event[name]));
          byId("parts-says").textContent = "Done.";
        }
      }
    } catch (error) {
      byId("parts-says").textContent = "";
      this.live.trouble(error);
    } finally {
      byId(button).removeAttribute("aria-busy");
    }
  }

  shares(trace) {
    const lists = [
      ["Blocks and the embedding", trace.contributions],
      ["Heads", trace.heads],
      ["Neurons", trace.neurons],
    ];
    const says = `The logit of ${JSON.stringify(trace.target.text)} after position ${trace.position} is ${trace.logit_before_cap.toFixed(3)}; `
      + `the parts add up to it within ${trace.error.toExponential(1)}.`;
    const tables = lists.map(([caption, shares]) => [caption, Object.entries(shares ?? {})]).filter(([, entries]) => entries.length > 0);
    /* What has nothing to say is left out of a trace. */
    const said = trace.notes ?? [];
    const notes = said.length > 0 ? [element("ul", {}, ...said.map((note) => element("li", {}, sentence(note))))] : [];
    const passed = trace.self_check.passed ? [] : [element("p", { class: "notice", role: "note" }, "The self-check failed: do not believe these numbers.")];
    return [...passed, element("p", {}, says), element("div", { class: "shares" }, ...tables.map(([caption, entries]) => this.table(caption, entries))), ...notes];
  }

  /* The largest parts, with bars to the left of a middle where they speak against the token. */
  table(caption, entries) {
    const ordered = [...entries].sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
    const shown = ordered.slice(0, MOST_PARTS);
    const most = Math.max(...shown.map(([, share]) => Math.abs(share)), 1e-12);
    const rows = shown.map(([name, share]) => {
      const width = (Math.abs(share) / most) * 50;
      const bar = shape("svg", { class: "share", viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
        shape("path", { class: "middle", d: "M50 0V8" }),
        shape("path", { class: share < 0 ? "less" : "more", d: `M50 1h${share < 0 ? -width : width}v6h${share < 0 ? width : -width}Z` }));
      return element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, signed(share)), element("td", {}, bar));
    });
    const rest = ordered.slice(MOST_PARTS).reduce((sum, [, share]) => sum + share, 0);
    if (ordered.length > MOST_PARTS) {
      rows.push(element("tr", {}, element("th", { scope: "row" }, `${ordered.length - MOST_PARTS} others`), element("td", {}, signed(rest)), element("td")));
    }
    return element("table", {}, element("caption", {}, caption), element("tbody", {}, ...rows));
  }

  /* What each place of the first prompt does when it takes the second's activation. */
  places({ says, layers, positions, rows, notes }) {
    const most = Math.max(...rows.flat().map((value) => Math.abs(value ?? 0)), 1e-12);
    const body = layers.map((layer, i) => element("tr", {}, element("th", { scope: "row" }, layer),
      ...rows[i].map((value) => (value === null
        ? element("td", { class: "unknown" }, "–")
        : element("td", { class: levelClass({ level: 0.5 + value / (2 * most), diverging: true }) }, signed(value))))));
    const head = element("tr", {}, element("th", { scope: "col" }, "layer"), ...positions.map((name) => element("th", { scope: "col" }, name)));
    const list = notes.length > 0 ? [element("ul", {}, ...notes.map((note) => element("li", {}, sentence(note))))] : [];
    return [element("p", {}, says), element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Patched places" },
      element("table", { class: "places" }, element("thead", {}, head), element("tbody", {}, ...body))), ...list];
  }
}
