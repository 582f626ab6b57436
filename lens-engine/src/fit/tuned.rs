//! `lens fit tuned`.

use std::io::{self, Write};

use anyhow::Result;
use lens_cli::{
    args::{FitFormat, FitTunedArgs, OptimiserName},
    output,
    progress::Running,
    signals,
    style::Console,
};
use lens_models::fit::{Corpus, Documents, HeldOut, Optimiser, TunedFit, TunedOptions};
use serde::Serialize;

use super::{Kept, Model, end_if_interrupted};
use crate::{
    reader::{self, Reader},
    text::{self, Text},
};

/// The longest sequence, unless the user or the model says otherwise.
const CONTEXT: usize = 2048;

pub(super) fn fit(args: &FitTunedArgs, console: &Console) -> Result<()> {
    let kept = Kept::of(&args.kept)?;
    let reader = Reader::open(&args.reader, &args.machine, console)?;
    let corpus = corpus(args, &reader, console)?;
    let about = Model::of(&reader.checkpoint);
    let mut model = reader::load(reader.checkpoint, &reader.loading)?;

    let mut fit = TunedFit::new(&mut model, corpus, options(args))?;
    say_what_is_read(&fit, args, console);
    if fit.resume(&kept.state)? {
        console.note(&format!("goes on after step {} of {}", fit.steps(), args.steps));
    }
    signals::hold();
    train(&mut fit, args, &kept, console)?;
    let mut details = fit.details();
    details.extend(text::sha256(&args.reader.text.text)?.map(|hash| ("text_sha256".to_owned(), hash)));
    let lens = fit.lens(about.provenance(details))?;
    about.write(lens, &kept, console)?;
    signals::release();
    report(fit.curve(), args.kept.format)
}

/// The text in sequences.
fn corpus(args: &FitTunedArgs, reader: &Reader, console: &Console) -> Result<Corpus> {
    let context = reader.context(args.context, CONTEXT);
    let running = Running::new("reading the text");
    let documents = Documents::new(&reader.speech)?;
    let tokens = Text::open(&args.reader.text, &documents, console)?.rest()?;
    drop(running);
    Ok(Corpus::new(tokens, context, args.held_out, args.seed)?)
}

fn options(args: &FitTunedArgs) -> TunedOptions {
    TunedOptions::default()
        .with_steps(args.steps.get())
        .with_tokens_per_step(args.tokens_per_step.get())
        .with_sequences_at_once(args.batch.get())
        .with_optimiser(match args.optimiser {
            OptimiserName::Sgd => Optimiser::Sgd,
            OptimiserName::Adam => Optimiser::Adam,
        })
        .with_rate(args.rate)
        .with_momentum(args.momentum)
        .with_weight_decay(args.weight_decay)
        .with_warmup(args.warmup)
        .with_clip(args.clip)
}

fn say_what_is_read(fit: &TunedFit<'_>, args: &FitTunedArgs, console: &Console) {
    let (corpus, per_step) = (fit.corpus(), fit.sequences_per_step());
    console.note(&format!(
        "{} sequences of {} tokens to fit to, {} of them a step, and {} held out; {} tokens are left over",
        corpus.train_sequences(),
        corpus.length(),
        per_step,
        corpus.held_out_sequences(),
        corpus.left_over()
    ));
    let tokens = per_step * corpus.length();
    if tokens < args.tokens_per_step.get() {
        console.note(&format!(
            "a step has {tokens} tokens, not {}: more text is not there",
            args.tokens_per_step
        ));
    }
}

/// Takes the steps that are left.
fn train(fit: &mut TunedFit<'_>, args: &FitTunedArgs, kept: &Kept, console: &Console) -> Result<()> {
    let running = Running::new("fitting");
    if fit.curve().is_empty() {
        evaluate(fit, console)?;
    }
    while !fit.is_done() {
        end_if_interrupted(kept, console, |path| Ok(fit.keep(path)?))?;
        fit.step()?;
        running.fit(fit.steps(), args.steps.get());
        if fit.steps().is_multiple_of(args.evaluate_every.get()) || fit.is_done() {
            evaluate(fit, console)?;
        }
        if fit.steps().is_multiple_of(args.keep_every.get()) {
            fit.keep(&kept.state)?;
        }
    }
    Ok(())
}

/// Reads what is held out, and says how it is.
fn evaluate(fit: &mut TunedFit<'_>, console: &Console) -> Result<()> {
    if let Some(held) = fit.held_out()? {
        let mean = held.kl.iter().sum::<f64>() / held.kl.len() as f64;
        console.note(&format!(
            "after {} steps: KL to the answer on held-out text {mean:.4} nats, mean over layers",
            held.steps
        ));
    }
    Ok(())
}

/// What became of each layer, for programs.
#[derive(Serialize)]
struct Report<'a> {
    /// KL(final ‖ lens) on held-out text for each block's input, nats, after so many steps; at 0 it is the plain lens.
    held_out: &'a [HeldOut],
}

fn report(curve: &[HeldOut], format: FitFormat) -> Result<()> {
    output::print(|out| match format {
        FitFormat::Json => output::json(out, &Report { held_out: curve }),
        FitFormat::Table => table(out, curve),
    })
}

fn table(out: &mut dyn Write, curve: &[HeldOut]) -> io::Result<()> {
    let [plain, .., fitted] = curve else { return Ok(()) };
    writeln!(out, "KL to the model's answer on held-out text, nats\n")?;
    writeln!(out, "{:<14}{:>12}{:>12}", "point", "logit", "tuned")?;
    for (layer, (plain, fitted)) in plain.kl.iter().zip(&fitted.kl).enumerate() {
        writeln!(out, "{:<14}{plain:>12.4}{fitted:>12.4}", format!("L{layer}.resid_pre"))?;
    }
    Ok(())
}
