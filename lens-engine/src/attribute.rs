//! `lens attribute`: which parts of a model a logit comes from.

use std::path::Path;

use anyhow::{Result, bail};
use lens_cli::{
    args::{AttributeArgs, AttributeFormat, InputArgs},
    drawn::{self, DrawnAs},
    model, output,
    progress::Running,
    style::Console,
    tables,
};
use lens_core::{
    Backend, Target, Texts, TokenId,
    attribution::{AttributionContext, AttributionRequest, AttributionTrace, attribute as take_apart},
};
use lens_models::{Request, Session, demo, session::Speech};
use lens_viz::{
    page,
    picture::{self, PictureOptions},
    terminal,
};

use crate::{machine, prompt, run::GENERATOR, weights};

/// Parts, heads and neurons below the table, where no number was asked for.
const LARGEST: usize = 10;

/// Pixels of a PNG for each pixel of the page.
const SCALE: f32 = 2.0;

/// What a file's name says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Json,
    Html,
    Svg,
    Png,
}

impl Ending {
    fn of(path: &Path) -> Result<Self> {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        match ending.to_lowercase().as_str() {
            "json" => Ok(Self::Json),
            "html" => Ok(Self::Html),
            "svg" => Ok(Self::Svg),
            "png" => Ok(Self::Png),
            _ => bail!(
                "{} does not say what to write: give a name that ends in .json, .html, .svg or .png",
                path.display()
            ),
        }
    }
}

pub(crate) fn attribute(args: &AttributeArgs, console: &Console) -> Result<()> {
    let ending = args.out.as_deref().map(Ending::of).transpose()?;
    let options = machine::apply(&args.machine)?;
    let one = &args.input;
    let input = InputArgs {
        prompt: one.prompt.clone(),
        prompt_file: one.prompt_file.clone(),
        token_ids: one.token_ids.clone(),
        prompts: None,
    };
    let request = Request::new(prompt::input(&input, &args.chat)?);

    let name = args.model.as_deref().unwrap_or(demo::ID);
    let checkpoint = model::open(name, &args.source, args.machine.io.into(), console)?;
    let mut session = Session::new(checkpoint, options)?;
    let prepared = session.prepare(&request)?;
    let mut notes = prepared.notes.clone();
    let target = token(session.speech(), &(&args.target).into(), &mut notes)?;
    let versus = args.versus.as_ref();
    let versus = versus.map(|versus| token(session.speech(), &versus.into(), &mut notes)).transpose()?;
    notes.iter().for_each(|note| console.note(note));
    let position = match *args.position.resolve(prepared.tokens.len(), "position")? {
        [position] => position,
        ref several => bail!(
            "--position {} is {} positions: a logit is taken apart at one",
            args.position,
            several.len()
        ),
    };
    let ask = AttributionRequest::new(target, position).with_versus(versus).with_neurons(args.neurons);

    let running = Running::new("loading the model");
    session.model_with(&mut |progress| running.load(progress.done, progress.total))?;
    drop(running);
    let running = Running::new("running the model");
    let loaded = session.model()?;
    let mut parts = take_apart(loaded, &prepared.tokens, &ask)?;
    drop(running);
    let info = loaded.info().clone();
    parts.notes.iter().for_each(|note| console.note(note));
    notes.append(&mut parts.notes);
    let changed = weights::changed_weights();
    changed.iter().for_each(|note| console.note(note));
    notes.extend(changed);
    parts.notes = notes;
    let context = AttributionContext::new(GENERATOR, &info, &prepared.tokens, session.speech().names())
        .with_prompt(prepared.text.as_deref());
    let trace = AttributionTrace::new(&parts, &context);
    match (ending, args.out.as_deref()) {
        (Some(ending), Some(path)) => write(&trace, ending, path, console)?,
        _ => show(&trace, args, console)?,
    }
    verdict(&trace)
}

/// The token of a target; what is unusual about how it was named goes to the notes.
fn token(speech: &Speech, target: &Target, notes: &mut Vec<String>) -> Result<TokenId> {
    let named = speech.target(target)?;
    notes.extend(named.note);
    Ok(named.id)
}

fn show(trace: &AttributionTrace, args: &AttributeArgs, console: &Console) -> Result<()> {
    match args.format {
        AttributeFormat::Json => output::print(|out| output::json(out, trace)),
        AttributeFormat::Table => {
            let most = args.top_k.map_or(LARGEST, usize::from);
            let text = terminal::attribution(trace, most, &tables::options(console));
            output::print(|out| out.write_all(text.as_bytes()))
        }
    }
}

fn write(trace: &AttributionTrace, ending: Ending, path: &Path, console: &Console) -> Result<()> {
    if ending == Ending::Json {
        return output::write_file(path, |out| output::json(out, trace));
    }
    if ending == Ending::Html {
        let text = page::attribution(trace, &PictureOptions::default())?;
        return output::write_file(path, |out| out.write_all(text.as_bytes()));
    }
    let drawn = if ending == Ending::Png { DrawnAs::Png { scale: SCALE } } else { DrawnAs::Svg };
    let pages = picture::attribution(trace, &PictureOptions::default().with_fonts(drawn.fonts()))?;
    drawn::write_pages(&pages, path, drawn, console)
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
