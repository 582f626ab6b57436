/* Looking for tokens: marks the cells that have them among their most probable, counts them, and leads from one to the next. */

/* Tokens found that are offered by name. */
const MOST_OFFERED = 12;

class Search {
  constructor(input, host, page) {
    Object.assign(this, { input, host, page, known: null });
    input.addEventListener("input", () => page.update({ query: input.value }));
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        this.go(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape") {
        page.update({ query: "" });
      }
    });
    /* Buttons come and go as readouts are drawn; one listener serves them all. */
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-everywhere]");
      if (button) this.everywhere(Number(button.dataset.everywhere));
      const way = event.target.closest("button[data-go]")?.dataset.go;
      if (way) {
        this.go(Number(way));
        this.host.querySelector(`[data-go="${way}"]`)?.focus();
      }
    });
  }

  /* The rows that the query means. */
  rows(query) {
    return query === "" ? new Set() : new Set(this.page.vocabulary.search(query));
  }

  /* The query that means one token alone. */
  queryOf(row) {
    return `<id ${this.page.vocabulary.id(row)}>`;
  }

  /* Marks one token in every cell, or no longer. */
  everywhere(row) {
    const query = this.queryOf(row);
    this.page.update({ query: this.page.state.query === query ? "" : query });
  }

  /* What marks a token everywhere. */
  button(row) {
    const pressed = this.page.state.query === this.queryOf(row);
    const name = `Mark ${this.page.vocabulary.shown(row)} everywhere`;
    return element("button", { type: "button", class: "everywhere", "data-everywhere": row, "aria-pressed": String(pressed), "aria-label": name, title: "mark it everywhere" });
  }

  /* The best rank that a token found has in a cell, or null. */
  rankIn(top) {
    const { found } = this.page;
    if (found.size === 0 || top === null) return null;
    const at = top[0].findIndex((token) => found.has(token));
    return at < 0 ? null : top[3]?.[at] ?? at + 1;
  }

  /* The cells that have one of the tokens found, in reading order, with how many cells have each token. */
  all() {
    const { trace, found, grid } = this.page;
    const { known } = this;
    if (known !== null && known.found === found && known.shape === grid.shape) return known;
    const [cells, counts] = [[], new Map()];
    if (found.size > 0) {
      grid.rows.forEach((point, row) => trace.positions.forEach((_, column) => {
        const top = trace.top(column, point);
        const hits = top === null ? [] : top[0].filter((token) => found.has(token));
        for (const token of hits) counts.set(token, (counts.get(token) ?? 0) + 1);
        if (hits.length > 0) cells.push({ row, column, rank: this.rankIn(top) });
      }));
    }
    this.known = { found, shape: grid.shape, cells, counts };
    return this.known;
  }

  cells() {
    return this.all().cells.map(({ row, column }) => [row, column]);
  }

  /* To the next cell found, or with -1 to the one before, around the ends. */
  go(way) {
    const { cells } = this.all();
    if (cells.length === 0) return;
    const here = this.here();
    const next = way > 0 ? cells.find((cell) => this.order(cell) > here) : cells.findLast((cell) => this.order(cell) < here);
    const { row, column } = next ?? cells.at(way > 0 ? 0 : -1);
    this.page.grid.choose(row, column, false);
  }

  order({ row, column }) {
    return row * this.page.trace.positions.length + column;
  }

  here() {
    return this.order(this.page.grid.chosen());
  }

  draw() {
    const { state, vocabulary, found, pins } = this.page;
    if (document.activeElement !== this.input || state.query === "") this.input.value = state.query;
    if (state.query === "") {
      this.host.replaceChildren();
      return;
    }
    const { cells, counts } = this.all();
    const order = [...found].sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0));
    const offers = order.slice(0, MOST_OFFERED).map((row) => element("span", { class: "offer" },
      vocabulary.node(row), element("small", {}, ` ${counts.get(row) ?? 0}`), this.button(row), pins.button(row)));
    const more = found.size > MOST_OFFERED ? [`and ${found.size - MOST_OFFERED} more`] : [];
    this.host.replaceChildren(`${counted(found.size, "token")} in ${counted(cells.length, "cell")} `, ...this.ways(cells), ...this.facts(cells), ...offers, ...more);
  }

  /* The way to the other cells. */
  ways(cells) {
    if (cells.length === 0) return [];
    const at = cells.findIndex((cell) => this.order(cell) === this.here());
    const button = (way, text, name) => element("button", { type: "button", "data-go": way, "aria-label": name }, text);
    return [element("span", { class: "ways" }, button(-1, "‹", "Previous cell found"),
      ` ${at < 0 ? "–" : at + 1} of ${cells.length} `, button(1, "›", "Next cell found"))];
  }

  /* Where a token comes up, if it is one. */
  facts(cells) {
    const { found, grid } = this.page;
    if (found.size !== 1 || cells.length === 0) return [];
    const first = grid.rows[cells[0].row];
    const firsts = cells.filter((cell) => cell.rank === 1).length;
    return [element("span", {}, `first at ${first.layer === null ? "the embedding" : `layer ${first.layer}`}; rank 1 in ${counted(firsts, "cell")}`)];
  }
}

const counted = (number, what) => `${number} ${what}${number === 1 ? "" : "s"}`;
