//! From a model's name on the command line to a checkpoint.

use anyhow::{Result, bail};
use lens_models::{
    Checkpoint, Outline,
    checkpoint::OpenOptions,
    demo,
    source::{self, SourceOptions},
};

use crate::{args::SourceArgs, progress::Downloads, style::Console};

/// A weight file.
pub(crate) struct Shard {
    pub(crate) file: String,
    pub(crate) bytes: u64,
}

/// Opens a checkpoint, and downloads what is missing of it.
pub(crate) fn open(model: &str, args: &SourceArgs, console: &Console) -> Result<Checkpoint> {
    if is_demo(model, args, console)? {
        return Ok(demo::checkpoint()?);
    }
    let files = source::locate(model, &options(args), &mut Downloads::new(console))?;
    let checkpoint = Checkpoint::open_with(&files, &opening(args))?;
    note_assumption(checkpoint.outline(), console);
    Ok(checkpoint)
}

/// Reads what config and headers say, without the weights.
pub(crate) fn outline(model: &str, args: &SourceArgs, console: &Console) -> Result<(Outline, Vec<Shard>)> {
    if is_demo(model, args, console)? {
        let outline = demo::checkpoint()?.outline().clone();
        return Ok((outline, Vec::new()));
    }
    let headers = source::headers(model, &options(args), &mut Downloads::new(console))?;
    let outline = Outline::of_headers_with(&headers, &opening(args))?;
    note_assumption(&outline, console);
    let shard = |shard: source::ShardHeader| Shard { file: shard.file, bytes: shard.file_size };
    Ok((outline, headers.shards.into_iter().map(shard).collect()))
}

/// Whether the name means the embedded model.
fn is_demo(model: &str, args: &SourceArgs, console: &Console) -> Result<bool> {
    if model != demo::ID {
        return Ok(false);
    }
    if args.revision.is_some() {
        bail!("the demo model is part of lens and has no revisions: leave out --revision, or name a --model");
    }
    if args.assume_family.is_some() {
        bail!("the family of the demo model is known: leave out --assume-family, or name a --model");
    }
    if std::path::Path::new(model).is_dir() {
        console.note("demo is the model that is part of lens; for the folder of that name, write ./demo");
    }
    Ok(true)
}

fn opening(args: &SourceArgs) -> OpenOptions {
    OpenOptions { assume_family: args.assume_family.clone() }
}

/// Nothing here can know whether the assumption is right: whoever reads the results must.
fn note_assumption(outline: &Outline, console: &Console) {
    if let Some(family) = &outline.assumed_family {
        let own = outline.config["model_type"].as_str().unwrap_or("unknown");
        console.note(&format!(
            "the config's model_type is {own}; it is read as {family} because --assume-family says so, and its \
             tensors have the names and shapes of one. The results are right only if the model computes as {family} does"
        ));
    }
}

fn options(args: &SourceArgs) -> SourceOptions {
    let mut options = SourceOptions::from_env();
    options.revision.clone_from(&args.revision);
    options.offline |= args.offline;
    options
}
