/* What a chart says at a place: beside the pointer, or at the place that the keyboard has reached. */

/* Lines that a tooltip lists; of more, those with the most to say. */
const MOST_TOLD = 10;

class Tips {
  /* `plot` is around the drawing: what the keyboard reaches, a slider along the chart's places. */
  constructor(chart, plot) {
    Object.assign(this, { chart, plot, place: null, box: element("div", { class: "tip", hidden: true, "aria-hidden": "true" }) });
    plot.append(this.box);
    plot.addEventListener("pointermove", (event) => this.show(chart.places > 0 ? chart.placeAt(event.clientX) : null));
    plot.addEventListener("pointerleave", () => this.show(null));
    plot.addEventListener("focus", () => {
      if (plot.matches(":focus-visible")) this.show(chart.drawn.here);
    });
    plot.addEventListener("blur", () => this.show(null));
    plot.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { here } = this.chart.drawn;
    const last = this.chart.places - 1;
    const moves = { ArrowLeft: here - 1, ArrowDown: here - 1, ArrowRight: here + 1, ArrowUp: here + 1, PageDown: here - 10, PageUp: here + 10, Home: 0, End: last };
    if (event.key === "Escape") this.show(null);
    if (!(event.key in moves)) return;
    event.preventDefault();
    this.place = clamp(moves[event.key], 0, last);
    this.chart.choose(this.place);
  }

  show(place) {
    if (place === this.place) return;
    this.place = place;
    this.draw();
  }

  draw() {
    const { chart, plot, box } = this;
    const { drawn } = chart;
    plot.setAttribute("aria-valuemax", Math.max(chart.places - 1, 0));
    plot.setAttribute("aria-valuenow", Math.max(drawn.here, 0));
    plot.setAttribute("aria-valuetext", this.words(drawn.here));
    chart.svg.querySelector(".hover")?.remove();
    box.hidden = this.place === null || this.place >= chart.places;
    if (box.hidden) return;
    const x = chart.x(this.place);
    chart.svg.prepend(shape("path", { class: "hover", d: `M${x} ${MARGIN.top}V${CHART_HEIGHT - MARGIN.bottom}` }));
    const told = this.told(this.place);
    box.replaceChildren(element("strong", {}, ...drawn.places(this.place)), ...told.slice(0, MOST_TOLD).map(({ series, text }) =>
      element("div", {}, lineKey(series), element("span", { class: "of" }, drawn.names(series)), element("span", { class: "is" }, text))));
    if (told.length > MOST_TOLD) box.append(element("div", {}, `and ${told.length - MOST_TOLD} more`));
    /* On the side of the line that has the room. */
    const left = x > chart.svg.clientWidth / 2;
    box.style.left = left ? "auto" : `${x + 12}px`;
    box.style.right = left ? `${chart.svg.clientWidth - x + 12}px` : "auto";
  }

  /* The lines that are known at a place, the first to be read first. */
  told(place) {
    const { curves, others = [], written, scale } = this.chart.drawn;
    const known = curves.flatMap((numbers, series) => {
      const [number, other] = [numbers[place], others[series]?.[place] ?? null];
      if (number === null && other === null) return [];
      const text = [number, ...(others.length > 0 ? [other] : [])].map((one) => (one === null ? "–" : written(one))).join(" | ");
      return [{ series, text, level: scale.level(number ?? other) }];
    });
    return known.sort((a, b) => b.level - a.level);
  }

  words(place) {
    const { drawn, places } = this.chart;
    if (!(place >= 0 && place < places)) return "";
    const text = (parts) => parts.map((part) => (typeof part === "string" ? part : part.textContent)).join("");
    const lines = this.told(place).slice(0, MOST_TOLD).map((one) => `${text([drawn.names(one.series)])} ${one.text}`);
    return `${text(drawn.places(place))}: ${lines.join(", ") || "nothing known"}`;
  }
}
