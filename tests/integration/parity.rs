//! Every point and position of every family equals transformers in float64.

use lens_core::{
    Backend, Forward, Lens, NormMode, Plan, PointSet, Question, Reading, Selection, Statistic, StatisticSet,
};
use lens_tests::{Golden, checkpoint, checkpoint_names, decoder};

/// What float32 may differ from float64, in nats or logits.
const TOLERANCE: f32 = 1e-4;

/// The largest difference seen, and where.
#[derive(Default)]
struct Worst {
    difference: f32,
    place: String,
}

impl Worst {
    fn see(&mut self, got: f32, expected: f32, place: impl FnOnce() -> String) {
        let difference = (got - expected).abs();
        // A NaN is worse than everything.
        if difference.is_nan() || difference > self.difference {
            *self = Self { difference, place: format!("{}: {got} instead of {expected}", place()) };
        }
    }

    fn assert_within(&self, tolerance: f32, what: &str) {
        assert!(self.difference <= tolerance, "{what}: off by {} at {}", self.difference, self.place);
    }
}

fn plan(golden: &Golden, norm: NormMode) -> Plan {
    let mut components: Vec<&str> = golden.points.iter().map(|point| point.component().name()).collect();
    components.sort_unstable();
    components.dedup();
    Plan::default()
        .with_components(components.join(",").parse().expect("names of components"))
        .with_positions(Selection::all())
        .with_question(
            Question::default()
                .with_top_k(5.try_into().expect("five is not zero"))
                .with_norm(norm)
                .with_statistics(StatisticSet::all()),
        )
}

/// Activations first, point by point in order of execution: the first that differs is where to look.
#[test]
fn activations_equal_transformers() {
    for name in checkpoint_names() {
        let golden = Golden::of(&name);
        let mut model = decoder(&name);
        let points: PointSet = golden.vectors().map(|(point, _)| point).collect();
        let rows: Vec<usize> = golden.ints("vec_positions").iter().map(|row| *row as usize).collect();
        let n = golden.tokens.len();
        let step = Forward::new(&golden.tokens, &points, &rows).with_total(n).with_room(n);
        let captured = model.forward(&step).unwrap();
        assert_eq!(captured.len(), points.len(), "{name}: not every point fired");
        for ((point, expected), hidden) in golden.vectors().zip(&captured) {
            let mut got = Vec::new();
            model.rows(hidden, 0..rows.len(), &mut got).unwrap();
            assert_eq!(got.len(), expected.len(), "{name}: {point} has another shape");
            let scale = expected.iter().fold(1.0f32, |scale, value| scale.max(value.abs()));
            let mut worst = Worst::default();
            for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
                worst.see(got / scale, expected / scale, || format!("element {i}, of scale {scale}"));
            }
            worst.assert_within(2e-5, &format!("{name}: {point}"));
        }
    }
}

