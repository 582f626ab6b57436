const UNKNOWN = { row: null, number: "–", level: null };

/* The logarithm of the vocabulary's size: the largest entropy that there can be. */
const widest = (trace) => Math.log(trace.vocabulary);

/* What a cell can show. `read` gives the token or text of its first line, the number of its second, and where it stands
   on the scale from 0 to 1; a level of null means that the trace does not say. */

const STATISTICS = [
  {
    key: "top",
    name: "top-1 token",
    tracked: false,
    scale: () => ["probability of the top-1 token", "0%", "100%"],
    read(trace, column, point) {
      const top = trace.top(column, point);
      if (!top || top[0].length === 0) return UNKNOWN;
      return { row: top[0][0], number: percent(top[1][0]), level: top[1][0] };
    },
  },
  {
    key: "prob",
    name: "probability",
    tracked: true,
    scale: () => ["probability", "0%", "100%"],
    read(trace, column, point, row) {
      const { prob } = trace.score(column, point, row);
      if (prob !== null) return { row, number: percent(prob), level: prob };
      const least = trace.top(column, point)?.[1].at(-1);
      const bound = least === undefined ? "–" : percent(least);
      return { row, number: /^[<–]/.test(bound) ? bound : `<${bound}`, level: null };
    },
  },
  {
    key: "rank",
    name: "rank",
    tracked: true,
    scale: (trace) => ["rank, logarithmic", String(Math.ceil(trace.vocabulary)), "1"],
    read(trace, column, point, row) {
      const { rank } = trace.score(column, point, row);
      if (rank !== null) return { row, number: `#${rank}`, level: 1 - Math.log(rank) / widest(trace) };
      const kept = trace.top(column, point)?.[0].length;
      return { row, number: kept ? `>${kept}` : "–", level: null };
    },
  },
  nats("entropy", "entropy"),
  divergence("kl_to_final", "KL to final"),
  nats("js_to_final", "JS to final", () => Math.LN2),
  nats("tv_to_final", "total variation to final", () => 1, ""),
  nats("cross_entropy", "surprise at the next token"),
];

/* A statistic that is a number of the readout as a whole. Little of it is light, as certainty is. */
function nats(key, name, most = widest, unit = "nats") {
  return {
    key,
    name,
    column: key,
    tracked: false,
    scale: (trace) => [unit ? `${name}, ${unit}` : name, `≥ ${brief(most(trace))}`, "0"],
    read(trace, column, point) {
      const number = trace.number(key, column, point);
      if (number === null) return UNKNOWN;
      const row = trace.top(column, point)?.[0][0] ?? null;
      return { row, number: brief(number), level: 1 - clamp(number / most(trace), 0, 1) };
    },
  };
}

/* A divergence in nats, from tiny to huge: logarithmic between the same ends in every trace, as in pictures. */
function divergence(key, name) {
  const share = (number, [low, high]) => Math.log(Math.max(number, low) / low) / Math.log(high / low);
  return {
    ...nats(key, name),
    scale: (trace) => [`${name}, nats, logarithmic`, `≥ ${trace.klEnds[1]}`, `≤ ${trace.klEnds[0]}`],
    read(trace, column, point) {
      const number = trace.number(key, column, point);
      if (number === null) return UNKNOWN;
      const row = trace.top(column, point)?.[0][0] ?? null;
      return { row, number: brief(number), level: 1 - clamp(share(number, trace.klEnds), 0, 1) };
    },
  };
}

/* Those that the trace has numbers for. */
const statisticsOf = (trace) => STATISTICS.filter((one) => !one.column || trace.has(one.column));

/* The class of a level, as the style sheet has it. */
const levelClass = (level) => (level === null ? "unknown" : `q${Math.round(clamp(level, 0, 1) * 40)}`);
