/* What is shown, kept in the address so that a view can be linked. */

const DEFAULTS = {
  trace: 0,
  minus: null,
  statistic: "top",
  tracked: "final",
  component: null,
  stride: 1,
  size: "normal",
  point: null,
  column: null,
  pins: null,
  lead: null,
  curve: "prob",
  text: "read",
  query: "",
  theme: null,
};

/* The address without its `#`, from a state. Tokens go by id, points and positions by name. */
function toAddress(state, trace, vocabulary) {
  const words = new URLSearchParams();
  const add = (name, value, usual) => {
    if (value !== usual) words.set(name, value);
  };
  add("run", state.trace, 0);
  add("minus", state.minus, null);
  add("show", state.statistic, "top");
  add("of", typeof state.tracked === "number" ? vocabulary.id(state.tracked) : state.tracked, "final");
  add("component", state.component, usualComponent(trace));
  add("stride", state.stride, 1);
  add("cells", state.size, "normal");
  add("at", state.point, null);
  add("position", trace.positions[state.column], null);
  if (state.pins) words.set("pins", state.pins.map((row) => vocabulary.id(row)).join("."));
  if (state.lead !== null) words.set("lead", vocabulary.id(state.lead));
  add("curve", state.curve, "prob");
  add("text", state.text, "read");
  add("find", state.query, "");
  add("theme", state.theme, null);
  return words.toString();
}

/* The state of an address, as far as it makes sense for the data. */
function fromAddress(address, traces, vocabulary, pairs) {
  const words = new URLSearchParams(address);
  const state = { ...DEFAULTS };
  const whole = (name) => (/^\d+$/.test(words.get(name) ?? "") ? Number(words.get(name)) : null);
  state.trace = clamp(whole("run") ?? 0, 0, traces.length - 1);
  const trace = traces[state.trace];
  state.minus = pairs.of(state.trace).find((other) => other === whole("minus")) ?? null;
  const among = (name, allowed, usual) => (allowed.includes(words.get(name)) ? words.get(name) : usual);
  state.statistic = among("show", trace.statistics.map((one) => one.key), "top");
  state.component = among("component", [...trace.components, "all"], usualComponent(trace));
  state.size = among("cells", ["normal", "compact", "overview"], "normal");
  state.curve = among("curve", ["prob", "rank"], "prob");
  state.text = among("text", ["read", "written"], "read");
  state.theme = among("theme", ["light", "dark"], null);
  state.stride = clamp(whole("stride") ?? 1, 1, 1000);
  state.query = (words.get("find") ?? "").slice(0, 200);
  const row = whole("of") === null ? null : vocabulary.find(whole("of"));
  state.tracked = row ?? among("of", ["final", "next"], "final");
  if (words.has("pins")) {
    const ids = words.get("pins").split(".").filter((id) => /^\d+$/.test(id));
    state.pins = [...new Set(ids.map((id) => vocabulary.find(Number(id))))].filter((found) => found !== null);
  }
  state.lead = whole("lead") === null ? null : vocabulary.find(whole("lead"));
  state.point = words.get("at");
  state.column = trace.columnOf.get(whole("position")) ?? null;
  return settled(state, trace);
}

/* The state with a cell chosen that is really shown: else the last layer, and the last position. */
function settled(state, trace) {
  const rows = trace.rows(state.component, state.stride);
  let point = rows.find((row) => row.key === state.point);
  if (!point) {
    const layer = trace.points.find((row) => row.key === state.point)?.layer ?? Infinity;
    point = rows.findLast((row) => (row.layer ?? -1) <= layer) ?? rows[0];
  }
  const column = clamp(state.column ?? trace.positions.length - 1, 0, trace.positions.length - 1);
  return { ...state, point: point.key, column };
}

/* The stream after the block, or the nearest thing that was read. */
const usualComponent = (trace) => trace.components.at(-1);
