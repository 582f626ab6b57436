//! A corpus as CSV: a row for every point and lens, and one for the model itself.

use std::io::{self, Write};

use lens_core::{
    corpus::{CorpusReport, CorpusRow, Distribution, ModelRow, Ranks},
    evaluate::Estimate,
};

/// Numbers that have an interval.
const ESTIMATES: [&str; 11] = [
    "kl_to_final",
    "js_to_final",
    "rank_of_final",
    "top1_agreement",
    "top_k_overlap",
    "entropy",
    "cross_entropy",
    "bits_per_byte",
    "rank_of_next",
    "next_top1",
    "next_top_k",
];

/// Writes the rows. Ranks are geometric means; an empty field is a number that a row does not have.
pub(super) fn write(out: &mut dyn Write, report: &CorpusReport) -> io::Result<()> {
    write!(out, "point,layer,component,lens")?;
    for name in ESTIMATES {
        write!(out, ",{name},{name}_low,{name}_high")?;
    }
    writeln!(out, ",echo,calibration_error,script,script_share")?;
    for row in &report.rows {
        let CorpusRow { point, component, lens, own, .. } = row;
        let layer = row.layer.map(|layer| layer.to_string()).unwrap_or_default();
        write!(out, "{point},{layer},{component},{lens}")?;
        let inner = [
            mean(row.kl_to_final),
            mean(row.js_to_final),
            ranks(row.rank_of_final),
            Some(row.top1_agreement),
            Some(row.top_k_overlap),
        ];
        numbers(out, inner, own)?;
    }
    write!(out, "final,,final,")?;
    numbers(out, [None; 5], &report.last)
}

fn numbers(out: &mut dyn Write, inner: [Option<Estimate>; 5], own: &ModelRow) -> io::Result<()> {
    let both = [
        mean(own.entropy),
        mean(own.cross_entropy),
        own.bits_per_byte,
        ranks(own.rank_of_next),
        own.next_top1,
        own.next_top_k,
    ];
    for estimate in inner.into_iter().chain(both) {
        match estimate {
            Some(Estimate { value, low, high, .. }) => write!(out, ",{value},{low},{high}")?,
            None => write!(out, ",,,")?,
        }
    }
    let error = own.calibration_error.map(|error| error.to_string()).unwrap_or_default();
    let script =
        own.scripts.first().map_or(String::from(","), |script| format!("{},{}", script.name, script.share));
    writeln!(out, ",{},{error},{script}", own.echo.value)
}

fn mean(of: Option<Distribution>) -> Option<Estimate> {
    of.map(|of| of.mean)
}

fn ranks(of: Option<Ranks>) -> Option<Estimate> {
    of.map(|of| of.geometric_mean)
}
