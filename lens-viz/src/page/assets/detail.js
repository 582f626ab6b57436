/* One readout in full: its numbers, its most probable tokens, and those that were asked for. */

class Detail {
  constructor(host, page) {
    this.host = host;
    this.page = page;
  }

  draw(point, column) {
    const { trace } = this.page;
    if (this.page.pair) return this.both(point, column, this.page.pair);
    const parts = [this.title(point, column), this.numbers(point, column)];
    const top = trace.top(column, point);
    if (top) parts.push(this.tokens("Most probable next tokens", top, top[3] ?? top[0].map((_, i) => i + 1)));
    const targets = trace.targets(column, point);
    if (targets) parts.push(this.tokens("Tokens asked for", targets, targets[3]));
    if (!top) parts.push(...this.without(point, column));
    this.host.replaceChildren(...parts);
  }

  /* What stands in place of a readout. While others are still to come, the model's own answer is known. */
  without(point, column) {
    const { trace } = this.page;
    if (!trace.awaits(column, point)) return [element("p", {}, "Nothing was read here.")];
    const answer = trace.finals.get(column)?.top;
    const own = answer ? [this.tokens("The model's own next tokens", answer, answer[3] ?? answer[0].map((_, i) => i + 1))] : [];
    return [element("p", {}, "Not read yet."), ...own];
  }

  title(point, column) {
    const { trace, vocabulary } = this.page;
    const position = trace.positions[column];
    const [here, next] = [trace.raw.tokens[position], trace.next(column)];
    const place = point.layer === null ? "embedding" : `layer ${point.layer}, ${point.component}`;
    const words = [`Position ${position}, after `, here === undefined ? "?" : vocabulary.node(here, {}, trace.said(position))];
    if (next !== null) words.push("; next ", vocabulary.node(next, {}, trace.said(position + 1)));
    const steps = trace.raw.steps.filter((step) => step[1] === position);
    for (const [step, , row, prob] of steps) {
      words.push(`; step ${step} wrote `, vocabulary.node(row), ` (${exactPercent(prob)})`);
    }
    const virtual = point.virtual ? [" ", element("small", {}, "a sum that no part of the model reads")] : [];
    return element("div", {}, element("h2", {}, place, ...virtual), element("p", { class: "after" }, ...words));
  }

  numbers(point, column) {
    const { trace } = this.page;
    const list = element("dl");
    const add = (name, text) => list.append(element("div", {}, element("dt", {}, name), element("dd", {}, text)));
    for (const one of trace.statistics.filter((one) => one.column)) {
      const number = trace.number(one.column, column, point);
      if (number !== null) add(one.name, brief(number));
    }
    const rank = trace.number("rank_of_final", column, point);
    if (rank !== null) add("rank of the final answer", `#${rank}`);
    const last = trace.finals.get(column);
    if (last && last.decided_at !== null) add("decided at", `L${last.decided_at}`);
    return list;
  }

  /* A readout of each of two runs, and what differs. */
  both(point, column, pair) {
    const { trace } = this.page;
    const place = pair.partner(column, point);
    const parts = [this.title(point, column)];
    if (!place) parts.push(element("p", {}, `${pair.second.name} has no readout of this place.`));
    const numbers = this.page.statistics.filter((one) => one.column).flatMap((one) => {
      const [first, second] = [trace.number(one.column, column, point), place && pair.second.number(one.column, place.column, place.point)];
      if (first === null && second === null) return [];
      return [[one.name, first, second, pair.value(one, column, point, null)]];
    });
    const shown = (number) => (number === null ? "–" : brief(number));
    const change = (number) => (number === null ? "–" : signed(number));
    parts.push(this.compared("Statistics", "statistic", pair, numbers.map(([name, first, second, by]) =>
      [[element("th", { scope: "row" }, name)], shown(first), shown(second), change(by)])));
    const other = place && pair.second.top(place.column, place.point);
    const rows = [...(trace.top(column, point)?.[0] ?? [])];
    for (const row of other?.[0] ?? []) if (!rows.some((known) => pair.isSame(known, row))) rows.push(row);
    parts.push(this.compared("Probabilities of the most probable tokens of both, the difference in percentage points", "token", pair,
      rows.map((row) => this.comparedToken(row, point, column, pair))));
    this.host.replaceChildren(...parts);
  }

  comparedToken(row, point, column, pair) {
    const { trace, vocabulary, pins, search } = this.page;
    const score = (one) => one.prob;
    const of = [...pair.twins(row)].map((twin) => trace.score(column, point, twin)).find((one) => one.prob !== null);
    const [first, second] = [of ? score(of) : null, score(pair.otherScore(column, point, row))];
    const shown = (prob) => (prob === null ? "–" : exactPercent(prob));
    const by = first === null || second === null ? "–" : signed(100 * (first - second));
    return [[element("th", { scope: "row" }, vocabulary.node(row), " ", element("span", { class: "acts" }, search.button(row), pins.button(row)))], shown(first), shown(second), by];
  }

  compared(caption, name, pair, lines) {
    const heads = [name, pair.first.name, pair.second.name, "difference"];
    const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col", title: text }, text)));
    const body = lines.map(([first, ...rest]) => element("tr", {}, ...first, ...rest.map((text) => element("td", {}, text))));
    return element("table", { class: "compared" }, element("caption", {}, caption), element("thead", {}, head), element("tbody", {}, ...body));
  }

  tokens(caption, [rows, probs, logits], ranks) {
    const heads = ["rank", "token", "id", "probability", "logit", "mark pin"];
    const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
    const body = rows.map((row, i) => this.line(row, probs[i], logits[i], ranks[i]));
    return element("table", {}, element("caption", {}, caption), element("thead", {}, head), element("tbody", {}, ...body));
  }

  line(row, prob, logit, rank) {
    const { vocabulary } = this.page;
    const bar = element("span", { class: "bar" });
    bar.style.width = `${clamp(prob, 0, 1) * 100}%`;
    const bytes = vocabulary.rows[row][3];
    return element("tr", {},
      element("td", {}, rank ? String(rank) : "?"),
      element("th", { scope: "row", title: bytes ? `bytes ${bytes}` : null }, vocabulary.node(row)),
      element("td", {}, String(vocabulary.id(row))),
      element("td", { class: "prob" }, bar, element("span", {}, exactPercent(prob))),
      element("td", {}, brief(logit)),
      element("td", {}, this.page.search.button(row), this.page.pins.button(row)));
  }
}
