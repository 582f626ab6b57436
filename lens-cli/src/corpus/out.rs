//! Where a merged corpus goes: to stdout, into a file, or all of it into a folder.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Result, bail};
use lens_viz::{
    page,
    picture::{CorpusPicture, PictureError, PictureOptions, corpus},
};

use super::{csv, merged::Whole, table};
use crate::{
    args::{CorpusFile, CorpusMergeArgs, CorpusOut, EvaluateFormat},
    drawn::{DrawnAs, SCALE, note_missing},
    folder::Folder,
    format::not_results,
    output, results,
    style::Console,
    values::Pictures,
};

/// Where a merged corpus goes.
pub(super) enum Out {
    Stdout,
    File(PathBuf, CorpusFile),
    Folder(Folder),
}

impl Out {
    /// The place that was asked for; a folder is made before anything is read.
    pub(super) fn begin(args: &CorpusMergeArgs) -> Result<Self> {
        Ok(match args.destination() {
            CorpusOut::Stdout => Self::Stdout,
            CorpusOut::File(path, file) => Self::File(path.to_owned(), file),
            CorpusOut::Folder(path) => Self::Folder(Folder::for_results(path)?),
            CorpusOut::Misnamed(path) => bail!("{}", not_results(path, &["txt", "json", "csv", "html"])),
        })
    }

    /// Writes a corpus.
    pub(super) fn show(self, whole: &Whole<'_>, args: &CorpusMergeArgs, console: &Console) -> Result<()> {
        let print = || output::print(|out| write(out, whole, args.format));
        match self {
            Self::Stdout => return print(),
            Self::File(path, file) => {
                match file {
                    CorpusFile::Results(format) => {
                        output::write_file(&path, |out| write(out, whole, format))?;
                    }
                    CorpusFile::Page => {
                        let page = page_of(whole)?;
                        output::write_file(&path, |out| out.write_all(page.as_bytes()))?;
                    }
                }
                console.note(&format!("results in {}", path.display()));
            }
            Self::Folder(mut folder) => {
                fill(&mut folder, whole, args.pictures.unwrap_or(Pictures::USUAL), console)?;
                console.note(&format!("results in {}/", folder.path().display()));
                return print();
            }
        }
        Ok(())
    }
}

fn write(out: &mut dyn Write, whole: &Whole<'_>, format: EvaluateFormat) -> io::Result<()> {
    match format {
        EvaluateFormat::Table => table::write(out, whole.report),
        EvaluateFormat::Json => output::json(out, whole),
        EvaluateFormat::Csv => csv::write(out, whole.report),
    }
}

fn page_of(whole: &Whole<'_>) -> Result<String, PictureError> {
    page::corpus(whole.report, &whole.facts(), &whole.notes, &PictureOptions::default())
}

/// Writes all that there is of a corpus. A picture that cannot be drawn takes nothing from the numbers.
fn fill(folder: &mut Folder, whole: &Whole<'_>, wanted: Pictures, console: &Console) -> Result<()> {
    let files = [("corpus.json", EvaluateFormat::Json), ("corpus.csv", EvaluateFormat::Csv)];
    for (name, format) in files {
        folder.write(name, |out| write(out, whole, format))?;
    }
    match page_of(whole) {
        Ok(page) => folder.write("corpus.html", |out| out.write_all(page.as_bytes()))?,
        Err(error) => console.note(&format!("there is no page: {error}")),
    }
    for what in CorpusPicture::ALL.into_iter().filter(|what| what.is_of(whole.report)) {
        for (ending, drawn) in DrawnAs::wanted(wanted, SCALE) {
            let options = PictureOptions::default().with_fonts(drawn.fonts());
            let pages = match corpus(whole.report, what, &whole.facts(), &options) {
                Ok(pages) => pages,
                Err(error) => {
                    console.note(&format!("there is no picture {}: {error}", what.name()));
                    continue;
                }
            };
            for (stem, bytes) in drawn.files(&pages, what.name())? {
                folder.write(&format!("{stem}.{ending}"), |out| out.write_all(&bytes))?;
            }
            let missing = pages.iter().flat_map(|page| page.missing.iter().copied());
            note_missing(&missing.collect::<BTreeSet<_>>(), console);
        }
    }
    results::note_cleared(folder, console);
    Ok(())
}
