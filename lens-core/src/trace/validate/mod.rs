//! Whether a trace can be true: every number in its range, every name of a place within the model and the sequence.

mod readout;
mod wrong;

use std::collections::HashSet;

use super::{FinalTrace, GenerationTrace, LensTrace, SCHEMA, SelfCheckTrace, StepTrace, TraceError};
use readout::{check_bytes, check_final, check_readout};
use wrong::{Checked, Under as _, at_least_zero, finite, probability, within, wrong};

/// More layers than any model has. What has more is not a count of layers.
const MOST_LAYERS: u16 = 10_000;

/// A wider residual stream than any model has.
const MOST_WIDTH: usize = 1 << 24;

/// Ids are 32 bits wide.
const MOST_VOCABULARY: usize = 1 << 32;

impl LensTrace {
    /// Checks that the trace can be true: finite numbers, probabilities from 0 to 1, ranks from 1, layers, positions
    /// and ids within the model and the sequence, lists in order, nothing twice, and steps that lead from one token to
    /// the next. Sizes of 0 (`n_vocab`, `d_model`) mean "not known". Probabilities and statistics may leave their
    /// ranges by what rounding explains.
    ///
    /// [`from_json`](Self::from_json) does this; a trace that was read in another way, or put together by hand, has to
    /// be checked before it is shown.
    ///
    /// # Errors
    /// With the path of the first value that cannot be true, such as `readouts[3].top[0].prob`.
    pub fn validate(&self) -> Result<(), TraceError> {
        if self.schema != SCHEMA {
            return Err(TraceError::Schema { found: self.schema.clone() });
        }
        check_model(self)?;
        check_lenses(self)?;
        check_tokens(self)?;
        check_readouts(self)?;
        check_faithfulness(self)?;
        check_steps(self)?;
        check_facts(self)?;
        Ok(())
    }
}

fn check_model(trace: &LensTrace) -> Checked {
    let model = &trace.model;
    if model.n_layers > MOST_LAYERS {
        let problem =
            format!("{} layers are more than any model has (at most {MOST_LAYERS})", model.n_layers);
        return Err(wrong("n_layers", problem)).under(|| "model".to_owned());
    }
    for (name, size, most) in
        [("d_model", model.d_model, MOST_WIDTH), ("n_vocab", model.n_vocab, MOST_VOCABULARY)]
    {
        if size > most {
            let problem = format!("{size} is more than any model has (at most {most})");
            return Err(wrong(name, problem)).under(|| "model".to_owned());
        }
    }
    let (named, there) = (model.mixers.len(), usize::from(model.n_layers));
    if named != 0 && named != there {
        let problem = format!("{named} mixers are named, and there are {there} layers");
        return Err(wrong("mixers", problem)).under(|| "model".to_owned());
    }
    Ok(())
}

/// Names of lenses are unique, and the first lens is the trace's.
fn check_lenses(trace: &LensTrace) -> Checked {
    let mut names = HashSet::with_capacity(trace.lenses.len());
    for (i, lens) in trace.lenses.iter().enumerate() {
        if !names.insert(&lens.name) {
            let problem = format!("a second lens is called {:?}", lens.name);
            return Err(wrong("name", problem)).under(|| format!("lenses[{i}]"));
        }
    }
    match trace.lenses.first() {
        Some(first) if ![first.kind.name(), &first.name].contains(&&*trace.lens.kind) => {
            let problem = format!("{:?} is not the first of the lenses, {:?}", trace.lens.kind, first.name);
            Err(wrong("kind", problem)).under(|| "lens".to_owned())
        }
        _ => Ok(()),
    }
}

fn check_tokens(trace: &LensTrace) -> Checked {
    let mut generated = false;
    for (i, token) in trace.tokens.iter().enumerate() {
        let at = || format!("tokens[{i}]");
        check_id(trace, token.id.index()).under(at)?;
        check_bytes(token.bytes.as_deref()).under(at)?;
        if generated && !token.generated {
            return Err(wrong("generated", "a token of the prompt cannot follow a generated one")).under(at);
        }
        generated = token.generated;
    }
    Ok(())
}

