//! What tables, pictures and pages of a comparison of two models share.

use std::collections::BTreeSet;

use lens_core::{
    Component, ModelTrace, Point,
    diff::{DiffMeasure, DiffRow, DiffTrace},
};

/// A number of a comparison in rows of layers: the first layer first.
pub(crate) struct Grid {
    pub(crate) measure: DiffMeasure,
    pub(crate) layers: Vec<u16>,
    pub(crate) columns: Vec<Component>,
    /// `[layers, columns]`: the mean over positions.
    pub(crate) values: Vec<Vec<Option<f64>>>,
    /// That of the embedding, which is in no layer.
    pub(crate) embed: Option<f64>,
}

impl Grid {
    /// The components with names, or the heads; `None` where none of them has the number.
    pub(crate) fn new(trace: &DiffTrace, measure: DiffMeasure, heads: bool) -> Option<Self> {
        let rows = &trace.report.rows;
        let value = |row: &DiffRow| Some(measure.of_row(row)?.mean);
        let is_shown = |row: &&DiffRow| {
            row.point.head().is_some() == heads && row.point.layer().is_some() && value(row).is_some()
        };
        let shown = || rows.iter().filter(is_shown);
        let layers: BTreeSet<u16> = shown().filter_map(|row| row.point.layer()).collect();
        let columns: BTreeSet<Component> = shown().map(|row| row.point.component()).collect();
        if columns.is_empty() {
            return None;
        }
        let (layers, columns) = (Vec::from_iter(layers), Vec::from_iter(columns));
        let at = |layer: u16, component: Component| match component {
            Component::Embed => None,
            Component::Site(site) => trace.report.row(Point::block(layer, site)).and_then(value),
        };
        let values =
            layers.iter().map(|layer| columns.iter().map(|one| at(*layer, *one)).collect()).collect();
        let embed = trace.report.row(Point::Embed).filter(|_| !heads).and_then(value);
        Some(Self { measure, layers, columns, values, embed })
    }

    /// The largest number, or 0.
    pub(crate) fn largest(&self) -> f64 {
        self.values.iter().flatten().flatten().copied().chain(self.embed).fold(0.0, f64::max)
    }
}

/// The grids that are worth a picture: what begins in a component, what shows there, and what it does to readouts.
pub(crate) const SHOWN: [DiffMeasure; 3] = [DiffMeasure::Own, DiffMeasure::Relative, DiffMeasure::Kl];

/// What the numbers of a grid are.
pub(crate) fn describe(measure: DiffMeasure) -> &'static str {
    match measure {
        DiffMeasure::Own => "own difference |a - b| / |a|, given A's inputs",
        DiffMeasure::Relative => "relative difference |a - b| / |a|",
        DiffMeasure::Kl => "KL(A's readout || B's readout), nats",
        DiffMeasure::Js => "Jensen-Shannon divergence of the readouts, nats",
        DiffMeasure::Top1 => "share of positions with the same top-1 token",
        DiffMeasure::ReciprocalRank => "mean reciprocal rank in B of A's top-1 token",
        DiffMeasure::Cosine => "cosine of the vectors",
        _ => "difference in surprise at the next token, nats",
    }
}

/// A number in at most seven columns, to three digits.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let digits = match value.abs() {
        v if v >= 99_999.5 => return format!("{value:.1e}"),
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        v if v >= 0.9995 => 2,
        v if v >= 0.099_95 => 3,
        v if v >= 0.009_995 => 4,
        v if v >= 0.000_999_5 => 5,
        _ => return format!("{value:.1e}"),
    };
    format!("{value:.digits$}")
}

/// A model in words.
pub(crate) fn model(model: &ModelTrace) -> String {
    let revision = model.revision.as_ref().map(|revision| {
        let commit = revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit());
        format!(" @ {}", if commit { &revision[..12] } else { revision })
    });
    let layers =
        if model.n_layers == 1 { "1 layer".to_owned() } else { format!("{} layers", model.n_layers) };
    format!(
        "{}{} · {} · {layers} · {} · {}",
        model.id,
        revision.unwrap_or_default(),
        model.family,
        model.dtype,
        model.device
    )
}

