//! Feeding a sink from the trace of a run that is over.

use std::collections::HashMap;

use super::{End, Sink, SinkError};
use crate::trace::{LensTrace, PositionTrace, ReadoutTrace};

/// Feeds a sink a run that is over, piece by piece, as if it happened now, except that its head has all the notes.
/// Positions are copied one at a time. If the sink asks to stop, the end comes at once.
///
/// # Errors
/// When the sink fails.
pub fn replay<S: Sink + ?Sized>(trace: &LensTrace, sink: &mut S) -> Result<(), SinkError> {
    // In an imported trace tokens may be marked as written although no step says when.
    let n_head = trace.tokens.len().saturating_sub(trace.steps.len());
    sink.begin(&head(trace, n_head))?;
    let mut readouts: HashMap<usize, Vec<&ReadoutTrace>> = HashMap::new();
    for readout in &trace.readouts {
        readouts.entry(readout.position).or_default().push(readout);
    }
    let mut steps = trace.steps.iter().zip(&trace.tokens[n_head..]).peekable();
    for last in &trace.finals {
        if sink.stop() {
            break;
        }
        let readouts = readouts.remove(&last.position).unwrap_or_default();
        sink.position(PositionTrace {
            last: last.clone(),
            readouts: readouts.into_iter().cloned().collect(),
        })?;
        while let Some((step, token)) = steps.next_if(|(step, _)| step.position <= last.position) {
            sink.step(step.clone(), token.clone())?;
        }
    }
    sink.end(End {
        generation: trace.generation.clone(),
        self_check: trace.self_check,
        timing: trace.timing,
        notes: Vec::new(),
    })
}

/// The trace without what is told piece by piece.
fn head(trace: &LensTrace, n_tokens: usize) -> LensTrace {
    LensTrace {
        schema: trace.schema.clone(),
        prompt_index: trace.prompt_index,
        id: trace.id.clone(),
        generator: trace.generator.clone(),
        model: trace.model.clone(),
        lens: trace.lens.clone(),
        lenses: trace.lenses.clone(),
        interventions: trace.interventions.clone(),
        prompt: trace.prompt.clone(),
        tokens: trace.tokens[..n_tokens].to_vec(),
        roles: trace.roles.clone(),
        steps: Vec::new(),
        generation: None,
        important_above: trace.important_above,
        versus: trace.versus.clone(),
        readouts: Vec::new(),
        finals: Vec::new(),
        faithfulness: Vec::new(),
        self_check: None,
        timing: None,
        notes: trace.notes.clone(),
    }
}
