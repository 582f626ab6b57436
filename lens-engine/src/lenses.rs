//! From the lenses on the command line to those of a plan.

use anyhow::Result;
use lens_cli::{
    args::{LensName, SourceArgs},
    lenses, model,
    style::Console,
};
use lens_core::{LensChoice, LensSet};
use lens_models::{Checkpoint, lenses::for_model};

/// The lenses of a run, and what was assumed or is doubtful about them.
#[derive(Debug, Default)]
pub(crate) struct Lenses {
    pub(crate) set: LensSet,
    pub(crate) notes: Vec<String>,
}

impl Lenses {
    /// Reads the lenses that were asked for; the plain one where none was.
    pub(crate) fn open(
        names: &[LensName],
        checkpoint: &Checkpoint,
        source: &SourceArgs,
        console: &Console,
    ) -> Result<Self> {
        if names.is_empty() {
            return Ok(Self::default());
        }
        let options = model::options(source);
        let (mut choices, mut notes) = (Vec::new(), Vec::new());
        for name in names {
            choices.push(match name {
                LensName::Logit => LensChoice::Logit,
                LensName::From(kind, name) => {
                    let file = lenses::open(*kind, name, &checkpoint.outline().id, &options, console)?;
                    let matched = for_model(file, checkpoint)?;
                    notes.extend(matched.notes);
                    LensChoice::Translated(matched.translator)
                }
            });
        }
        Ok(Self { set: LensSet::new(choices)?, notes })
    }
}
