//! A comparison as a table, as JSON, or as CSV.

use std::io::{self, Write};

use lens_cli::{args::EvaluateFormat, output, style::Console, tables};
use lens_core::diff::{DiffMeasure, DiffTrace, Spread};
use lens_viz::terminal;

/// Points that are listed as those that differ most.
const MOST: usize = 8;

/// The numbers of a row of CSV, those of the final readouts among them.
const COLUMNS: [DiffMeasure; 8] = DiffMeasure::ALL;

/// Writes a comparison in one of its forms.
pub(super) fn write(
    out: &mut dyn Write,
    trace: &DiffTrace,
    format: EvaluateFormat,
    console: &Console,
) -> io::Result<()> {
    match format {
        EvaluateFormat::Table => {
            out.write_all(terminal::diff(trace, MOST, &tables::options(console)).as_bytes())
        }
        EvaluateFormat::Json => output::json(out, trace),
        EvaluateFormat::Csv => csv(out, trace),
    }
}

/// A line for the final readouts, and one for each point.
fn csv(out: &mut dyn Write, trace: &DiffTrace) -> io::Result<()> {
    write!(out, "point,layer,component")?;
    for name in COLUMNS {
        write!(out, ",{name},{name}_min,{name}_max")?;
    }
    writeln!(out)?;
    let finals = &trace.report.finals;
    write!(out, "final,,")?;
    numbers(out, |measure| measure.of_final(finals).map(|estimated| estimated.spread))?;
    for row in &trace.report.rows {
        let layer = row.point.layer().map(|layer| layer.to_string()).unwrap_or_default();
        write!(out, "{},{layer},{}", row.point, row.point.component())?;
        numbers(out, |measure| measure.of_row(row))?;
    }
    Ok(())
}

fn numbers(out: &mut dyn Write, of: impl Fn(DiffMeasure) -> Option<Spread>) -> io::Result<()> {
    for measure in COLUMNS {
        match of(measure) {
            Some(Spread { mean, min, max, .. }) => write!(out, ",{mean},{min},{max}")?,
            None => write!(out, ",,,")?,
        }
    }
    writeln!(out)
}
