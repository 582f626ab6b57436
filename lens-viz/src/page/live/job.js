/* The page and the model: what is typed is read, and what is read is shown as it comes. */

class Live {
  constructor(about) {
    this.about = about;
    this.page = null;
    this.runs = 0;
    this.asked = null;
    this.busy = false;
    this.form = new Form(about, {
      typed: () => this.run(false),
      write: () => this.run(true),
      stop: () => this.stop(),
      busy: () => this.busy,
    });
    this.parts = new Parts(this);
    this.save = new Save(this);
    byId("prompt-0").focus();
    if (byId("prompt-0").value !== "") this.run(false);
  }

  /* Asks the model; whatever it does now for this page is not wanted any more. */
  async run(written) {
    this.current?.abort();
    const question = this.form.question(written, this.page?.pinned() ?? []);
    this.quiet();
    if (question === null) {
      this.working(false);
      return;
    }
    const current = new AbortController();
    Object.assign(this, { current, asked: question });
    this.working(true, written);
    const began = performance.now();
    try {
      for await (const event of events(await ask("/api/run", question, current.signal))) {
        if (current.signal.aborted) return;
        this.hear(event, began);
      }
    } catch (error) {
      if (current.signal.aborted) return;
      this.trouble(error);
    }
    if (this.current === current) this.working(false);
  }

  hear(event, began) {
    const acts = {
      tokens: () => this.tokens(event),
      data: () => this.data(event),
      notes: () => this.notes(event.notes),
      end: () => {
        const time = performance.now() - began;
        const took = time < 1000 ? `${time.toFixed(0)} ms` : `${(time / 1000).toFixed(1)} s`;
        byId("status").textContent = `Read ${event.positions === 1 ? "1 position" : `${event.positions} positions`} in ${took}.`;
        document.documentElement.dataset.took = time.toFixed(1);
      },
      error: () => this.trouble(new Refused(event)),
    };
    acts[event.event]?.();
  }

  tokens({ run, tokens: { vocabulary, tokens, joined } }) {
    const texts = new Vocabulary(vocabulary);
    const list = byId(`tokens-${run}`);
    if (list) this.strip(list, texts, tokens, new Set(), new Map(joined));
  }

  strip(list, texts, rows, generated, joined) {
    list.replaceChildren(...rows.map((row, i) => element("li", { class: generated.has(i) ? "written" : null }, texts.node(row, {}, joined.get(i)))));
    list.setAttribute("aria-label", rows.length === 1 ? "1 token" : `${rows.length} tokens`);
  }

  data({ data, done, of, part }) {
    const first = this.page === null;
    if (first) {
      document.documentElement.classList.add("js");
      byId("app").hidden = false;
      byId("after").hidden = false;
      byId("printed").hidden = false;
      this.page = new LivePage(data, () => this.pinsChanged());
      window.addEventListener("hashchange", () => this.page.read());
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.page.controls.draw());
      addEventListener("beforeprint", () => byId("printed").replaceChildren(...printed(this.page)));
      addEventListener("afterprint", () => byId("printed").replaceChildren());
    } else {
      this.page.replace(data);
    }
    const before = this.runs;
    this.runs = Math.ceil(data.traces.length / this.about.lenses);
    /* Two runs are there to be compared: what differs is shown until somebody wants one of them alone. */
    const second = this.about.lenses;
    if (before < 2 && this.runs > 1 && this.page.pairs.of(0).includes(second)) this.page.update({ trace: 0, minus: second });
    const { trace, vocabulary } = this.page;
    const list = byId(`tokens-${this.runOf(this.page.state.trace)}`);
    if (list && trace.generated.size > 0) this.strip(list, vocabulary, trace.raw.tokens, trace.generated, trace.joined);
    byId("progress").max = of;
    byId("progress").value = done + part;
    if (first || this.runs !== before) this.parts.draw();
  }

  /* The run of a trace: with several lenses, a run is shown once for each. */
  runOf(trace) {
    return Math.floor(trace / this.about.lenses);
  }

  /* Tokens that are pinned are followed at every layer: the model is asked about them. */
  pinsChanged() {
    if (!this.page?.state) return;
    this.parts.draw();
    const wanted = this.page.pinned();
    const known = this.asked?.targets ?? [];
    if (wanted.every((id) => known.includes(id))) return;
    clearTimeout(this.followed);
    this.followed = setTimeout(() => this.run(this.asked.write > 0), PAUSE * 4);
  }

  async stop() {
    byId("stop").disabled = true;
    try {
      await ask("/api/stop", {});
    } catch (error) {
      this.trouble(error);
    }
  }

  working(is, written = false) {
    this.busy = is;
    byId("stop").disabled = !is;
    byId("progress").hidden = !is;
    byId("views").setAttribute("aria-busy", String(is));
    if (!is) return;
    byId("progress").removeAttribute("value");
    if (written) byId("status").textContent = "The model writes …";
  }

  notes(notes) {
    byId("notes").hidden = notes.length === 0;
    byId("notes-list").replaceChildren(...notes.map((note) => element("li", {}, element("bdi", { lang: "" }, note))));
  }

  quiet() {
    byId("trouble").hidden = true;
    byId("trouble").replaceChildren();
  }

  trouble(error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Refused)) console.error(error);
    const help = error.help ? [element("span", { class: "help" }, ` ${sentence(error.help)}`)] : [];
    byId("trouble").replaceChildren(element("strong", {}, sentence(error.message)), ...help);
    byId("trouble").hidden = false;
    byId("status").textContent = "";
  }
}
