/* The offline page's views over data that is replaced as it grows. */

class LivePage extends Page {
  /* `changed` is called after the state did. */
  constructor(data, changed) {
    heads(data);
    super(data);
    this.changed = changed;
  }

  /* Shows other data, with what was chosen kept by its name: tokens by id, places by layer and position. */
  replace(data) {
    const { state, trace } = this;
    const words = new URLSearchParams(toAddress(state, trace, this.vocabulary));
    /* Who looks at the newest position goes on with it. */
    if (state.column === trace.positions.length - 1) words.delete("position");
    const had = byId("grid").contains(document.activeElement);
    heads(data);
    this.vocabulary = new Vocabulary(data.vocabulary);
    this.grades = data.grades;
    this.traces = data.traces.map((raw) => new Trace(raw, data.statistics));
    this.pairs = new Pairs(data, this.traces, this.vocabulary);
    this.state = fromAddress(words.toString(), this.traces, this.vocabulary, this.pairs);
    this.found = this.search.rows(this.state.query);
    this.grid.shape = "";
    this.write();
    this.draw();
    this.grid.follow();
    if (had) this.grid.focus();
    this.changed?.();
  }

  update(changes) {
    super.update(changes);
    this.changed?.();
  }

  /* The ids of the tokens that were pinned by hand. */
  pinned() {
    return (this.state?.pins ?? []).map((row) => this.vocabulary.id(row));
  }
}

/* What has to be known of each run before its numbers are believed. */
function heads(data) {
  byId("heads").replaceChildren(...data.traces.map((raw, i) => {
    const notices = [];
    if (raw.interventions.length > 0) {
      const list = raw.interventions.map((change) => element("li", {}, element("code", {}, change.text)));
      notices.push(element("div", { class: "notice", role: "note" },
        "The model was changed while it ran: these are not its own readouts.", element("ul", {}, ...list)));
    }
    if (raw.self_check && !raw.self_check.passed) {
      notices.push(element("div", { class: "notice", role: "note" }, "The self-check failed: do not believe these numbers."));
    }
    return element("div", { id: `head-${i}` }, ...notices);
  }));
}
