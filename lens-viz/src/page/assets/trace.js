/* What the page's data says, with names. Tokens are rows of one table: identity is the row, never the text. */

class Vocabulary {
  constructor(rows) {
    this.rows = rows;
  }

  id(row) {
    return this.rows[row][0];
  }

  /* The token's text with everything visible: what hides comes from the data, spaces at the ends become marks. */
  shown(row) {
    const [, text, shown] = this.rows[row];
    if (shown !== null && shown !== undefined) return shown;
    return text.replace(/^ +| +$/g, (spaces) => "␠".repeat(spaces.length));
  }

  /* The same within a running text: spaces are spaces. */
  running(row, said = this.shown(row)) {
    return said.replace(/^␠+|␠+$/g, (marks) => " ".repeat(marks.length));
  }

  /* The same for a list, where nothing can be drawn over the mark of a space that the reader's fonts may lack. */
  listed(row, said = this.shown(row)) {
    return said.replace(/^␠+|␠+$/g, (marks) => "·".repeat(marks.length));
  }

  /* The row of an id; the first, should traces with different vocabularies share the page. */
  find(id) {
    const row = this.rows.findIndex((entry) => entry[0] === id);
    return row < 0 ? null : row;
  }

  /* The rows of the same text: one for each vocabulary that has it. */
  named(row) {
    const text = this.rows[row][1];
    return this.rows.flatMap((entry, other) => (entry[1] === text ? [other] : []));
  }

  /* The token in a cell, whole: without a tokenizer there is only an id, written smaller because part of it would be
     another id. */
  cell(row, said) {
    const [id, text] = this.rows[row];
    return text === `<id ${id}>` ? element("bdi", { lang: "", class: "token id", title: text }, text) : this.node(row, {}, said);
  }

  /* The token as an element of its own language and direction; `said` is what it says where it stands, if that is more. */
  node(row, attributes = {}, said = this.shown(row)) {
    const [, lead, body, trail] = said.match(/^(␠*)(.*?)(␠*)$/su);
    const spaces = (marks) => [...marks].map((mark) => element("span", { class: "space" }, mark));
    return element("bdi", { lang: "", class: "token", ...attributes }, ...spaces(lead), body, ...spaces(trail));
  }

  /* Rows whose text, shown or real, has the query in it, or whose id is the query's `<id 5>` or `#5`. */
  search(query) {
    const id = /^#(\d+)$/.exec(query) ?? /^<id (\d+)>$/.exec(query);
    const wanted = query.toLocaleLowerCase();
    const found = [];
    this.rows.forEach((entry, row) => {
      const hit = id
        ? entry[0] === Number(id[1])
        : entry[1].toLocaleLowerCase().includes(wanted) || this.shown(row).toLocaleLowerCase().includes(wanted);
      if (hit) found.push(row);
    });
    return found;
  }
}

class Trace {
  constructor(raw, described) {
    this.raw = raw;
    this.name = raw.name;
    this.observed = new Map();
    this.positions = raw.positions;
    this.columnOf = new Map(raw.positions.map((position, column) => [position, column]));
    this.generated = new Set(raw.generated);
    this.joined = new Map(raw.joined);
    this.points = raw.points.map(([layer, component, virtual, kl, grade], index) => ({
      index, layer, component, virtual: virtual === 1, kl, grade,
      key: layer === null ? component : `L${layer}.${component}`,
    }));
    this.finals = new Map(raw.final.map((last) => [this.columnOf.get(last.position), last]));
    const components = new Set(this.points.map((point) => point.component));
    /* The points are in order of execution, heads between what the block reads and what attention adds. */
    const heads = [...components].filter((component) => component.startsWith("head.")).sort(byNumber);
    const before = COMPONENTS.indexOf("attn_out");
    this.components = [...COMPONENTS.slice(0, before), ...heads, ...COMPONENTS.slice(before)]
      .filter((component) => components.has(component));
    this.vocabulary = Math.max(raw.model.n_vocab || this.leastVocabulary(), 2);
    /* A rank is that of a token: it stands among those already. */
    const known = described.filter(({ key, range }) => range[0] !== "ranks" && this.has(key));
    this.statistics = [...OF_TOKENS, ...known.map(ofReadout)];
  }

