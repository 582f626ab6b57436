//! Where a comparison goes: to stdout, into files, or all of it into a folder.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use anyhow::Result;
use lens_cli::{
    args::{DiffArgs, DiffOut, EvaluateFormat},
    drawn::{self, DrawnAs, SCALE, note_missing},
    folder::Folder,
    output, results,
    style::Console,
    values::Pictures,
};
use lens_core::diff::DiffTrace;
use lens_viz::{
    page,
    picture::{self, PictureOptions},
};

use super::show;

/// Where a comparison goes.
pub(super) enum Out {
    Stdout,
    File(PathBuf, EvaluateFormat),
    Page(PathBuf),
    Pictures(PathBuf, DrawnAs),
    Folder(Folder),
}

impl Out {
    /// The place that was asked for; a folder is made before anything is read.
    pub(super) fn begin(args: &DiffArgs) -> Result<Self> {
        Ok(match args.destination() {
            DiffOut::Stdout => Self::Stdout,
            DiffOut::Results(path, format) => Self::File(path.to_owned(), format),
            DiffOut::Page(path) => Self::Page(path.to_owned()),
            DiffOut::Pictures(path) => {
                Self::Pictures(path.to_owned(), DrawnAs::of_path(path).unwrap_or(DrawnAs::Svg))
            }
            DiffOut::Folder(path) => Self::Folder(Folder::for_results(path)?),
        })
    }

    /// Writes a comparison.
    pub(super) fn show(self, trace: &DiffTrace, args: &DiffArgs, console: &Console) -> Result<()> {
        let print = || output::print(|out| show::write(out, trace, args.format, console));
        let path = match self {
            Self::Stdout => return print(),
            Self::File(path, format) => {
                output::write_file(&path, |out| show::write(out, trace, format, &console.plain()))?;
                path
            }
            Self::Page(path) => {
                let page = page::diff(trace, &PictureOptions::default())?;
                output::write_file(&path, |out| out.write_all(page.as_bytes()))?;
                path
            }
            Self::Pictures(path, drawn) => {
                for picture in picture::diff(trace, &PictureOptions::default().with_fonts(drawn.fonts()))? {
                    let path = beside(&path, &picture.stem);
                    drawn::write_pages(&picture.pages, &path, drawn, console)?;
                    console.note(&format!("results in {}", path.display()));
                }
                return Ok(());
            }
            Self::Folder(mut folder) => {
                fill(&mut folder, trace, args.pictures.unwrap_or(Pictures::USUAL), console)?;
                let place = folder.path().display().to_string();
                console.note(&format!("results in {}/", place.trim_end_matches('/')));
                return print();
            }
        };
        console.note(&format!("results in {}", path.display()));
        Ok(())
    }
}

/// `a.svg` with what it shows in its name: `a_own.svg`.
fn beside(path: &Path, stem: &str) -> PathBuf {
    let (own, ending) = (path.file_stem().unwrap_or_default(), path.extension().unwrap_or_default());
    path.with_file_name(format!("{}_{stem}.{}", own.to_string_lossy(), ending.to_string_lossy()))
}

/// Writes all that there is of a comparison. A picture that cannot be drawn takes nothing from the numbers.
fn fill(folder: &mut Folder, trace: &DiffTrace, wanted: Pictures, console: &Console) -> Result<()> {
    let files = [("diff.json", EvaluateFormat::Json), ("diff.csv", EvaluateFormat::Csv)];
    for (name, format) in files {
        folder.write(name, |out| show::write(out, trace, format, &console.plain()))?;
    }
    results::note_cleared(folder, console);
    match page::diff(trace, &PictureOptions::default()) {
        Ok(page) => folder.write("diff.html", |out| out.write_all(page.as_bytes()))?,
        Err(error) => console.note(&format!("there is no diff.html: {error}")),
    }
    let mut missing = BTreeSet::new();
    for (ending, drawn) in DrawnAs::wanted(wanted, SCALE) {
        let pictures = match picture::diff(trace, &PictureOptions::default().with_fonts(drawn.fonts())) {
            Ok(pictures) => pictures,
            Err(error) => {
                console.note(&format!("there is no picture: {error}"));
                return Ok(());
            }
        };
        for picture in &pictures {
            missing.extend(picture.pages.iter().flat_map(|page| page.missing.iter().copied()));
            for (stem, bytes) in drawn.files(&picture.pages, &picture.stem)? {
                folder.write(&format!("heatmaps/{stem}.{ending}"), |out| out.write_all(&bytes))?;
            }
        }
    }
    note_missing(&missing, console);
    Ok(())
}
