/* Looking for tokens: marks the cells that have them among their most probable, and offers to pin them. */

class Search {
  constructor(input, host, page) {
    Object.assign(this, { input, host, page });
    input.addEventListener("input", () => page.update({ query: input.value }));
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        this.go(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape") {
        page.update({ query: "" });
      }
    });
  }

  /* The rows that the query means. */
  rows(query) {
    return query === "" ? new Set() : new Set(this.page.vocabulary.search(query));
  }

  /* The cells that have one of them, in reading order. */
  cells() {
    const { trace, found, grid } = this.page;
    const cells = [];
    if (found.size === 0) return cells;
    grid.rows.forEach((point, row) => trace.positions.forEach((_, column) => {
      if (trace.top(column, point)?.[0].some((token) => found.has(token))) cells.push([row, column]);
    }));
    return cells;
  }

  /* To the next cell found, or with -1 to the one before, around the ends. */
  go(way) {
    const cells = this.cells();
    if (cells.length === 0) return;
    const chosen = this.page.grid.chosen();
    const order = ([row, column]) => row * this.page.trace.positions.length + column;
    const here = order([chosen.row, chosen.column]);
    const next = way > 0 ? cells.find((cell) => order(cell) > here) : cells.findLast((cell) => order(cell) < here);
    this.page.grid.choose(...(next ?? cells.at(way > 0 ? 0 : -1)), false);
  }

  draw() {
    const { state, vocabulary, found, pins } = this.page;
    if (document.activeElement !== this.input || state.query === "") this.input.value = state.query;
    if (state.query === "") {
      this.host.replaceChildren();
      return;
    }
    const cells = this.cells().length;
    const few = [...found].slice(0, 12);
    const offers = few.map((row) => element("span", { class: "offer" }, vocabulary.node(row), pins.button(row)));
    const counted = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;
    const more = found.size > few.length ? [`and ${found.size - few.length} more`] : [];
    this.host.replaceChildren(`${counted(found.size, "token")} in ${counted(cells, "cell")} `, ...offers, ...more);
  }
}
