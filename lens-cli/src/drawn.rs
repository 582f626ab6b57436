//! The pages of a picture, each in a file of its own.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::Result;
use lens_viz::picture::{Fonts, Picture, RasterFormat, pdf, raster};

use crate::{output, style::Console, values::Pictures};

/// What a picture is written as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DrawnAs {
    /// SVG.
    Svg,
    /// PDF, all pages in one file.
    Pdf,
    /// Pixels, so many for each pixel of the page.
    Raster {
        /// PNG, WebP or JPEG.
        format: RasterFormat,
        /// Pixels.
        scale: f32,
    },
}

/// Pixels of a picture for each pixel of the page, unless asked otherwise: sharp on today's screens.
pub const SCALE: f32 = 2.0;

impl DrawnAs {
    /// What a file is drawn as whose name ends in this; pixels at the usual scale.
    pub fn of_ending(ending: &str) -> Option<Self> {
        let raster = |format| Self::Raster { format, scale: SCALE };
        match ending {
            svg if svg.eq_ignore_ascii_case("svg") => Some(Self::Svg),
            pdf if pdf.eq_ignore_ascii_case("pdf") => Some(Self::Pdf),
            other => RasterFormat::of_ending(other).map(raster),
        }
    }

    /// What a file is drawn as, by its name.
    pub fn of_path(path: &Path) -> Option<Self> {
        path.extension().and_then(|ending| ending.to_str()).and_then(Self::of_ending)
    }

    /// The forms that a folder of results is to have, each with what the names of its files end in; pixels at `scale`.
    pub fn wanted(pictures: Pictures, scale: f32) -> impl Iterator<Item = (&'static str, Self)> {
        let scaled = move |drawn| match drawn {
            Self::Raster { format, .. } => Self::Raster { format, scale },
            other => other,
        };
        pictures.endings().filter_map(move |ending| Some((ending, scaled(Self::of_ending(ending)?))))
    }

    /// Which characters may be used: what an SVG's reader has installed is not known; pixels are drawn here, and a PDF has
    /// its fonts with it.
    pub fn fonts(self) -> Fonts {
        match self {
            Self::Svg => Fonts::Viewer,
            Self::Pdf | Self::Raster { .. } => Fonts::Installed,
        }
    }

    /// The files of a picture of this name: the stem of each, and what is in it.
    ///
    /// # Errors
    /// When pixels or PDF cannot be made.
    pub fn files(self, pages: &[Picture], stem: &str) -> Result<Vec<(String, Vec<u8>)>> {
        let each = |draw: &dyn Fn(&Picture) -> Result<Vec<u8>>| {
            pages.iter().map(|page| Ok((page.file_stem(stem), draw(page)?))).collect()
        };
        match self {
            Self::Svg => each(&|page| Ok(page.svg.clone().into_bytes())),
            Self::Raster { format, scale } => each(&|page| Ok(raster(&page.svg, format, scale)?)),
            Self::Pdf => Ok(vec![(stem.to_owned(), pdf(pages)?)]),
        }
    }
}

/// Writes pages beside each other, the first under the name that was asked for; those of a PDF into one file.
///
/// # Errors
/// When a page cannot be drawn or written.
pub fn write_pages(pages: &[Picture], path: &Path, drawn: DrawnAs, console: &Console) -> Result<()> {
    if pages.len() > 1 {
        let where_to = if drawn == DrawnAs::Pdf { "all in one file" } else { "each in a file of its own" };
        console.note(&format!("the picture has {} pages, {where_to}", pages.len()));
    }
    note_missing(&write_quietly(pages, path, drawn)?, console);
    Ok(())
}

/// The same without a word; the characters that no font has are returned.
pub(crate) fn write_quietly(pages: &[Picture], path: &Path, drawn: DrawnAs) -> Result<BTreeSet<char>> {
    let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    for (stem, bytes) in drawn.files(pages, &part(path.file_stem()))? {
        let name = format!("{stem}.{}", part(path.extension()));
        output::write_file(&path.with_file_name(name), |out| out.write_all(&bytes))?;
    }
    Ok(pages.iter().flat_map(|page| page.missing.iter().copied()).collect())
}

/// Says once which characters could not be drawn.
pub fn note_missing(missing: &BTreeSet<char>, console: &Console) {
    static SAID: AtomicBool = AtomicBool::new(false);
    const NAMED: usize = 5;
    if missing.is_empty() || SAID.swap(true, Ordering::Relaxed) {
        return;
    }
    let mut named: Vec<String> = missing.iter().take(NAMED).map(char::to_string).collect();
    if missing.len() > NAMED {
        named.push("…".to_owned());
    }
    let characters =
        if missing.len() == 1 { "1 character".to_owned() } else { format!("{} characters", missing.len()) };
    // The fonts of Chinese, Japanese and Korean are the ones that systems come without.
    let is_cjk = |c: &char| matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}');
    let install = if missing.iter().any(is_cjk) {
        "install e.g. fonts-noto-cjk"
    } else {
        "install a font that has them"
    };
    console.note(&format!(
        "no installed font has {} ({characters}): pictures of pixels and PDF show their code points; {install}, or use .svg or .html",
        named.join(", ")
    ));
}
