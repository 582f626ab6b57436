//! One HTML file about a logit: its sum, a heatmap of layers and heads, and every share by size. Nothing in it acts.

use lens_core::attribution::{AttributionTrace, Shares, TargetLogit};

use super::{document::digest, escape::html};
use crate::{
    digits::{place_read, sum_of_shares},
    picture::{self, PictureError, PictureOptions},
};

/// The page's style, by which its policy knows it.
const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:1.5rem auto;max-width:70rem;padding:0 1rem}\
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1rem}dt{color:#666}dd{margin:0}\
figure{margin:1rem 0;overflow-x:auto}table{border-collapse:collapse}\
th,td{padding:.1rem .8rem .1rem 0;text-align:left}td.share{text-align:right;font-variant-numeric:tabular-nums}\
.tables{display:flex;flex-wrap:wrap;gap:2rem;align-items:start}.failed{color:#b00;font-weight:bold}";

/// The most rows of a table.
const MOST: usize = 200;

/// What contributes to a logit, as one HTML file that needs neither a server nor a network, nor JavaScript. Of
/// `options`, those of [`picture::attribution`] count.
///
/// # Errors
/// As [`picture::attribution`].
pub fn attribution(trace: &AttributionTrace, options: &PictureOptions) -> Result<String, PictureError> {
    let pages = picture::attribution(trace, options)?;
    let title = pages.first().map_or_else(String::new, |page| html(&page.title));
    let figures: String = pages.iter().map(|page| format!("<figure>{}</figure>\n", page.svg)).collect();
    let notes: String = trace.notes.iter().map(|note| format!("<li>{}</li>", html(note))).collect();
    let parts =
        Shares(trace.contributions.0.iter().cloned().chain([("biases".to_owned(), trace.bias)]).collect());
    let tables: String =
        [("Parts", &parts), ("Heads", &trace.heads), ("Neurons", &trace.neurons), ("Biases", &trace.biases)]
            .into_iter()
            .map(|(name, shares)| table(name, shares))
            .collect();
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{}'; \
         base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         <dl>{}</dl>\n<ul>{notes}</ul>\n{figures}<div class=\"tables\">\n{tables}</div>\n</body>\n</html>\n",
        digest(STYLE),
        facts(trace),
    ))
}

/// The run and the sum, as terms and what they are.
fn facts(trace: &AttributionTrace) -> String {
    let model = &trace.model;
    let logit = |target: &TargetLogit| {
        format!(
            "{} <id {}>: {:.4} before any cap, {:.4} as the model has it",
            target.text, target.id, target.logit_before_cap, target.logit
        )
    };
    let sum = sum_of_shares(trace);
    let mut facts = vec![
        ("model", format!("{} · {} · {} layers · {}", model.id, model.family, model.n_layers, model.dtype)),
        ("prompt", trace.prompt.clone()),
        ("position", format!("{} of 0..{}", trace.position, trace.tokens.len())),
        ("logit of", logit(&trace.target)),
    ];
    facts.extend(trace.versus.as_ref().map(|versus| ("less that of", logit(versus))));
    facts.extend(place_read(trace).map(|place| ("read at", place)));
    facts.extend(trace.interventions.iter().map(|change| ("changed", change.text.clone())));
    facts.push(("sum", sum));
    let mut text: String =
        facts.into_iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{}</dd>", html(&value))).collect();
    if !trace.self_check.passed {
        text.push_str("<dt>self-check</dt><dd class=\"failed\">FAILED: do not believe these numbers</dd>");
    }
    text
}

/// Shares by their size, the largest first.
fn table(name: &str, shares: &Shares) -> String {
    if shares.0.is_empty() {
        return String::new();
    }
    let mut sorted: Vec<&(String, f64)> = shares.0.iter().collect();
    sorted.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let more = sorted.len().saturating_sub(MOST);
    let rows: String = sorted
        .into_iter()
        .take(MOST)
        .map(|(name, share)| {
            format!("<tr><th scope=\"row\">{}</th><td class=\"share\">{share:+.4}</td></tr>", html(name))
        })
        .collect();
    let more = if more > 0 { format!("<p>and {more} more</p>") } else { String::new() };
    format!("<section><h2>{name}</h2><table><tbody>{rows}</tbody></table>{more}</section>\n")
}
