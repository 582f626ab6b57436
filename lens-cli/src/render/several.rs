//! What shows several traces at once: pages, comparisons and differences.

use std::{borrow::Cow, num::NonZeroU16};

use anyhow::{Context, Result, bail};
use lens_core::LensTrace;
use lens_viz::{
    Measure, Named,
    difference::{Contrast, Difference},
    page::{PageOptions, pages},
    picture,
    terminal::{self, compare},
};

use super::{
    Ending,
    input::{Input, Run},
    options_of, part, positions, token_of, write_pages, write_text,
};
use crate::{args::RenderArgs, output, style::Console, tables};

/// Writes one page with every trace, which shows the traces' notes itself.
pub(super) fn page(input: Input, args: &RenderArgs) -> Result<()> {
    let shown = |run: Run| -> Result<Run> {
        let positions = match (&args.positions, args.step) {
            (None, None) => Vec::new(),
            _ => positions(&run.trace, args)?,
        };
        let Run { name, trace } = run;
        let trace = part(trace, args, positions).with_context(|| format!("cannot show {name}"))?;
        Ok(Run { name, trace })
    };
    let runs =
        input.runs.into_iter().flat_map(|run| by_lens(run, args)).map(shown).collect::<Result<Vec<_>>>()?;
    let mut named: Vec<Named<'_>> = runs.iter().map(Run::named).collect();
    if let [alone] = named.as_mut_slice() {
        alone.name.clear();
    }
    let options = PageOptions::default().with_top_k(args.top_k.map(usize::from));
    let html = pages(&named, &options)?;
    match args.out.as_deref() {
        Some(path) => output::write_file(path, |out| out.write_all(html.as_bytes())),
        None => output::print(|out| out.write_all(html.as_bytes())),
    }
}

/// A run once for each of its lenses, of which a page shows all unless one was asked for.
fn by_lens(run: Run, args: &RenderArgs) -> Vec<Run> {
    let lenses = run.trace.lens_names();
    if lenses.len() < 2 || args.lens.is_some() {
        return vec![run];
    }
    let of_lens = |lens: &str| {
        let trace = run.trace.of_lens(Some(lens)).ok()?.into_owned();
        Some(Run { name: format!("{}, {lens} lens", run.name), trace })
    };
    lenses.into_iter().filter_map(of_lens).collect()
}

/// Whether the table shows a model before and after its change side by side: unless a part was asked for.
pub(super) fn is_comparison(input: &Input, args: &RenderArgs) -> bool {
    let asks = args.positions.is_some()
        || args.step.is_some()
        || args.layers.is_some()
        || args.components.is_some()
        || args.threshold.is_some()
        || args.lens.is_some()
        || args.stride != NonZeroU16::MIN;
    !asks && input.comparison().is_some()
}

/// The model as it is and as it was changed, side by side.
pub(super) fn comparison(input: &Input, args: &RenderArgs, console: &Console) -> Result<()> {
    let (before, after) = input.comparison().context("a comparison has two sides, before and after")?;
    note(&[before, after], console);
    write_text(args.out.as_deref(), console, |console| {
        let options = tables::options(console);
        let predictions = tables::predictions(args.top_k, &options);
        Ok(compare(&before.trace, &after.trace, &options.with_predictions(predictions)))
    })
}

/// What differs between two traces: the first minus the second, and of a comparison, after minus before.
pub(super) fn difference(
    input: &Input,
    measure: Measure,
    args: &RenderArgs,
    ending: Option<Ending>,
    console: &Console,
) -> Result<()> {
    let lenses = of_two_lenses(input);
    let (first, second) = match (input.comparison(), lenses.as_deref().unwrap_or(&input.runs)) {
        (Some((before, after)), _) if args.trace.is_empty() => (after, before),
        (_, [first, second]) => (first, second),
        (_, [_]) => bail!(
            "a difference is that of two traces, and there is one: give another file, or a run with --compare"
        ),
        _ => bail!(
            "there are {} traces, and a difference is that of two: choose them with --trace A --trace B: {}",
            input.runs.len(),
            input.list()
        ),
    };
    note(&[first, second], console);
    let [one, other] = [first, second].map(|run| first_lens(run, console));
    let [first, second] = [Named::new(&*first.name, &one), Named::new(&*second.name, &other)];
    let contrast = match args.tokens.as_slice() {
        [] => Contrast::Of(measure),
        [token] => Contrast::Token(token_of(first.trace, token).or_else(|_| token_of(second.trace, token))?),
        _ => bail!("a difference follows one token: give --tokens once"),
    };
    let what = options_of(first.trace, args, ending, true, "a difference")?;
    let change = Difference::new(first, second)?;
    match ending {
        None | Some(Ending::Text) => write_text(args.out.as_deref(), console, |console| {
            Ok(terminal::difference(&change, contrast, &what, &tables::options(console))?)
        }),
        ending => {
            change.notes().iter().for_each(|note| console.note(note));
            let pages = picture::difference(&change, contrast, &what)?;
            write_pages(pages, args, args.out.as_deref(), ending, console)
        }
    }
}

/// The two lenses of a trace that has two, the plain one last: what the other adds is what is of interest.
fn of_two_lenses(input: &Input) -> Option<Vec<Run>> {
    let [Run { trace, .. }] = input.runs.as_slice() else { return None };
    let [plain, other] = trace.lens_names()[..] else { return None };
    let run = |lens: &str| {
        let trace = trace.of_lens(Some(lens)).ok()?.into_owned();
        Some(Run { name: format!("{lens} lens"), trace })
    };
    Some(vec![run(other)?, run(plain)?])
}

/// The readouts of a run's first lens, with a note where it has others.
fn first_lens<'a>(run: &'a Run, console: &Console) -> Cow<'a, LensTrace> {
    let lenses = run.trace.lens_names();
    if let [first, _, ..] = lenses[..] {
        console.note(&format!("{} has several lenses: what is compared is the {first} lens", run.name));
    }
    run.trace.of_lens(None).unwrap_or(Cow::Borrowed(&run.trace))
}

/// Says what the traces say of themselves, each once.
fn note(runs: &[&Run], console: &Console) {
    let mut said: Vec<&str> = Vec::new();
    for note in runs.iter().flat_map(|run| &run.trace.notes) {
        if !said.contains(&note.as_str()) {
            console.note(note);
            said.push(note);
        }
    }
}
