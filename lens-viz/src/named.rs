//! Traces that are shown together, each under a name that tells it from the others.

use lens_core::{LensTrace, sink::Awaited};

/// A trace and the name that it is shown under.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Named<'a> {
    /// The name, which no other trace shown with it has, e.g. `before` or `trial 2`.
    pub name: String,
    /// The trace.
    pub trace: &'a LensTrace,
    /// Readouts that its newest positions still lack, while it grows.
    pub awaited: &'a [Awaited],
}

impl<'a> Named<'a> {
    /// A trace under a name.
    pub fn new(name: impl Into<String>, trace: &'a LensTrace) -> Self {
        Self { name: name.into(), trace, awaited: &[] }
    }

    lens_core::setters! {
        /// Readouts that its newest positions still lack, while it grows.
        with_awaited => awaited: &'a [Awaited],
    }

    /// Names traces after what tells them apart: the prompt's number and id, the trial, the interventions, the model.
    /// Where that is not enough, their number from 0 is added, so no two names are the same.
    pub fn all(traces: &'a [LensTrace]) -> Vec<Self> {
        let mut names: Vec<String> = traces.iter().map(|trace| natural(trace, traces)).collect();
        let is_shared: Vec<bool> =
            names.iter().map(|name| names.iter().filter(|other| *other == name).count() > 1).collect();
        for (number, name) in names.iter_mut().enumerate().filter(|(number, _)| is_shared[*number]) {
            *name = format!("{name} ({number})");
        }
        names.into_iter().zip(traces).map(|(name, trace)| Self::new(name, trace)).collect()
    }
}

/// The name of a trace among others.
fn natural(trace: &LensTrace, all: &[LensTrace]) -> String {
    let differs = |of: fn(&LensTrace) -> &str| all.iter().any(|other| of(other) != of(trace));
    let mut parts = Vec::new();
    if differs(|trace| &trace.model.id) {
        parts.push(trace.model.id.clone());
    }
    if let Some(index) = trace.prompt_index {
        let id = trace.id.as_deref().map_or(String::new(), |id| format!(" ({id})"));
        parts.push(format!("prompt {index}{id}"));
    } else if differs(|trace| &trace.prompt) {
        parts.push(trace.prompt.clone());
    }
    let trial = |trace: &LensTrace| trace.generation.as_ref().map_or(0, |generation| generation.trial);
    if all.iter().any(|other| trial(other) != trial(trace)) {
        parts.push(format!("trial {}", trial(trace)));
    }
    if all.iter().any(|other| other.interventions != trace.interventions) {
        let changes: Vec<&str> = trace.interventions.iter().map(|change| &*change.text).collect();
        parts.push(if changes.is_empty() { "unchanged".to_owned() } else { changes.join("; ") });
    }
    if parts.is_empty() { "run".to_owned() } else { parts.join(", ") }
}

#[cfg(test)]
mod tests {
    use lens_core::{Backend as _, InterventionTrace, Lens, Plan, TokenId, TraceContext, toy::ToyBackend};

    use super::*;

    fn trace() -> LensTrace {
        let mut model = ToyBackend::new(2, 8, 20, 1);
        let tokens = [TokenId(1), TokenId(2)];
        let reading = Lens::new(&mut model).read(&tokens, &Plan::default()).unwrap();
        let mut trace =
            LensTrace::new(&reading, &TraceContext::new(("test", "1"), model.info(), &tokens, &()));
        "a".clone_into(&mut trace.prompt);
        trace
    }

    fn names(traces: &[LensTrace]) -> Vec<String> {
        Named::all(traces).into_iter().map(|named| named.name).collect()
    }

    #[test]
    fn names_say_what_tells_traces_apart() {
        let mut changed = trace();
        changed.interventions = vec![InterventionTrace::new("L0.resid_post", "zero", "L0.resid_post = 0")];
        assert_eq!(names(&[trace(), changed]), ["unchanged", "L0.resid_post = 0"]);
        let prompt = |index, id: Option<&str>| {
            let mut trace = trace();
            (trace.prompt_index, trace.id) = (Some(index), id.map(str::to_owned));
            trace
        };
        assert_eq!(names(&[prompt(0, None), prompt(1, Some("x"))]), ["prompt 0", "prompt 1 (x)"]);
        assert_eq!(names(&[trace(), trace()]), ["run (0)", "run (1)"]);
        let mut other = trace();
        "b".clone_into(&mut other.prompt);
        assert_eq!(names(&[trace(), other]), ["a", "b"]);
    }
}
