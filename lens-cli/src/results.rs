//! The files of a run: its trace, LogitLens4LLMs's files, pictures, and the page.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use lens_core::{
    LensTrace,
    sink::{all_layers_json, important_layers_json, trace_json},
};
use lens_viz::{
    page::{PageOptions, page},
    picture::{Fonts, Picture, PictureFile, files, svg},
};
use rayon::prelude::{IntoParallelRefIterator, ParallelIterator};

use crate::{
    drawn::{DrawnAs, note_missing},
    flat::Tables,
    folder::Folder,
    progress::Running,
    record::{Cleared, TABLES},
    signals,
    style::Console,
    values::Pictures,
};

/// Pixels of a picture for each pixel of the page that it shows.
const SCALE: f32 = 1.5;

/// Pictures that are drawn side by side, at most: few enough to stay in megabytes.
const AT_ONCE: usize = 8;

/// Writes what belongs to a trace into `folder`, below `place` (which ends in `/` or is empty). After a signal, the
/// pictures are left out: `lens render` draws them of the trace.
///
/// # Errors
/// When a file cannot be written, or a picture cannot be drawn.
pub fn write(
    folder: &mut Folder,
    place: &str,
    trace: &LensTrace,
    wanted: Pictures,
    console: &Console,
) -> Result<()> {
    folder.write_whole(&format!("{place}trace.json"), trace, |out| Box::new(trace_json(out)))?;
    note_cleared(folder, console);
    let mut tables = Tables::begin(folder, place)?;
    tables.push(trace)?;
    tables.finish(folder)?;
    folder.write_whole(&format!("{place}all_layers.json"), trace, |out| Box::new(all_layers_json(out)))?;
    let important = format!("{place}important_layers.json");
    folder.write_whole(&important, trace, |out| Box::new(important_layers_json(out)))?;
    let drawn = pictures(folder, place, trace, wanted, console)?;
    let mut written = vec!["trace.json"];
    // A page can be too large for a browser; that takes nothing from the trace.
    match page(trace, &PageOptions::default()) {
        _ if drawn.missed > 0 => {}
        Ok(html) => {
            folder.write(&format!("{place}lens.html"), |out| out.write_all(html.as_bytes()))?;
            written.push("lens.html");
        }
        Err(error) => console.note(&format!("there is no lens.html: {error}")),
    }
    let pictures =
        if drawn.count == 1 { "1 picture".to_owned() } else { format!("{} pictures", drawn.count) };
    let pictures = format!("{pictures} in heatmaps/");
    written.extend(
        (drawn.count > 0)
            .then_some(&*pictures)
            .into_iter()
            .chain(TABLES)
            .chain(["all_layers.json", "important_layers.json"]),
    );
    let whole = folder.path().join(place);
    let whole = whole.to_string_lossy();
    let whole = whole.trim_end_matches('/');
    console.note(&format!("results in {whole}/: {}", written.join(", ")));
    if drawn.missed > 0 {
        console.note(&format!(
            "interrupted: the page and {} of {} pictures are left out; lens render {whole}/trace.json draws them",
            drawn.missed,
            drawn.missed + drawn.count
        ));
    }
    Ok(())
}

/// Says what became of an earlier run's files.
pub fn note_cleared(folder: &mut Folder, console: &Console) {
    let Cleared { removed, kept } = folder.cleared();
    if removed > 0 {
        let files = if removed == 1 { "1 file".to_owned() } else { format!("{removed} files") };
        console.note(&format!("removed {files} of an earlier run from {}/", folder.path().display()));
    }
    for name in kept {
        console.note(&format!("{name} is of an earlier run and was changed since: it stays"));
    }
}

/// How many pages of pictures were written, and how many pictures were not drawn because a signal came.
struct Drawn {
    count: usize,
    missed: usize,
}

/// The heatmaps of every step, and a grid where several positions were read.
fn pictures(
    folder: &mut Folder,
    place: &str,
    trace: &LensTrace,
    wanted: Pictures,
    console: &Console,
) -> Result<Drawn> {
    let mut drawn = Drawn { count: 0, missed: 0 };
    if wanted.is_none() {
        return Ok(drawn);
    }
    let mut missing = BTreeSet::new();
    let pictures = files(trace);
    let running = Running::new("drawing");
    // A piece is what a signal has to wait for.
    let at_once = rayon::current_num_threads().clamp(1, AT_ONCE);
    for (done, some) in pictures.chunks(at_once).enumerate() {
        if signals::seen().is_some() {
            drawn.missed = pictures.len() - done * at_once;
            break;
        }
        running.draw(done * at_once, pictures.len());
        for (ending, form) in DrawnAs::wanted(wanted, SCALE) {
            let pictures = drawn_pages(trace, some, form.fonts(), console);
            missing.extend(pictures.iter().flat_map(|(_, pages)| pages).flat_map(|page| &page.missing));
            let files = |(stem, pages): &(&str, Vec<Picture>)| form.files(pages, stem);
            let files: Vec<_> =
                pictures.par_iter().map(files).collect::<Result<_>>().context("cannot draw the heatmaps")?;
            for (stem, bytes) in files.into_iter().flatten() {
                folder.write(&format!("{place}heatmaps/{stem}.{ending}"), |out| out.write_all(&bytes))?;
                drawn.count += 1;
            }
        }
    }
    drop(running);
    note_missing(&missing, console);
    Ok(drawn)
}

/// The pages of some pictures, each with the name of its file. What cannot be drawn is noted.
fn drawn_pages<'a>(
    trace: &LensTrace,
    some: &'a [PictureFile],
    fonts: Fonts,
    console: &Console,
) -> Vec<(&'a str, Vec<Picture>)> {
    let draw =
        |picture: &'a PictureFile| match svg(trace, picture.kind, &picture.options.clone().with_fonts(fonts))
        {
            Ok(pages) => Some((&*picture.stem, pages)),
            Err(error) => {
                console.note(&format!("there is no picture {}: {error}", picture.stem));
                None
            }
        };
    some.iter().filter_map(draw).collect()
}
