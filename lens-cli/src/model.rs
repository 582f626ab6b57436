//! From a model's name on the command line to a checkpoint.

use anyhow::{Result, bail};
use lens_checkpoint::{
    Checkpoint, Outline,
    checkpoint::{Io, OpenOptions},
    demo,
    source::{self, AdapterFiles, SourceOptions},
};

use crate::{args::SourceArgs, progress::Downloads, style::Console};

/// A weight file.
pub struct Shard {
    /// Its name.
    pub file: String,
    /// Its size.
    pub bytes: u64,
}

/// Opens a checkpoint, and downloads what is missing of it.
pub fn open(model: &str, args: &SourceArgs, io: Io, console: &Console) -> Result<Checkpoint> {
    if is_demo(model, args, console)? {
        return Ok(demo::checkpoint()?);
    }
    let files = source::locate(model, &options(args), &mut Downloads::new(console))?;
    let files = files.with_adapters(adapters(args, console)?);
    let opened = Checkpoint::open_with(&files, &opening(args).with_io(io));
    // Otherwise the outline has them.
    Ok(opened.inspect_err(|_| files.notes.iter().for_each(|note| console.note(note)))?)
}

/// Reads what config and headers say, without the weights.
pub fn outline(model: &str, args: &SourceArgs, console: &Console) -> Result<(Outline, Vec<Shard>)> {
    if is_demo(model, args, console)? {
        let outline = demo::checkpoint()?.outline().clone();
        return Ok((outline, Vec::new()));
    }
    let headers = source::headers(model, &options(args), &mut Downloads::new(console))?;
    let headers = headers.with_adapters(adapters(args, console)?);
    let outline = Outline::of_headers_with(&headers, &opening(args))
        .inspect_err(|_| headers.notes.iter().for_each(|note| console.note(note)))?;
    outline.notes.iter().for_each(|note| console.note(note));
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
    if !args.adapter.is_empty() {
        bail!("the demo model has no adapters: leave out --adapter, or name a --model");
    }
    if std::path::Path::new(model).is_dir() {
        console.note("demo is the model that is part of lens; for the folder of that name, write ./demo");
    }
    Ok(true)
}

/// The adapters that were asked for by name.
fn adapters(args: &SourceArgs, console: &Console) -> Result<Vec<AdapterFiles>> {
    let find = |name: &String| source::locate_adapter(name, &options(args), &mut Downloads::new(console));
    Ok(args.adapter.iter().map(find).collect::<Result<_, _>>()?)
}

fn opening(args: &SourceArgs) -> OpenOptions {
    OpenOptions::default().with_assume_family(args.assume_family.clone()).with_ignore_extra(args.ignore_extra)
}

/// Where things on the hub may come from, and the revision of the model.
pub fn options(args: &SourceArgs) -> SourceOptions {
    let mut options = SourceOptions::from_env();
    options.revision.clone_from(&args.revision);
    options.offline |= args.offline;
    options
}