/// The text in words.
pub(crate) fn text(trace: &DiffTrace) -> String {
    let report = &trace.report;
    let sequences = if report.sequences == 1 { "sequence" } else { "sequences" };
    let hash = trace.text.sha256.as_deref().and_then(|hash| hash.get(..12));
    let hash = hash.map_or(String::new(), |start| format!(", sha256 {start}"));
    format!(
        "{} {sequences} of up to {} tokens, {} positions{hash}",
        report.sequences, trace.text.context, report.positions
    )
}

/// Where the computation became another one, in words.
pub(crate) fn changed(trace: &DiffTrace) -> Option<String> {
    let changed = trace.report.changed.as_ref()?;
    let threshold = number(changed.threshold);
    let measured = trace.report.rows.iter().filter(|row| row.own.is_some()).count();
    Some(match changed.above.as_slice() {
        [] => format!("no component computes anything else, beyond rounding ({threshold})"),
        [only] => format!("{only} alone of {measured} components, beyond rounding ({threshold})"),
        [first, ..] => format!(
            "{} of {measured} components, beyond rounding ({threshold}): the first is {first}",
            changed.above.len()
        ),
    })
}

/// The final readouts: names, and values with their intervals.
pub(crate) fn finals(trace: &DiffTrace) -> Vec<(&'static str, String)> {
    let finals = &trace.report.finals;
    let line = |measure: DiffMeasure| {
        let estimated = measure.of_final(finals)?;
        let [mean, low, high] = [estimated.spread.mean, estimated.low, estimated.high];
        let worst = match measure {
            DiffMeasure::Top1 => {
                let said = [mean, low, high].map(|share| format!("{:.2}", share * 100.0));
                return Some((name(measure), format!("{} % [{}, {}]", said[0], said[1], said[2])));
            }
            DiffMeasure::ReciprocalRank => ("min", estimated.spread.min),
            _ => ("max", estimated.spread.max),
        };
        let [mean, low, high] = [mean, low, high].map(number);
        Some((name(measure), format!("{mean} [{low}, {high}], {} {}", worst.0, number(worst.1))))
    };
    let measures = [
        DiffMeasure::Kl,
        DiffMeasure::Own,
        DiffMeasure::Js,
        DiffMeasure::Top1,
        DiffMeasure::ReciprocalRank,
        DiffMeasure::CrossEntropy,
    ];
    measures.into_iter().filter_map(line).collect()
}

fn name(measure: DiffMeasure) -> &'static str {
    match measure {
        DiffMeasure::Kl => "KL(A || B), nats",
        DiffMeasure::Own => "of it in the readout",
        DiffMeasure::Js => "Jensen-Shannon, nats",
        DiffMeasure::Top1 => "same top-1",
        DiffMeasure::ReciprocalRank => "1 / rank in B",
        _ => "surprise B - A, nats",
    }
}

/// The rows that a measure is largest in, the largest first; none of them zero.
pub(crate) fn largest(trace: &DiffTrace, measure: DiffMeasure, most: usize) -> Vec<(&DiffRow, f64)> {
    let value = |row: &'_ DiffRow| measure.of_row(row).map(|spread| spread.mean);
    let mut rows: Vec<(&DiffRow, f64)> =
        trace.report.rows.iter().filter_map(|row| Some((row, value(row)?))).collect();
    rows.retain(|(_, value)| *value > 0.0);
    rows.sort_by(|a, b| b.1.total_cmp(&a.1));
    rows.truncate(most);
    rows
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_three_digits_and_fit_seven_columns() {
        let shown = [0.0, 1e-9, 0.000_999_6, 0.0123, 0.9999, 1.0, -0.5, 12.34, 99.96, 12345.6, 1e7, -0.00123];
        let expected = [
            "0", "1.0e-9", "0.00100", "0.0123", "1.00", "1.00", "-0.500", "12.3", "100", "12346", "1.0e7",
            "-0.00123",
        ];
        assert_eq!(shown.map(number), expected);
    }
}
