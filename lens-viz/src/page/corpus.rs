//! One HTML file about a corpus: its pictures, and a table of what every lens says at every point. Nothing in it acts.

use lens_core::{
    corpus::{CorpusReport, CorpusRow, ModelRow, Share},
    evaluate::Estimate,
};

use super::{document::digest, escape::html};
use crate::picture::{self, CorpusPicture, PictureError, PictureOptions};

/// The page's style, by which its policy knows it.
const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:76rem;padding:0 1rem}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem}dt{color:#666}dd{margin:0}\
.figures{display:flex;flex-wrap:wrap;gap:1rem}figure{margin:0;overflow-x:auto}\
.scroll{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}\
th,td{padding:.15rem .8rem .15rem 0;text-align:right;white-space:nowrap}th[scope=row]{text-align:left;font-weight:normal}\
tbody tr:nth-child(even){background:#f6f6f6}small{color:#666}.missing{color:#b00;font-weight:bold}";

/// The statistics of a corpus as one HTML file that needs neither a server nor a network, nor JavaScript. `facts` say
/// what was read, the model first; `notes` what has to be known of it. Of `options`, those of [`picture::corpus`] count.
///
/// # Errors
/// As [`picture::corpus`].
pub fn corpus(
    report: &CorpusReport,
    facts: &[String],
    notes: &[String],
    options: &PictureOptions,
) -> Result<String, PictureError> {
    let mut figures = String::new();
    for what in CorpusPicture::ALL.into_iter().filter(|what| what.is_of(report)) {
        let pages = match picture::corpus(report, what, facts, options) {
            // The table has what cannot be drawn.
            Err(PictureError::TooManyLines { .. }) => continue,
            pages => pages?,
        };
        pages.iter().for_each(|page| figures.push_str(&format!("<figure>{}</figure>\n", page.svg)));
    }
    let title = format!("A corpus, layer by layer: {}", facts.first().map_or("", String::as_str));
    let title = html(&title);
    let notes: String = notes.iter().map(|note| format!("<li>{}</li>", html(note))).collect();
    let rows: String = report.rows.iter().map(row).collect();
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{title}</h1>\n\
         <dl>{}</dl>\n<ul>{notes}</ul>\n<div class=\"figures\">\n{figures}</div>\n\
         <h2>Every lens and point</h2>\n<p>Means over positions; in brackets, where {} % of {} resamplings of the \
         documents are.</p>\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Every lens and point\">\
         <table>\n<thead><tr>{}</tr></thead>\n<tbody>{rows}{}</tbody>\n</table></div>\n</main>\n</body>\n</html>\n",
        digest(STYLE),
        told(report, facts),
        report.confidence * 100.0,
        report.resamplings,
        HEADINGS.map(|heading| format!("<th scope=\"col\">{heading}</th>")).concat(),
        model(&report.last),
    ))
}

const HEADINGS: [&str; 10] = [
    "point, lens",
    "KL to final, nats",
    "entropy, nats",
    "next token, nats",
    "bits per byte",
    "rank of final",
    "rank of next",
    "top-1 agrees",
    "calibration error",
    "scripts",
];

fn told(report: &CorpusReport, facts: &[String]) -> String {
    let mut told: Vec<(&str, String)> = facts.iter().map(|fact| ("", fact.clone())).collect();
    if let Some(first) = told.first_mut() {
        first.0 = "model";
    }
    let CorpusReport { documents, windows, positions, next_tokens, bytes, .. } = report;
    told.push(("read", format!("{documents} documents, {windows} windows, {positions} positions")));
    let bytes = bytes.map(|bytes| format!(", {bytes} bytes")).unwrap_or_default();
    told.push(("next tokens", format!("{next_tokens}{bytes}")));
    told.into_iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", html(&value))).collect()
}

fn row(row: &CorpusRow) -> String {
    let name = format!("{} <small>{}</small>", html(&row.point.to_string()), html(&row.lens));
    let kl = row.kl_to_final.map(|kl| kl.mean);
    let rank = row.rank_of_final.map(|ranks| ranks.geometric_mean);
    cells(&name, &row.own, [estimate(kl), estimate(rank), percent(row.top1_agreement)])
}

fn model(own: &ModelRow) -> String {
    cells("the model itself", own, [const { String::new() }; 3])
}

/// A row of the table; what only inner readouts have is given.
fn cells(name: &str, own: &ModelRow, [kl, rank, agrees]: [String; 3]) -> String {
    let mean = |of: Option<lens_core::corpus::Distribution>| estimate(of.map(|own| own.mean));
    let cells = [
        kl,
        mean(own.entropy),
        mean(own.cross_entropy),
        estimate(own.bits_per_byte),
        rank,
        estimate(own.rank_of_next.map(|ranks| ranks.geometric_mean)),
        agrees,
        own.calibration_error.map(|error| format!("{error:.3}")).unwrap_or_default(),
        scripts(&own.scripts),
    ];
    let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
    format!("<tr><th scope=\"row\">{name}</th>{cells}</tr>\n")
}

fn estimate(estimate: Option<Estimate>) -> String {
    let Some(Estimate { value, low, high, .. }) = estimate else { return String::new() };
    format!("{value:.3} <small>[{low:.3}, {high:.3}]</small>")
}

fn percent(share: Estimate) -> String {
    let Estimate { value, low, high, .. } = share;
    format!("{:.1} % <small>[{:.1}, {:.1}]</small>", value * 100.0, low * 100.0, high * 100.0)
}

/// The scripts that most positions have.
fn scripts(shares: &[Share]) -> String {
    let most =
        shares.iter().take(3).map(|share| format!("{} {:.0} %", html(&share.name), share.share * 100.0));
    most.collect::<Vec<_>>().join(", ")
}
