//! An evaluation as a table, as JSON, or as CSV.

use std::io::{self, Write};

use lens_cli::{args::EvaluateFormat, output};
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
pub(crate) struct LensOf {
    name: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    provenance: Option<Provenance>,
}

pub(crate) fn lenses(set: &LensSet) -> Vec<LensOf> {
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

impl About {
    /// The same for the head of a picture, the model first.
    pub(super) fn facts(&self) -> Vec<String> {
        let text = self.text_sha256.as_deref().and_then(|hash| hash.get(..12));
        let text = text.map(|start| format!("text sha256 {start}"));
        let sequences = format!("sequences of up to {} tokens", self.context);
        [self.model.clone(), sequences].into_iter().chain(text).collect()
    }
}

/// Writes an evaluation in one of its forms.
pub(super) fn write(
    out: &mut dyn Write,
    report: &EvaluationReport,
    about: &About,
    format: EvaluateFormat,
) -> io::Result<()> {
    match format {
        EvaluateFormat::Table => table(out, report),
        EvaluateFormat::Json => output::json(out, &Whole { about, report }),
        EvaluateFormat::Csv => csv(out, report),
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
    writeln!(out)?;
    let mut rows = vec![
        ["point", "lens", "KL to final, nats", "next token, nats", "bits per byte", "top-1 agrees"]
            .map(str::to_owned),
    ];
    rows.extend(report.rows.iter().map(cells));
    let none = String::new;
    let [nats, bits] = [report.cross_entropy, report.bits_per_byte].map(shown);
    rows.push(["the model".to_owned(), none(), none(), nats, bits, none()]);
    let widths: [usize; 6] =
        std::array::from_fn(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0) + 2);
    for row in &rows {
        let line: String = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// What a row of the table says.
fn cells(row: &EvaluationRow) -> [String; 6] {
    let Estimate { value, low, high, .. } = row.agreement;
    let [kl, nats, bits] = [Some(row.kl_to_final), row.cross_entropy, row.bits_per_byte].map(shown);
    let agrees = format!("{:.1} % [{:.1}, {:.1}]", value * 100.0, low * 100.0, high * 100.0);
    [row.point.to_string(), row.lens.clone(), kl, nats, bits, agrees]
}

fn shown(estimate: Option<Estimate>) -> String {
    match estimate {
        Some(Estimate { value, low, high, .. }) => format!("{value:.4} [{low:.4}, {high:.4}]"),
        None => "-".to_owned(),
    }
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
