/* One readout in full: its numbers, its most probable tokens, and those that were asked for. */

class Detail {
  constructor(host, page) {
    this.host = host;
    this.page = page;
  }

  draw(point, column) {
    const { trace } = this.page;
    const parts = [this.title(point, column), this.numbers(point, column)];
    const top = trace.top(column, point);
    if (top) parts.push(this.tokens("Most probable next tokens", top, top[3] ?? top[0].map((_, i) => i + 1)));
    const targets = trace.raw.cells.targets[trace.place(column, point)];
    if (targets) parts.push(this.tokens("Tokens asked for", targets, targets[3]));
    if (!top) parts.push(element("p", {}, "Nothing was read here."));
    this.host.replaceChildren(...parts);
  }

  title(point, column) {
    const { trace, vocabulary } = this.page;
    const position = trace.positions[column];
    const [here, next] = [trace.raw.tokens[position], trace.next(column)];
    const place = point.layer === null ? "embedding" : `layer ${point.layer}, ${point.component}`;
    const words = [`Position ${position}, after `, here === undefined ? "?" : vocabulary.node(here)];
    if (next !== null) words.push("; next ", vocabulary.node(next));
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

  tokens(caption, [rows, probs, logits], ranks) {
    const heads = ["rank", "token", "id", "probability", "logit", "pin"];
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
      element("td", {}, this.page.pins.button(row)));
  }
}