/// Shares from 0 to 1, and medians of what is never negative.
fn check_faithfulness(trace: &LensTrace) -> Checked {
    for (i, row) in trace.faithfulness.iter().enumerate() {
        let at = || format!("faithfulness[{i}]");
        let shares = [("agreement", Some(row.agreement)), ("between_lenses", row.between_lenses)];
        for (name, share) in shares {
            share.map_or(Ok(()), |share| probability(name, share as f32)).under(at)?;
        }
        for (name, value) in [("kl_to_final", row.kl_to_final), ("norm_ratio", row.norm_ratio)] {
            value.map_or(Ok(()), |value| within(name, value as f32, 0.0, f32::MAX)).under(at)?;
        }
    }
    Ok(())
}

fn check_readouts(trace: &LensTrace) -> Checked {
    let mut positions = HashSet::with_capacity(trace.finals.len());
    for (i, last) in trace.finals.iter().enumerate() {
        let at = || format!("final[{i}]");
        check_final(trace, last).under(at)?;
        if !positions.insert(last.position) {
            let problem = format!("position {} already has a final readout", last.position);
            return Err(wrong("position", problem)).under(at);
        }
    }
    let mut places = HashSet::with_capacity(trace.readouts.len());
    for (i, readout) in trace.readouts.iter().enumerate() {
        let at = || format!("readouts[{i}]");
        check_readout(trace, readout).under(at)?;
        if !positions.contains(&readout.position) {
            let problem = format!("position {} has no entry in `final`", readout.position);
            return Err(wrong("position", problem)).under(at);
        }
        if !places.insert((readout.lens.as_deref(), readout.layer, readout.component, readout.position)) {
            let layer = readout.layer.map_or(String::new(), |layer| format!("L{layer}."));
            let problem =
                format!("a second readout of {layer}{} at position {}", readout.component, readout.position);
            return Err(wrong("", problem)).under(at);
        }
    }
    Ok(())
}

fn check_steps(trace: &LensTrace) -> Checked {
    let mut previous: Option<&StepTrace> = None;
    for (i, step) in trace.steps.iter().enumerate() {
        check_step(trace, step, previous).under(|| format!("steps[{i}]"))?;
        previous = Some(step);
    }
    Ok(())
}

fn check_step(trace: &LensTrace, step: &StepTrace, previous: Option<&StepTrace>) -> Checked {
    check_position(trace, step.position)?;
    check_id(trace, step.token.id.index()).under(|| "token".to_owned())?;
    check_bytes(step.token.bytes.as_deref()).under(|| "token".to_owned())?;
    probability("prob", step.token.prob).under(|| "token".to_owned())?;
    if let Some(before) = previous {
        if step.step <= before.step {
            let problem = format!("step {} cannot follow step {}", step.step, before.step);
            return Err(wrong("step", problem));
        }
        // Each step writes one token, so steps and positions advance together.
        if step.position.checked_sub(before.position) != Some(step.step - before.step) {
            let problem = format!(
                "step {} at position {} does not follow from step {} at position {}",
                step.step, step.position, before.step, before.position
            );
            return Err(wrong("position", problem));
        }
    }
    let Some(written) = trace.tokens.get(step.position + 1) else { return Ok(()) };
    if !written.generated {
        let problem = format!("tokens[{}] is a token of the prompt", step.position + 1);
        return Err(wrong("position", problem));
    }
    if written.id != step.token.id {
        let problem = format!(
            "{} is not what was written: tokens[{}] has the id {}",
            step.token.id,
            step.position + 1,
            written.id
        );
        return Err(wrong("token.id", problem));
    }
    Ok(())
}

