//! Where the results of a sweep go.

use std::{collections::BTreeSet, path::Path};

use anyhow::{Result, bail};
use lens_cli::{
    args::{AttributeFormat, PatchArgs},
    drawn::{self, DrawnAs, SCALE, note_missing},
    folder::Folder,
    format, output, results,
    style::Console,
    tables,
    values::Pictures,
};
use lens_core::patch::PatchTrace;
use lens_viz::{
    picture::{self, PatchPicture, PictureOptions},
    terminal,
};

/// The name of the JSON in a folder of results.
const JSON: &str = "patching.json";

/// The form of the results.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Form {
    Stdout,
    Json,
    Picture(DrawnAs),
    Folder,
}

impl Form {
    /// What the name of the output says.
    pub(super) fn of(args: &PatchArgs) -> Result<Self> {
        let Some(path) = &args.out else { return Ok(Self::Stdout) };
        let Some(ending) = path.extension() else { return Ok(Self::Folder) };
        match ending.to_string_lossy().to_lowercase().as_str() {
            "json" => Ok(Self::Json),
            ending => match DrawnAs::of_ending(ending) {
                Some(drawn) => Ok(Self::Picture(drawn)),
                None => {
                    let endings = ["json", "svg", "pdf", "png", "webp", "jpg"];
                    let said = format::not_results(path, &endings);
                    bail!("{said}; a name without an ending is that of a folder")
                }
            },
        }
    }
}

/// Writes a sweep to where it was asked for.
pub(super) fn show(
    trace: &PatchTrace,
    args: &PatchArgs,
    form: Form,
    folder: Option<Folder>,
    console: &Console,
) -> Result<()> {
    match (form, args.out.as_deref(), folder) {
        (Form::Json, Some(path), _) => output::write_file(path, |out| output::json(out, trace)),
        (Form::Picture(form), Some(path), _) => {
            let pictures = pictures(trace, form)?;
            for picture in &pictures {
                // Several pictures have the site in their names.
                match pictures.len() {
                    1 => drawn::write_pages(&picture.pages, path, form, console)?,
                    _ => drawn::write_pages(&picture.pages, &beside(path, &picture.stem), form, console)?,
                }
            }
            Ok(())
        }
        (Form::Folder, _, Some(folder)) => write_all(trace, args, folder, console),
        _ if args.format == AttributeFormat::Json => output::print(|out| output::json(out, trace)),
        _ => {
            let text = terminal::patching(trace, &tables::options(console));
            output::print(|out| out.write_all(text.as_bytes()))
        }
    }
}

fn pictures(trace: &PatchTrace, form: DrawnAs) -> Result<Vec<PatchPicture>> {
    Ok(picture::patching(trace, &PictureOptions::default().with_fonts(form.fonts()))?)
}

/// `a.svg` with the site in it: `a_attn_out.svg`.
fn beside(path: &Path, stem: &str) -> std::path::PathBuf {
    let (own, ending) = (path.file_stem().unwrap_or_default(), path.extension().unwrap_or_default());
    path.with_file_name(format!("{}_{stem}.{}", own.to_string_lossy(), ending.to_string_lossy()))
}

fn write_all(trace: &PatchTrace, args: &PatchArgs, mut folder: Folder, console: &Console) -> Result<()> {
    folder.write(JSON, |out| output::json(out, trace))?;
    results::note_cleared(&mut folder, console);
    let wanted = args.pictures.unwrap_or(Pictures::USUAL);
    let mut missing = BTreeSet::new();
    let mut count = 0;
    for (ending, form) in DrawnAs::wanted(wanted, SCALE) {
        for picture in pictures(trace, form)? {
            missing.extend(picture.pages.iter().flat_map(|page| page.missing.iter().copied()));
            for (stem, bytes) in form.files(&picture.pages, &picture.stem)? {
                folder.write(&format!("heatmaps/{stem}.{ending}"), |out| out.write_all(&bytes))?;
                count += 1;
            }
        }
    }
    note_missing(&missing, console);
    let pictures = if count == 1 { "1 picture".to_owned() } else { format!("{count} pictures") };
    let pictures = if count > 0 { format!(", {pictures} in heatmaps/") } else { String::new() };
    console.note(&format!("results in {}/: {JSON}{pictures}", folder.path().display()));
    Ok(())
}

/// Answers that are not the model's own are shown, but never as a success.
pub(super) fn verdict(trace: &PatchTrace) -> Result<()> {
    let check = &trace.self_check;
    if check.passed {
        return Ok(());
    }
    bail!(
        "THE SELF-CHECK FAILED: a logit is off by {:e} from the model's own plain product, or by {:e} in a run that changes \
         nothing. Do not believe these results, and please report this with what `lens check` says of the model: {}/issues",
        check.max_abs_logit_error,
        check.unchanged_error,
        env!("CARGO_PKG_REPOSITORY")
    )
}
