//! The host's readout answers the suite that every readout answers.

use half::{bf16, f16};
use lens_core::{
    BackendError, HostReadout, ReadRequest, Readings, Statistic, Unembedding, VocabRows,
    conformance::{self, Case, Weights},
};

fn read(case: &Case) -> Result<Readings, BackendError> {
    let narrow: Vec<bf16> = case.rows.iter().map(|w| bf16::from_f32(*w)).collect();
    let half: Vec<f16> = case.rows.iter().map(|w| f16::from_f32(*w)).collect();
    let rows = match case.weights {
        Weights::F32 => VocabRows::F32(&case.rows),
        Weights::Bf16 => VocabRows::Bf16(&narrow),
        Weights::F16 => VocabRows::F16(&half),
    };
    let unembedding = Unembedding::new(rows, case.d_model, case.bias.as_deref(), case.post)?;
    let hidden = case.columns(&case.captured);
    let request = ReadRequest::new(&hidden, &case.last, &case.positions, &case.next, &case.ask);
    HostReadout::new(&case.norm, unembedding, case.n_layers).read(&request, |values, rows, out| {
        out.extend_from_slice(&values[rows.start * case.d_model..rows.end * case.d_model]);
        Ok(case.d_model)
    })
}

#[test]
fn the_host_readout_conforms() {
    for case in conformance::cases() {
        for weights in [Weights::F32, Weights::Bf16, Weights::F16] {
            let case = case.rounded(weights);
            conformance::check(&case, read(&case)).unwrap();
        }
    }
}

#[test]
fn a_wrong_answer_does_not_conform() {
    let cases = conformance::cases();
    let case = &cases[0];
    let tampered = |change: &dyn Fn(&mut Readings)| {
        let mut readings = read(case).unwrap();
        change(&mut readings);
        conformance::check(case, Ok(readings)).is_err()
    };
    assert!(tampered(&|readings| readings.points[3].top.swap(0, 1)));
    assert!(tampered(&|readings| readings.points[3].statistics.set(Statistic::KlToFinal, Some(9.0))));
    assert!(tampered(&|readings| readings.points[3].statistics.set(Statistic::RankOfFinal, None)));
    assert!(tampered(&|readings| readings.points[3].targets[1].rank += 20));
    assert!(tampered(&|readings| readings.finals[2].statistics.set(Statistic::CrossEntropy, None)));
    assert!(tampered(&|readings| readings.points[3].tracked.truncate(1)));
    assert!(tampered(&|readings| readings.points[3].tracked[0].logit += 0.01));
    assert!(tampered(&|readings| drop(readings.points.pop())));
    assert!(!tampered(&|_| {}));
}
