//! `lens corpus run`: statistics of a corpus, part by part.

mod blocks;
mod progress;
mod read;
mod settings;
mod spelling;

use std::{env, ops::ControlFlow, time::Instant};

use anyhow::{Context, Result, bail};
use lens_cli::{args::CorpusRunArgs, shard::Shard, signals, style::Console};
use lens_core::{Plan, corpus::CorpusOptions};
use lens_data::{
    Documents, Store,
    parts::{Made, Manifest, Parts, PartsError, Run, Stored},
};
use lens_models::{Checkpoint, Decoder, LoadOptions, fit};

use crate::{
    evaluate::components,
    lenses::Lenses,
    reader::{self, Reader},
};

use blocks::{Block, Blocks};
use progress::Watching;
use read::Reading;
use spelling::Spelled;

/// The longest window, unless the user or the model says otherwise.
const CONTEXT: usize = 512;

pub(crate) fn run(args: &CorpusRunArgs, console: &Console) -> Result<()> {
    let shard = args.shard.settle(|name| env::var(name).ok()).map_err(anyhow::Error::msg)?;
    let store = Store::open(&args.out)?;
    let documents = Documents::open(&args.inputs, args.text_field.as_deref(), args.text_format)?;
    documents.notes().iter().for_each(|note| console.note(note));

    let reader = Reader::of(args.model.as_deref(), &args.source, &args.machine, console)?;
    let context = reader.context(args.context, CONTEXT);
    let Reader { name, checkpoint, speech, loading } = reader;
    let Lenses { set, notes } = Lenses::open(&args.lenses, &checkpoint, &args.source, console)?;
    notes.iter().for_each(|note| console.note(note));
    let components = args.components.clone().map_or_else(|| components::of(&set), Ok)?;
    let plan = Plan::default().with_lenses(set).with_components(components).with_layers(args.layers.clone());
    let options = CorpusOptions::default()
        .with_top_k(args.top_k)
        .with_resamplings(args.resamplings)
        .with_seed(args.seed);
    let plan = options.ask(plan);

    let settings = settings::of(args, &checkpoint, &loading, &plan, context);
    let run =
        Run::new(options, args.part_documents, settings).with_about(settings::about(&name, &checkpoint));
    let parts = Parts::begin(&store, &run)?;
    let encoder = fit::Documents::new(&speech)?;
    encoder.note().iter().for_each(|note| console.note(note));
    let reading = Reading {
        plan,
        options,
        context,
        encoder: &encoder,
        spelling: Spelled::new(&encoder, speech.texts(), args.languages),
        rows: args.rows,
        notes,
    };
    let model = Waiting::Closed(Box::new(checkpoint), loading);
    Corpus { args, shard, parts: &parts, reading, model, console, made: 0, kept: 0, failed: 0 }
        .run(Blocks::new(documents, args.part_documents, args.documents))
}

/// A model that is loaded when something is to be read.
enum Waiting {
    Closed(Box<Checkpoint>, LoadOptions),
    Open(Box<Decoder>),
    /// Loading it failed.
    Gone,
}

impl Waiting {
    fn open(&mut self) -> Result<&mut Decoder> {
        if let Self::Closed(..) = self
            && let Self::Closed(checkpoint, loading) = std::mem::replace(self, Self::Gone)
        {
            *self = Self::Open(Box::new(reader::load(*checkpoint, &loading)?));
        }
        match self {
            Self::Open(model) => Ok(model),
            _ => bail!("the model could not be loaded"),
        }
    }
}

/// The parts of a corpus that this process makes.
struct Corpus<'a> {
    args: &'a CorpusRunArgs,
    shard: Shard,
    parts: &'a Parts<'a>,
    reading: Reading<'a>,
    model: Waiting,
    console: &'a Console,
    /// Parts that were made, and those that were there.
    made: u64,
    kept: u64,
    /// Documents of the parts that were made that could not be read.
    failed: u64,
}

impl Corpus<'_> {
    fn run(mut self, mut blocks: Blocks) -> Result<()> {
        let mut watching = Watching::new(blocks.total_bytes());
        let mut texts = Vec::new();
        while let Some(block) = blocks.next()? {
            if signals::seen().is_some() {
                return Err(signals::Interrupted.into());
            }
            texts.push(block.texts_sha256.clone());
            if self.shard.makes(block.part) && !self.is_there(&block)? {
                self.make(&block, &mut watching)?;
            }
            watching.read_up_to(blocks.bytes_read());
        }
        drop(watching);
        if texts.is_empty() {
            bail!("there is no document in {}", self.args.inputs.join(", "));
        }
        self.parts.write_end(blocks.documents(), &texts)?;
        self.told(texts.len() as u64);
        Ok(())
    }

    /// Whether a part was made before, of the same documents.
    fn is_there(&mut self, block: &Block) -> Result<bool> {
        let manifest = match self.parts.stored(block.part)? {
            Stored::Nothing => return Ok(false),
            Stored::Incomplete(lost) => {
                self.console
                    .note(&format!("{lost} is lost or has another size: part {} is made again", block.part));
                return Ok(false);
            }
            Stored::Whole(manifest) => manifest,
        };
        if manifest.texts_sha256 != block.texts_sha256 {
            return Err(PartsError::OtherTexts { part: block.part, first: block.first }.into());
        }
        self.kept += 1;
        Ok(true)
    }

    /// Makes a part and writes it.
    fn make(&mut self, block: &Block, watching: &mut Watching) -> Result<()> {
        let began = Instant::now();
        let model = self.model.open()?;
        let mut each = |tokens: usize| {
            watching.tokens(tokens);
            if signals::seen().is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let Some(read) = self.reading.read(block, model, self.console, &mut each)? else {
            return Err(signals::Interrupted.into());
        };
        let files = self.reading.files(block.part, &read)?;
        self.failed += read.failures.len() as u64;
        let manifest = Manifest::new(self.parts.run(), block.part, block.texts_sha256.clone())
            .with_documents(block.documents.len() as u64)
            .with_positions(read.statistics.positions())
            .with_failures(read.failures)
            .with_notes(self.reading.notes.clone())
            .with_made(Made { shard: Some(self.shard.to_string()), time: began.elapsed().as_secs_f64() });
        self.parts.write(manifest, files).with_context(|| format!("part {} is not written", block.part))?;
        self.made += 1;
        Ok(())
    }

    /// Says what was done.
    fn told(&self, all: u64) {
        let Self { made, kept, failed, .. } = self;
        let kept = if *kept > 0 { format!(", {kept} were there") } else { String::new() };
        let of = if self.shard.count > 1 { format!(" (shard {})", self.shard) } else { String::new() };
        self.console.note(&format!("{made} of {all} parts made{kept}{of}; parts in {}", self.parts.place()));
        if *failed > 0 {
            let documents = if *failed == 1 { "document" } else { "documents" };
            self.console
                .note(&format!("{failed} {documents} could not be read: the parts' manifests say why"));
        }
    }
}
