//! `lens run`: a prompt, a model, and what it says at every layer.

use anyhow::{Result, bail};
use lens_core::{Backend, Lens, LensTrace, Plan, Question, SelfCheckTrace, Stats, TokenTexts, TraceContext};
use lens_models::{Decoder, demo};
use lens_viz::terminal::{TableOptions, table};

use crate::{
    args::{Format, RunArgs},
    model,
    output::{self, Folder},
    progress::Running,
    prompt::{self, Prompt},
    style::Console,
};

/// Tables beyond this many are hard to read.
const MANY_TABLES: usize = 20;

/// The most predictions below a table.
const MANY_PREDICTIONS: usize = 50;

/// The program and its version, as a trace names them.
pub(crate) const GENERATOR: (&str, &str) = ("lens", env!("CARGO_PKG_VERSION"));

pub(crate) fn run(args: &RunArgs, console: &Console) -> Result<()> {
    let options = args.machine.apply()?;
    let mut folder = args.out.as_deref().map(Folder::prepare).transpose()?;

    let checkpoint = model::open(args.model.as_deref().unwrap_or(demo::ID), &args.source, console)?;
    let tokenizer = checkpoint.tokenizer()?;
    let prompt = Prompt::read(&args.input, checkpoint.outline(), tokenizer.as_ref())?;
    let plan = plan(args, |text| prompt::target(text, checkpoint.outline(), tokenizer.as_ref()))?;
    prompt.notes(checkpoint.outline(), tokenizer.as_ref(), console);

    let running = Running::new("loading the model");
    let mut model = Decoder::load(checkpoint, &options)?;
    drop(running);
    let running = Running::new("reading");
    let reading =
        Lens::new(&mut model).with_progress(|done| running.report(done)).read(&prompt.tokens, &plan)?;
    drop(running);

    let texts: &dyn TokenTexts = tokenizer.as_ref().map_or(&(), |tokenizer| tokenizer);
    let trace = LensTrace::new(
        &reading,
        &TraceContext {
            generator: GENERATOR,
            model: model.info(),
            prompt: prompt.text.as_deref(),
            tokens: &prompt.tokens,
            n_prompt: prompt.tokens.len(),
            texts,
            threshold: args.threshold.0,
        },
    );
    if let Some(folder) = &mut folder {
        folder.write("trace.json", |out| output::json(out, &trace))?;
    }
    match args.format {
        Format::Json => output::print(|out| output::json(out, &trace))?,
        Format::Table => tables(&trace, args, console)?,
    }
    verdict(&trace.self_check)
}

/// What to read, from what was asked.
fn plan(
    args: &RunArgs,
    target: impl Fn(&crate::values::Target) -> Result<lens_core::TokenId>,
) -> Result<Plan> {
    let question = Question::default();
    Ok(Plan {
        layers: args.layers.clone(),
        components: args.components.clone(),
        positions: args.positions.clone(),
        question: Question {
            top_k: args.top_k.unwrap_or(question.top_k),
            targets: args.targets.iter().map(target).collect::<Result<_>>()?,
            stats: Stats { distances: args.distances, ..question.stats },
            norm: args.norm,
        },
        memory_budget: args.memory_budget.map(|size| size.0.get()),
    })
}

/// A table for every position.
fn tables(trace: &LensTrace, args: &RunArgs, console: &Console) -> Result<()> {
    if trace.finals.len() > MANY_TABLES {
        console.note(&format!(
            "{} positions make as many tables: --format json is the better choice for so many",
            trace.finals.len()
        ));
    }
    let options = TableOptions {
        width: console.width,
        color: console.out.0,
        ascii: console.ascii,
        ..TableOptions::default()
    };
    let asked = args.top_k.map_or(options.predictions, usize::from);
    let predictions = asked.min(MANY_PREDICTIONS);
    if trace.finals.iter().any(|last| last.top.len().min(asked) > predictions) {
        console.note(&format!("a table shows {predictions} predictions, --format json has all of them"));
    }
    let mut rule = console.out.faint(&if console.ascii { "=" } else { "═" }.repeat(console.width));
    rule.push_str("\n\n");
    output::print(|out| {
        for (i, last) in trace.finals.iter().enumerate() {
            if i > 0 {
                out.write_all(b"\n")?;
                out.write_all(rule.as_bytes())?;
            }
            let options = TableOptions { position: Some(last.position), predictions, ..options.clone() };
            let text = table(trace, &options).map_err(std::io::Error::other)?;
            out.write_all(text.as_bytes())?;
        }
        Ok(())
    })
}

/// Readouts that contradict the model's own logits are shown, but never as a success.
fn verdict(check: &SelfCheckTrace) -> Result<()> {
    if check.passed {
        return Ok(());
    }
    bail!(
        "THE SELF-CHECK FAILED: at position {} a logit is off by {:e} and the log-sum-exp by {:e} from the model's \
         own plain product. Do not believe these results, and please report this with what `lens check` says of \
         the model: {}/issues",
        check.position,
        check.max_abs_logit_error,
        check.log_sum_exp_error,
        env!("CARGO_PKG_REPOSITORY")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_self_check_is_a_failure() {
        let mut check =
            SelfCheckTrace { max_abs_logit_error: 0.5, passed: false, position: 4, log_sum_exp_error: 0.1 };
        assert!(verdict(&check).unwrap_err().to_string().contains("SELF-CHECK FAILED"));
        check.passed = true;
        assert!(verdict(&check).is_ok());
    }
}
