/* One layer, and the whole text: its tokens coloured by what the layer says of them, or the tokens that the layer would have
   written in their place. */

/* Tokens that are in the document at once, around the chosen one. */
const MOST_WORDS = 2000;

class Slice {
  constructor(host, page) {
    Object.assign(this, { host, page, shape: null, nodes: [] });
    for (const text of ["read", "written"]) byId(`text-${text}`).addEventListener("click", () => page.update({ text }));
    const slider = byId("layer");
    slider.addEventListener("input", () => this.toLayer(Number(slider.value)));
    byId("layer-back").addEventListener("click", () => this.toLayer(this.at() - 1));
    byId("layer-on").addEventListener("click", () => this.toLayer(this.at() + 1));
    host.addEventListener("click", (event) => this.press(event.target.closest("[data-column]")));
    host.addEventListener("keydown", (event) => this.key(event));
    host.addEventListener("pointermove", (event) => this.preview(event.target.closest("[data-column]")));
    host.addEventListener("pointerleave", () => page.preview(null));
  }

  /* The layers that are gone through: those of the grid, of the chosen component. */
  layers() {
    const { trace, state, point } = this.page;
    if (state.component !== "all") return this.page.grid.rows;
    return trace.rows(point.component === "embed" ? usualComponent(trace) : point.component, state.stride);
  }

  at() {
    return this.layers().findIndex((point) => point.key === this.page.state.point);
  }

  toLayer(index) {
    const layers = this.layers();
    this.page.update({ point: layers[clamp(index, 0, layers.length - 1)].key });
    this.page.grid.reveal();
  }

  /* Whether a token is coloured by what was read before it: where that is about the very token that stands there. */
  isOfNext() {
    const { state, statistic } = this.page;
    return state.text === "written" || (statistic.tracked ? state.tracked === "next" : OF_NEXT.includes(statistic.key));
  }

  /* What stands at each place of the sequence: the row of its token, and the column that it is coloured by or null. */
  words() {
    const { trace, point, state } = this.page;
    const { tokens } = trace.raw;
    const before = this.isOfNext() ? 1 : 0;
    const length = tokens.length + (state.text === "written" ? 1 : 0);
    return Array.from({ length }, (_, place) => {
      const column = trace.columnOf.get(place - before) ?? null;
      const there = tokens[place] ?? null;
      const top = column === null ? null : trace.top(column, point);
      const row = state.text === "written" && top !== null ? top[0][0] ?? there : there;
      return { place, column, row, there, isWritten: state.text === "written" && top !== null };
    });
  }

  draw() {
    const { page } = this;
    for (const text of ["read", "written"]) byId(`text-${text}`).setAttribute("aria-pressed", String(page.state.text === text));
    this.slider();
    const words = this.words();
    const chosen = words.findIndex((word) => word.column === page.state.column);
    const from = words.length > MOST_WORDS ? clamp(chosen - MOST_WORDS / 2, 0, words.length - MOST_WORDS) : 0;
    const shown = words.slice(from, from + MOST_WORDS);
    this.lines(shown.map((word) => ({ ...word, here: word.place === chosen })));
    this.legend(words.length, from, shown.length);
  }

  slider() {
    const { point } = this.page;
    const layers = this.layers();
    const at = this.at();
    const slider = byId("layer");
    slider.max = layers.length - 1;
    slider.value = at;
    const name = point.layer === null ? "embedding" : `layer ${point.layer} of 0–${this.page.trace.raw.model.n_layers - 1}`;
    slider.setAttribute("aria-valuetext", name);
    const mark = point.grade === null ? [] : [
      element("span", { class: `mark g${point.grade}`, title: this.page.grades[point.grade].meaning }), ` KL ${brief(point.kl)}`];
    byId("layer-says").replaceChildren(`${name}${point.layer === null ? "" : `, ${point.component}`} `, ...mark);
    byId("layer-back").disabled = at <= 0;
    byId("layer-on").disabled = at >= layers.length - 1;
  }

