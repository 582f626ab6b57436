//! A font for every character of an SVG.
//!
//! usvg looks for one font for all that a font lacks in a text, and gives up where glyphs do not match one to
//! one. Here each character is looked up by itself before, and what another font has to draw is put into a
//! `tspan` that names that font.

use std::fmt::Write as _;

use resvg::usvg::{self, FontFamily, FontResolver};
use unicode_width::UnicodeWidthChar;

use super::{
    fonts::{self, Face},
    installed::{self, Font, Shelf},
    text::code_point,
};

/// The embedded fonts by their numbers.
const MONO: Font = 0;
const SANS: Font = 1;
const BOLD: Font = 2;
const SYMBOLS: Font = 3;

const NAME: &str = "lens-font-";

/// The letter that Arabic fonts have ligatures for: with alef, and in the name of God.
const LAM: char = '\u{644}';
/// A character without width.
const NOTHING: char = '\u{200b}';

/// The same SVG with fonts named where they change, and what it is to be set with. Characters that no font has
/// are replaced by their code points.
pub(super) fn with_fonts(svg: &str) -> (String, usvg::Options<'static>) {
    let mut out = String::with_capacity(svg.len() + svg.len() / 8);
    let mut rest = svg;
    let mut base = None;
    let mut needs_installed = false;
    while let Some(start) = rest.find('<') {
        let (text, markup) = rest.split_at(start);
        needs_installed |= push_text(&mut out, text, base);
        let (tag, after) = markup.split_at(markup_end(markup));
        if is_element(tag, "<text") {
            base = Some(base_of(tag));
        } else if is_element(tag, "</text") {
            base = None;
        }
        out.push_str(tag);
        rest = after;
    }
    out.push_str(rest);
    let shelf = if needs_installed { installed::shelf() } else { installed::embedded() };
    (out, options(shelf))
}

/// Where a tag, comment or section of character data ends, which begins at the start of the text.
fn markup_end(markup: &str) -> usize {
    let until = |end: &str| markup.find(end).map_or(markup.len(), |at| at + end.len());
    if markup.starts_with("<!--") {
        return until("-->");
    }
    if markup.starts_with("<![CDATA[") {
        return until("]]>");
    }
    let mut quote = None;
    for (at, byte) in markup.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    markup.len()
}

fn is_element(tag: &str, start: &str) -> bool {
    tag.strip_prefix(start).is_some_and(|rest| rest.starts_with([' ', '\t', '\n', '\r', '>', '/']))
}

/// The font that a text asks for.
fn base_of(tag: &str) -> Font {
    if tag.contains("font-weight=\"bold\"") {
        return BOLD;
    }
    if tag.contains(Face::Sans.families()) { SANS } else { MONO }
}

/// Appends what stands between two tags. True when a font of this machine is needed.
fn push_text(out: &mut String, text: &str, base: Option<Font>) -> bool {
    let Some(base) = base.filter(|base| !text.chars().all(|c| c.is_control() || fonts::has(*base, c))) else {
        out.push_str(text);
        return false;
    };
    let mut open = base;
    let mut needs_installed = false;
    let mut wants = open;
    let mut fonts = Vec::new();
    for cluster in clusters(text) {
        let font = font_of(cluster, base, wants);
        wants = font.unwrap_or(base);
        fonts.push(font);
    }
    let is_mixed = fonts.windows(2).any(|pair| pair[0].unwrap_or(base) != pair[1].unwrap_or(base));
    // usvg sets a line in its first font, and then puts in what other fonts set. Where one of those makes a sign of several
    // letters, it takes out more than it puts in, and may find nothing there: unless that font is the first.
    let lam = clusters(text).zip(&fonts).find(|(cluster, _)| cluster.starts_with(LAM));
    if let Some((_, Some(font))) = lam.filter(|_| is_mixed) {
        let _ = write!(out, "<tspan font-family=\"{NAME}{font}\" font-weight=\"normal\">{NOTHING}</tspan>");
    }
    for (cluster, font) in clusters(text).zip(fonts) {
        let wanted = font.unwrap_or(base);
        needs_installed |= wanted > SYMBOLS;
        if wanted != open {
            if open != base {
                out.push_str("</tspan>");
            }
            if wanted != base {
                // Writing to a string does not fail.
                let _ = write!(out, "<tspan font-family=\"{NAME}{wanted}\" font-weight=\"normal\">");
            }
            open = wanted;
        }
        match font {
            Some(_) => out.push_str(cluster),
            None => cluster.chars().for_each(|c| out.push_str(&code_point(c))),
        }
    }
    if open != base {
        out.push_str("</tspan>");
    }
    needs_installed
}

