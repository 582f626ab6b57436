//! One HTML file about two models: the answers, conditions, heatmaps and every row. Nothing in it acts.

use lens_core::diff::{DiffMeasure, DiffRow, DiffTrace};

use super::{document::digest, escape::html};
use crate::{
    models::{self, number},
    picture::{self, PictureError, PictureOptions},
};

/// The page's style, by which its policy knows it.
const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:70rem;padding:0 1rem}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem}dt{color:#666}dd{margin:0}\
figure{margin:1rem 0;overflow-x:auto}table{border-collapse:collapse}\
th,td{padding:.1rem .8rem .1rem 0;text-align:left}td{text-align:right;font-variant-numeric:tabular-nums}\
.failed{color:#b00;font-weight:bold}.passed{color:#060}";

/// The most rows of the table; files have all of them.
const MOST: usize = 2000;

/// A comparison of two models as one HTML file that needs neither a server nor a network, nor JavaScript. Of `options`,
/// those of [`picture::diff`] count.
///
/// # Errors
/// As [`picture::diff`].
pub fn diff(trace: &DiffTrace, options: &PictureOptions) -> Result<String, PictureError> {
    let pictures = picture::diff(trace, options)?;
    let pages = || pictures.iter().flat_map(|picture| &picture.pages);
    let title = html(&format!("lens diff: {} and {}", trace.a.id, trace.b.id));
    let figures: String = pages().map(|page| format!("<figure>{}</figure>\n", page.svg)).collect();
    let notes: String = trace.notes.iter().map(|note| format!("<li>{}</li>", html(note))).collect();
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         <dl>{}</dl>\n<ul>{notes}</ul>\n{figures}{}</body>\n</html>\n",
        digest(STYLE),
        facts(trace),
        table(trace),
    ))
}

/// The models, the text and what was found, as terms and what they are.
fn facts(trace: &DiffTrace) -> String {
    let mut facts =
        vec![("A", models::model(&trace.a)), ("B", models::model(&trace.b)), ("text", models::text(trace))];
    facts.extend(models::finals(trace));
    facts.extend(models::changed(trace).map(|says| ("changed", says)));
    let facts: String = facts
        .into_iter()
        .map(|(name, value)| format!("<dt>{}</dt><dd>{}</dd>", html(name), html(&value)))
        .collect();
    let condition = |judged: &lens_core::diff::Judged| {
        let (class, says) = if judged.failed { ("failed", "fails") } else { ("passed", "passes") };
        format!("<dt>gate</dt><dd class=\"{class}\">{says}: {}</dd>", html(&judged.to_string()))
    };
    facts + &trace.conditions.iter().map(condition).collect::<String>()
}

/// The columns of the table.
const COLUMNS: [DiffMeasure; 7] = [
    DiffMeasure::Own,
    DiffMeasure::Relative,
    DiffMeasure::Cosine,
    DiffMeasure::Kl,
    DiffMeasure::Js,
    DiffMeasure::Top1,
    DiffMeasure::ReciprocalRank,
];

/// Every point, in order of execution.
fn table(trace: &DiffTrace) -> String {
    let heads: String = COLUMNS.iter().map(|measure| format!("<th scope=\"col\">{measure}</th>")).collect();
    let cell = |row: &DiffRow, measure: DiffMeasure| {
        let value = measure.of_row(row).map(|spread| number(spread.mean)).unwrap_or_default();
        format!("<td>{value}</td>")
    };
    let row = |row: &DiffRow| {
        let cells: String = COLUMNS.iter().map(|measure| cell(row, *measure)).collect();
        format!("<tr><th scope=\"row\">{}</th>{cells}</tr>\n", html(&row.point.to_string()))
    };
    let rows = &trace.report.rows;
    let more = rows.len().saturating_sub(MOST);
    let more = if more > 0 { format!("<p>and {more} more</p>\n") } else { String::new() };
    format!(
        "<table><thead><tr><th scope=\"col\">point</th>{heads}</tr></thead>\n<tbody>{}</tbody></table>\n{more}",
        rows.iter().take(MOST).map(row).collect::<String>()
    )
}