  /* Each line of the text takes its direction from its own first letter, as paragraphs do. Where the lines are those of
     before, only what is said of their words changes: laying out a long text takes longer than all the rest. */
  lines(words) {
    const ends = words.map(({ row }) => row !== null && this.page.vocabulary.rows[row][1].includes("\n"));
    const shape = ends.map(Number).join("");
    if (shape !== this.shape) {
      this.shape = shape;
      this.nodes = words.map(() => element("span"));
      const lines = [];
      this.nodes.forEach((node, i) => {
        if (i === 0 || ends[i - 1]) lines.push(element("div", { class: "line", dir: "auto", role: "presentation" }));
        lines.at(-1).append(node);
      });
      this.host.replaceChildren(...lines);
    }
    words.forEach((word, i) => this.dress(this.nodes[i], this.word(word)));
  }

  /* Only what differs is set. */
  dress(node, { text, attributes }) {
    if (node.textContent !== text) node.textContent = text;
    for (const [name, value] of Object.entries(attributes)) {
      const wanted = value === null ? null : String(value);
      if (node.getAttribute(name) === wanted) continue;
      if (wanted === null) node.removeAttribute(name);
      else node.setAttribute(name, wanted);
    }
  }

  word({ place, column, row, there, isWritten, here }) {
    const { trace, vocabulary, statistic, point, found, film } = this.page;
    /* What stands in the text itself; a layer's own token has no neighbours. */
    const text = row === null ? "?" : vocabulary.running(row, isWritten ? undefined : trace.said(place));
    const said = column === null ? null : statistic.read(trace, column, point, this.page.tracked(column));
    const kept = isWritten && row === there;
    const marks = ["word-here", said === null ? "unread" : levelClass(said)];
    if (here) marks.push("chosen");
    if (found.has(row)) marks.push("hit");
    if (kept) marks.push("kept");
    if (trace.generated.has(place)) marks.push(trace.generated.has(place - 1) ? "generated" : "generated first");
    if (film.hides(place, this.isOfNext())) marks.push("to-come");
    const instead = isWritten && !kept && there !== null ? `; the text has ${vocabulary.shown(there)}` : "";
    const name = said === null ? "not read" : `${row === null ? "?" : vocabulary.shown(row)}: ${said.number}${instead}`;
    const isRead = said !== null;
    return {
      text,
      attributes: {
        class: marks.join(" "),
        role: isRead ? "option" : "presentation",
        "data-column": column,
        "aria-selected": isRead ? here : null,
        "aria-label": isRead ? name : null,
        tabindex: isRead ? (here ? 0 : -1) : null,
        title: isRead ? `${place}: ${name}` : name,
        lang: "",
      },
    };
  }

  legend(all, from, shown) {
    const { trace, statistic, point, state, pair } = this.page;
    byId("slice-legend").replaceChildren(...legendOf(statistic, trace, pair));
    const place = point.layer === null ? "the embedding" : `layer ${point.layer}`;
    const [name] = statistic.scale(trace);
    const whose = this.isOfNext() ? `says of it one position before` : `says after it, of what comes next`;
    const says = state.text === "read"
      ? [`A token's colour is what ${place} ${whose}: ${name}.`]
      : [`In each token's place stands the top-1 token of ${place} one position before, underlined where it is the token of the text. The last one would come next.`];
    if (all > shown) says.push(`Tokens ${from} to ${from + shown - 1} of ${all}, around the chosen one.`);
    byId("slice-note").replaceChildren(says.join(" "));
  }

  press(word) {
    if (!word) return;
    this.page.update({ column: Number(word.dataset.column) });
    this.page.grid.reveal();
    this.focus();
  }

  preview(word) {
    this.page.preview(word ? { point: this.page.point, column: Number(word.dataset.column) } : null);
  }

  focus() {
    this.host.querySelector("[aria-selected=true]")?.focus({ preventScroll: true });
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { state, trace } = this.page;
    const moves = { ArrowLeft: state.column - 1, ArrowRight: state.column + 1, Home: 0, End: trace.positions.length - 1 };
    const layers = { ArrowUp: -1, ArrowDown: 1, PageUp: -10, PageDown: 10 };
    if (event.key in moves) this.page.update({ column: clamp(moves[event.key], 0, trace.positions.length - 1) });
    else if (event.key in layers) this.toLayer(this.at() + layers[event.key]);
    else return;
    event.preventDefault();
    this.page.grid.reveal();
    this.focus();
    document.activeElement.scrollIntoView({ block: "nearest" });
  }
}

/* Statistics of the token that comes next, whichever token is followed. */
const OF_NEXT = ["cross_entropy"];
