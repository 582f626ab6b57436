//! From a lens's name on the command line to its maps, and `lens lens`.

use std::{fs, io::Write, path::Path};

use anyhow::{Context, Result, bail};
use lens_checkpoint::{
    lenses::{self, LensFile, LensFileError, jacobian, own, tuned},
    source::{self, LensSource, SourceOptions},
};
use lens_core::{Component, LensKind, Point, Translator};
use serde::Serialize;

use crate::{
    args::{Format, LensArgs, LensCommand, LensConvertArgs, LensForm, LensInput, LensInspectArgs},
    describe::ranges,
    fields::field,
    folder::Folder,
    output,
    progress::Downloads,
    style::Console,
};

/// Finds and reads a lens of a kind, downloads what is missing of it, and says where it comes from. `model` is the id of
/// the model that it is to read.
fn open(
    kind: LensKind,
    name: &str,
    model: &str,
    options: &SourceOptions,
    console: &Console,
) -> Result<LensFile> {
    read(kind, source::locate_lens(kind, name, model, options, &mut Downloads::new(console))?)
}

/// Reads a lens of a kind that was found.
///
/// # Errors
/// When it cannot be read, or is of another kind.
pub fn read(kind: LensKind, found: LensSource) -> Result<LensFile> {
    let LensFile { translator, made_for, notes, .. } = lenses::open(&found.path)?;
    if translator.kind() != kind {
        bail!(
            "{} is a {} lens, not a {kind} one: write {}=…",
            found.address,
            translator.kind(),
            translator.kind()
        );
    }
    let provenance = translator.provenance().clone().with_source(Some(found.address));
    let notes = found.notes.into_iter().chain(notes).collect();
    Ok(LensFile::new(translator.with_provenance(provenance)).with_made_for(made_for).with_notes(notes))
}

/// The lens of a command that has no model.
fn input(lens: &LensInput, offline: bool, console: &Console) -> Result<LensFile> {
    match lens {
        LensInput::Path(path) => Ok(lenses::open(path)?),
        LensInput::Named(kind, name) => {
            let mut options = SourceOptions::from_env();
            options.offline |= offline;
            open(*kind, name, name, &options, console)
        }
    }
}

pub(crate) fn lens(args: &LensArgs, console: &Console) -> Result<()> {
    match &args.command {
        LensCommand::Inspect(args) => inspect(args, console),
        LensCommand::Convert(args) => convert(args, console),
    }
}

/// What is said of a lens.
#[derive(Serialize)]
struct Facts<'a> {
    kind: LensKind,
    d_model: usize,
    /// What a map does to a vector x.
    map: &'static str,
    points: Vec<String>,
    n_layers: Option<u16>,
    n_vocab: Option<usize>,
    unembed_sha256: Option<&'a str>,
    unembed_hash: Option<&'a str>,
    #[serde(flatten)]
    provenance: &'a lens_core::Provenance,
    notes: &'a [String],
}

impl<'a> Facts<'a> {
    fn of(lens: &'a LensFile) -> Self {
        let (translator, made_for) = (&lens.translator, &lens.made_for);
        Self {
            kind: translator.kind(),
            d_model: translator.d_model(),
            map: formula(translator),
            points: translator.points().map(|point| point.to_string()).collect(),
            n_layers: made_for.n_layers,
            n_vocab: made_for.n_vocab,
            unembed_sha256: made_for.unembed_sha256.as_deref(),
            unembed_hash: made_for.unembed_hash.as_deref(),
            provenance: translator.provenance(),
            notes: &lens.notes,
        }
    }
}

/// What the maps of a lens do to a vector x.
fn formula(lens: &Translator) -> &'static str {
    let first = lens.points().next().and_then(|point| lens.map(point));
    match first.map(|map| (map.is_residual(), map.bias().is_some())) {
        Some((true, true)) => "x + W x + b",
        Some((true, false)) => "x + W x",
        Some((false, true)) => "W x + b",
        _ => "W x",
    }
}

fn inspect(args: &LensInspectArgs, console: &Console) -> Result<()> {
    let lens = input(&args.lens, args.offline, console)?;
    let facts = Facts::of(&lens);
    output::print(|out| match args.format {
        Format::Json => output::json(out, &facts),
        Format::Table => table(&facts, &lens.translator, out, console),
    })
}

