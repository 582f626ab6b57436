/* What is seen as files: made here, from what the page holds, and kept by the browser like any download. */

/* Pixels of a raster to one of a drawing, and the most that browsers draw on. */
const SHARPNESS = 2;
const MOST_PIXELS = 60_000_000;
const LONGEST_SIDE = 16_000;

class Export {
  constructor(page) {
    this.page = page;
    const { layer, position } = page.curves;
    const drawings = {
      grid: () => drawnGrid(page),
      "by-layer": () => drawnChart(layer),
      "by-position": () => drawnChart(position),
    };
    const tables = { grid: () => gridTable(page), "by-layer": () => chartTable(layer), "by-position": () => chartTable(position) };
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-keep]");
      if (!button) return;
      const { keep: what, as } = button.dataset;
      const name = `${what}.${as}`;
      if (as === "csv") this.keep(name, new Blob([csv(tables[what]())], { type: "text/csv" }));
      else if (as === "svg") this.keep(name, new Blob([drawings[what]()], { type: "image/svg+xml" }));
      else raster(drawings[what]()).then((blob) => this.keep(name, blob), () => this.say(`The picture ${name} is too large for this browser.`));
    });
  }

  keep(name, blob) {
    const address = URL.createObjectURL(blob);
    const link = element("a", { href: address, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    this.say(`${name} was saved.`);
  }

  say(text) {
    byId("saved").textContent = text;
  }
}

/* A drawing as PNG. It is loaded from an address that holds it, as the page's policy demands. */
async function raster(xml) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(xml)}`;
  await image.decode();
  const { width, height } = image;
  const scale = Math.min(SHARPNESS, LONGEST_SIDE / Math.max(width, height), Math.sqrt(MOST_PIXELS / (width * height)));
  const canvas = element("canvas", { width: Math.round(width * scale), height: Math.round(height * scale) });
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.drawImage(image, 0, 0);
  return new Promise((done, failed) => {
    canvas.toBlob((blob) => (blob === null ? failed(new Error("no picture")) : done(blob)), "image/png");
  });
}

/* Every readout of the grid's rows, one a line, with the number that its colour stands for. */
function gridTable(page) {
  const { trace, vocabulary, statistic, grid, search, pair } = page;
  const heads = ["run", "minus", "layer", "component", "position", "token_id", "token", "shown_id", "shown", "statistic", "number", "bound", "found_rank"];
  const token = (row) => (row === null || row === undefined ? ["", ""] : [vocabulary.id(row), vocabulary.rows[row][1]]);
  const lines = grid.rows.flatMap((point) => trace.positions.map((position, column) => {
    const of = page.tracked(column);
    const said = statistic.read(trace, column, point, of);
    const number = pair ? pair.value(statistic, column, point, of) : statistic.value(trace, column, point, of);
    return [trace.name, pair?.second.name ?? "", point.layer ?? "", point.component, position, ...token(trace.raw.tokens[position]), ...token(said.row),
      statistic.key, number ?? "", number === null ? said.number : "", search.rankIn(trace.top(column, point)) ?? ""];
  }));
  return [heads, ...lines];
}

/* The places of a chart, one a line, and a column for each of its lines. */
function chartTable(chart) {
  const { labels, curves, others = [], names, axis, second } = chart.drawn;
  const text = (name) => (typeof name === "string" ? name : name.textContent);
  const heads = curves.map((_, series) => text(names(series)));
  const more = others.map((_, series) => `${heads[series]} in ${second}`);
  return [[axis, ...heads, ...more], ...labels.map((label, i) => [label, ...[...curves, ...others].map((numbers) => numbers[i] ?? "")])];
}

/* Lines of fields as RFC 4180 has them. */
function csv(lines) {
  return lines.map((line) => `${line.map(field).join(",")}\r\n`).join("");
}

/* Programs that open tables take a text that begins like a formula for one: an apostrophe keeps it a text. */
function field(value) {
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
