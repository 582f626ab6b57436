const UNKNOWN = { row: null, number: "–", level: null };

/* How differences of probabilities and of ranks are written. */
const POINTS = { unit: "percentage points", factor: 100, logarithmic: false };
const MAGNITUDES = { unit: "orders of magnitude", factor: 1, logarithmic: true };

/* The logarithm of the vocabulary's size: the largest entropy that there can be. */
const widest = (trace) => Math.log(trace.vocabulary);

/* What a cell can show. `value` is the number itself, null where the trace does not say it, and `contrast` how a difference
   of two such numbers is written. `read` gives the token or text of its first line, the number of its second, and where it stands
   on the scale from 0 to 1; a level of null means that the trace does not say. */

const OF_TOKENS = [
  {
    key: "top",
    name: "top-1 token",
    measures: "probability of the top-1 token",
    tracked: false,
    contrast: POINTS,
    value: (trace, column, point) => trace.top(column, point)?.[1][0] ?? null,
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
    contrast: POINTS,
    value: (trace, column, point, row) => (row === null ? null : trace.score(column, point, row).prob),
    scale: () => ["probability", "0%", "100%"],
    read(trace, column, point, row) {
      if (row === null) return UNKNOWN;
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
    contrast: MAGNITUDES,
    value: (trace, column, point, row) => (row === null ? null : trace.score(column, point, row).rank),
    scale: (trace) => ["rank, logarithmic", String(Math.ceil(trace.vocabulary)), "1"],
    read(trace, column, point, row) {
      if (row === null) return UNKNOWN;
      const { rank } = trace.score(column, point, row);
      if (rank !== null) return { row, number: `#${rank}`, level: 1 - Math.log(rank) / widest(trace) };
      const kept = trace.top(column, point)?.[0].length;
      return { row, number: kept ? `>${kept}` : "–", level: null };
    },
  },
];

/* A statistic that is a number of the readout as a whole, from what the data says of it. */
function ofReadout(described) {
  const { key, title, unit, smaller } = described;
  const [kind] = described.range;
  const name = unit ? `${title}, ${unit}` : title;
  return {
    key,
    name: title,
    column: key,
    tracked: false,
    contrast: { unit, factor: 1, logarithmic: false },
    value: (trace, column, point) => trace.number(key, column, point),
    scale(trace) {
      const [low, high] = trace.ends(described).map(brief);
      const bounded = kind === "observed" ? [low, high] : [kind === "logarithmic" ? `≤ ${low}` : low, `≥ ${high}`];
      return [kind === "logarithmic" ? `${name}, logarithmic` : name, ...(smaller ? bounded.reverse() : bounded)];
    },
    read(trace, column, point) {
      const number = trace.number(key, column, point);
      if (number === null) return UNKNOWN;
      const row = trace.top(column, point)?.[0][0] ?? null;
      const share = clamp(shareOf(number, trace.ends(described), kind === "logarithmic"), 0, 1);
      return { row, number: brief(number), level: smaller ? 1 - share : share };
    },
  };
}

/* Where a number stands between two ends. */
function shareOf(number, [low, high], logarithmic) {
  if (logarithmic) return Math.log(Math.max(number, low) / low) / Math.log(high / low);
  return high > low ? (number - low) / (high - low) : 1;
}

/* The class of what a cell says, as the style sheet has it. */
function levelClass({ level, diverging }) {
  return level === null ? "unknown" : `${diverging ? "d" : "q"}${Math.round(clamp(level, 0, 1) * 40)}`;
}
