//! The fonts inside this crate: what they have, and how wide it is.

use std::{collections::HashMap, sync::LazyLock};

use skrifa::{FontRef, MetadataProvider, instance::LocationRef, prelude::Size};

/// The faces that a picture is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    /// Tokens and numbers in cells: every column as wide as another.
    Mono,
    /// Names, axes, notes.
    Sans,
    /// Titles.
    Bold,
}

impl Face {
    /// What goes into `font-family`, for viewers that have fonts of their own.
    pub(super) fn families(self) -> &'static str {
        match self {
            Self::Mono => "DejaVu Sans Mono, Menlo, Consolas, monospace",
            Self::Sans | Self::Bold => "DejaVu Sans, Verdana, sans-serif",
        }
    }
}

const MONO: &[u8] = include_bytes!("../../fonts/DejaVuSansMono-subset.ttf");
const SANS: &[u8] = include_bytes!("../../fonts/DejaVuSans-subset.ttf");
const BOLD: &[u8] = include_bytes!("../../fonts/DejaVuSans-Bold-subset.ttf");
const SYMBOLS: &[u8] = include_bytes!("../../fonts/NotoSansSymbols2-subset.ttf");

/// An embedded font: what it can write, and how wide.
struct Embedded {
    /// Advances in em.
    advances: HashMap<char, f32>,
}

impl Embedded {
    fn new(data: &[u8]) -> Self {
        let font = FontRef::new(data).expect("the embedded fonts are whole: a test reads them all");
        let metrics = font.glyph_metrics(Size::new(1.0), LocationRef::default());
        let advance = |(code, glyph)| Some((char::from_u32(code)?, metrics.advance_width(glyph)?));
        Self { advances: font.charmap().mappings().filter_map(advance).collect() }
    }
}

/// The files: mono, sans, bold and symbols.
pub(super) const FILES: [&[u8]; 4] = [MONO, SANS, BOLD, SYMBOLS];

static EMBEDDED: LazyLock<[Embedded; 4]> = LazyLock::new(|| FILES.map(Embedded::new));

/// The width of a character in em. What no embedded font has is estimated, rather too wide than too narrow.
pub(super) fn advance(c: char, face: Face) -> f32 {
    let [mono, sans, bold, symbols] = &*EMBEDDED;
    let first = match face {
        Face::Mono => mono,
        Face::Sans => sans,
        Face::Bold => bold,
    };
    let known = [first, sans, mono, symbols].into_iter().find_map(|font| font.advances.get(&c));
    known.copied().unwrap_or_else(|| match unicode_width::UnicodeWidthChar::width(c) {
        None | Some(0) => 0.0,
        Some(1) if matches!(c, '\u{900}'..='\u{109f}' | '\u{1780}'..='\u{17ff}') => 0.9,
        Some(1) => 0.68,
        Some(_) => 1.2,
    })
}

/// Whether an embedded font has the character.
pub(super) fn is_embedded(c: char) -> bool {
    EMBEDDED.iter().any(|font| font.advances.contains_key(&c))
}

/// Whether the embedded font of this number has the character.
pub(super) fn has(font: usize, c: char) -> bool {
    EMBEDDED.get(font).is_some_and(|font| font.advances.contains_key(&c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_fonts_have_what_pictures_write() {
        for c in ('!'..='~').chain("·…‹›⏎␍⇥␛◌✓\\×–é Ж λ ≤".chars()) {
            assert!(is_embedded(c), "{c:?} is in no embedded font");
        }
        assert!((advance('a', Face::Mono) - 0.602).abs() < 1e-3);
        assert!(advance('i', Face::Sans) < advance('m', Face::Sans));
    }
}
