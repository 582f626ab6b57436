//! The pages of a picture, each in a file of its own.

use std::{collections::BTreeSet, path::Path};

use anyhow::Result;
use lens_viz::picture::{Fonts, Picture, RasterFormat, raster};

use crate::{output, results::note_missing, style::Console};

/// What a picture is written as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DrawnAs {
    /// SVG.
    Svg,
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
    /// A PNG at the usual scale.
    pub const PNG: Self = Self::Raster { format: RasterFormat::Png, scale: SCALE };

    /// What a file is drawn as whose name ends in this; pixels at the usual scale.
    pub fn of_ending(ending: &str) -> Option<Self> {
        let raster = |format| Self::Raster { format, scale: SCALE };
        match ending {
            svg if svg.eq_ignore_ascii_case("svg") => Some(Self::Svg),
            other => RasterFormat::of_ending(other).map(raster),
        }
    }

    /// What a file is drawn as, by its name.
    pub fn of_path(path: &Path) -> Option<Self> {
        path.extension().and_then(|ending| ending.to_str()).and_then(Self::of_ending)
    }

    /// Which characters may be used: what an SVG's reader has installed is not known; pixels are drawn here.
    pub fn fonts(self) -> Fonts {
        match self {
            Self::Svg => Fonts::Viewer,
            Self::Raster { .. } => Fonts::Installed,
        }
    }

    /// A page as it is written.
    ///
    /// # Errors
    /// When its pixels cannot be made.
    pub fn bytes(self, page: &Picture) -> Result<Vec<u8>> {
        match self {
            Self::Svg => Ok(page.svg.clone().into_bytes()),
            Self::Raster { format, scale } => Ok(raster(&page.svg, format, scale)?),
        }
    }
}

/// Writes pages beside each other, the first under the name that was asked for.
///
/// # Errors
/// When a page cannot be drawn or written.
pub fn write_pages(pages: &[Picture], path: &Path, drawn: DrawnAs, console: &Console) -> Result<()> {
    if pages.len() > 1 {
        console.note(&format!("the picture has {} pages, each in a file of its own", pages.len()));
    }
    note_missing(&write_quietly(pages, path, drawn)?, console);
    Ok(())
}

/// The same without a word; the characters that no font has are returned.
pub(crate) fn write_quietly(pages: &[Picture], path: &Path, drawn: DrawnAs) -> Result<BTreeSet<char>> {
    let mut missing = BTreeSet::new();
    for page in pages {
        missing.extend(&page.missing);
        let bytes = drawn.bytes(page)?;
        output::write_file(&path.with_file_name(named(path, page)), |out| out.write_all(&bytes))?;
    }
    Ok(missing)
}

/// The name of a page's file.
fn named(path: &Path, page: &Picture) -> String {
    let part = |part: Option<&std::ffi::OsStr>| part.unwrap_or_default().to_string_lossy().into_owned();
    format!("{}.{}", page.file_stem(&part(path.file_stem())), part(path.extension()))
}
