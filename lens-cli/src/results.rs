//! The files of a run: its trace, LogitLens4LLMs's files, pictures, and the page.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result};
use lens_core::{
    LensTrace,
    sink::{all_layers_json, important_layers_json, trace_json},
};
use lens_viz::{
    page::{PageOptions, page},
    picture::{Fonts, Picture, PictureFile, files, pngs, svg},
};

use crate::{
    flat::Tables,
    folder::Folder,
    progress::Running,
    record::{Cleared, TABLES},
    signals,
    style::Console,
    values::Pictures,
};

/// Pixels of a PNG for each pixel of the page that it shows.
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

/// Says once which characters PNGs could not show.
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
        "no installed font has {} ({characters}): pictures of pixels show their code points; {install}, or use .svg or .html",
        named.join(", ")
    ));
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
        if wanted.svg {
            for (name, page) in pages(trace, some, Fonts::Viewer, console) {
                folder.write(&format!("{place}heatmaps/{name}.svg"), |out| {
                    out.write_all(page.svg.as_bytes())
                })?;
                drawn.count += 1;
            }
        }
        if wanted.png {
            let (names, pages): (Vec<_>, Vec<_>) =
                pages(trace, some, Fonts::Installed, console).into_iter().unzip();
            missing.extend(pages.iter().flat_map(|page| &page.missing));
            let bytes = pngs(&pages, SCALE).context("cannot draw the heatmaps")?;
            for (name, bytes) in names.iter().zip(bytes) {
                folder.write(&format!("{place}heatmaps/{name}.png"), |out| out.write_all(&bytes))?;
                drawn.count += 1;
            }
        }
    }
    drop(running);
    note_missing(&missing, console);
    Ok(drawn)
}

/// The pages of some pictures, with the names of their files. What cannot be drawn is noted.
fn pages(trace: &LensTrace, some: &[PictureFile], fonts: Fonts, console: &Console) -> Vec<(String, Picture)> {
    let mut pages = Vec::new();
    for picture in some {
        match svg(trace, picture.kind, &picture.options.clone().with_fonts(fonts)) {
            Ok(drawn) => pages.extend(drawn.into_iter().map(|page| (page.file_stem(&picture.stem), page))),
            Err(error) => console.note(&format!("there is no picture {}: {error}", picture.stem)),
        }
    }
    pages
}
