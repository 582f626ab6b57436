/* Curves by layer and by position. A curve breaks where the trace does not know the token. */

const MARGIN = { left: 52, right: 14, top: 10, bottom: 40 };
const CHART_HEIGHT = 250;

/* Markers tell curves apart where colours do not. */
function marker(series, x, y) {
  const d = [
    `M${x - 3} ${y}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0Z`,
    `M${x - 3} ${y - 3}h6v6h-6Z`,
    `M${x} ${y - 4}l4 7h-8Z`,
    `M${x} ${y - 4}l4 4l-4 4l-4 -4Z`,
    `M${x} ${y + 4}l-4 -7h8Z`,
    `M${x - 3} ${y - 3}l6 6M${x - 3} ${y + 3}l6 -6`,
    `M${x - 4} ${y}h8M${x} ${y - 4}v8`,
    `M${x - 4} ${y - 1}h8v2h-8Z`,
  ][series % 8];
  return shape("path", { class: "marker", d });
}

/* More lines than these cannot be told apart: what is beyond them is thin and has no colour of its own. */
const MOST_COLOURS = 8;

class Chart {
  /* `choose` is told the index of the place that was clicked. */
  constructor(svg, says, choose) {
    Object.assign(this, { svg, says, choose, places: 0, width: 0, drawn: null });
    svg.addEventListener("click", (event) => {
      if (this.places > 0) choose(this.placeAt(event.clientX));
    });
    this.tips = new Tips(this, svg.parentNode);
  }

  /* Columns of pixels for the curves. Asking the drawing how wide it is makes the browser lay the page out, in the midst of what
     changes it: it tells that by itself, before it paints. */
  room() {
    return Math.max((this.wide ?? this.svg.clientWidth) - MARGIN.left - MARGIN.right, 60);
  }

  /* The place nearest to where the pointer is. */
  placeAt(clientX) {
    const along = (clientX - this.svg.getBoundingClientRect().left - MARGIN.left) / this.room();
    return clamp(Math.round(along * (this.places - 1)), 0, this.places - 1);
  }

  /* Where a place stands, in pixels of the drawing. */
  x(place) {
    return MARGIN.left + (this.places > 1 ? (place / (this.places - 1)) * this.width : this.width / 2);
  }

  /* `labels` are texts by place, `curves` and the paler `others` numbers or null by place, `scale` what the numbers are;
     `names` makes the name of a curve, and `places` what a tooltip says of a place. */
  draw(drawn) {
    const { caption, labels, here, curves, others = [], scale, axis } = drawn;
    this.places = labels.length;
    this.drawn = drawn;
    this.says.replaceChildren(...caption);
    const width = this.room();
    this.width = width;
    const x = (i) => this.x(i);
    const y = (level) => MARGIN.top + (1 - level) * (CHART_HEIGHT - MARGIN.top - MARGIN.bottom);
    this.svg.setAttribute("viewBox", `0 0 ${width + MARGIN.left + MARGIN.right} ${CHART_HEIGHT}`);
    this.svg.setAttribute("height", CHART_HEIGHT);
    const parts = [...this.horizontal(scale, width, y), ...this.vertical(labels, x, axis)];
    if (here >= 0) parts.push(shape("path", { class: "here", d: `M${x(here)} ${MARGIN.top}V${CHART_HEIGHT - MARGIN.bottom}` }));
    for (const [series, numbers] of others.entries()) {
      const pale = this.curve(numbers, series, x, (number) => y(scale.level(number)));
      pale.classList.add("other");
      parts.push(pale);
    }
    /* The first curve is the most important: it is drawn last, over the others. */
    curves.map((numbers, series) => this.curve(numbers, series, x, (number) => y(scale.level(number)))).reverse().forEach((curve) => parts.push(curve));
    this.svg.replaceChildren(...parts);
    this.tips.draw();
  }

  curve(numbers, series, x, y) {
    let path = "";
    let open = false;
    const markers = [];
    numbers.forEach((number, i) => {
      if (number === null) {
        open = false;
        return;
      }
      const alone = !open && (numbers[i + 1] ?? null) === null;
      path += `${open ? "L" : "M"}${x(i).toFixed(1)} ${y(number).toFixed(1)}`;
      open = true;
      if (alone || numbers.length <= 48) markers.push(marker(series, x(i), y(number)));
    });
    if (series >= MOST_COLOURS) return shape("g", { class: "rest" }, shape("path", { class: "curve", d: path }));
    return shape("g", { class: `s${series}` }, shape("path", { class: "curve", d: path }), ...markers);
  }

  horizontal(scale, width, y) {
    return scale.ticks.flatMap(([number, text]) => {
      const at = y(scale.level(number));
      return [
        shape("path", { class: "rule", d: `M${MARGIN.left} ${at}h${width}` }),
        shape("text", { class: "tick", x: MARGIN.left - 7, y: at + 4, "text-anchor": "end" }, text),
      ];
    });
  }

  vertical(labels, x, axis) {
    const longest = Math.max(...labels.map((label) => [...label].length), 1);
    const apart = labels.length > 1 ? x(1) - x(0) : 1000;
    const each = Math.max(1, Math.ceil((longest * 7 + 12) / apart));
    const base = CHART_HEIGHT - MARGIN.bottom;
    const ticks = labels.flatMap((label, i) => {
      /* Counted from the last, which always has its label. */
      if ((labels.length - 1 - i) % each !== 0) return [];
      const anchor = i === labels.length - 1 && label.length > 3 ? "end" : "middle";
      return [shape("text", { class: "tick", x: x(i) + (anchor === "end" ? MARGIN.right : 0), y: base + 16, "text-anchor": anchor }, label)];
    });
    const middle = (x(0) + x(labels.length - 1)) / 2;
    return [...ticks, shape("text", { class: "axis", x: middle, y: CHART_HEIGHT - 6, "text-anchor": "middle" }, axis)];
  }
}
