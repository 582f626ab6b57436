//! The HTML file around the data.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};

use crate::named::Named;

use super::{PageOptions, assets, escape, head::head, plain::plain};

/// The file. `data` is JSON.
pub(super) fn document(traces: &[Named<'_>], data: &str, options: &PageOptions) -> String {
    let (style, program) = (assets::style(), assets::program());
    let first = traces.first().map(|named| named.trace);
    let title = first.map_or_else(String::new, |trace| {
        escape::html(&format!("{} lens: {}: {}", trace.lens.kind, trace.model.id, beginning(&trace.prompt)))
    });
    let heads: String = (0..).zip(traces).map(|(number, named)| head(named, number)).collect();
    let cells = options.plain_cells / traces.len().max(1);
    let table: String = traces.iter().map(|named| plain(named, cells)).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n\
         {heads}<main>\n<section id=\"plain\">\n{table}</section>\n{markup}</main>\n\
         <script type=\"application/json\" id=\"data\">{island}</script>\n<script>{program}</script>\n</body>\n</html>\n",
        policy = policy(&style, &program),
        markup = assets::MARKUP,
        island = escape::json(data),
    )
}

/// Nothing may load, only our own style and program may act, and no text can become markup.
fn policy(style: &str, program: &str) -> String {
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; \
         form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        digest(style),
        digest(program)
    )
}

pub(super) fn digest(text: &str) -> String {
    STANDARD.encode(Sha256::digest(text.as_bytes()))
}

/// As much of a prompt as a window's title shows.
fn beginning(prompt: &str) -> String {
    const LONGEST: usize = 60;
    let mut beginning: String = prompt.chars().take(LONGEST).collect();
    if prompt.chars().nth(LONGEST).is_some() {
        beginning.push('…');
    }
    beginning
}
