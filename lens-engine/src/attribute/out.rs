//! Where an attribution goes, and in which form.

use std::path::Path;

use anyhow::{Result, bail};
use lens_cli::{
    args::{AttributeArgs, AttributeFormat},
    drawn::{self, DrawnAs},
    format, output,
    style::Console,
    tables,
};
use lens_core::attribution::AttributionTrace;
use lens_viz::{
    page,
    picture::{self, PictureOptions},
    terminal,
};

/// Parts, heads and neurons below the table, where no number was asked for.
const LARGEST: usize = 10;

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Form {
    /// What goes to stdout.
    Stdout,
    Json,
    Html,
    Picture(DrawnAs),
}

impl Form {
    /// What was asked for; the name of a file tells what it holds.
    pub(super) fn of(args: &AttributeArgs) -> Result<Self> {
        let Some(path) = args.out.as_deref() else { return Ok(Self::Stdout) };
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_lowercase();
        let form = match (ending.as_str(), args.input.prompts.is_some()) {
            ("json", false) | ("json" | "jsonl", true) => Self::Json,
            ("html", false) => Self::Html,
            (ending, false) => match DrawnAs::of_ending(ending) {
                Some(drawn) => Self::Picture(drawn),
                None => {
                    let endings = ["json", "html", "svg", "pdf", "png", "webp", "jpg"];
                    bail!(format::not_results(path, &endings))
                }
            },
            (_, true) => bail!(
                "{} cannot hold many prompts: give a name that ends in .jsonl, for a line of JSON for each",
                path.display()
            ),
        };
        Ok(form)
    }
}

/// Shows one attribution.
pub(super) fn show(
    trace: &AttributionTrace,
    form: &Form,
    args: &AttributeArgs,
    console: &Console,
) -> Result<()> {
    let path = args.out.as_deref().unwrap_or(Path::new(""));
    match form {
        Form::Stdout => match args.format {
            AttributeFormat::Json => output::print(|out| output::json(out, trace)),
            AttributeFormat::Table => {
                output::print(|out| out.write_all(table(trace, args, console).as_bytes()))
            }
        },
        Form::Json => output::write_file(path, |out| output::json(out, trace)),
        Form::Html => {
            let text = page::attribution(trace, &PictureOptions::default())?;
            output::write_file(path, |out| out.write_all(text.as_bytes()))
        }
        Form::Picture(drawn) => {
            let options = PictureOptions::default().with_fonts(drawn.fonts());
            drawn::write_pages(&picture::attribution(trace, &options)?, path, *drawn, console)
        }
    }
}

/// An attribution for people.
pub(super) fn table(trace: &AttributionTrace, args: &AttributeArgs, console: &Console) -> String {
    let most = args.top_k.map_or(LARGEST, usize::from);
    terminal::attribution(trace, most, &tables::options(console))
}
