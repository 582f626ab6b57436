//! Writing what is shown into a file, in the form that its name ends in.

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::{Result, bail};
use lens_core::{
    LensTrace,
    sink::{JsonLines, Sink},
};
use lens_data::{Format, ReadoutSink, packed::Packing};
use lens_viz::{
    page::{PageOptions, page},
    picture::{PictureKind, PictureOptions, svg},
    terminal::{TableOptions, heatmap},
    tui::Export,
};

use crate::{
    drawn::{self, DrawnAs},
    folder::{Folder, cause},
    output,
    to_file::ToFile,
};

/// What came of it.
pub(super) enum Written {
    /// It is there; a sentence for the user.
    Done(String),
    /// A file of that name is there, and was not to be replaced.
    Exists,
}

/// Columns of a grid in a text file.
const COLUMNS: usize = 200;

/// Writes a trace: a page, a picture or text of the grid that is shown, a table, or the trace itself.
pub(super) fn export(trace: &LensTrace, what: &Export) -> Result<Written> {
    let path = path(what.file.trim());
    let (packing, inner) = Packing::of(&path);
    let ending = inner.extension().map(|ending| ending.to_string_lossy().to_lowercase()).unwrap_or_default();
    if packing.is_some() && !["json", "jsonl"].contains(&&*ending) {
        bail!("only .json and .jsonl are packed, not {}", path.display());
    }
    let known = [
        "html", "png", "svg", "pdf", "webp", "jpg", "jpeg", "txt", "csv", "parquet", "arrow", "json", "jsonl",
    ];
    if !known.contains(&&*ending) {
        bail!("{} does not say what to write: end it in .{}", path.display(), known.join(", ."));
    }
    if path.exists() && !what.replace {
        return Ok(Written::Exists);
    }
    if let Some(drawn) = DrawnAs::of_ending(&ending) {
        let note = picture(trace, what, &path, drawn)?;
        return Ok(Written::Done(format!("written: {}{note}", path.display())));
    }
    match &*ending {
        "html" => {
            let html = page(trace, &PageOptions::default())?;
            output::write_file(&path, |out| out.write_all(html.as_bytes()))?;
        }
        "txt" => {
            let options = TableOptions::default().with_width(COLUMNS);
            let text = heatmap(trace, what.measure, &options_of(what), &options)?;
            output::write_file(&path, |out| out.write_all(text.as_bytes()))?;
        }
        "csv" => table(trace, &path, Format::Csv)?,
        "parquet" => table(trace, &path, Format::Parquet)?,
        "arrow" => table(trace, &path, Format::Arrow)?,
        _ => packed(trace, &path, ending == "jsonl")?,
    }
    Ok(Written::Done(format!("written: {}", path.display())))
}

/// A path as it was typed, in which `~` is the user's own folder.
fn path(typed: &str) -> PathBuf {
    let home = || std::env::home_dir().filter(|home| !home.as_os_str().is_empty());
    match typed.strip_prefix("~/").zip(home()) {
        Some((rest, home)) => home.join(rest),
        None => PathBuf::from(typed),
    }
}

fn options_of(what: &Export) -> PictureOptions {
    PictureOptions::default().with_lens(what.lens.clone()).with_components(vec![what.component])
}

/// Draws the grid; what has to be said of it is returned.
fn picture(trace: &LensTrace, what: &Export, path: &Path, drawn: DrawnAs) -> Result<String> {
    let options = options_of(what).with_fonts(drawn.fonts());
    let pages = svg(trace, PictureKind::Grid(what.measure), &options)?;
    let missing = drawn::write_quietly(&pages, path, drawn)?;
    let mut note = String::new();
    if pages.len() > 1 && drawn != DrawnAs::Pdf {
        note.push_str(&format!(", and {} more pages beside it", pages.len() - 1));
    }
    if !missing.is_empty() {
        note.push_str(&format!("; no installed font has {} of its characters", missing.len()));
    }
    Ok(note)
}

fn table(trace: &LensTrace, path: &Path, format: Format) -> Result<()> {
    let (mut folder, name) = Folder::of_file(path)?;
    let mut table = ReadoutSink::new(folder.begin(&name)?, format)?;
    table.whole(trace).map_err(cause)?;
    folder.finish(table.finish()?)
}

/// Writes the trace, packed where the name says so.
fn packed(trace: &LensTrace, path: &Path, as_lines: bool) -> Result<()> {
    let mut file = ToFile::begin(path)?;
    let written = file.print(|out| match as_lines {
        true => JsonLines::new(out).whole(trace).map_err(io::Error::other),
        false => output::json(out, trace),
    });
    file.finish_quietly(written.err()).map(drop)
}
