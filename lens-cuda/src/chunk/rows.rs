//! From a chunk's logits to its readouts.

use lens_core::{Next, Question, Readout, Tracking, VectorFacts};

use super::{Ask, Logits, Wanted, read};
use crate::machine::Machine;

/// The readouts of a chunk's rows, the final one of each row last. `next` is what comes after each row, `vectors` gives
/// the facts of `[rows, width]` captured vectors, if a statistic needs them, once the kernels are done. `None` when some logit is NaN or infinite.
///
/// # Errors
/// Those of the machine.
pub fn readouts<M: Machine>(
    machine: &M,
    logits: &Logits,
    question: &Question,
    next: &[Next],
    vectors: impl FnOnce() -> Result<Option<Vec<VectorFacts>>, M::Error>,
) -> Result<Option<Vec<Vec<Readout>>>, M::Error> {
    let tracked: Vec<Vec<Wanted>> = next.iter().map(|next| wanted(question, *next)).collect();
    let distances = question.statistics.needs().distances;
    let answers = read(machine, logits, &Ask { top_k: question.candidates(), distances, tracked: &tracked })?;
    if !answers.are_finite() {
        return Ok(None);
    }
    let tracking = next.iter().enumerate().map(|(row, next)| {
        let top1 = answers.final_top1(row);
        let next = match next {
            Next::Nothing => None,
            Next::Token(token) => Some(*token),
            Next::Top1 => top1,
        };
        Tracking { final_top1: top1, next }
    });
    let tracking: Vec<Tracking> = tracking.collect();
    let (of, vectors) = (|i| answers.projected(i), vectors()?);
    Ok(Some(Readout::of_rows(logits.width, &tracking, of, vectors.as_deref(), question)))
}

/// What [`Tracking::tokens`] will be once the final readout is known.
fn wanted(question: &Question, next: Next) -> Vec<Wanted> {
    let final_top = question.statistics.needs().final_top1.then_some(Wanted::FinalTop);
    let asked = question.targets.iter().chain(&question.versus).map(|token| Wanted::Token(*token));
    let next = match next {
        Next::Nothing => None,
        Next::Token(token) => Some(Wanted::Token(token)),
        Next::Top1 => Some(Wanted::FinalTop),
    };
    final_top.into_iter().chain(asked).chain(next).collect()
}
