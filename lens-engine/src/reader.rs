//! A model that is to read a text: opened and able to spell, and loaded when it is time.

use std::num::NonZeroUsize;

use anyhow::Result;
use lens_cli::{
    args::{MachineArgs, ReaderArgs, SourceArgs},
    model,
    progress::Running,
    style::Console,
};
use lens_models::{Checkpoint, Decoder, LoadOptions, demo, session::Speech};

use crate::machine;

/// A model that is to read a text. Its weights are not loaded yet.
pub(crate) struct Reader {
    /// What the user calls it.
    pub(crate) name: String,
    pub(crate) checkpoint: Checkpoint,
    pub(crate) speech: Speech,
    /// How its weights are to be loaded.
    pub(crate) loading: LoadOptions,
}

impl Reader {
    /// Opens the model that was asked for, on the machine as it is to be used, and says what has to be known of it.
    pub(crate) fn open(args: &ReaderArgs, machine: &MachineArgs, console: &Console) -> Result<Self> {
        Self::of(args.model.as_deref(), &args.source, machine, console)
    }

    /// The same for a command that names its texts otherwise.
    pub(crate) fn of(
        model: Option<&str>,
        source: &SourceArgs,
        machine: &MachineArgs,
        console: &Console,
    ) -> Result<Self> {
        let loading = machine::apply(machine)?;
        let name = model.unwrap_or(demo::ID).to_owned();
        let checkpoint = model::open(&name, source, machine.io.into(), console)?;
        let speech = Speech::of(&checkpoint)?;
        let notes = checkpoint.outline().notes.iter().chain(speech.notes());
        notes.for_each(|note| console.note(note));
        Ok(Self { name, checkpoint, speech, loading })
    }

    /// Tokens of a sequence: as many as were asked for, else what the model takes, but no more than `usual`.
    pub(crate) fn context(&self, asked: Option<NonZeroUsize>, usual: usize) -> usize {
        context(&self.checkpoint, asked, usual)
    }
}

/// Tokens of a sequence: as many as were asked for, else what the model takes, but no more than `usual`.
pub(crate) fn context(checkpoint: &Checkpoint, asked: Option<NonZeroUsize>, usual: usize) -> usize {
    let spec = &checkpoint.outline().spec;
    let learned = spec.embed.positions.as_ref().map(|positions| positions.n);
    let longest = [spec.context, learned].into_iter().flatten().min().unwrap_or(usual);
    asked.map_or(longest.min(usual), usize::from)
}

/// Loads the weights.
pub(crate) fn load(checkpoint: Checkpoint, loading: &LoadOptions) -> Result<Decoder> {
    let running = Running::new("loading the model");
    Ok(Decoder::load_with(checkpoint, loading, &mut |progress| running.load(progress.done, progress.total))?)
}
