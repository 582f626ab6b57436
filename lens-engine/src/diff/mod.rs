//! `lens diff`: two models on one text, and where the computation became another one.

mod out;
mod show;
mod tokenizers;

use anyhow::{Result, anyhow, bail};
use lens_cli::{
    args::{DiffArgs, ReadoutsName},
    model,
    progress::Running,
    signals,
    style::Console,
};
use lens_core::{
    Backend, ModelInfo,
    diff::{Diff, DiffPlan, DiffText, DiffTrace, Judged, Side},
    evaluate::EvaluationOptions,
};
use lens_models::{Checkpoint, Decoder, LoadOptions, fit::Documents, session::Speech};

use crate::{
    machine, reader,
    run::GENERATOR,
    sequences::Sequences,
    text::{self, Text},
    weights,
};

use out::Out;

/// The longest sequence, unless the user or a model says otherwise.
const CONTEXT: usize = 512;

pub(crate) fn diff(args: &DiffArgs, console: &Console) -> Result<()> {
    let out = Out::begin(args)?;
    machine::threads(&args.side(Side::A).machine)?;
    let [a, b] = [Opened::new(args, Side::A, console)?, Opened::new(args, Side::B, console)?];
    let context = [&a, &b].map(|one| reader::context(&one.checkpoint, args.context, CONTEXT));
    let context = context[0].min(context[1]);
    let rows = [&a, &b].map(|one| one.checkpoint.outline().spec.n_vocab());
    let (speech, mut notes) = tokenizers::common(&a.speech, &b.speech, rows)?;

    let documents = Documents::new(speech)?;
    let corpus = args.text();
    let text = Text::open(&corpus, &documents, console)?;
    let mut a = reader::load(a.checkpoint, &a.loading)?;
    let mut b = reader::load(b.checkpoint, &b.loading)?;
    let infos = [a.info().clone(), b.info().clone()];
    notes.extend(infos.iter().flat_map(|info| info.notes.clone()));
    notes.extend(on_devices(&infos));

    let mut diff = Diff::new(&mut a, &mut b, plan(args))?;
    // Before the text is read for a condition that cannot be decided.
    args.fail_if.iter().try_for_each(|condition| diff.check(condition))?;
    notes.extend(diff.notes().iter().cloned());
    notes.iter().for_each(|note| console.note(note));
    read(&mut diff, Sequences::new(text, context, args.sequences))?;
    let Some(report) = diff.report() else {
        bail!("the text {} has no sequence of two tokens or more", args.corpus.display())
    };

    let changed = weights::changed_weights();
    changed.iter().for_each(|note| console.note(note));
    notes.extend(changed);
    let judged = args.fail_if.iter().map(|condition| condition.judge(&report));
    let judged = judged.collect::<Result<Vec<_>, _>>()?;
    let text = DiffText::new(text::sha256(&args.corpus)?, context);
    let [a, b] = &infos;
    let trace = DiffTrace::new(GENERATOR, [a, b], text, report, judged, notes);
    out.show(&trace, args, console)?;
    verdict(&trace.conditions)
}

/// A model that is to read the text. Its weights are not loaded yet.
struct Opened {
    checkpoint: Checkpoint,
    speech: Speech,
    loading: LoadOptions,
}

impl Opened {
    fn new(args: &DiffArgs, side: Side, console: &Console) -> Result<Self> {
        let own = args.side(side);
        let named = |error: anyhow::Error| error.context(format!("model {side} cannot be opened"));
        let loading = machine::loading(&own.machine)?;
        let checkpoint =
            model::open(own.model, &own.source, own.machine.io.into(), console).map_err(named)?;
        let speech = Speech::of(&checkpoint)?;
        let notes = checkpoint.outline().notes.iter().chain(speech.notes());
        notes.for_each(|note| console.note(&format!("model {side}: {note}")));
        Ok(Self { checkpoint, speech, loading })
    }
}

fn plan(args: &DiffArgs) -> DiffPlan {
    let options = EvaluationOptions::default()
        .with_resamplings(args.resamplings.get())
        .with_confidence(args.confidence)
        .with_seed(args.seed);
    DiffPlan::default()
        .with_layers(args.layers.clone())
        .with_components(args.components.clone())
        .with_inner_readouts(args.readouts == ReadoutsName::All)
        .with_options(options)
        .with_threshold(args.threshold)
}

/// Readouts of two models meet in host memory.
fn on_devices(infos: &[ModelInfo; 2]) -> Option<String> {
    let elsewhere = infos.iter().any(|info| info.device != "cpu");
    elsewhere.then(|| {
        "the models run on a device, and their readouts are compared on the processor, which may take longer".to_owned()
    })
}

fn read(diff: &mut Diff<'_, Decoder>, mut sequences: Sequences<'_>) -> Result<()> {
    let running = Running::new("reading the text");
    let mut n = 0;
    while let Some(sequence) = sequences.next()? {
        if signals::seen().is_some() {
            return Err(signals::Interrupted.into());
        }
        diff.add(&sequence)?;
        n += 1;
        running.count(n, "sequences read");
    }
    Ok(())
}

/// Ends with an error where a condition holds, once everything is written.
fn verdict(conditions: &[Judged]) -> Result<()> {
    let failed: Vec<String> =
        conditions.iter().filter(|judged| judged.failed).map(ToString::to_string).collect();
    match failed.is_empty() {
        true => Ok(()),
        false => Err(anyhow!("the models are further apart than the gate allows: {}", failed.join("; "))),
    }
}
