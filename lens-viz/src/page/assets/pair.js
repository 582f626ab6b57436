/* Two runs laid over one another: which place of one belongs to which of the other, and what differs there. */

class Pair {
  /* `shift` is what a position of the first is increased by to give that of the second. */
  constructor(first, second, vocabulary, [, , shift, byId, notes], sentences, reversed) {
    Object.assign(this, { first, second, vocabulary, byId: byId === 1 });
    this.shift = reversed ? -shift : shift;
    this.notes = notes.map((note) => sentences[note]);
    this.names = `${first.name} − ${second.name}`;
    this.points = first.points.map((point) => second.points.find((other) => other.key === point.key) ?? null);
    this.columns = first.positions.map((position) => second.columnOf.get(position + this.shift) ?? null);
    this.largest = new Map();
  }

  /* The column and point of the second run for one of the first, or null. */
  partner(column, point) {
    const [other, place] = [this.columns[column] ?? null, this.points[point.index] ?? null];
    return other === null || place === null ? null : { column: other, point: place };
  }

  /* The rows that are the same token in the second run. */
  twins(row) {
    return this.byId ? [row] : this.vocabulary.named(row);
  }

  isSame(one, other) {
    return one !== null && other !== null && this.twins(one).includes(other);
  }

  /* The most probable token of the second run at a place of the first. */
  otherTop(column, point) {
    const place = this.partner(column, point);
    return place ? this.second.top(place.column, place.point)?.[0][0] ?? null : null;
  }

  /* What is known of a token of the first run at the same place of the second. */
  otherScore(column, point, row) {
    const place = this.partner(column, point);
    const unknown = { prob: null, logit: null, rank: null };
    if (!place) return unknown;
    const scores = this.twins(row).map((twin) => this.second.score(place.column, place.point, twin));
    return scores.find((score) => score.prob !== null || score.rank !== null) ?? unknown;
  }

  /* A statistic of the first run less that of the second, as it is written; null where one of them does not say it. */
  value(statistic, column, point, row) {
    const place = this.partner(column, point);
    if (!place) return null;
    const one = statistic.value(this.first, column, point, row);
    const others = statistic.tracked ? (row === null ? [] : this.twins(row)) : [row];
    const other = others.map((twin) => statistic.value(this.second, place.column, place.point, twin)).find((number) => number !== null) ?? null;
    if (one === null || other === null) return null;
    const { factor, logarithmic } = statistic.contrast;
    return (logarithmic ? Math.log10(one / other) : one - other) * factor;
  }

  /* The largest difference in a component at any position, rounded up: both ends of the scale. */
  reach(statistic, tracked, component) {
    const key = `${component} ${statistic.key} ${statistic.tracked ? tracked.key : ""}`;
    if (!this.largest.has(key)) {
      let most = 0;
      const points = this.first.rows(component, 1);
      this.first.positions.forEach((_, column) => {
        const row = statistic.tracked ? tracked.at(column) : null;
        for (const point of points) most = Math.max(most, Math.abs(this.value(statistic, column, point, row) ?? 0));
      });
      this.largest.set(key, roundedUp(most));
    }
    return this.largest.get(key);
  }
}

/* All pairs of runs that have something in common. */
class Pairs {
  constructor(data, traces, vocabulary) {
    Object.assign(this, { traces, vocabulary, sentences: data.pair_notes, most: data.most_compared, made: new Map() });
    this.raw = new Map(data.pairs.map((pair) => [`${pair[0]} ${pair[1]}`, pair]));
  }

  /* The runs that a run can be compared with. */
  of(first) {
    return this.traces.map((_, second) => second).filter((second) => this.find(first, second));
  }

  find(first, second) {
    return this.raw.get(`${Math.min(first, second)} ${Math.max(first, second)}`) ?? null;
  }

  /* Why two runs that are no pair are none. */
  whyNot(first, second) {
    if (this.traces.length > this.most) return `more than ${this.most} runs are not compared`;
    const shared = first.points.some((point) => second.points.some((other) => other.key === point.key));
    return shared ? "no position in common" : "no layer and component in common";
  }

  get(first, second) {
    const raw = second === null ? null : this.find(first, second);
    if (!raw) return null;
    const key = `${first} ${second}`;
    if (!this.made.has(key)) {
      this.made.set(key, new Pair(this.traces[first], this.traces[second], this.vocabulary, raw, this.sentences, first > second));
    }
    return this.made.get(key);
  }
}

/* A statistic as the difference of two runs. */
function differenceOf(statistic, pair, tracked, component) {
  const { unit } = statistic.contrast;
  const reach = () => pair.reach(statistic, tracked, component);
  return {
    ...statistic,
    diverging: true,
    scale() {
      const says = `${statistic.measures ?? statistic.name}, ${pair.names}${unit ? `, ${unit}` : ""}`;
      const end = (number) => signed(number).replace(/\.0+$/, "");
      return [says, end(-reach()), end(reach())];
    },
    read(trace, column, point, row) {
      const shown = statistic.tracked ? row : trace.top(column, point)?.[0][0] ?? null;
      const number = pair.value(statistic, column, point, row);
      if (number === null) return { row: shown, number: "–", level: null };
      return { row: shown, number: signed(number), level: 0.5 + number / (2 * reach()), diverging: true };
    },
  };
}

/* The smallest of 1, 2 and 5 times a power of ten that is at least `number`; 1 where nothing differs. */
function roundedUp(number) {
  if (!(number > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(number));
  return power * [1, 2, 5, 10].find((digit) => digit * power >= number * 0.999999);
}