  /* The points that a component's rows show, with the embedding on top of the stream's. */
  rows(component, stride) {
    const stream = component.startsWith("resid");
    const shown = this.points.filter((point) => component === "all" || point.component === component
      || (stream && point.component === "embed"));
    const layers = [...new Set(shown.map((point) => point.layer))];
    /* Counted from the last layer, which therefore always stays. */
    const kept = new Set(layers.filter((layer, i) => layer === null || (layers.length - 1 - i) % stride === 0));
    return shown.filter((point) => kept.has(point.layer));
  }

  /* How many tokens there must be for the ranks and entropies of a trace that does not say it. */
  leastVocabulary() {
    const largest = (name) => this.raw.cells[name].reduce((most, number) => Math.max(most, number ?? 0), 0);
    return Math.max(largest("rank_of_final"), Math.exp(Math.max(largest("entropy"), largest("cross_entropy"))));
  }

  /* What the token at a position says there, where that is more than its text: it has a part of a character, and says the whole
     one and its own bytes. */
  said(position) {
    return this.joined.get(position);
  }

  place(column, point) {
    return column * this.points.length + point.index;
  }

  /* Whether a place is still to be read: those after the point that a growing step has reached. */
  awaits(column, point) {
    return this.raw.growing === true && this.top(column, point) === null;
  }

  top(column, point) {
    return this.raw.cells.top[this.place(column, point)] ?? null;
  }

  /* What was asked about at a place: rows, probabilities, logits, ranks. */
  targets(column, point) {
    return this.raw.cells.targets[this.place(column, point)] ?? null;
  }

  number(name, column, point) {
    return this.raw.cells[name][this.place(column, point)] ?? null;
  }

  /* The token that the model itself puts first at a position. */
  answer(column) {
    return this.finals.get(column)?.top[0][0] ?? null;
  }

  /* The token that really comes next, if the sequence goes on. */
  next(column) {
    return this.raw.tokens[this.positions[column] + 1] ?? null;
  }

  /* What is known of a token at a place: probability, logit and rank, each null where it is not known. */
  score(column, point, row) {
    const known = { prob: null, logit: null, rank: null };
    const targets = this.targets(column, point);
    const asked = targets ? targets[0].indexOf(row) : -1;
    if (asked >= 0) {
      Object.assign(known, { prob: targets[1][asked], logit: targets[2][asked], rank: targets[3][asked] || null });
    }
    const top = this.top(column, point);
    const at = top ? top[0].indexOf(row) : -1;
    if (at >= 0) {
      Object.assign(known, { prob: top[1][at], logit: top[2][at], rank: top[3] ? top[3][at] : at + 1 });
    }
    const tracked = this.raw.cells.tracked[this.place(column, point)];
    const followed = tracked && known.prob === null ? tracked[0].indexOf(row) : -1;
    if (followed >= 0) Object.assign(known, { prob: tracked[1][followed], logit: tracked[2][followed] });
    if (known.rank === null && row === this.answer(column)) known.rank = this.number("rank_of_final", column, point);
    if (row !== null && row === this.next(column)) {
      const surprise = this.number("cross_entropy", column, point);
      if (known.prob === null && surprise !== null) known.prob = Math.exp(-surprise);
      if (known.rank === null) known.rank = this.number("rank_of_next", column, point);
    }
    return known;
  }

  /* How many tokens the model wrote, whether they were read or not. */
  written() {
    return Math.max(this.generated.size, this.raw.steps.length);
  }

  has(name) {
    return (this.raw.cells[name] ?? []).length > 0;
  }

  /* The ends of a statistic's scale: the same in every trace, or those of the numbers that this one has. */
  ends({ key, range: [kind, low, high] }) {
    if (kind === "vocabulary") return [0, Math.log(this.vocabulary)];
    if (kind !== "observed") return [low, high];
    if (!this.observed.has(key)) {
      const numbers = this.raw.cells[key].filter((number) => number !== null);
      const least = numbers.reduce((one, other) => Math.min(one, other), Infinity);
      const most = numbers.reduce((one, other) => Math.max(one, other), -Infinity);
      this.observed.set(key, [least, most]);
    }
    return this.observed.get(key);
  }
}

const byNumber = (one, other) => Number(one.slice(5)) - Number(other.slice(5));

/* In order of execution. */
const COMPONENTS = ["embed", "resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post"];