#[test]
fn readouts_equal_transformers() {
    for name in checkpoint_names() {
        let golden = Golden::of(&name);
        let reading = Lens::new(&mut decoder(&name))
            .read(&golden.tokens, &plan(&golden, NormMode::Recomputed))
            .unwrap();
        assert_eq!(reading.points, golden.points, "{name}");
        assert!(reading.self_check.is_some_and(|check| check.passed), "{name}: {:?}", reading.self_check);
        let n = golden.tokens.len();
        let mut worst = [(); 6].map(|()| Worst::default());
        for (row, point) in golden.points.iter().enumerate() {
            for position in 0..n {
                let readout = &reading.readouts[position * golden.points.len() + row];
                let place = || format!("{point}, position {position}");
                let at = row * n + position;
                for k in 0..5 {
                    let expected_id = golden.ints("top_ids")[at * 5 + k];
                    let top = readout.top[k];
                    assert_eq!(top.id.0 as i32, expected_id, "{name}: top-{} at {}", k + 1, place());
                    let log_prob = (f64::from(top.logit) - readout.log_sum_exp) as f32;
                    worst[0].see(log_prob, golden.floats("top_logprobs").1[at * 5 + k], place);
                    worst[1].see(top.logit, golden.floats("top_logits").1[at * 5 + k], place);
                }
                for (i, statistic) in [
                    (2, Statistic::Entropy),
                    (3, Statistic::KlToFinal),
                    (4, Statistic::JsToFinal),
                    (4, Statistic::TvToFinal),
                ] {
                    let expected = golden.floats(statistic.name()).1[at];
                    worst[i].see(readout.get(statistic).unwrap() as f32, expected, place);
                }
                let logits = &golden.floats("top_logits").1[at * 5..];
                let margin = readout.get(Statistic::Margin).unwrap() as f32;
                worst[5].see(margin, logits[0] - logits[1], place);
                assert_eq!(
                    readout.statistics.whole(Statistic::RankOfFinal).unwrap() as i32,
                    golden.ints("rank_of_final")[at],
                    "{name}: rank_of_final at {}",
                    place()
                );
            }
        }
        for (worst, what) in worst.iter().zip(["log-prob", "logit", "entropy", "KL", "distance", "margin"]) {
            worst.assert_within(TOLERANCE, &format!("{name}: {what}"));
        }
        finals_equal(&name, &golden, &reading);
    }
}

/// The final readout is the model's own answer: every log-probability that is kept, and the next token's.
fn finals_equal(name: &str, golden: &Golden, reading: &Reading) {
    let (shape, log_probs) = golden.floats("final_logprobs");
    let mut worst = Worst::default();
    for (position, last) in reading.finals.iter().enumerate() {
        let row = &log_probs[position * shape[1]..][..shape[1]];
        for top in &last.readout.top {
            let log_prob = (f64::from(top.logit) - last.readout.log_sum_exp) as f32;
            worst.see(log_prob, row[top.id.index()], || format!("position {position}, token {}", top.id));
        }
        if let (Some(cross_entropy), Some(next)) =
            (last.readout.get(Statistic::CrossEntropy), golden.tokens.get(position + 1))
        {
            worst.see(-cross_entropy as f32, row[next.index()], || {
                format!("position {position}, next token {next}")
            });
        }
    }
    worst.assert_within(TOLERANCE, &format!("{name}: final log-prob"));
}

#[test]
fn other_norm_modes_equal_transformers() {
    for name in checkpoint_names() {
        let golden = Golden::of(&name);
        for (mode, suffix) in [(NormMode::FinalScale, "final_scale"), (NormMode::None, "none")] {
            let plan = plan(&golden, mode).with_positions(Selection::last());
            let reading = Lens::new(&mut decoder(&name)).read(&golden.tokens, &plan).unwrap();
            let ids = golden.ints(&format!("top_ids_{suffix}"));
            let logits = golden.floats(&format!("top_logits_{suffix}")).1;
            let mut worst = Worst::default();
            for (i, (point, readout)) in reading.at(0).enumerate() {
                for (k, top) in readout.top.iter().enumerate() {
                    assert_eq!(top.id.0 as i32, ids[i * 5 + k], "{name}: {suffix}: top-{} at {point}", k + 1);
                    let expected = logits[i * 5 + k];
                    let scale = expected.abs().max(1.0);
                    worst
                        .see(top.logit / scale, expected / scale, || format!("{point}, relative to {scale}"));
                }
            }
            worst.assert_within(TOLERANCE, &format!("{name}: {suffix}"));
        }
    }
}

#[test]
fn every_spelling_of_a_config_gives_one_spec() {
    let mut compared = 0;
    for name in checkpoint_names() {
        for spelling in ["config.v5.json", "config.old.json"] {
            if lens_tests::files(&name).root.join(spelling).exists() {
                let (one, other) = (checkpoint(&name, None), checkpoint(&name, Some(spelling)));
                assert_eq!(one.outline().spec, other.outline().spec, "{name}: {spelling}");
                compared += 1;
            }
        }
    }
    assert!(compared > 50, "only {compared} spellings were compared");
}
