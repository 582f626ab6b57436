//! Text that may stand in a picture: safe, drawable, and no wider than its place.

use std::collections::{BTreeSet, HashMap};

use lens_core::{TokenId, TopTrace};

use super::fonts::{self, Face};
use super::installed;
use crate::sheet::{label::Label, line::Sheet};

/// Which characters a picture may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fonts {
    /// All characters: whoever looks at the SVG has fonts of their own. The picture is the same on every machine.
    #[default]
    Viewer,
    /// Those that the embedded fonts or the fonts installed here have; others are shown as their code point.
    /// PNGs are drawn with these.
    Installed,
}

/// Text that has been made safe. Only this module makes it, and nothing else is drawn.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Shown {
    text: String,
    /// The characters of it that no font has, whether their code points were cut off or not.
    missing: Vec<char>,
}

impl Shown {
    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// The characters of which code points stand in the text.
    pub(super) fn missing(&self) -> &[char] {
        &self.missing
    }

    /// A part of it.
    pub(super) fn part(&self, text: &str) -> Self {
        Self { text: text.to_owned(), missing: self.missing.clone() }
    }

    /// Several texts in one.
    pub(super) fn joined<const N: usize>(parts: [&Self; N]) -> Self {
        Self { text: parts.map(Self::as_str).concat(), missing: parts.map(Self::missing).concat() }
    }

    /// The width in pixels.
    pub(super) fn width(&self, face: Face, size: f64) -> f64 {
        width(&self.text, face, size)
    }
}

fn width(text: &str, face: Face, size: f64) -> f64 {
    text.chars().map(|c| f64::from(fonts::advance(c, face))).sum::<f64>() * size
}

/// The name of a character that cannot be drawn: `‹U+4E09›`.
pub(super) fn code_point(c: char) -> String {
    format!("‹U+{:04X}›", u32::from(c))
}

const ELLIPSIS: &str = "…";

/// Text may become this much smaller before it is cut.
const SMALLEST: f64 = 0.84;

impl Fonts {
    /// Our own words, or text that is known to be short and harmless; made safe all the same.
    pub(super) fn words(self, text: &str) -> Shown {
        self.drawable(&crate::safe::display_safe(text))
    }

    /// The label of one token.
    pub(super) fn token(self, text: &str) -> TokenLabel {
        let label = Label::new(text, &Sheet::UNBOUNDED);
        let Shown { text, missing } = self.drawable(&label.text);
        TokenLabel { label: Label { text, ..label }, missing }
    }

    /// Expects text that is already fit to be displayed. What XML cannot hold or no font has becomes its code
    /// point, and spaces that XML would merge become dots.
    fn drawable(self, safe: &str) -> Shown {
        let mut shown = String::with_capacity(safe.len());
        let mut missing = Vec::new();
        let mut chars = safe.chars().peekable();
        let mut after_space = false;
        while let Some(c) = chars.next() {
            let in_run = c == ' ' && (after_space || chars.peek() == Some(&' '));
            after_space = c == ' ';
            if in_run {
                shown.push('·');
            } else if matches!(c, '\u{fffe}' | '\u{ffff}') {
                shown.push_str(&code_point(c));
            } else if self == Self::Installed && installed::is_missing(c) {
                shown.push_str(&code_point(c));
                missing.push(c);
            } else {
                shown.push(c);
            }
        }
        Shown { text: shown, missing }
    }
}

/// What the tokens of one picture are called: those with one text say their ids, too, so that they stay apart.
pub(super) struct Names<'a>(HashMap<(TokenId, &'a str), TokenLabel>);

impl<'a> Names<'a> {
    pub(super) fn new(fonts: Fonts, tokens: impl IntoIterator<Item = &'a TopTrace>) -> Self {
        let mut labels: HashMap<(TokenId, &str), TokenLabel> = HashMap::new();
        for token in tokens {
            labels.entry((token.id, &*token.text)).or_insert_with(|| fonts.token(&token.text));
        }
        let mut ids: HashMap<Shown, BTreeSet<TokenId>> = HashMap::new();
        for ((id, _), label) in &labels {
            ids.entry(label.whole()).or_default().insert(*id);
        }
        for ((id, _), label) in &mut labels {
            if ids.get(&label.whole()).is_some_and(|ids| ids.len() > 1) {
                label.label.id = format!(" <id {id}>");
            }
        }
        Self(labels)
    }

    /// The label of one of the tokens.
    pub(super) fn label(&self, token: &TopTrace) -> TokenLabel {
        let known = self.0.get(&(token.id, &*token.text)).cloned();
        known.unwrap_or_else(|| Fonts::Viewer.token(&token.text))
    }
}

/// The label of a token in a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenLabel {
    label: Label,
    /// The characters of it that no font has.
    missing: Vec<char>,
}

