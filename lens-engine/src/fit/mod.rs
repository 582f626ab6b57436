//! `lens fit`: lenses of one's own.

mod jacobian;
mod merge;
mod tuned;

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use lens_cli::{
    args::{Fit, FitArgs, KeptArgs},
    output, signals,
    style::Console,
};
use lens_core::{Provenance, Translator};
use lens_models::{
    Checkpoint,
    lenses::{LensFile, MadeFor, own, unembed_sha256},
};

pub(crate) fn fit(args: &FitArgs, console: &Console) -> Result<()> {
    match &args.what {
        Fit::Tuned(args) => tuned::fit(args, console),
        Fit::Jacobian(args) => jacobian::fit(args, console),
        Fit::Merge(args) => merge::merge(args, console),
    }
}

/// What is known of the model before its weights are loaded, and what its lens says of it.
struct Model {
    made_for: MadeFor,
    id: String,
    revision: Option<String>,
}

impl Model {
    fn of(checkpoint: &Checkpoint) -> Self {
        let outline = checkpoint.outline();
        let made_for = MadeFor::default()
            .with_n_layers(u16::try_from(outline.spec.layers.len()).ok())
            .with_n_vocab(Some(outline.spec.n_vocab()))
            .with_unembed_sha256(unembed_sha256(checkpoint).map(str::to_owned));
        Self { made_for, id: outline.id.clone(), revision: outline.revision.clone() }
    }

    /// Where a lens of this model comes from.
    fn provenance(&self, details: BTreeMap<String, String>) -> Provenance {
        Provenance::default()
            .with_base_model(Some(self.id.clone()))
            .with_base_revision(self.revision.clone())
            .with_details(details)
    }

    /// Writes the lens, and removes what an interrupted fit would have gone on from.
    fn write(self, lens: Translator, kept: &Kept, console: &Console) -> Result<()> {
        write(&LensFile::new(lens).with_made_for(self.made_for), &kept.out, console)?;
        match fs::remove_file(&kept.state) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", kept.state.display()))
            }
            _ => Ok(()),
        }
    }
}

/// Writes a lens file.
fn write(lens: &LensFile, path: &Path, console: &Console) -> Result<()> {
    output::write_file(path, |out| own::write(lens, out).map_err(io::Error::other))?;
    console.note(&format!("the lens is in {}", path.display()));
    Ok(())
}

/// Where a fit goes, and what it goes on from.
struct Kept {
    out: PathBuf,
    state: PathBuf,
}

impl Kept {
    /// The files of a fit; with `--restart`, an earlier one's state is removed.
    fn of(args: &KeptArgs) -> Result<Self> {
        let mut name = args.out.file_name().unwrap_or_default().to_owned();
        name.push(".fit");
        let state = args.out.with_file_name(name);
        if let Some(folder) = state.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot create the folder {}", folder.display()))?;
        }
        if args.restart && state.exists() {
            fs::remove_file(&state).with_context(|| format!("cannot remove {}", state.display()))?;
        }
        Ok(Self { out: args.out.clone(), state })
    }
}

/// After a signal: keeps the fit and ends.
fn end_if_interrupted(kept: &Kept, console: &Console, keep: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if signals::seen().is_none() {
        return Ok(());
    }
    keep(&kept.state)?;
    console.note("the fit goes on from here when the same command is given again");
    Err(signals::Interrupted.into())
}
