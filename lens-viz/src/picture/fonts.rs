//! The fonts of a picture: the embedded ones, and the system's for what they lack.
//!
//! Most pictures need nothing but the embedded fonts, so the system's are looked at only once a character asks
//! for them, and then once per process.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use resvg::usvg::{self, FontResolver, fontdb};
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

/// Mono, sans, bold and symbols.
static EMBEDDED: LazyLock<[Embedded; 4]> = LazyLock::new(|| [MONO, SANS, BOLD, SYMBOLS].map(Embedded::new));

/// The width of a character in em. What no embedded font has is estimated, rather too wide than too narrow.
pub(super) fn advance(c: char, face: Face) -> f32 {
    let [mono, sans, bold, symbols] = &*EMBEDDED;
    let first = match face {
        Face::Mono => mono,
        Face::Sans => sans,
        Face::Bold => bold,
    };
    let known = [first, mono, sans, symbols].into_iter().find_map(|font| font.advances.get(&c));
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

/// Whether no font of this machine, embedded or installed, has the character.
pub(super) fn is_missing(c: char) -> bool {
    !is_embedded(c) && INSTALLED.face_for(c).is_none()
}

/// The embedded fonts alone, in the order of [`EMBEDDED`].
struct Base {
    database: Arc<fontdb::Database>,
    ids: Vec<fontdb::ID>,
}

static BASE: LazyLock<Base> = LazyLock::new(|| {
    let mut database = fontdb::Database::new();
    let load = |data: &'static [u8]| database.load_font_source(fontdb::Source::Binary(Arc::new(data))).to_vec();
    let ids = [MONO, SANS, BOLD, SYMBOLS].into_iter().flat_map(load).collect();
    Base { database: Arc::new(database), ids }
});

/// The embedded fonts with those of the system behind them.
struct Installed {
    database: Arc<fontdb::Database>,
    /// The system's faces, the one to ask first in front.
    order: Vec<fontdb::ID>,
    found: Mutex<HashMap<char, Option<fontdb::ID>>>,
}

static INSTALLED: LazyLock<Installed> = LazyLock::new(|| {
    let mut database = (*BASE.database).clone();
    database.load_system_fonts();
    let mut order: Vec<(u32, String, fontdb::ID)> = database
        .faces()
        .filter(|face| !BASE.ids.contains(&face.id))
        .filter_map(|face| Some((preference(face)?, face.post_script_name.clone(), face.id)))
        .collect();
    order.sort();
    let order = order.into_iter().map(|(_, _, id)| id).collect();
    Installed { database: Arc::new(database), order, found: Mutex::default() }
});

impl Installed {
    /// The first face that has the character.
    fn face_for(&self, c: char) -> Option<fontdb::ID> {
        // A poisoned map is a whole map: nothing is left half done in it.
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        *found.entry(c).or_insert_with(|| self.order.iter().copied().find(|id| self.has(*id, c)))
    }

    fn has(&self, id: fontdb::ID, c: char) -> bool {
        let mapped = |data: &[u8], index| {
            FontRef::from_index(data, index).is_ok_and(|font| font.charmap().map(c).is_some())
        };
        self.database.with_face_data(id, mapped).unwrap_or(false)
    }
}

/// How early a face is asked, smaller first; `None` for fonts that have a glyph for everything and say nothing.
/// Plain upright sans-serif faces come first, so that a picture does not change style from token to token.
fn preference(face: &fontdb::FaceInfo) -> Option<u32> {
    let name = face.families.first().map(|(name, _)| name.to_lowercase())?;
    if ["lastresort", "last resort", "adobe blank", "adobeblank"].iter().any(|blank| name.contains(blank)) {
        return None;
    }
    let mut penalty = u32::from(face.weight.0.abs_diff(400));
    penalty += 1000 * u32::from(face.style != fontdb::Style::Normal);
    penalty += 500 * u32::from(face.stretch != fontdb::Stretch::Normal);
    penalty += 200 * u32::from(name.contains("serif") && !name.contains("sans"));
    // Of a family that covers all of Chinese, Japanese and Korean, the simplified Chinese shapes.
    let of_cjk = name.contains("cjk") && !name.ends_with(" sc");
    penalty += 20 * u32::from(of_cjk) + 5 * u32::from(name.contains("mono"));
    let families = ["dejavu sans", "noto sans", "noto color emoji", "noto emoji"];
    let preferred = families.iter().any(|family| name.starts_with(family));
    Some(2 * penalty + u32::from(!preferred))
}

/// What usvg needs to set `text`: without the system's fonts as long as it can do without.
pub(super) fn options_for(text: &str) -> usvg::Options<'static> {
    let enough = text.chars().all(|c| c.is_control() || is_embedded(c));
    let fontdb = if enough { Arc::clone(&BASE.database) } else { Arc::clone(&INSTALLED.database) };
    let font_resolver = FontResolver {
        select_font: Box::new(|font, _| {
            let mono = font.families().iter().any(|family| *family == usvg::FontFamily::Monospace);
            BASE.ids.get(if mono { 0 } else if font.weight() >= 600 { 2 } else { 1 }).copied()
        }),
        select_fallback: Box::new(move |c, used, _| {
            let embedded = BASE.ids.iter().zip(&*EMBEDDED).filter(|(_, font)| font.advances.contains_key(&c));
            let mut known = embedded.map(|(id, _)| *id);
            known.find(|id| !used.contains(id)).or_else(|| {
                if enough { None } else { INSTALLED.face_for(c).filter(|id| !used.contains(id)) }
            })
        }),
    };
    usvg::Options { fontdb, font_resolver, ..usvg::Options::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_fonts_have_what_pictures_write() {
        for c in ('!'..='~').chain("·…‹›⏎␍⇥␛◌✓\\×–é Ж λ ≤".chars()) {
            assert!(is_embedded(c), "{c:?} is in no embedded font");
        }
        assert_eq!(BASE.ids.len(), 4);
        assert!((advance('a', Face::Mono) - 0.602).abs() < 1e-3);
        assert!(advance('i', Face::Sans) < advance('m', Face::Sans));
    }

    #[test]
    fn what_has_no_glyph_anywhere_is_missing() {
        assert!(!is_missing('a'));
        assert!(is_missing('\u{10ffff}'), "a font claims to have a noncharacter");
    }
}
