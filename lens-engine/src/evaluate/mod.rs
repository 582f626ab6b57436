//! `lens evaluate`: which lens predicts the model's answer and the token that comes, layer by layer.

pub(crate) mod components;
mod out;
pub(crate) mod show;

use anyhow::{Context, Result, bail};
use lens_cli::{args::EvaluateArgs, progress::Running, signals, style::Console};
use lens_core::{
    LONGEST_STEP, Lens, Plan, TokenId,
    evaluate::{Evaluation, EvaluationOptions},
};
use lens_models::{Decoder, fit::Documents};

use crate::{
    lenses::Lenses,
    reader::{self, Reader},
    sequences::Sequences,
    text::{self, Text},
};

use out::Out;

/// The longest sequence, unless the user or the model says otherwise.
const CONTEXT: usize = 512;

pub(crate) fn evaluate(args: &EvaluateArgs, console: &Console) -> Result<()> {
    let out = Out::begin(args)?;
    let reader = Reader::open(&args.reader, &args.machine, console)?;
    let context = reader.context(args.context, CONTEXT);
    let Reader { name, checkpoint, speech, loading } = reader;
    let Lenses { set, notes } = Lenses::open(&args.lenses, &checkpoint, &args.reader.source, console)?;
    notes.iter().for_each(|note| console.note(note));
    let components = args.components.clone().map_or_else(|| components::of(&set), Ok)?;
    let plan = Plan::default().with_lenses(set).with_components(components).with_layers(args.layers.clone());
    let plan = Evaluation::ask(plan);

    let documents = Documents::new(&speech)?;
    let text = Text::open(&args.reader.text, &documents, console)?;
    let mut model = reader::load(checkpoint, &loading)?;

    let options = EvaluationOptions::default()
        .with_resamplings(args.resamplings.get())
        .with_confidence(args.confidence)
        .with_seed(args.seed);
    let mut reading = Reading {
        lens: Lens::new(&mut model),
        plan,
        documents: &documents,
        evaluation: Evaluation::new(options),
        notes,
        console,
    };
    reading.read(Sequences::new(text, context, args.sequences))?;
    let Some(report) = reading.evaluation.report() else {
        bail!("the text {} has no sequence of two tokens or more", args.reader.text.text.display())
    };
    let about = show::About {
        model: name,
        lenses: show::lenses(&reading.plan.lenses),
        context,
        text_sha256: text::sha256(&args.reader.text.text)?,
        notes: reading.notes,
    };
    out.show(&report, &about, args, console)
}

/// Reads sequences and adds up what lenses say of them.
struct Reading<'a> {
    lens: Lens<'a, Decoder>,
    plan: Plan,
    documents: &'a Documents<'a>,
    evaluation: Evaluation,
    notes: Vec<String>,
    console: &'a Console,
}

impl Reading<'_> {
    /// Reads all sequences, as many together as a pass over the weights takes.
    fn read(&mut self, mut sequences: Sequences<'_>) -> Result<()> {
        let running = Running::new("reading the text");
        let mut group: Vec<Vec<TokenId>> = Vec::new();
        let mut read = 0;
        while let Some(sequence) = sequences.next()? {
            let tokens: usize = group.iter().map(Vec::len).sum();
            if tokens + sequence.len() > LONGEST_STEP && !group.is_empty() {
                read += group.len();
                self.add(&std::mem::take(&mut group))?;
                running.count(read as u64, "sequences read");
            }
            group.push(sequence);
        }
        self.add(&group)
    }

    fn add(&mut self, group: &[Vec<TokenId>]) -> Result<()> {
        if signals::seen().is_some() {
            return Err(signals::Interrupted.into());
        }
        let prompts: Vec<&[TokenId]> = group.iter().map(Vec::as_slice).collect();
        for (reading, tokens) in self.lens.read_many(&prompts, &self.plan).into_iter().zip(&prompts) {
            let reading = reading.context("a sequence of the text cannot be read")?;
            for note in &reading.notes {
                if !self.notes.contains(note) {
                    self.console.note(note);
                    self.notes.push(note.clone());
                }
            }
            self.evaluation.add(&reading, tokens, &|token| self.documents.bytes(token))?;
        }
        Ok(())
    }
}