fn check_facts(trace: &LensTrace) -> Checked {
    if let Some(threshold) = trace.important_above {
        probability("important_above", threshold)?;
    }
    for (i, role) in trace.roles.iter().enumerate() {
        let (at, n) = (|| format!("roles[{i}]"), trace.tokens.len());
        if role.start > role.end {
            let problem = format!("{} is after the end, {}", role.start, role.end);
            return Err(wrong("start", problem)).under(at);
        }
        if role.end > n {
            return Err(wrong("end", format!("{} is beyond the {n} tokens", role.end))).under(at);
        }
    }
    if let Some(generation) = &trace.generation {
        check_generation(generation).under(|| "generation".to_owned())?;
    }
    if let Some(check) = &trace.self_check {
        check_self_check(trace, check).under(|| "self_check".to_owned())?;
    }
    if let Some(timing) = &trace.timing {
        for (name, seconds) in [("forward", timing.forward), ("readout", timing.readout)] {
            if !(seconds.is_finite() && seconds >= 0.0) {
                let problem = format!("{seconds} is not a number of seconds");
                return Err(wrong(name, problem)).under(|| "timing".to_owned());
            }
        }
    }
    Ok(())
}

fn check_generation(generation: &GenerationTrace) -> Checked {
    at_least_zero("temperature", generation.temperature)?;
    probability("top_p", generation.top_p)?;
    if generation.top_k == Some(0) {
        return Err(wrong("top_k", "nothing can be sampled from 0 tokens"));
    }
    Ok(())
}

fn check_self_check(trace: &LensTrace, check: &SelfCheckTrace) -> Checked {
    at_least_zero("max_abs_logit_error", check.max_abs_logit_error)?;
    finite("log_sum_exp_error", check.log_sum_exp_error)?;
    // Absent, the position is 0, which a trace without tokens lacks.
    if check.position > 0 { check_position(trace, check.position) } else { Ok(()) }
}

fn check_position(trace: &LensTrace, position: usize) -> Checked {
    let n = trace.tokens.len();
    if position < n {
        return Ok(());
    }
    Err(wrong("position", format!("{position} is not below the number of tokens, {n}")))
}

fn check_layer(trace: &LensTrace, name: &str, layer: usize) -> Checked {
    let n = trace.model.n_layers;
    if layer < usize::from(n) {
        return Ok(());
    }
    Err(wrong(name, format!("{layer} is not below the number of layers, {n} (they count from 0)")))
}

fn check_id(trace: &LensTrace, id: usize) -> Checked {
    let n = trace.model.n_vocab;
    if n == 0 || id < n {
        return Ok(());
    }
    Err(wrong("id", format!("{id} is not below the size of the vocabulary, {n}")))
}

/// The largest rank that there can be, where the vocabulary's size is known.
fn check_rank(trace: &LensTrace, name: &str, rank: u32) -> Checked {
    let n = trace.model.n_vocab;
    if rank == 0 {
        return Err(wrong(name, "0 is not a rank: ranks count from 1"));
    }
    if n > 0 && rank as usize > n {
        return Err(wrong(name, format!("{rank} is more than the size of the vocabulary, {n}")));
    }
    Ok(())
}

/// The layers of a final readout ascend, so that none stands twice.
fn check_important(trace: &LensTrace, last: &FinalTrace) -> Checked {
    check_ascending(trace, "important_layers", &last.important_layers)?;
    check_ascending(trace, "important_by_movement", last.important_by_movement.as_deref().unwrap_or_default())
}

fn check_ascending(trace: &LensTrace, list: &str, layers: &[u16]) -> Checked {
    for (i, layer) in layers.iter().enumerate() {
        let name = format!("{list}[{i}]");
        check_layer(trace, &name, usize::from(*layer))?;
        if i > 0 && layers[i - 1] >= *layer {
            let problem = format!("{layer} cannot follow {}: layers ascend", layers[i - 1]);
            return Err(wrong(&name, problem));
        }
    }
    Ok(())
}
