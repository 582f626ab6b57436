//! The page of a model that is running: the offline page's own views, filled while a server reads.

use lens_core::TokenTrace;
use serde::Serialize;

use crate::named::Named;

use super::{
    PageError, PageOptions, Part, assets,
    compact::{self, joined},
    document::digest,
    escape, shown,
    vocabulary::Vocabulary,
};

/// What asks a server and shows its answers, in the order in which the parts need one another.
const PROGRAM: [&str; 8] = [
    include_str!("server.js"),
    include_str!("view.js"),
    include_str!("steering.js"),
    include_str!("form.js"),
    include_str!("parts.js"),
    include_str!("save.js"),
    include_str!("job.js"),
    include_str!("live.js"),
];

/// A page that asks a server, and the policy that its answer has to carry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LivePage {
    /// The HTML, without any data of a run.
    pub html: String,
    /// The value of the header `Content-Security-Policy`: nothing but this page's style and program, and requests to
    /// where it came from.
    pub policy: String,
}

/// The page of a model under the name `model`. `about` is what the program is told of it, as JSON.
pub fn live(model: &str, about: &str) -> LivePage {
    let style = format!("{}{}", assets::style(), include_str!("live.css"));
    let program = assets::program_with(&PROGRAM);
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'",
        digest(&style),
        digest(&program)
    );
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n\
         <link rel=\"icon\" href=\"data:,\">\n\
         <title>lens: {model}</title>\n<style>{style}</style>\n</head>\n<body>\n\
         <main>\n<header class=\"head\"><h1>Lens <span class=\"of\">on</span> <bdi lang=\"\">{model}</bdi></h1></header>\n\
         <noscript><p class=\"notice\">This page asks the model as one types: it needs JavaScript.</p></noscript>\n\
         {ask}<div id=\"heads\"></div>\n{views}{after}</main>\n\
         <script type=\"application/json\" id=\"about\">{about}</script>\n<script>{program}</script>\n</body>\n</html>\n",
        model = escape::html(model),
        ask = include_str!("live.html"),
        views = assets::MARKUP,
        after = include_str!("after.html"),
        about = escape::json(about),
    );
    LivePage { html, policy }
}

/// Data of the page about traces that may still grow, as JSON. Places that are still [awaited](Named::awaited) are there,
/// and empty.
///
/// # Errors
/// As for [`pages`](super::pages).
pub fn data(traces: &[Named<'_>], options: &PageOptions) -> Result<String, PageError> {
    let parts = shown(traces)?;
    let traces: Vec<Named<'_>> = parts.iter().map(Part::named).collect();
    let data = compact::compact(&traces, options)?;
    if data.len() > options.max_bytes {
        return Err(compact::too_large(&traces, options, data.len()));
    }
    Ok(data)
}

/// Tokens as the page shows them, as JSON: `{"vocabulary": [[id, text, …], …], "tokens": [row, …],
/// "joined": [[position, what is shown], …]}`, the last of tokens that have a part of a character alone.
///
/// # Errors
/// When they cannot be written as JSON.
pub fn tokens(tokens: &[TokenTrace]) -> Result<String, PageError> {
    #[derive(Serialize)]
    struct Tokens {
        vocabulary: Vocabulary,
        tokens: Vec<u32>,
        joined: Vec<(usize, String)>,
    }
    let joined = joined(tokens);
    let mut vocabulary = Vocabulary::default();
    let rows = tokens.iter().map(|token| vocabulary.row(token.id, &token.text, token.bytes.as_ref()));
    let tokens = rows.collect();
    Ok(serde_json::to_string(&Tokens { vocabulary, tokens, joined })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_live_program_makes_no_markup_of_text_either() {
        let own = PROGRAM.concat();
        let own_words = ["document.cookie", "</script", "<!--", "//"];
        for banned in assets::BANNED.into_iter().chain(own_words) {
            assert!(!own.contains(banned), "the live program says {banned}");
        }
        assert_eq!(own.matches("fetch(").count(), 1, "one place asks the server");
    }

    #[test]
    fn a_page_says_the_model_s_name_as_text_and_asks_nobody_else() {
        let page = live("<img src=x onerror=alert(1)>", r#"{"model":"</script><script>alert(1)</script>"}"#);
        assert!(!page.html.contains("<img"));
        assert_eq!(page.html.matches("</script>").count(), 2);
        for address in ["http:", "https:", "src=\"", "@import", "url("] {
            assert!(!page.html.contains(address), "the page says {address}");
        }
        assert!(page.policy.starts_with("default-src 'none'") && page.policy.contains("connect-src 'self'"));
    }
}
