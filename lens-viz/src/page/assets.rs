//! The page's own program, style and markup: written by hand, part of the library, the same in every page.

use super::colours;

/// The elements that the program fills, hidden until it runs.
pub(super) const MARKUP: &str = include_str!("assets/page.html");

/// The parts of the program, in the order in which they need one another. They share one scope.
const PROGRAM: [&str; 19] = [
    include_str!("assets/dom.js"),
    include_str!("assets/trace.js"),
    include_str!("assets/statistics.js"),
    include_str!("assets/pair.js"),
    include_str!("assets/state.js"),
    include_str!("assets/grid.js"),
    include_str!("assets/detail.js"),
    include_str!("assets/pins.js"),
    include_str!("assets/tips.js"),
    include_str!("assets/chart.js"),
    include_str!("assets/curves.js"),
    include_str!("assets/search.js"),
    include_str!("assets/slice.js"),
    include_str!("assets/film.js"),
    include_str!("assets/controls.js"),
    include_str!("assets/print.js"),
    include_str!("assets/drawing.js"),
    include_str!("assets/export.js"),
    include_str!("assets/main.js"),
];

/// What makes a page of the data that lies in it.
const START: &str = include_str!("assets/start.js");

/// The program.
pub(super) fn program() -> String {
    program_with(&[START])
}

/// The program up to where a page is made, and what makes one.
pub(super) fn program_with(rest: &[&str]) -> String {
    format!("\"use strict\";\n(() => {{\n{}{}}})();\n", PROGRAM.concat(), rest.concat())
}

/// The style sheet.
pub(super) fn style() -> String {
    format!("{}{}", include_str!("assets/page.css"), colours::rules())
}

/// What makes markup or a program of text, or speaks to others than the page: in no program of a page.
#[cfg(test)]
pub(super) const BANNED: [&str; 16] = [
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "Function(",
    "parseFromString",
    "srcdoc",
    "createContextualFragment",
    "setAttribute(\"on",
    "setAttribute(\"style",
    "import(",
    "XMLHttpRequest",
    "WebSocket",
    "sendBeacon",
    "setTimeout(\"",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_never_makes_markup_of_text() {
        let program = program();
        for banned in BANNED.into_iter().chain(["fetch("]) {
            assert!(!program.contains(banned), "the program says {banned}");
        }
    }

    #[test]
    fn nothing_of_the_assets_ends_its_element_or_names_an_address() {
        for asset in [program(), style(), MARKUP.to_owned()] {
            for banned in ["</script", "<!--", "</style", "//", "url(", "@import"] {
                assert!(!asset.contains(banned), "an asset says {banned}");
            }
        }
    }
}
