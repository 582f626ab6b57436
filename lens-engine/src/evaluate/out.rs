//! Where an evaluation goes: to stdout, into a file, or all of it into a folder.

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::Result;
use lens_cli::{
    args::{EvaluateArgs, EvaluateFormat, EvaluateOut},
    drawn::{self, DrawnAs, SCALE, note_missing},
    folder::Folder,
    output, results,
    style::Console,
    values::Pictures,
};
use lens_core::evaluate::EvaluationReport;
use lens_viz::picture::{PictureOptions, evaluation};

use super::show::{self, About};

/// Where an evaluation goes.
pub(super) enum Out {
    Stdout,
    File(PathBuf, EvaluateFormat),
    Picture(PathBuf, DrawnAs),
    Folder(Folder),
}

impl Out {
    /// The place that was asked for; a folder is made before anything is read.
    pub(super) fn begin(args: &EvaluateArgs) -> Result<Self> {
        Ok(match args.destination() {
            EvaluateOut::Stdout => Self::Stdout,
            EvaluateOut::Results(path, format) => Self::File(path.to_owned(), format),
            EvaluateOut::Picture(path) => {
                Self::Picture(path.to_owned(), DrawnAs::of_path(path).unwrap_or(DrawnAs::Svg))
            }
            EvaluateOut::Folder(path) => Self::Folder(Folder::for_results(path)?),
        })
    }

    /// Writes an evaluation.
    pub(super) fn show(
        self,
        report: &EvaluationReport,
        about: &About,
        args: &EvaluateArgs,
        console: &Console,
    ) -> Result<()> {
        let print = || output::print(|out| show::write(out, report, about, args.format));
        let path = match self {
            Self::Stdout => return print(),
            Self::File(path, format) => {
                output::write_file(&path, |out| show::write(out, report, about, format))?;
                path
            }
            Self::Picture(path, drawn) => {
                let options = PictureOptions::default().with_fonts(drawn.fonts());
                let pages = evaluation(report, &about.facts(), &options)?;
                drawn::write_pages(&pages, &path, drawn, console)?;
                path
            }
            Self::Folder(mut folder) => {
                fill(&mut folder, report, about, args.pictures.unwrap_or(Pictures::USUAL), console)?;
                console.note(&format!("results in {}/", folder.path().display()));
                return print();
            }
        };
        console.note(&format!("results in {}", path.display()));
        Ok(())
    }
}

/// Writes all that there is of an evaluation. A picture that cannot be drawn takes nothing from the numbers.
fn fill(
    folder: &mut Folder,
    report: &EvaluationReport,
    about: &About,
    wanted: Pictures,
    console: &Console,
) -> Result<()> {
    let files = [("evaluation.json", EvaluateFormat::Json), ("evaluation.csv", EvaluateFormat::Csv)];
    for (name, format) in files {
        folder.write(name, |out| show::write(out, report, about, format))?;
    }
    results::note_cleared(folder, console);
    for (ending, drawn) in DrawnAs::wanted(wanted, SCALE) {
        let options = PictureOptions::default().with_fonts(drawn.fonts());
        let pages = match evaluation(report, &about.facts(), &options) {
            Ok(pages) => pages,
            Err(error) => {
                console.note(&format!("there is no picture: {error}"));
                return Ok(());
            }
        };
        for (stem, bytes) in drawn.files(&pages, "evaluation")? {
            folder.write(&format!("{stem}.{ending}"), |out| out.write_all(&bytes))?;
        }
        let missing = pages.iter().flat_map(|page| page.missing.iter().copied());
        note_missing(&missing.collect::<BTreeSet<_>>(), console);
    }
    Ok(())
}
