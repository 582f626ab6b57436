//! The files of a run: its trace, LogitLens4LLMs's files, pictures, and the page.

use std::io::{self, Write};

use anyhow::{Context, Result};
use lens_core::{
    LensTrace,
    predecessor::{all_layers, important_layers},
};
use lens_viz::{
    page::{PageOptions, page},
    picture::{Fonts, PictureOptions, files, pngs, svg},
};

use crate::{
    output::{self, Folder},
    progress::Running,
    style::Console,
};

/// Pixels of a PNG for each pixel of the page that it shows.
const SCALE: f32 = 1.5;

/// Pictures that are drawn side by side: enough for all cores, few enough to stay in megabytes.
const AT_ONCE: usize = 8;

/// Writes what belongs to a trace into `folder`, below `place` (which ends in `/` or is empty).
pub(crate) fn write(folder: &mut Folder, place: &str, trace: &LensTrace, console: &Console) -> Result<()> {
    folder.write(&format!("{place}trace.json"), |out| output::json(out, trace))?;
    folder.write(&format!("{place}all_layers.json"), |out| pretty(out, &all_layers(trace)))?;
    folder.write(&format!("{place}important_layers.json"), |out| pretty(out, &important_layers(trace)))?;
    pictures(folder, place, trace, console)?;
    // A page can be too large for a browser; that takes nothing from the trace.
    match page(trace, &PageOptions::default()) {
        Ok(html) => folder.write(&format!("{place}lens.html"), |out| out.write_all(html.as_bytes())),
        Err(error) => {
            console.note(&format!("there is no lens.html: {error}"));
            Ok(())
        }
    }
}

/// JSON as LogitLens4LLMs writes it, for eyes.
fn pretty(out: &mut dyn Write, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    out.write_all(b"\n")
}

/// The heatmaps of every step, and a grid where several positions were read.
fn pictures(folder: &mut Folder, place: &str, trace: &LensTrace, console: &Console) -> Result<()> {
    let pictures = files(trace);
    let running = Running::new("drawing");
    for (done, some) in pictures.chunks(AT_ONCE).enumerate() {
        running.draw(done * AT_ONCE, pictures.len());
        let (mut names, mut pages) = (Vec::new(), Vec::new());
        for picture in some {
            let options = PictureOptions { fonts: Fonts::Installed, ..picture.options.clone() };
            match svg(trace, picture.kind, &options) {
                Ok(drawn) => {
                    names.extend(drawn.iter().map(|page| page.file_stem(&picture.stem)));
                    pages.extend(drawn);
                }
                Err(error) => console.note(&format!("there is no picture {}: {error}", picture.stem)),
            }
        }
        let drawn = pngs(&pages, SCALE).context("cannot draw the heatmaps")?;
        for (name, bytes) in names.iter().zip(drawn) {
            folder.write(&format!("{place}heatmaps/{name}.png"), |out| out.write_all(&bytes))?;
        }
    }
    Ok(())
}
