/* Layers by positions. Only the cells in sight, and the chosen one, are in the document. */

const SIZES = {
  normal: { width: 88, height: 38, head: 42 },
  compact: { width: 60, height: 23, head: 40 },
  overview: { width: 13, height: 14, head: 22 },
};

/* The width of the rows' names, which are longer where a row is a layer's component. */
const SIDE = 132;
const LONG_SIDE = 172;

/* Cells beyond the edge that are ready before they are scrolled to. */
const AHEAD = 4;

class Grid {
  constructor(host, page) {
    this.host = host;
    this.page = page;
    this.canvas = element("div", { class: "canvas", role: "presentation" });
    host.append(this.canvas);
    host.setAttribute("role", "grid");
    host.setAttribute("aria-label", "Readouts, layers by positions");
    this.shape = "";
    this.clear();
    host.addEventListener("scroll", () => this.soon(), { passive: true });
    new ResizeObserver(() => this.soon()).observe(host);
    host.addEventListener("pointerover", (event) => this.hover(event.target.closest("[role=gridcell]")));
    host.addEventListener("pointerleave", () => page.preview(null));
    host.addEventListener("pointerdown", (event) => this.press(event));
    host.addEventListener("focusin", (event) => this.focused(event.target.closest("[role=gridcell]")));
    host.addEventListener("keydown", (event) => this.key(event));
  }

  clear() {
    this.lines = new Map();
    this.canvas.replaceChildren();
  }

