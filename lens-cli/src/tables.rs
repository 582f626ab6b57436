//! Tables of a whole trace on stdout.

use std::num::NonZeroUsize;

use lens_core::{
    Component,
    sink::{Sink, Whole},
};
use lens_viz::terminal::TableOptions;

use crate::{args::RunArgs, style::Console};

/// Tables beyond this many are hard to read.
const MANY_TABLES: usize = 20;

/// The most predictions below a table.
const MANY_PREDICTIONS: usize = 50;

/// How tables look on this console.
pub fn options(console: &Console) -> TableOptions {
    TableOptions::default().with_width(console.width).with_color(console.out.0).with_ascii(console.ascii)
}

/// The predictions below a table.
pub fn predictions(asked: Option<NonZeroUsize>, options: &TableOptions) -> usize {
    asked.map_or(options.predictions, usize::from).min(MANY_PREDICTIONS)
}

/// The components of a run's grid: the stream where none was asked for by name.
pub fn of_grid(args: &RunArgs) -> Vec<Component> {
    let components = &args.read.components;
    if components.is_all() { Vec::new() } else { components.as_slice().to_vec() }
}

/// What stands between two tables.
pub fn rule(console: &Console) -> String {
    let line = if console.ascii { "=" } else { "═" }.repeat(console.width);
    format!("\n{}\n\n", console.out.faint(&line))
}

/// A table for every position.
pub fn of_positions<'a>(
    args: &'a RunArgs,
    console: &'a Console,
    out: impl std::io::Write + 'a,
) -> impl Sink + 'a {
    let options = options(console);
    let asked = args.read.top_k.map_or(options.predictions, usize::from);
    let predictions = predictions(args.read.top_k, &options);
    let mut tables = lens_viz::sink::tables(out, options.with_predictions(predictions), rule(console));
    Whole::new(move |trace| {
        if trace.finals.len() > MANY_TABLES {
            console.note(&format!(
                "{} positions make as many tables: --format json is the better choice for so many",
                trace.finals.len()
            ));
        }
        if trace.finals.iter().any(|last| last.top.len().min(asked) > predictions) {
            console.note(&format!("a table shows {predictions} predictions, --format json has all of them"));
        }
        tables.whole(trace)
    })
}
