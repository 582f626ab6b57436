//! A corpus as a table for people.

use std::io::{self, Write};

use lens_core::{
    corpus::{CorpusReport, CorpusRow, Distribution, ModelRow, Ranks},
    evaluate::Estimate,
};

const COLUMNS: usize = 9;

/// Writes the table: a row for every point and lens, and one for the model itself.
pub(super) fn write(out: &mut dyn Write, report: &CorpusReport) -> io::Result<()> {
    let CorpusReport { documents, windows, positions, next_tokens, .. } = report;
    let documents_are = if *documents == 1 { "document" } else { "documents" };
    writeln!(
        out,
        "{documents} {documents_are} in {windows} windows: {positions} positions, {next_tokens} next tokens"
    )?;
    writeln!(
        out,
        "means; ± is half of where {} % of {} resamplings of the documents are",
        report.confidence * 100.0,
        report.resamplings
    )?;
    writeln!(out)?;
    let mut rows = vec![
        [
            "point",
            "lens",
            "KL to final, nats",
            "entropy, nats",
            "next token, nats",
            "bits per byte",
            "rank of final",
            "rank of next",
            "top-1 agrees",
        ]
        .map(str::to_owned),
    ];
    rows.extend(report.rows.iter().map(row));
    rows.push(model(&report.last));
    let widths: [usize; COLUMNS] =
        std::array::from_fn(|i| rows.iter().map(|row| row[i].chars().count()).max().unwrap_or(0) + 2);
    for row in &rows {
        let line: String = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", line.trim_end())?;
    }
    decided(out, report)
}

fn row(row: &CorpusRow) -> [String; COLUMNS] {
    let own = &row.own;
    let Estimate { value, low, high, .. } = row.top1_agreement;
    [
        row.point.to_string(),
        row.lens.clone(),
        mean(row.kl_to_final),
        mean(own.entropy),
        mean(own.cross_entropy),
        shown(own.bits_per_byte),
        ranks(row.rank_of_final),
        ranks(own.rank_of_next),
        format!("{:.1} % ±{:.1}", value * 100.0, (high - low) * 50.0),
    ]
}

fn model(own: &ModelRow) -> [String; COLUMNS] {
    let none = String::new;
    [
        "the model".to_owned(),
        none(),
        none(),
        mean(own.entropy),
        mean(own.cross_entropy),
        shown(own.bits_per_byte),
        none(),
        ranks(own.rank_of_next),
        none(),
    ]
}

fn mean(of: Option<Distribution>) -> String {
    shown(of.map(|of| of.mean))
}

fn ranks(of: Option<Ranks>) -> String {
    of.map_or_else(|| "-".to_owned(), |of| format!("{:.1}", of.geometric_mean.value))
}

fn shown(estimate: Option<Estimate>) -> String {
    match estimate {
        Some(Estimate { value, low, high, .. }) => format!("{value:.3} ±{:.3}", (high - low) / 2.0),
        None => "-".to_owned(),
    }
}

/// Where the model decides, in one line.
fn decided(out: &mut dyn Write, report: &CorpusReport) -> io::Result<()> {
    let n = report.positions.max(1) as f64;
    let share = |n_at: u64| format!("{:.0} %", 100.0 * n_at as f64 / n);
    let layers: Vec<String> = report
        .decided_at
        .iter()
        .map(|at| match at.layer {
            Some(layer) => format!("L{layer} {}", share(at.n)),
            None => format!("never {}", share(at.n)),
        })
        .collect();
    writeln!(out)?;
    writeln!(out, "decided at: {}", layers.join(", "))
}
