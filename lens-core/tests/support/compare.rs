//! Comparison of readings with the float64 model and with each other.

use lens_core::{NormMode, Plan, Point, Reading, Readout, Site, Statistic, TokenId};

use super::{Distribution, Reference};

/// What a float32 forward pass of a few blocks may be off, relative to the size of a logit.
const TOLERANCE: f64 = 5e-5;

fn assert_near(got: f64, expected: f64, scale: f64, what: &str) {
    let allowed = TOLERANCE * (1.0 + scale);
    assert!(
        (got - expected).abs() <= allowed,
        "{what}: {got}, in float64 {expected} (allowed {allowed:.1e})"
    );
}

/// Compares every number of a reading with the float64 model.
pub(crate) fn assert_equals_reference(
    reading: &Reading,
    reference: &Reference,
    sequence: &[TokenId],
    plan: &Plan,
) {
    let states = reference.run(sequence);
    for (index, position) in reading.positions.iter().enumerate() {
        let state = &states[*position];
        let last = state.last().unwrap();
        let finally = Distribution::new(reference.logits(&last.1, NormMode::Recomputed, &last.1));
        let final_reading = &reading.finals[index];
        assert_eq!(final_reading.position, *position);
        let next = sequence.get(position + 1).copied();
        assert_is(&final_reading.readout, &finally, &format!("final, position {position}"), plan, next);
        let top1 = final_reading.readout.top1().unwrap();
        let mut of_layers = Vec::new();
        for (point, readout) in reading.at(index) {
            let place = format!("{point}, position {position}, norm {}", plan.question.norm.name());
            let x = &state.iter().find(|(other, _)| *other == point).unwrap().1;
            let here = Distribution::new(reference.logits(x, plan.question.norm, &last.1));
            assert_is(readout, &here, &place, plan, next);
            assert_near(readout.get(Statistic::KlToFinal).unwrap(), here.kl_of(&finally), here.size, &place);
            assert_near(readout.get(Statistic::JsToFinal).unwrap(), here.js_of(&finally), here.size, &place);
            assert_near(readout.get(Statistic::TvToFinal).unwrap(), here.tv_of(&finally), here.size, &place);
            here.assert_rank(
                readout.statistics.whole(Statistic::RankOfFinal).unwrap(),
                top1,
                TOLERANCE,
                &place,
            );
            if matches!(point, Point::Block { site: Site::ResidPost, .. }) {
                of_layers.push(readout.top1());
            }
        }
        let decided =
            (0..of_layers.len()).find(|layer| of_layers[*layer..].iter().all(|other| *other == Some(top1)));
        assert_eq!(final_reading.decided_at, decided, "position {position}");
    }
    assert!(reading.self_check.is_some_and(|check| check.passed), "{:?}", reading.self_check);
}

/// Compares what a readout says of its own distribution.
fn assert_is(readout: &Readout, expected: &Distribution, place: &str, plan: &Plan, next: Option<TokenId>) {
    let k = plan.question.top_k.get().min(expected.logits.len());
    assert_eq!(readout.top.len(), k, "{place}");
    assert_near(readout.log_sum_exp, expected.log_sum_exp, expected.size, &format!("log-sum-exp at {place}"));
    assert_near(
        readout.get(Statistic::Entropy).unwrap(),
        expected.entropy(),
        expected.size,
        &format!("entropy at {place}"),
    );
    let sorted = expected.sorted();
    for (i, score) in readout.top.iter().enumerate() {
        let what = format!("top {i} at {place}");
        let id = score.id.index();
        assert_near(score.logit.into(), expected.logits[id], expected.size, &what);
        // Where two logits differ by less than rounding, either may come first, but no larger one may be missing.
        assert_near(score.logit.into(), expected.logits[sorted[i]], expected.size, &what);
        assert_near(score.prob.into(), expected.prob(id), expected.size, &what);
    }
    let ordered = readout.top.is_sorted_by(|a, b| (b.logit, a.id) < (a.logit, b.id));
    assert!(ordered, "larger logits first, then smaller ids: {:?} at {place}", readout.top);
    for (target, id) in readout.targets.iter().zip(&plan.question.targets) {
        assert_eq!(target.score.id, *id);
        assert_near(target.score.logit.into(), expected.logits[id.index()], expected.size, place);
        assert_near(target.score.prob.into(), expected.prob(id.index()), expected.size, place);
        expected.assert_rank(target.rank, *id, TOLERANCE, place);
    }
    assert_eq!(readout.targets.len(), plan.question.targets.len());
    let cross_entropy = next.map(|next| expected.log_sum_exp - expected.logits[next.index()]);
    assert_eq!(readout.get(Statistic::CrossEntropy).is_some(), cross_entropy.is_some(), "{place}");
    if let (Some(got), Some(expected_value)) = (readout.get(Statistic::CrossEntropy), cross_entropy) {
        assert_near(got, expected_value, expected.size, &format!("cross-entropy at {place}"));
    }
}

/// Two readings of the same thing: the same tokens, and numbers within 1e-6.
pub(crate) fn assert_same(a: &Reading, b: &Reading) {
    assert_eq!((&a.points, &a.positions), (&b.points, &b.positions));
    let all = |reading: &Reading| {
        let finals = reading.finals.iter().map(|last| last.readout.clone());
        reading.readouts.iter().cloned().chain(finals).collect::<Vec<_>>()
    };
    for (a, b) in all(a).iter().zip(&all(b)) {
        let ids = |r: &Readout| r.top.iter().map(|score| score.id).collect::<Vec<_>>();
        assert_eq!(
            (ids(a), a.statistics.whole(Statistic::RankOfFinal)),
            (ids(b), b.statistics.whole(Statistic::RankOfFinal))
        );
        for (a, b) in a.top.iter().zip(&b.top) {
            assert!((a.logit - b.logit).abs() <= 1e-6 * (1.0 + a.logit.abs()), "{a:?} {b:?}");
        }
        for (a, b) in [
            (a.get(Statistic::Entropy), b.get(Statistic::Entropy)),
            (a.get(Statistic::KlToFinal), b.get(Statistic::KlToFinal)),
            (a.get(Statistic::CrossEntropy), b.get(Statistic::CrossEntropy)),
        ] {
            assert!(a.is_some() == b.is_some() && (a.unwrap_or(0.0) - b.unwrap_or(0.0)).abs() <= 2e-6);
        }
    }
    let decided = |r: &Reading| r.finals.iter().map(|last| last.decided_at).collect::<Vec<_>>();
    assert_eq!(decided(a), decided(b));
}
