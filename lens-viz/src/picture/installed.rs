//! The fonts of this machine, for what the embedded ones lack.
//!
//! Most pictures need nothing but the embedded fonts, so the system's are looked at only once a character asks
//! for them, and then once per process.

use std::{
    collections::HashMap,
    ops::RangeInclusive,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use resvg::usvg::fontdb::{self, Database, FaceInfo, ID, Source, Style};
use skrifa::{FontRef, MetadataProvider};

use super::fonts;

/// A font that text can be set in: an embedded one by its number, or one of this machine, numbered after those.
pub(super) type Font = usize;

/// The fonts of this machine, and which characters have been looked up in them.
struct Installed {
    /// All faces, as the system lists them; none of them is read yet.
    listed: Database,
    /// The face to ask first in front.
    order: Vec<Candidate>,
    found: HashMap<char, Option<usize>>,
    shelf: Shelf,
}

struct Candidate {
    id: ID,
    /// The characters it has, once it was asked.
    coverage: Option<Vec<RangeInclusive<u32>>>,
    /// Its place on the shelf, once it was used.
    font: Option<Font>,
}

/// The fonts that are in memory.
#[derive(Clone)]
pub(super) struct Shelf {
    pub(super) database: Arc<Database>,
    /// A face for each [`Font`].
    pub(super) faces: Vec<ID>,
}

static EMBEDDED: LazyLock<Shelf> = LazyLock::new(|| {
    let mut database = Database::new();
    let load = |data: &'static [u8]| database.load_font_source(Source::Binary(Arc::new(data))).to_vec();
    let faces = fonts::FILES.into_iter().flat_map(load).collect();
    Shelf { database: Arc::new(database), faces }
});

static INSTALLED: LazyLock<Mutex<Installed>> = LazyLock::new(|| {
    let mut listed = Database::new();
    listed.load_system_fonts();
    let mut order: Vec<(u32, String, ID)> = listed
        .faces()
        .filter_map(|face| Some((preference(face)?, face.post_script_name.clone(), face.id)))
        .collect();
    order.sort();
    let order = order.into_iter().map(|(_, _, id)| Candidate { id, coverage: None, font: None }).collect();
    Mutex::new(Installed { listed, order, found: HashMap::new(), shelf: EMBEDDED.clone() })
});

fn installed() -> MutexGuard<'static, Installed> {
    // Nothing is ever left half done in it, so that what a panic leaves is whole.
    INSTALLED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether a font of this machine has the character.
pub(super) fn has(c: char) -> bool {
    installed().candidate(c).is_some()
}

/// Whether no font of this machine, embedded or installed, has the character.
pub(super) fn is_missing(c: char) -> bool {
    !fonts::is_embedded(c) && !has(c)
}

/// The fonts that are embedded.
pub(super) fn embedded() -> Shelf {
    EMBEDDED.clone()
}

/// The fonts that were used so far, the embedded ones first.
pub(super) fn shelf() -> Shelf {
    installed().shelf.clone()
}

/// The font for characters that no embedded one has, read into memory. What stands in one place, such as a
/// letter with its marks, should come from one font; the first character decides.
pub(super) fn font_for(cluster: &str) -> Option<Font> {
    let first = cluster.chars().next()?;
    let mut installed = installed();
    let candidate = installed.candidate(first)?;
    installed.read(candidate)
}

impl Installed {
    /// The first face that has the character.
    fn candidate(&mut self, c: char) -> Option<usize> {
        if let Some(known) = self.found.get(&c) {
            return *known;
        }
        let found = (0..self.order.len()).find(|candidate| self.covers(*candidate, c));
        self.found.insert(c, found);
        found
    }

    fn covers(&mut self, candidate: usize, c: char) -> bool {
        let (listed, candidate) = (&self.listed, &mut self.order[candidate]);
        let coverage = candidate.coverage.get_or_insert_with(|| coverage(listed, candidate.id));
        let code = u32::from(c);
        let after = coverage.partition_point(|range| *range.end() < code);
        coverage.get(after).is_some_and(|range| range.contains(&code))
    }

    /// Puts the face on the shelf. It is read whole: a file that is mapped anew for each text costs more.
    fn read(&mut self, candidate: usize) -> Option<Font> {
        if let Some(font) = self.order[candidate].font {
            return Some(font);
        }
        let face = self.listed.face(self.order[candidate].id)?.clone();
        let data = match &face.source {
            Source::File(path) => Arc::new(std::fs::read(path).ok()?),
            Source::Binary(data) | Source::SharedFile(_, data) => {
                Arc::new(AsRef::<[u8]>::as_ref(&**data).to_vec())
            }
        };
        let database = Arc::make_mut(&mut self.shelf.database);
        let ids = database.load_font_source(Source::Binary(data)).to_vec();
        let same = |id: &&ID| database.face(**id).is_some_and(|other| other.index == face.index);
        let id = ids.iter().find(same).copied()?;
        self.shelf.faces.push(id);
        let font = self.shelf.faces.len() - 1;
        self.order[candidate].font = Some(font);
        Some(font)
    }
}

/// The characters that a face has a glyph for, ascending.
fn coverage(listed: &Database, id: ID) -> Vec<RangeInclusive<u32>> {
    let read = |data: &[u8], index| {
        let font = FontRef::from_index(data, index).ok()?;
        let mut codes: Vec<u32> = font.charmap().mappings().map(|(code, _)| code).collect();
        codes.sort_unstable();
        let mut ranges: Vec<RangeInclusive<u32>> = Vec::new();
        for code in codes {
            match ranges.last_mut() {
                Some(range) if code <= range.end().saturating_add(1) => *range = *range.start()..=code,
                _ => ranges.push(code..=code),
            }
        }
        Some(ranges)
    };
    listed.with_face_data(id, read).flatten().unwrap_or_default()
}

/// How early a face is asked, smaller first; `None` for fonts that have a glyph for everything and say nothing.
/// Plain upright sans-serif faces come first, so that a picture does not change style from token to token.
fn preference(face: &FaceInfo) -> Option<u32> {
    let name = face.families.first().map(|(name, _)| name.to_lowercase())?;
    if ["lastresort", "last resort", "adobe blank", "adobeblank"].iter().any(|blank| name.contains(blank)) {
        return None;
    }
    let mut penalty = u32::from(face.weight.0.abs_diff(400));
    penalty += 1000 * u32::from(face.style != Style::Normal);
    penalty += 500 * u32::from(face.stretch != fontdb::Stretch::Normal);
    penalty += 200 * u32::from(name.contains("serif") && !name.contains("sans"));
    // Of a family that covers all of Chinese, Japanese and Korean, the simplified Chinese shapes.
    let of_cjk = name.contains("cjk") && !name.ends_with(" sc");
    penalty += 20 * u32::from(of_cjk) + 5 * u32::from(name.contains("mono"));
    let families = ["dejavu sans", "noto sans", "noto color emoji", "noto emoji"];
    let preferred = families.iter().any(|family| name.starts_with(family));
    Some(2 * penalty + u32::from(!preferred))
}

#[cfg(test)]
mod tests {
    use super::is_missing;

    #[test]
    fn what_has_no_glyph_anywhere_is_missing() {
        assert!(!is_missing('a'));
        assert!(is_missing('\u{10ffff}'), "a font claims to have a noncharacter");
    }
}
