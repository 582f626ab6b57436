//! Which output a format is: the one place that knows.

use lens_cli::{args::RunArgs, format::RunFormat, output::Stdout, style::Console, tables};
use lens_core::{
    Component, LensTrace, Site,
    sink::{JsonLines, Sink, SinkError, Whole, rendered, trace_json},
};
use lens_data::{Format, ReadoutSink};
use lens_viz::{
    picture::PictureOptions,
    sink::{Steps, logitlenskit_v2},
    terminal::{PromptsView, heatmap},
};

use crate::watched::Bar;

/// What is written while the model runs, and what its bar does meanwhile.
pub(crate) fn live<'a>(args: &RunArgs, console: &Console, out: &'a Stdout) -> (Box<dyn Sink + 'a>, Bar) {
    let n = args.generate.max_new_tokens.map(usize::from);
    match (args.format, n) {
        (RunFormat::Jsonl, _) => (Box::new(JsonLines::new(out)), Bar::Counts(None)),
        (RunFormat::Table, Some(n)) if shows_steps(args) => {
            (Box::new(Steps::new(out, n, tables::options(console))), Bar::Goes)
        }
        _ => (Box::new(()), Bar::Counts(n)),
    }
}

/// The same for one of many prompts.
pub(crate) fn live_of_many<'a>(args: &RunArgs, out: &'a Stdout) -> (Box<dyn Sink + 'a>, Bar) {
    match args.format {
        RunFormat::Jsonl => (Box::new(JsonLines::new(out)), Bar::Counts(None)),
        _ => (Box::new(()), Bar::Counts(args.generate.max_new_tokens.map(usize::from))),
    }
}

/// Whether a continuation is shown as a line for every token, instead of in tables.
fn shows_steps(args: &RunArgs) -> bool {
    args.generate.max_new_tokens.is_some() && !args.compare && !args.tables && args.grid.is_none()
}

/// What is written of a run that is over.
pub(crate) fn document<'a>(args: &'a RunArgs, console: &'a Console, out: &'a Stdout) -> Box<dyn Sink + 'a> {
    match args.format {
        RunFormat::Json => Box::new(trace_json(out)),
        RunFormat::LogitlenskitV2 => Box::new(logitlenskit_v2(out, Component::Site(Site::ResidPost))),
        RunFormat::Parquet => Box::new(one_table(out, Format::Parquet)),
        RunFormat::Arrow => Box::new(one_table(out, Format::Arrow)),
        RunFormat::Csv => Box::new(one_table(out, Format::Csv)),
        RunFormat::Table if args.grid.is_some() => {
            let (statistic, options) = (args.grid.unwrap_or_default(), tables::options(console));
            let what = PictureOptions::default().with_components(tables::of_grid(args));
            Box::new(rendered("the grid", out, move |trace: &LensTrace| {
                // One lens after the other, as tables do.
                let of = |lens: &&str| {
                    let what = what.clone().with_lens(Some((*lens).to_owned()));
                    heatmap(trace, statistic, &what, &options)
                };
                let grids: Result<Vec<String>, _> = trace.lens_names().iter().map(of).collect();
                grids.map(|grids| grids.join("\n"))
            }))
        }
        RunFormat::Table if !shows_steps(args) => Box::new(tables::of_positions(args, console, out)),
        RunFormat::Table | RunFormat::Jsonl => Box::new(()),
    }
}

/// What is written of one of many prompts that is over; flat tables are one for all of them.
pub(crate) fn document_of_many<'a>(
    args: &RunArgs,
    view: &'a PromptsView,
    out: &'a Stdout,
) -> Box<dyn Sink + 'a> {
    match args.format {
        RunFormat::Json => Box::new(trace_json(out)),
        RunFormat::Table => {
            let line = |trace: &LensTrace| Ok::<_, std::convert::Infallible>(view.line(trace));
            Box::new(rendered("the line of a prompt", out, line))
        }
        _ => Box::new(()),
    }
}

/// A table of readouts for every run.
fn one_table(out: &Stdout, format: Format) -> impl Sink {
    Whole::new(move |trace| {
        let failed = |error| SinkError::new("the table of readouts", error);
        let mut table = ReadoutSink::new(out, format).map_err(failed)?;
        table.whole(trace)?;
        table.finish().map(drop).map_err(failed)?;
        out.hand_on();
        Ok(())
    })
}
