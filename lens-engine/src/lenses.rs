//! From the lenses on the command line to those of a plan.

use std::{io, panic, thread};

use anyhow::{Context, Result};
use lens_cli::{
    args::{LensName, LensNames, SourceArgs},
    lenses, model,
    progress::Downloads,
    style::Console,
};
use lens_core::{LensChoice, LensKind, LensSet};
use lens_models::{
    Checkpoint,
    lenses::{Matched, for_model},
    source::{LensSource, locate_lens},
};

/// The lenses of a run, and what was assumed or is doubtful about them.
#[derive(Debug, Default)]
pub(crate) struct Lenses {
    pub(crate) set: LensSet,
    pub(crate) notes: Vec<String>,
}

impl Lenses {
    /// Reads the lenses that were asked for; the plain one where none was.
    pub(crate) fn open(
        names: &[LensNames],
        checkpoint: &Checkpoint,
        source: &SourceArgs,
        console: &Console,
    ) -> Result<Self> {
        if names.is_empty() {
            return Ok(Self::default());
        }
        let (options, model) = (model::options(source), &checkpoint.outline().id);
        let mut found = Vec::new();
        for name in names.iter().flat_map(|LensNames(names)| names) {
            found.push(match name {
                LensName::Logit => None,
                LensName::From(kind, name) => {
                    let mut downloads = Downloads::new(console);
                    Some((*kind, locate_lens(*kind, name, model, &options, &mut downloads)?))
                }
            });
        }
        let (mut choices, mut notes) = (Vec::new(), Vec::new());
        for lens in read_all(found, checkpoint) {
            choices.push(match lens.transpose()? {
                None => LensChoice::Logit,
                Some(matched) => {
                    notes.extend(matched.notes);
                    LensChoice::Translated(matched.translator)
                }
            });
        }
        Ok(Self { set: LensSet::new(choices)?, notes })
    }
}

/// Reads lenses that were found, each on a thread of its own: a lens is as large as a part of the model, and is hashed.
fn read_all(
    found: Vec<Option<(LensKind, LensSource)>>,
    checkpoint: &Checkpoint,
) -> Vec<Option<Result<Matched>>> {
    let read = |(kind, found)| Ok(for_model(lenses::read(kind, found)?, checkpoint)?);
    thread::scope(|scope| {
        let begin = |lens| thread::Builder::new().spawn_scoped(scope, move || read(lens));
        let begun: Vec<_> = found.into_iter().map(|lens| lens.map(begin)).collect();
        let end = |lens: io::Result<thread::ScopedJoinHandle<'_, Result<Matched>>>| {
            let lens = lens.context("no thread to read a lens")?;
            lens.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
        };
        begun.into_iter().map(|lens| lens.map(end)).collect()
    })
}