/// The font to draw a character with its marks, the one that is in use if that is as good.
fn font_of(cluster: &str, base: Font, open: Font) -> Option<Font> {
    let whole = |font: Font| cluster.chars().all(|c| c.is_control() || fonts::has(font, c));
    let embedded =
        [base, open, SANS, MONO, SYMBOLS].into_iter().find(|font| *font <= SYMBOLS && whole(*font));
    embedded.or_else(|| installed::font_for(cluster)).or_else(|| {
        // The letter without its marks is better than none of it.
        let first = cluster.chars().next()?;
        [base, SANS, MONO, SYMBOLS].into_iter().find(|font| fonts::has(*font, first))
    })
}

/// Characters with the marks that follow them.
fn clusters(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let mut chars = rest.char_indices();
        chars.next()?;
        let end = chars.find(|(_, c)| c.width() != Some(0)).map_or(rest.len(), |(at, _)| at);
        let (cluster, after) = rest.split_at(end);
        rest = after;
        Some(cluster)
    })
}

/// Options with which usvg finds the fonts.
fn options(shelf: Shelf) -> usvg::Options<'static> {
    let Shelf { database, faces } = shelf;
    let select = move |font: &usvg::Font| {
        let named = font.families().iter().find_map(|family| match family {
            FontFamily::Named(name) => name.strip_prefix(NAME)?.parse::<usize>().ok(),
            _ => None,
        });
        let mono = font.families().contains(&FontFamily::Monospace);
        let base = if font.weight() >= 600 {
            BOLD
        } else if mono {
            MONO
        } else {
            SANS
        };
        faces.get(named.unwrap_or(base)).copied()
    };
    let font_resolver = FontResolver {
        select_font: Box::new(move |font, _| select(font)),
        // All was decided before.
        select_fallback: Box::new(|_, _, _| None),
    };
    usvg::Options { fontdb: database, font_resolver, ..usvg::Options::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(content: &str) -> String {
        let (svg, _) = with_fonts(&format!("<svg><title>€☃</title><text x=\"a>b\">{content}</text></svg>"));
        let (_, text) = svg.split_once("b\">").unwrap();
        text.strip_suffix("</text></svg>").unwrap().to_owned()
    }

    #[test]
    fn what_the_font_has_stays_as_it_is() {
        for content in ["plain &amp; text", "naïve Ж λ", "e\u{301}", ""] {
            assert_eq!(text(content), content);
        }
    }

    #[test]
    fn only_what_it_lacks_names_another_font() {
        assert_eq!(
            text("a␛␍b"),
            format!("a<tspan font-family=\"{NAME}{SYMBOLS}\" font-weight=\"normal\">␛␍</tspan>b")
        );
    }

    #[test]
    fn a_line_with_ligatures_begins_in_their_font() {
        if !installed::has(LAM) {
            return;
        }
        let font = installed::font_for("ل").unwrap();
        assert!(text("a سلام").starts_with(&format!("<tspan font-family=\"{NAME}{font}\"")));
        assert!(!text("سلام").contains(NOTHING), "a line of one font needs none");
    }

    #[test]
    fn what_no_font_has_is_its_code_point() {
        assert_eq!(text("a\u{10fffd}b"), "a‹U+10FFFD›b");
    }

    #[test]
    fn tags_comments_and_titles_are_left_alone() {
        for svg in
            ["<svg><!-- <text>\u{10fffd} --></svg>", "<svg><textPath>\u{10fffd}</textPath></svg>", "<svg", ""]
        {
            assert_eq!(with_fonts(svg).0, svg);
        }
    }
}
