//! A logit of every prompt of a file.

use std::path::Path;

use anyhow::{Result, bail};
use lens_cli::{
    args::{AttributeArgs, AttributeFormat},
    output::{self, Stdout},
    signals,
    style::Console,
};
use lens_core::attribution::AttributionTrace;
use lens_data::{PromptError, PromptRecord};

use super::{Asked, out};
use crate::{
    failure::{Failure, said},
    prompt,
    records::Records,
};

/// Every prompt of a file, one after the other; results come as they are made.
pub(super) struct Many<'a> {
    pub(super) asked: Asked<'a>,
    pub(super) args: &'a AttributeArgs,
    pub(super) file: &'a Path,
    pub(super) out: &'a Stdout,
    pub(super) console: &'a Console,
}

/// How many prompts came out well, how many did not, and how many must not be believed.
#[derive(Default)]
struct Count {
    read: u64,
    failed: u64,
    unsound: u64,
}

impl Many<'_> {
    pub(super) fn run(mut self, mut records: Records) -> Result<()> {
        let (mut count, mut said) = (Count::default(), Vec::new());
        'all: loop {
            let group = records.group();
            if group.is_empty() {
                break;
            }
            for record in group {
                if signals::seen().is_some() || self.out.is_closed() {
                    break 'all;
                }
                let (index, id, result) = match record {
                    Ok(PromptRecord { index, id, input }) => {
                        let trace = self.one(index, id.clone(), prompt::of_record(input, &self.args.chat));
                        (index, id, trace)
                    }
                    Err(PromptError::Record { index, id, line, reason }) => {
                        (index, id, Err(anyhow::anyhow!("line {line}: {reason}")))
                    }
                    Err(error) => {
                        self.out.end(self.console)?;
                        return Err(error.into());
                    }
                };
                match result {
                    Ok(trace) => self.show(&trace, &mut count, &mut said),
                    Err(error) => self.failed(index, id.as_deref(), &error, &mut count),
                }
            }
        }
        self.out.end(self.console)?;
        self.verdict(&count)
    }

    fn one(
        &mut self,
        index: u64,
        id: Option<String>,
        input: lens_models::session::Input,
    ) -> Result<AttributionTrace> {
        let prepared = self.asked.prepare(input)?.labelled(index, id);
        let ask = self.asked.request(&prepared)?;
        self.asked.take_apart(&prepared, &ask)
    }

    /// Shows one attribution, and says once what is true of many.
    fn show(&self, trace: &AttributionTrace, count: &mut Count, said: &mut Vec<String>) {
        count.read += 1;
        count.unsound += u64::from(!trace.self_check.passed);
        for note in &trace.notes {
            if !said.contains(note) {
                self.console.note(note);
                said.push(note.clone());
            }
        }
        if self.as_lines() {
            self.out.print(|out| output::json(out, trace));
            return;
        }
        let name = trace.id.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
        let gap = if count.read + count.failed > 1 { "\n" } else { "" };
        let title = format!("prompt {}{name}", trace.prompt_index.unwrap_or_default());
        let text = out::table(trace, self.args, self.console);
        self.out.print(|out| write!(out, "{gap}{}\n{text}", self.console.out.strong(&title)));
    }

    fn failed(&self, prompt_index: u64, id: Option<&str>, error: &anyhow::Error, count: &mut Count) {
        count.failed += 1;
        let failure = Failure { event: None, prompt_index, id, error: said(error) };
        if self.as_lines() {
            self.out.print(|out| output::json(out, &failure));
        } else {
            self.console.note(&format!("prompt {prompt_index} was not taken apart: {}", failure.error));
        }
    }

    /// Whether a line of JSON is written for each prompt: into every file, and where it was asked for.
    fn as_lines(&self) -> bool {
        self.args.out.is_some() || self.args.format == AttributeFormat::Json
    }

    fn verdict(&self, count: &Count) -> Result<()> {
        if signals::seen().is_some() {
            return Err(signals::Interrupted.into());
        }
        match *count {
            Count { read: 0, failed: 0, .. } => bail!("there is no prompt in {}", self.file.display()),
            Count { unsound, .. } if unsound > 0 => {
                bail!("THE SELF-CHECK FAILED for {unsound} prompts: do not believe these results")
            }
            Count { failed: 0, .. } => Ok(()),
            Count { read, failed, .. } => bail!("{failed} of {} prompts were not taken apart", read + failed),
        }
    }
}
