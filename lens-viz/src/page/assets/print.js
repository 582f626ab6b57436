/* Paper has no scroll bar: the grid as tables, in bands of as many positions as fit beside one another. */

const BAND = 10;
const MOST_PRINTED = 6000;

function printed(page) {
  const { trace, state, grid } = page;
  const bands = Math.max(1, Math.min(Math.ceil(trace.positions.length / BAND), Math.floor(MOST_PRINTED / (grid.rows.length * BAND))));
  const all = Math.ceil(trace.positions.length / BAND);
  const first = clamp(Math.floor(state.column / BAND) - Math.floor(bands / 2), 0, all - bands);
  const parts = [];
  if (bands < all) parts.push(element("p", {}, `Positions around the chosen one; ${trace.positions.length} were read.`));
  for (let band = first; band < first + bands; band++) {
    const columns = trace.positions.map((_, column) => column).slice(band * BAND, (band + 1) * BAND);
    parts.push(printedBand(page, columns));
  }
  return parts;
}

function printedBand({ trace, vocabulary, statistic, grid, grades, tracked }, columns) {
  const heads = columns.map((column) => {
    const position = trace.positions[column];
    const row = trace.raw.tokens[position];
    return element("th", { scope: "col" }, element("small", {}, String(position)), " ", row === undefined ? "" : vocabulary.cell(row, trace.said(position)));
  });
  const lines = grid.rows.map((point) => {
    const mark = point.grade === null ? [] : [
      element("small", { class: "kl" }, element("span", { class: `mark g${point.grade}`, title: grades[point.grade].meaning }), ` KL ${brief(point.kl)}`)];
    const cells = columns.map((column) => {
      const said = statistic.read(trace, column, point, tracked(column));
      return element("td", { class: levelClass(said) }, said.row === null ? "–" : vocabulary.cell(said.row), " ", element("small", {}, said.number));
    });
    const name = point.layer === null ? "embed" : point.key;
    return element("tr", {}, element("th", { scope: "row" }, name, ...mark), ...cells);
  });
  return element("table", {},
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "point, KL"), ...heads)),
    element("tbody", {}, ...lines));
}
