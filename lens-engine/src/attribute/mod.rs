//! `lens attribute`: which parts of a model a logit comes from.

mod many;
mod out;

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use lens_cli::{
    args::{AttributeArgs, LensNames},
    model,
    output::Stdout,
    progress::Running,
    style::Console,
};
use lens_core::{
    LensChoice, Prepared, Target, TokenId, Translator,
    attribution::{AttributionLens, AttributionRequest, AttributionTrace},
};
use lens_models::{Checkpoint, Request, Session, demo, session::Input};

use crate::{lenses::Lenses, machine, prompt, records::Records, run::GENERATOR, weights};

use many::Many;
use out::Form;

pub(crate) fn attribute(args: &AttributeArgs, console: &Console) -> Result<()> {
    let form = Form::of(args)?;
    let options = machine::apply(&args.machine)?;
    let (input, tools) = match &args.input.prompts {
        None => prompt::input(&args.input, &args.chat).map(|(input, tools)| (Some(input), tools))?,
        Some(_) => (None, None),
    };
    let name = args.model.as_deref().unwrap_or(demo::ID);
    let checkpoint = model::open(name, &args.source, args.machine.io.into(), console)?;
    let lens = lens(args, &checkpoint, console)?;
    let session = Session::new(checkpoint, options)?.with_generator(GENERATOR.0, GENERATOR.1);
    let session = session.with_chat(prompt::extras(&args.chat, tools))?;
    let mut asked = Asked::new(args, session, lens)?;
    let Some(input) = input else {
        let file = args.input.prompts.as_deref().context("there is no file of prompts")?;
        let records = Records::open(file, args.prompts_format, args.prompts_column.as_deref())?;
        asked.load()?;
        let out = Stdout::new(args.out.as_deref())?;
        return Many { asked, args, file, out: &out, console }.run(records);
    };
    let prepared = asked.prepare(input)?;
    prepared.notes.iter().for_each(|note| console.note(note));
    let ask = asked.request(&prepared)?;
    asked.load()?;
    let running = Running::new("running the model");
    let trace = asked.take_apart(&prepared, &ask)?;
    drop(running);
    trace.notes.iter().skip(prepared.notes.len()).for_each(|note| console.note(note));
    out::show(&trace, &form, args, console)?;
    verdict(&trace)
}

/// The lens that the logit is read through.
fn lens(args: &AttributeArgs, checkpoint: &Checkpoint, console: &Console) -> Result<Option<Read>> {
    let (Some(name), Some(point)) = (&args.lens, args.point) else { return Ok(None) };
    let names = [LensNames(vec![name.clone()])];
    let Lenses { set, notes } = Lenses::open(&names, checkpoint, &args.source, console)?;
    let translator = set.iter().find_map(|(_, choice)| match choice {
        LensChoice::Translated(translator) => Some(translator.clone()),
        LensChoice::Logit => None,
    });
    let translator = translator.context("the plain lens translates nothing")?;
    if translator.map(point).is_none() {
        let has: Vec<String> = translator.points().map(|point| point.to_string()).collect();
        bail!("the lens {name} has no map for {point}; it has maps for {}", has.join(", "));
    }
    Ok(Some(Read { translator, notes }))
}

/// A lens to read through, and what was assumed about it.
struct Read {
    translator: Arc<Translator>,
    notes: Vec<String>,
}

/// What is asked of every prompt.
struct Asked<'a> {
    args: &'a AttributeArgs,
    session: Session,
    lens: Option<Read>,
    target: TokenId,
    versus: Option<TokenId>,
    /// What is unusual about how targets were named, and what was assumed about the lens.
    notes: Vec<String>,
}

impl<'a> Asked<'a> {
    fn new(args: &'a AttributeArgs, session: Session, lens: Option<Read>) -> Result<Self> {
        let mut notes = lens.as_ref().map(|lens| lens.notes.clone()).unwrap_or_default();
        let mut token = |target: &Target| -> Result<TokenId> {
            let named = session.speech().target(target)?;
            notes.extend(named.note);
            Ok(named.id)
        };
        let target = token(&(&args.target).into())?;
        let versus = args.versus.as_ref().map(|versus| token(&versus.into())).transpose()?;
        Ok(Self { args, session, lens, target, versus, notes })
    }

    fn load(&mut self) -> Result<()> {
        let running = Running::new("loading the model");
        self.session.model_with(&mut |progress| running.load(progress.done, progress.total))?;
        Ok(())
    }

    /// A prompt in tokens.
    fn prepare(&self, input: Input) -> Result<Prepared> {
        let request = self.args.steer.iter().cloned().fold(Request::new(input), Request::steer);
        let mut prepared = self.session.prepare(&request)?;
        prepared.notes.extend(self.notes.iter().cloned());
        Ok(prepared)
    }

    /// Which logit of a prompt.
    fn request(&self, prepared: &Prepared) -> Result<AttributionRequest> {
        let args = self.args;
        let position = match *args.position.resolve(prepared.tokens.len(), "position")? {
            [position] => position,
            ref several => bail!(
                "--position {} is {} positions: a logit is taken apart at one",
                args.position,
                several.len()
            ),
        };
        let map = self.lens.as_ref().zip(args.point).and_then(|(lens, point)| lens.translator.map(point));
        Ok(AttributionRequest::new(self.target, position)
            .with_versus(self.versus)
            .with_neurons(args.neurons)
            .with_point(args.point)
            .with_map(map.cloned()))
    }

    fn take_apart(&mut self, prepared: &Prepared, ask: &AttributionRequest) -> Result<AttributionTrace> {
        let mut trace = self.session.attribute(prepared, ask)?;
        trace.lens = self.lens.as_ref().map(|lens| AttributionLens::from(&*lens.translator));
        trace.notes.extend(weights::changed_weights());
        Ok(trace)
    }
}

/// Shares of a logit that is not the model's own are shown, but never as a success.
fn verdict(trace: &AttributionTrace) -> Result<()> {
    if trace.self_check.passed {
        return Ok(());
    }
    bail!(
        "THE SELF-CHECK FAILED: a logit is off by {:e} from the model's own plain product. Do not believe these \
         results, and please report this with what `lens check` says of the model: {}/issues",
        trace.self_check.max_abs_logit_error,
        env!("CARGO_PKG_REPOSITORY")
    )
}
