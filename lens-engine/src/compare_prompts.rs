//! `lens run --compare-prompts`: a few prompts side by side.

use anyhow::{Result, bail};
use lens_cli::{
    args::RunArgs,
    folder::{Folder, Growing},
    format::RunFormat,
    output::{self, Stdout},
    style::Console,
    tables,
};
use lens_core::LensTrace;
use lens_viz::{Named, terminal::side_by_side};

use crate::{
    gathered::Gathered,
    records::{Record, Records},
};

/// The most prompts that are compared: more do not stand side by side, and all of their traces are kept.
const MOST: usize = 16;

/// The file of a folder that keeps the traces, one on each line.
const TRACES: &str = "traces.jsonl";

/// The records, once it is known that they are few enough to be compared.
pub(crate) fn few(mut records: Records) -> Result<Records> {
    let mut few: Vec<Record> = Vec::new();
    while few.len() <= MOST {
        let group = records.group();
        if group.is_empty() {
            break;
        }
        few.extend(group);
    }
    match few.len() {
        0 | 1 => bail!("--compare-prompts compares at least two prompts: the file has {}", few.len()),
        n if n > MOST => bail!(
            "--compare-prompts compares at most {MOST} prompts, and the file has more: leave the option out to read all of \
             them, or give a shorter file"
        ),
        _ => Ok(Records::Known(few.into_iter())),
    }
}

/// The prompts that were read so far.
pub(crate) struct Compared {
    gathered: Gathered,
    /// `traces.jsonl`, where there is a folder.
    traces: Option<Growing>,
}

impl Compared {
    pub(crate) fn begin(folder: Option<&Folder>) -> Result<Self> {
        let traces = folder.map(|folder| folder.begin(TRACES)).transpose()?;
        Ok(Self { gathered: Gathered::default(), traces })
    }

    /// Keeps a prompt's trace.
    pub(crate) fn add(&mut self, trace: &LensTrace) -> Result<()> {
        let number = trace.prompt_index.map_or(String::new(), |index| format!("{index}"));
        let id = trace.id.as_deref().map_or(String::new(), |id| format!(" ({id})"));
        self.gathered.add(format!("{number}{id}: {}", trace.prompt), trace);
        if let Some(file) = &mut self.traces {
            output::json(file, trace)?;
        }
        Ok(())
    }

    /// Shows the prompts side by side, and writes the page with all of them.
    pub(crate) fn end(
        self,
        folder: Option<&mut Folder>,
        args: &RunArgs,
        console: &Console,
        out: &Stdout,
    ) -> Result<()> {
        let named = self.gathered.named();
        if args.format == RunFormat::Table && !named.is_empty() {
            let short: Vec<Named<'_>> = named
                .iter()
                .map(|named| {
                    let index = named.trace.prompt_index.unwrap_or(0);
                    let name = named.trace.id.clone().unwrap_or_else(|| format!("prompt {index}"));
                    Named::new(name, named.trace)
                })
                .collect();
            let options = tables::options(console);
            let predictions = tables::predictions(args.read.top_k, &options);
            let text = side_by_side(&short, &options.with_predictions(predictions));
            out.print(|out| out.write_all(text.as_bytes()));
        }
        let Some(folder) = folder else { return Ok(()) };
        if let Some(traces) = self.traces {
            folder.finish(traces)?;
            console.note(&format!("{}/{TRACES} holds their traces", folder.path().display()));
        }
        self.gathered.write(folder, console)
    }
}
