//! The pages of a picture, each in a file of its own.

use std::{collections::BTreeSet, path::Path};

use anyhow::Result;
use lens_cli::{output, results, style::Console};
use lens_viz::picture::{Picture, png};

/// Pixels of a PNG for each pixel of the page.
pub(crate) const SCALE: f32 = 2.0;

/// Writes pages beside one another, as PNG where the name ends so and else as SVG: the first under the name given, the
/// others with their numbers in it.
pub(crate) fn write(pages: &[Picture], path: &Path, console: &Console) -> Result<()> {
    if pages.len() > 1 {
        console.note(&format!("the picture has {} pages, each in a file of its own", pages.len()));
    }
    let mut missing = BTreeSet::new();
    let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    for page in pages {
        missing.extend(&page.missing);
        let path = path.with_file_name(format!("{}.{ending}", page.file_stem(&stem)));
        if ending.eq_ignore_ascii_case("png") {
            let bytes = png(&page.svg, SCALE)?;
            output::write_file(&path, |out| out.write_all(&bytes))?;
        } else {
            output::write_file(&path, |out| out.write_all(page.svg.as_bytes()))?;
        }
    }
    results::note_missing(&missing, console);
    Ok(())
}
