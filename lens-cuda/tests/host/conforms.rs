//! The cases that every readout has to answer.

use lens_core::{
    NormMode, Readings,
    conformance::{self, Case, Weights},
    tracked_tokens,
};
use lens_cuda::{CudaError, readouts};

use crate::machine::{Memory, logits};

#[test]
fn the_kernels_conform() {
    for case in conformance::cases() {
        for weights in [Weights::F32, Weights::F16] {
            let case = case.rounded(weights);
            // A token that does not exist is refused before anything is computed.
            if case.ask.targets.iter().any(|token| token.index() >= case.n_vocab) {
                continue;
            }
            let products = products(&case);
            let finite = products.iter().all(|z| z.is_finite());
            match read(&case, &products).unwrap() {
                Some(readings) => {
                    assert!(finite, "{}: a logit that is not finite was not found", case.name);
                    conformance::check(&case, Ok(readings)).unwrap();
                }
                None => assert!(!finite, "{}: all logits are finite", case.name),
            }
        }
    }
}

/// What a backend hands to the kernels: `[rows, points + 1, n_vocab]`.
fn products(case: &Case) -> Vec<f32> {
    let d = case.d_model;
    let of_row = |row: usize| {
        let last = &case.last[row * d..][..d];
        let points = case.captured.iter().map(move |captured| (&captured[row * d..][..d], case.ask.norm));
        points.chain([(last, NormMode::Recomputed)]).map(move |(vector, mode)| (vector, last, mode))
    };
    let product = |(vector, last, mode): (&[f32], &[f32], NormMode)| {
        let mut x = vector.to_vec();
        match mode {
            NormMode::Recomputed => case.norm.apply(&mut x, case.norm.scale(vector)),
            NormMode::FinalScale => case.norm.apply(&mut x, case.norm.scale(last)),
            NormMode::None => {}
        }
        let dot = |row: &[f32]| row.iter().zip(&x).fold(0.0f32, |sum, (w, x)| w.mul_add(*x, sum));
        case.rows.chunks_exact(d).map(dot).collect::<Vec<f32>>()
    };
    (0..case.positions.len()).flat_map(of_row).flat_map(product).collect()
}

/// Reads a case through the kernels; `None` if some logit is not finite.
fn read(case: &Case, products: &[f32]) -> Result<Option<Readings>, CudaError> {
    let (rows, width) = (case.positions.len(), case.points.len() + 1);
    let columns = case.columns(&case.captured);
    let bias = case.bias.as_deref();
    let chunk = logits(products, [rows, width, case.n_vocab], bias, case.post);
    let facts = facts(case);
    let machine = Memory::new(case.post, bias);
    let Some(by_row) = readouts(&machine, &chunk, &case.ask, &case.next, || Ok(Some(facts)))? else {
        return Ok(None);
    };
    let mut readings = Readings::default();
    for (row, mut readouts) in by_row.into_iter().enumerate() {
        let last = readouts.pop().unwrap();
        if case.ask.tracked > 0 {
            let tokens = tracked_tokens(&last, columns.iter().zip(&readouts), case.ask.tracked);
            for (column, readout) in
                readouts.iter_mut().enumerate().filter(|(column, _)| columns[*column].shown)
            {
                let products = &products[(row * width + column) * case.n_vocab..];
                let z = |id: usize| case.post.apply(products[id] + bias.map_or(0.0, |bias| bias[id]));
                let logits: Vec<f32> = tokens.iter().map(|token| z(token.index())).collect();
                readout.track(&tokens, &logits);
            }
        }
        readings.finals.push(last);
        readings.points.extend(readouts);
    }
    Ok(Some(readings))
}

/// The facts of all vectors, `[rows, points + 1]`.
fn facts(case: &Case) -> Vec<lens_core::VectorFacts> {
    let d = case.d_model;
    let of_row = |row: usize| {
        let last = &case.last[row * d..][..d];
        let of_last = lens_core::VectorFacts::of_final(last);
        let points = case.captured.iter().map(move |captured| &captured[row * d..][..d]);
        points.map(move |x| lens_core::VectorFacts::of(x, last, &of_last)).chain([of_last])
    };
    (0..case.positions.len()).flat_map(of_row).collect()
}