  soon() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.fill(false);
    });
  }

  /* Shows the page's state anew. */
  draw() {
    const { trace, state } = this.page;
    this.rows = trace.rows(state.component, state.stride);
    this.size = { ...SIZES[state.size], side: state.component === "all" ? LONG_SIDE : SIDE };
    const rowsSay = this.rows.map((row) => row.index).join();
    const shape = [state.trace, state.size, this.size.side, rowsSay].join("|");
    if (shape !== this.shape) {
      this.shape = shape;
      this.clear();
      this.frame();
    }
    this.fill(true);
  }

  frame() {
    const { width, height, head, side } = this.size;
    const columns = this.page.trace.positions.length;
    this.host.className = `grid ${this.page.state.size}`;
    this.host.setAttribute("aria-rowcount", this.rows.length + 1);
    this.host.setAttribute("aria-colcount", columns + 1);
    this.canvas.style.setProperty("--side", `${side}px`);
    this.canvas.style.width = `${side + columns * width}px`;
    this.canvas.style.height = `${head + this.rows.length * height}px`;
  }

  /* The rows and columns in sight, as half-open ranges. */
  sight() {
    const { width, height, head, side } = this.size;
    const { scrollLeft, scrollTop, clientWidth, clientHeight } = this.host;
    const range = (from, room, each, count) => [
      clamp(Math.floor(from / each) - AHEAD, 0, count),
      clamp(Math.ceil((from + room) / each) + AHEAD, 0, count),
    ];
    return {
      rows: range(scrollTop, clientHeight - head, height, this.rows.length),
      columns: range(scrollLeft, clientWidth - side, width, this.page.trace.positions.length),
    };
  }

  fill(anew) {
    const sight = this.sight();
    const chosen = this.chosen();
    const wanted = (range, extra) => {
      const list = [];
      for (let i = range[0]; i < range[1]; i++) list.push(i);
      if (extra >= 0 && (extra < range[0] || extra >= range[1])) list.push(extra);
      return list;
    };
    const rows = [-1, ...wanted(sight.rows, chosen.row)];
    const columns = [-1, ...wanted(sight.columns, chosen.column)];
    const rowSet = new Set(rows);
    for (const [row, line] of this.lines) {
      if (!rowSet.has(row)) {
        line.node.remove();
        this.lines.delete(row);
      }
    }
    const columnSet = new Set(columns);
    for (const row of rows) {
      const line = this.lines.get(row) ?? this.line(row);
      for (const [column, cell] of line.cells) {
        if (!columnSet.has(column)) {
          cell.remove();
          line.cells.delete(column);
        }
      }
      for (const column of columns) {
        const old = line.cells.get(column);
        if (old && !anew) continue;
        const cell = old ?? this.cell(line, row, column);
        this.dress(cell, row, column, chosen);
      }
    }
  }

  line(row) {
    const { height, head } = this.size;
    const node = element("div", { role: "row", "aria-rowindex": row + 2, class: row < 0 ? "row heads" : "row" });
    if (row >= 0) node.style.top = `${head + row * height}px`;
    const line = { node, cells: new Map() };
    this.lines.set(row, line);
    this.canvas.append(node);
    return line;
  }

  cell(line, row, column) {
    const role = row < 0 ? "columnheader" : column < 0 ? "rowheader" : "gridcell";
    const cell = element("div", { role, "aria-colindex": column + 2 });
    cell.place = { row, column };
    if (column >= 0) cell.style.left = `${this.size.side + column * this.size.width}px`;
    line.cells.set(column, cell);
    /* In reading order, so that what steps through the document finds neighbours. */
    const after = [...line.cells].filter(([other]) => other > column).sort((a, b) => a[0] - b[0])[0];
    line.node.insertBefore(cell, after ? after[1] : null);
    return cell;
  }

  dress(cell, row, column, chosen) {
    if (row < 0 && column < 0) return this.corner(cell);
    if (row < 0) return this.columnHead(cell, column, chosen);
    if (column < 0) return this.rowHead(cell, row, chosen);
    return this.readout(cell, row, column, chosen);
  }

  corner(cell) {
    cell.className = "corner";
    cell.replaceChildren(element("span", {}, "layer"), element("span", {}, "KL"));
  }

  columnHead(cell, column, chosen) {
    const { trace, vocabulary, found, state } = this.page;
    const position = trace.positions[column];
    const row = trace.raw.tokens[position];
    cell.className = "head-cell";
    cell.classList.toggle("chosen", column === chosen.column);
    cell.classList.toggle("generated", trace.generated.has(position));
    cell.classList.toggle("hit", found.has(row));
    if (state.size === "overview") {
      cell.replaceChildren(...(column % 10 === 0 ? [element("small", {}, String(position))] : []));
      /* Wider than its column: it reaches over the next ones, or from the last ones back. */
      cell.classList.toggle("back", trace.positions.length - column < 4 && column > 3);
      cell.setAttribute("aria-label", `${position} ${row === undefined ? "" : trace.said(position) ?? vocabulary.shown(row)}`);
      return;
    }
    cell.replaceChildren(element("small", {}, String(position)), row === undefined ? "" : vocabulary.cell(row, trace.said(position)));
  }

  rowHead(cell, row, chosen) {
    const point = this.rows[row];
    const { state } = this.page;
    const name = point.layer === null ? "embed" : state.component === "all" ? point.key : String(point.layer);
    cell.className = "row-head";
    cell.classList.toggle("chosen", row === chosen.row);
    const virtual = point.virtual ? [element("abbr", { title: "a sum that no part of the model reads" }, "v")] : [];
    const mark = point.grade === null ? [] : [
      element("span", { class: `mark g${point.grade}`, title: this.page.grades[point.grade].meaning }),
      element("span", { class: "kl" }, brief(point.kl)),
    ];
    cell.replaceChildren(element("span", { class: "layer" }, name, ...virtual), ...mark);
  }

  readout(cell, row, column, chosen) {
    const { trace, vocabulary, state, statistic, search, pair } = this.page;
    const point = this.rows[row];
    const said = statistic.read(trace, column, point, this.page.tracked(column));
    const top = trace.top(column, point);
    const here = row === chosen.row && column === chosen.column;
    const { agrees, right, differs, echoes } = this.signs(column, point, said);
    cell.className = `cell ${levelClass(said)}`;
    cell.classList.toggle("agrees", agrees);
    cell.classList.toggle("echoes", echoes);
    cell.classList.toggle("chosen", here);
    const rank = search.rankIn(top);
    cell.classList.toggle("hit", rank !== null);
    cell.tabIndex = here ? 0 : -1;
    cell.setAttribute("aria-selected", here);
    const awaited = trace.awaits(column, point);
    cell.classList.toggle("awaited", awaited);
    if (awaited) {
      cell.setAttribute("aria-label", "not read yet");
      cell.replaceChildren();
      return;
    }
    if (state.size === "overview") {
      const text = said.row === null ? "" : vocabulary.shown(said.row);
      cell.setAttribute("aria-label", `${text} ${said.number}${rank === null ? "" : `, found at rank ${rank}`}`);
      cell.replaceChildren();
      return;
    }
    cell.removeAttribute("aria-label");
    const token = said.row === null ? "–" : vocabulary.cell(said.row);
    const sign = differs ? [element("span", { class: "right", title: `the top-1 token of ${pair.second.name} is another` }, "≠")] : [];
    const star = right ? [element("span", { class: "right", title: "the token that comes next" }, "*")] : [];
    const found = rank === null ? [] : [element("span", { class: "rank", title: `the token found has rank ${rank} here` }, `#${rank}`)];
    cell.replaceChildren(...found, element("span", { class: "word" }, ...sign, token, ...star), element("span", { class: "number" }, said.number));
  }

  /* Signs are about the token that the cell shows, and only where it is the top-1: of a token that is tracked, the cell
     shows the number wherever that token stands. */
  signs(column, point, said) {
    const { trace, pair } = this.page;
    const first = trace.top(column, point)?.[0][0] ?? null;
    const isTop = first !== null && said.row === first;
    return {
      agrees: isTop && first === trace.answer(column),
      right: isTop && first === trace.next(column),
      echoes: isTop && first === trace.raw.tokens[trace.positions[column]],
      differs: pair !== null && said.level !== null && !pair.isSame(first, pair.otherTop(column, point)),
    };
  }

  chosen() {
    const { state } = this.page;
    return { row: this.rows.findIndex((row) => row.key === state.point), column: state.column };
  }

  /* Scrolls as little as it takes to see the chosen cell. */
  reveal() {
    const { row, column } = this.chosen();
    this.show(row, column);
  }

  /* The same while layers come in: as long as the chosen cell is to be read, the last one that was read is what to see. */
  follow() {
    const { row, column } = this.chosen();
    const { trace } = this.page;
    const isWaiting = row >= 0 && trace.awaits(column, this.rows[row]);
    const reached = isWaiting ? this.rows.findLastIndex((point) => trace.top(column, point) !== null) : row;
    this.show(Math.max(reached, 0), column);
  }

  show(row, column) {
    const { width, height, head, side } = this.size;
    const into = (from, room, start, length) => (start < from ? start : start + length > from + room ? start + length - room : from);
    const { host } = this;
    host.scrollLeft = into(host.scrollLeft, host.clientWidth - side, column * width, width);
    host.scrollTop = into(host.scrollTop, host.clientHeight - head, row * height, height);
    this.fill(false);
  }

  focus() {
    const { row, column } = this.chosen();
    this.lines.get(row)?.cells.get(column)?.focus({ preventScroll: true });
  }

  hover(cell) {
    this.page.preview(cell ? { point: this.rows[cell.place.row], column: cell.place.column } : null);
  }

  press(event) {
    const head = event.target.closest("[role=columnheader], [role=rowheader], [role=gridcell]");
    if (!head || event.button !== 0) return;
    const { row, column } = head.place;
    const chosen = this.chosen();
    this.choose(row < 0 ? chosen.row : row, column < 0 ? chosen.column : column, false);
  }

  focused(cell) {
    if (!cell) return;
    const chosen = this.chosen();
    if (cell.place.row !== chosen.row || cell.place.column !== chosen.column) {
      this.choose(cell.place.row, cell.place.column, false);
    }
  }

  choose(row, column, focus) {
    this.page.update({
      point: this.rows[clamp(row, 0, this.rows.length - 1)].key,
      column: clamp(column, 0, this.page.trace.positions.length - 1),
    });
    this.reveal();
    if (focus) this.focus();
  }

  key(event) {
    if (event.altKey || event.metaKey) return;
    const { row, column } = this.chosen();
    const [lastRow, lastColumn] = [this.rows.length - 1, this.page.trace.positions.length - 1];
    const corner = event.ctrlKey;
    const moves = {
      ArrowLeft: [row, column - 1],
      ArrowRight: [row, column + 1],
      ArrowUp: [row - 1, column],
      ArrowDown: [row + 1, column],
      Home: [corner ? 0 : row, 0],
      End: [corner ? lastRow : row, lastColumn],
      PageUp: [row - 10, column],
      PageDown: [row + 10, column],
    };
    if (moves[event.key]) {
      event.preventDefault();
      this.choose(...moves[event.key], true);
    } else if (!event.ctrlKey && this.page.shortcut(event.key)) {
      event.preventDefault();
    }
  }
}
