/* The layers one after another, as a film: of a generation, every step's layers before the next step's. */

/* Milliseconds that a layer stays; of many layers, a step takes no longer than this. */
const FRAME = 200;
const LONGEST_STEP = 6000;

class Film {
  constructor(page) {
    Object.assign(this, { page, timer: null });
    byId("film").addEventListener("click", () => (this.isRunning() ? this.stop() : this.start()));
    /* Whoever takes the page in hand stops it. */
    for (const kind of ["pointerdown", "keydown", "wheel"]) {
      document.addEventListener(kind, (event) => {
        if (event.target.id !== "film") this.stop();
      }, { passive: true });
    }
  }

  isRunning() {
    return this.timer !== null;
  }

  /* The steps that were read, as columns. */
  steps() {
    const { trace } = this.page;
    return trace.raw.steps.flatMap((step) => trace.columnOf.get(step[1]) ?? []);
  }

  start() {
    const { page } = this;
    const { slice } = page;
    const layers = slice.layers();
    const steps = this.steps();
    const atEnd = slice.at() >= layers.length - 1;
    const changes = {};
    if (steps.length > 0 && (!steps.includes(page.state.column) || (atEnd && page.state.column === steps.at(-1)))) changes.column = steps[0];
    if (atEnd) changes.point = layers[0].key;
    this.timer = setInterval(() => this.next(), Math.min(FRAME, LONGEST_STEP / layers.length));
    page.update(changes);
    page.grid.reveal();
  }

  stop() {
    if (!this.isRunning()) return;
    clearInterval(this.timer);
    this.timer = null;
    this.page.update({});
  }

  /* One layer on, or the next step's first layer; after the last of the last it ends. */
  next() {
    const { page } = this;
    const layers = page.slice.layers();
    const at = page.slice.at();
    if (at < layers.length - 1) return this.show({ point: layers[at + 1].key });
    const steps = this.steps();
    const step = steps.indexOf(page.state.column);
    if (step < 0 || step === steps.length - 1) return this.stop();
    return this.show({ point: layers[0].key, column: steps[step + 1] });
  }

  show(changes) {
    this.page.update(changes);
    this.page.grid.reveal();
  }

  /* Whether a place of the sequence is not there yet while a generation is shown. */
  hides(place, isOfNext) {
    const { trace, state } = this.page;
    if (!this.isRunning() || trace.raw.steps.length === 0) return false;
    return place > trace.positions[state.column] + (isOfNext ? 1 : 0);
  }

  draw() {
    const button = byId("film");
    button.textContent = this.isRunning() ? "Stop" : "Play";
    button.setAttribute("aria-pressed", String(this.isRunning()));
  }
}
