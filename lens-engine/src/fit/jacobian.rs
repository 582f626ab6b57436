//! `lens fit jacobian`.

use anyhow::Result;
use lens_cli::{
    args::{FitFormat, FitJacobianArgs},
    output,
    progress::Running,
    signals,
    style::Console,
};
use lens_models::fit::{Added, Documents, JacobianFit, JacobianOptions};
use serde::Serialize;

use super::{Kept, Model, end_if_interrupted};
use crate::{
    reader::{self, Reader},
    text::{self, Text},
};

/// What became of the prompts, for programs.
#[derive(Serialize)]
struct Report {
    prompts: u64,
    too_short: u64,
}

pub(super) fn fit(args: &FitJacobianArgs, console: &Console) -> Result<()> {
    let kept = Kept::of(&args.kept)?;
    let Reader { checkpoint, speech, loading, .. } = Reader::open(&args.reader, &args.machine, console)?;
    let documents = Documents::new(&speech)?;
    let mut text = Text::open(&args.reader.text, &documents, console)?;
    let about = Model::of(&checkpoint);
    let mut model = reader::load(checkpoint, &loading)?;

    let mut fit = JacobianFit::new(&mut model, options(args))?;
    if fit.resume(&kept.state)? {
        console.note(&format!("goes on after {} prompts", fit.prompts()));
    }
    signals::hold();
    average(&mut fit, &mut text, args, &kept, console)?;
    if fit.too_short() > 0 {
        let shortest = options(args).shortest();
        console.note(&format!("{} prompts of less than {shortest} tokens were left out", fit.too_short()));
    }
    let mut details = fit.details();
    details.extend(text::sha256(&args.reader.text.text)?.map(|hash| ("text_sha256".to_owned(), hash)));
    let lens = fit.sum().lens(about.provenance(details))?;
    about.write(lens, &kept, console)?;
    signals::release();
    let report = Report { prompts: fit.sum().n_prompts(), too_short: fit.too_short() };
    output::print(|out| match args.kept.format {
        FitFormat::Json => output::json(out, &report),
        FitFormat::Table => writeln!(out, "the mean of {} prompts", report.prompts),
    })
}

fn options(args: &FitJacobianArgs) -> JacobianOptions {
    JacobianOptions::default()
        .with_site(args.site)
        .with_dim_batch(args.dim_batch.get())
        .with_max_tokens(args.max_tokens.get())
        .with_skip_first(args.skip_first)
}

/// Adds prompts until there are enough, or the text ends.
fn average(
    fit: &mut JacobianFit<'_>,
    text: &mut Text<'_>,
    args: &FitJacobianArgs,
    kept: &Kept,
    console: &Console,
) -> Result<()> {
    let running = Running::new("fitting");
    for _ in 0..args.skip_prompts {
        if text.next()?.is_none() {
            break;
        }
    }
    while fit.sum().n_prompts() < args.prompts.get() || fit.is_catching_up() {
        end_if_interrupted(kept, console, |path| Ok(fit.keep(path)?))?;
        let Some(tokens) = text.next()? else { break };
        if fit.add(&tokens)? == Added::Before {
            continue;
        }
        running.fit(fit.sum().n_prompts(), args.prompts.get());
        if fit.prompts().is_multiple_of(args.keep_every.get()) {
            fit.keep(&kept.state)?;
        }
    }
    text.end();
    Ok(fit.caught_up()?)
}
