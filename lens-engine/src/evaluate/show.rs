//! An evaluation as a table, as JSON, or as CSV.

use std::io::{self, Write};

use anyhow::Result;
use lens_cli::{
    args::{EvaluateArgs, EvaluateFormat},
    output,
    style::Console,
};
use lens_core::{
    LensSet, Provenance,
    evaluate::{Estimate, EvaluationReport, EvaluationRow},
};
use serde::Serialize;

/// What was evaluated.
#[derive(Serialize)]
pub(super) struct About {
    pub(super) model: String,
    pub(super) lenses: Vec<LensOf>,
    /// Tokens of a sequence.
    pub(super) context: usize,
    pub(super) text_sha256: Option<String>,
    pub(super) notes: Vec<String>,
}

/// A lens and where it comes from.
#[derive(Serialize)]
pub(super) struct LensOf {
    name: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provenance: Option<Provenance>,
}

pub(super) fn lenses(set: &LensSet) -> Vec<LensOf> {
    let of = |(name, lens): (&std::sync::Arc<str>, &lens_core::LensChoice)| LensOf {
        name: name.to_string(),
        kind: lens.kind().name(),
        provenance: lens.translator().map(|translator| translator.provenance().clone()),
    };
    set.iter().map(of).collect()
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    about: &'a About,
    #[serde(flatten)]
    report: &'a EvaluationReport,
}

pub(super) fn show(
    report: &EvaluationReport,
    about: &About,
    args: &EvaluateArgs,
    console: &Console,
) -> Result<()> {
    let write = |out: &mut dyn Write| match args.format {
        EvaluateFormat::Table => table(out, report),
        EvaluateFormat::Json => output::json(out, &Whole { about, report }),
        EvaluateFormat::Csv => csv(out, report),
    };
    match &args.out {
        None => output::print(write),
        Some(path) => {
            output::write_file(path, write)?;
            console.note(&format!("results in {}", path.display()));
            Ok(())
        }
    }
}

fn table(out: &mut dyn Write, report: &EvaluationReport) -> io::Result<()> {
    let EvaluationReport { sequences, positions, confidence, .. } = report;
    writeln!(
        out,
        "{sequences} sequences, {positions} positions; in brackets, where {} % of {} resamplings are",
        confidence * 100.0,
        report.resamplings
    )?;
    let width = report.rows.iter().map(|row| row.lens.len()).max().unwrap_or(0).max("lens".len()) + 2;
    writeln!(
        out,
        "\n{:<16}{:<width$}{:<26}{:<26}{:<26}top-1 agrees",
        "point", "lens", "KL to final, nats", "next token, nats", "bits per byte"
    )?;
    for row in &report.rows {
        let EvaluationRow { lens, point, kl_to_final, cross_entropy, bits_per_byte, agreement, .. } = row;
        let cells =
            [Some(*kl_to_final), *cross_entropy, *bits_per_byte].map(|cell| cell.map_or("-".into(), shown));
        let [kl, nats, bits] = cells;
        writeln!(
            out,
            "{:<16}{lens:<width$}{kl:<26}{nats:<26}{bits:<26}{:.1} % [{:.1}, {:.1}]",
            point.to_string(),
            agreement.value * 100.0,
            agreement.low * 100.0,
            agreement.high * 100.0
        )?;
    }
    let [nats, bits] =
        [report.cross_entropy, report.bits_per_byte].map(|cell| cell.map_or("-".into(), shown));
    writeln!(out, "{:<16}{:<width$}{:<26}{nats:<26}{bits}", "the model", "", "")
}

fn shown(estimate: Estimate) -> String {
    let Estimate { value, low, high, .. } = estimate;
    format!("{value:.4} [{low:.4}, {high:.4}]")
}

fn csv(out: &mut dyn Write, report: &EvaluationReport) -> io::Result<()> {
    write!(out, "point,layer,component,lens")?;
    for name in ["kl_to_final", "cross_entropy", "bits_per_byte", "agreement"] {
        write!(out, ",{name},{name}_low,{name}_high")?;
    }
    writeln!(out)?;
    for row in &report.rows {
        let layer = row.point.layer().map(|layer| layer.to_string()).unwrap_or_default();
        write!(out, "{},{layer},{},{}", row.point, row.point.component(), row.lens)?;
        for estimate in [Some(row.kl_to_final), row.cross_entropy, row.bits_per_byte, Some(row.agreement)] {
            match estimate {
                Some(Estimate { value, low, high, .. }) => write!(out, ",{value},{low},{high}")?,
                None => write!(out, ",,,")?,
            }
        }
        writeln!(out)?;
    }
    Ok(())
}