impl TokenLabel {
    /// The label of no token.
    pub(super) fn none() -> Self {
        let label =
            Label { lead: String::new(), text: String::new(), trail: String::new(), id: String::new() };
        Self { label, missing: Vec::new() }
    }

    /// The label, whole.
    pub(super) fn whole(&self) -> Shown {
        self.shown(&self.label)
    }

    /// The shortened label, with every character that no font has.
    fn shown(&self, label: &Label) -> Shown {
        Shown { text: label.plain(), missing: self.missing.clone() }
    }

    /// The label in at most `room` pixels, and the size to write it in: a little smaller if that is enough,
    /// else cut. An id stays whole as long as it can.
    pub(super) fn fit(&self, room: f64, size: f64) -> (Shown, f64) {
        let whole = self.whole();
        let natural = whole.width(Face::Mono, size);
        if natural <= room {
            return (whole, size);
        }
        if natural * SMALLEST <= room {
            return (whole, (size * room / natural * 10.0).floor() / 10.0);
        }
        let size = (size * SMALLEST * 10.0).round() / 10.0;
        let columns = (room / (f64::from(fonts::advance('0', Face::Mono)) * size)).floor().max(0.0) as usize;
        let mut columns = columns.min(self.label.width());
        // Some scripts are wider than their columns.
        loop {
            let shown = self.shown(&self.label.clone().fit(columns, ELLIPSIS));
            if columns <= 1 || shown.width(Face::Mono, size) <= room {
                return (shown, size);
            }
            columns -= 1;
        }
    }
}

impl Shown {
    /// The beginning, in at most `room` pixels.
    pub(super) fn start(&self, room: f64, face: Face, size: f64) -> Self {
        if self.width(face, size) <= room {
            return self.clone();
        }
        let mut left = room - width(ELLIPSIS, face, size);
        let fits = |c: &char| {
            left -= f64::from(fonts::advance(*c, face)) * size;
            left >= 0.0
        };
        let text = self.text.chars().take_while(fits).chain(ELLIPSIS.chars()).collect();
        Self { text, missing: self.missing.clone() }
    }

    /// The end, in at most `room` pixels.
    pub(super) fn end(&self, room: f64, face: Face, size: f64) -> Self {
        if self.width(face, size) <= room {
            return self.clone();
        }
        let mut left = room - width(ELLIPSIS, face, size);
        let fits = |(_, c): &(usize, char)| {
            left -= f64::from(fonts::advance(*c, face)) * size;
            left >= 0.0
        };
        let from =
            self.text.char_indices().rev().take_while(fits).last().map_or(self.text.len(), |(at, _)| at);
        // A mark does not stand without its base.
        let rest =
            self.text[from..].trim_start_matches(|c| unicode_width::UnicodeWidthChar::width(c) == Some(0));
        Self { text: format!("{ELLIPSIS}{rest}"), missing: self.missing.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_shown_by_its_number() {
        let shown = Fonts::Viewer.token("a\u{0}\u{1b}\u{fffe}\u{202e}b").whole();
        assert_eq!(shown.as_str(), "a‹U+0000›␛‹U+FFFE›‹U+202E›b");
    }

    #[test]
    fn spaces_are_seen_wherever_they_would_be_lost() {
        assert_eq!(Fonts::Viewer.token("  a b   c ").whole().as_str(), "··a b···c·");
    }

    #[test]
    fn what_no_font_has_is_a_code_point_only_where_it_matters() {
        let nobody = "\u{10fffd}";
        assert_eq!(Fonts::Viewer.token(nobody).whole().as_str(), nobody);
        let shown = Fonts::Installed.token(nobody).whole();
        assert_eq!((shown.as_str(), shown.missing()), ("‹U+10FFFD›", &['\u{10fffd}'][..]));
        let cut = Fonts::Installed.token(nobody).fit(20.0, 10.0).0;
        assert_eq!(cut.missing(), ['\u{10fffd}'], "what is cut off is missing all the same");
    }

    #[test]
    fn a_label_fits_its_room() {
        for text in [" the", "supercalifragilistic", "你好世界你好世界", "नमस्तेनमस्ते", "          "]
        {
            let label = Fonts::Viewer.token(text);
            for room in [20.0, 40.0, 80.0] {
                let (shown, size) = label.fit(room, 10.0);
                assert!(shown.width(Face::Mono, size) <= room, "{shown:?} at {size} is wider than {room}");
            }
        }
    }

    #[test]
    fn a_long_text_keeps_its_end_or_its_beginning() {
        let shown = Fonts::Viewer.token("one two three four five six").whole();
        assert!(shown.end(60.0, Face::Sans, 10.0).as_str().ends_with("six"));
        assert!(shown.start(60.0, Face::Sans, 10.0).as_str().starts_with("one"));
        assert!(shown.end(60.0, Face::Sans, 10.0).width(Face::Sans, 10.0) <= 60.0);
    }
}