fn table(
    facts: &Facts<'_>,
    lens: &Translator,
    out: &mut dyn Write,
    console: &Console,
) -> std::io::Result<()> {
    let mut say = |name: &str, value: Option<String>| match value {
        Some(value) => field(out, console, name, &value),
        None => Ok(()),
    };
    let provenance = facts.provenance;
    say("lens", Some(format!("{}, {} to the vectors of {}", facts.kind, facts.map, places(lens))))?;
    say("d_model", Some(facts.d_model.to_string()))?;
    say("model", provenance.base_model.clone())?;
    say("revision", provenance.base_revision.clone())?;
    say("layers", facts.n_layers.map(|n| n.to_string()))?;
    say("vocabulary", facts.n_vocab.map(|n| n.to_string()))?;
    say("unembedding", facts.unembed_sha256.map(|hash| format!("sha256 {hash}")))?;
    say("hash", facts.unembed_hash.map(|hash| format!("{hash} (tuned-lens's, of the unembedding)")))?;
    for (name, value) in &provenance.details {
        say(name, Some(value.clone()))?;
    }
    say("source", provenance.source.clone())?;
    say("sha256", provenance.sha256.clone())?;
    facts.notes.iter().try_for_each(|note| say("note", Some(note.clone())))
}

/// The points of a lens in words: `resid_pre of layers 0 to 3`.
fn places(lens: &Translator) -> String {
    let components: std::collections::BTreeSet<Component> = lens.points().map(Point::component).collect();
    let of = |component: &Component| {
        let of_this = lens.points().filter(|point| point.component() == *component);
        let layers: Vec<usize> = of_this.filter_map(Point::layer).map(usize::from).collect();
        let noun = if layers.len() == 1 { "layer" } else { "layers" };
        format!("{component} of {noun} {}", ranges(&layers))
    };
    components.iter().map(of).collect::<Vec<_>>().join("; ")
}

fn convert(args: &LensConvertArgs, console: &Console) -> Result<()> {
    let lens = input(&args.lens, args.offline, console)?;
    lens.notes.iter().for_each(|note| console.note(note));
    let form = args.to.map_or_else(|| form_of(&args.out), Ok)?;
    match form {
        LensForm::Safetensors => write(&args.out, console, |out| own::write(&lens, out).map(|()| Vec::new())),
        LensForm::Jlens => write(&args.out, console, |out| jacobian::write_torch(&lens, out)),
        LensForm::TunedLens => {
            // Before anything is written: what cannot be such a lens has no folder either.
            tuned::write_config(&lens, &mut Vec::new())?;
            fs::create_dir_all(&args.out)
                .with_context(|| format!("cannot create the folder {}", args.out.display()))?;
            let config = args.out.join(tuned::CONFIG);
            write(&config, console, |out| tuned::write_config(&lens, out).map(|()| Vec::new()))?;
            let params = args.out.join(tuned::PARAMS);
            write(&params, console, |out| tuned::write_params(&lens, out).map(|()| Vec::new()))
        }
    }
}

/// The form that a name tells.
fn form_of(out: &Path) -> Result<LensForm> {
    match out.extension().and_then(|ending| ending.to_str()) {
        Some("safetensors") => Ok(LensForm::Safetensors),
        Some("pt") => Ok(LensForm::Jlens),
        None => Ok(LensForm::TunedLens),
        Some(_) => bail!(
            "{} does not tell the form: write --to safetensors, tuned-lens or jlens, or end it in .safetensors or .pt",
            out.display()
        ),
    }
}

/// Writes a file, which has its name once it is whole, and says what was changed on the way.
fn write(
    path: &Path,
    console: &Console,
    content: impl FnOnce(&mut dyn Write) -> Result<Vec<String>, LensFileError>,
) -> Result<()> {
    let (mut folder, name) = Folder::of_file(path)?;
    let mut growing = std::io::BufWriter::new(folder.begin(&name)?);
    let notes = content(&mut growing).with_context(|| format!("cannot write {}", path.display()))?;
    let growing = growing.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    folder.finish(growing)?;
    notes.iter().for_each(|note| console.note(note));
    console.note(&format!("the lens is in {}", path.display()));
    Ok(())
}
