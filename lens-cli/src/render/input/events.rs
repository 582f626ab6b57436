//! The lines of `--format jsonl`, put together into traces again.

use anyhow::{Result, bail};
use lens_core::{
    FinalTrace, GenerationTrace, LensTrace, ReadoutTrace, SelfCheckTrace, StepTrace, TokenTrace,
};
use serde::Deserialize;

use super::runs::{Runs, failure, unexpected};

/// Runs that have begun, in the order in which they did.
#[derive(Default)]
pub(super) struct Events {
    runs: Vec<Open>,
    /// Prompts that could not be read.
    failures: Vec<String>,
}

struct Open {
    trace: LensTrace,
    ended: bool,
}

/// Which prompt's run an event belongs to, where it says so.
#[derive(Deserialize)]
struct Belongs {
    prompt_index: Option<u64>,
}

#[derive(Deserialize)]
struct Position {
    #[serde(rename = "final")]
    last: FinalTrace,
    readouts: Vec<ReadoutTrace>,
}

#[derive(Deserialize)]
struct End {
    generation: Option<GenerationTrace>,
    self_check: Option<SelfCheckTrace>,
    #[serde(default)]
    notes: Vec<String>,
}

#[derive(Deserialize)]
struct Failure {
    prompt_index: u64,
    error: String,
}

impl Events {
    /// Takes an event. One of a kind that is not known, as a later version may write, is passed over.
    pub(super) fn add(&mut self, event: &str, bytes: &[u8]) -> Result<()> {
        match event {
            "run" => self.runs.push(Open { trace: serde_json::from_slice(bytes)?, ended: false }),
            "position" => {
                let Position { last, readouts } = serde_json::from_slice(bytes)?;
                let trace = &mut self.open(event, bytes)?.trace;
                trace.finals.push(last);
                trace.readouts.extend(readouts);
            }
            "step" => {
                let step: StepTrace = serde_json::from_slice(bytes)?;
                let trace = &mut self.open(event, bytes)?.trace;
                // The head knows the prompt only; what was written follows it, token by token.
                if trace.tokens.len() == step.position + 1 {
                    let token = &step.token;
                    let mut written = TokenTrace::new(token.id, token.text.clone());
                    (written.bytes, written.generated) = (token.bytes.clone(), true);
                    trace.tokens.push(written);
                }
                trace.steps.push(step);
            }
            "end" => {
                let End { generation, self_check, notes } = serde_json::from_slice(bytes)?;
                let run = self.open(event, bytes)?;
                run.ended = true;
                run.trace.generation = generation;
                run.trace.self_check = self_check;
                run.trace.notes.extend(notes);
            }
            "failure" => {
                let Failure { prompt_index, error } = serde_json::from_slice(bytes)?;
                // A run that had begun before it failed has no end.
                self.runs.retain(|run| run.ended || run.trace.prompt_index != Some(prompt_index));
                self.failures.push(failure(prompt_index, &error));
            }
            _ => {}
        }
        Ok(())
    }

    /// The run that an event belongs to: the one it names, or the last one that has not ended.
    fn open(&mut self, event: &str, bytes: &[u8]) -> Result<&mut Open> {
        let Belongs { prompt_index } = serde_json::from_slice(bytes)?;
        let belongs =
            |run: &Open| !run.ended && prompt_index.is_none_or(|_| run.trace.prompt_index == prompt_index);
        self.runs.iter_mut().rev().find(|run| belongs(run)).ok_or_else(|| unexpected(event))
    }

    /// The traces, checked.
    pub(super) fn end(self) -> Result<Runs> {
        let mut all = Runs { notes: self.failures, ..Runs::default() };
        for Open { mut trace, ended } in self.runs {
            let of = trace.prompt_index.map_or(String::new(), |index| format!(" of prompt {index}"));
            if !ended {
                trace.notes.push("the stream breaks off before the end of this run".to_owned());
            }
            if !trace.lenses.is_empty() {
                trace.faithfulness = trace.rows_faithfulness();
            }
            if let Err(error) = trace.validate() {
                bail!("the events{of} make a trace that cannot be true: {error}");
            }
            if trace.readouts.is_empty() {
                all.notes.push(format!("the stream breaks off before anything{of} was read"));
                continue;
            }
            all.labels.push(None);
            all.traces.push(trace);
        }
        Ok(all)
    }
}
