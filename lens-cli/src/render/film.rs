//! A film of what the model wrote.

use std::{collections::BTreeSet, io, path::Path};

use anyhow::{Result, bail};
use lens_core::LensTrace;
use lens_viz::picture::{Film, FilmError};

use super::{Ending, options_of};
use crate::{args::RenderArgs, drawn::note_missing, output, style::Console};

/// Pixels of a film for each that it is laid out in, unless asked otherwise.
const SCALE: f32 = 1.0;

/// Writes the film of a trace; what is wrong with trace and options is told before a file is begun.
pub(super) fn write(
    trace: &LensTrace,
    args: &RenderArgs,
    path: Option<&Path>,
    console: &Console,
) -> Result<()> {
    let Some(path) = path else {
        bail!("a film is written into a file: name one with -o, such as film.gif");
    };
    if trace.steps.is_empty() {
        bail!(
            "the model wrote nothing in this trace, and a film shows how each token that it wrote was formed: let it \
             write some with lens run -n 20, or draw what was read with -o {}",
            path.with_extension("svg").display()
        );
    }
    let trace = trace.of_lens(args.lens.as_deref())?;
    let options = options_of(&trace, args, Some(Ending::Gif), true, "a film")?;
    let film = Film::new(&trace, &options, args.scale.unwrap_or(SCALE))?;
    let mut missing = BTreeSet::new();
    output::write_file(path, |out| {
        missing = film.write(out).map_err(|error| match error {
            FilmError::Write(error) => error,
            other => io::Error::other(other),
        })?;
        Ok(())
    })?;
    note_missing(&missing, console);
    Ok(())
}
