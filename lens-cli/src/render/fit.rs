//! Which options have an effect on what is shown; those that have none are refused rather than ignored.

use anyhow::Result;
use lens_viz::picture::PictureKind;

use super::Ending;
use crate::{
    args::{ImportantBy, RenderArgs},
    values::Show,
};

/// An option that not everything honours.
struct Choice {
    name: &'static str,
    given: bool,
    fits: bool,
    /// What has it.
    advice: &'static str,
}

/// An option that would be ignored: the call is wrong, not the trace.
#[derive(Debug, thiserror::Error)]
#[error("{name} has no effect on --kind {kind} as {medium}: {advice}")]
pub(crate) struct NoEffect {
    name: &'static str,
    kind: String,
    medium: &'static str,
    advice: &'static str,
}

/// Refuses options that would change nothing.
pub(super) fn check(args: &RenderArgs, show: Show, ending: Option<Ending>) -> Result<()> {
    match choices(args, show, ending).into_iter().find(|choice| choice.given && !choice.fits) {
        None => Ok(()),
        Some(Choice { name, advice, .. }) => {
            let (kind, medium) = (show.to_string(), medium(show, ending));
            Err(NoEffect { name, kind, medium, advice }.into())
        }
    }
}

fn choices(args: &RenderArgs, show: Show, ending: Option<Ending>) -> [Choice; 11] {
    let is_drawn = matches!(medium(show, ending), ".svg" | ".pdf" | "pixels" | ".gif");
    let kind = match show {
        Show::Picture(kind) => Some(kind),
        Show::Table | Show::Page | Show::Difference(_) | Show::Film => None,
    };
    let of_one_position = matches!(kind, Some(PictureKind::AllLayers | PictureKind::ImportantLayers));
    let is_difference = matches!(show, Show::Difference(_));
    let has_cells = of_one_position || matches!(kind, Some(PictureKind::Grid(_))) || show == Show::Film;
    let choice = |name, given, fits, advice| Choice { name, given, fits, advice };
    [
        choice(
            "--lens",
            args.lens.is_some(),
            !is_difference,
            "a difference is that of the first lenses, or of the two lenses of one trace",
        ),
        choice(
            "--top-k",
            args.top_k.is_some(),
            matches!(show, Show::Table | Show::Page) || of_one_position,
            "it is for table, page, all-layers and important-layers",
        ),
        choice(
            "--tokens",
            !args.tokens.is_empty(),
            kind == Some(PictureKind::Trajectories) || is_difference,
            "choose --kind trajectories or difference; a page has pins for tokens",
        ),
        choice(
            "--threshold",
            args.threshold.is_some(),
            show == Show::Table
                || kind == Some(PictureKind::ImportantLayers)
                    && args.important_by != Some(ImportantBy::Movement),
            "choose --kind important-layers, which are then chosen by probability, or table",
        ),
        choice(
            "--important-by",
            args.important_by.is_some(),
            kind == Some(PictureKind::ImportantLayers),
            "choose --kind important-layers; a table says both",
        ),
        choice(
            "--width",
            args.width.is_some(),
            is_drawn,
            "it is for pictures; text is as wide as the terminal, or as COLUMNS says",
        ),
        choice(
            "--font-size",
            args.font_size.is_some(),
            is_drawn && show != Show::Film,
            "it is for pictures; a film is made larger by --scale",
        ),
        choice(
            "--scale",
            args.scale.is_some(),
            matches!(ending, Some(Ending::Pixels(_) | Ending::Gif)),
            "it is for .png, .webp, .jpg and .gif; name one with -o, or say --width",
        ),
        choice(
            "--ramp",
            args.ramp.is_some(),
            is_drawn && has_cells,
            "it is for heatmaps, grids and films that are drawn",
        ),
        choice(
            "--colors",
            args.colors.is_some(),
            has_cells,
            "it is for grids, films, and for all-layers and important-layers",
        ),
        choice("--title", args.title.is_some(), is_drawn, "it is for pictures"),
    ]
}

/// What is written, as it is called in messages.
fn medium(show: Show, ending: Option<Ending>) -> &'static str {
    match (show, ending) {
        (Show::Page, _) => ".html",
        (Show::Film, _) => ".gif",
        (_, Some(Ending::Pixels(_))) => "pixels",
        (_, Some(Ending::Pdf)) => ".pdf",
        (Show::Table, _)
        | (_, Some(Ending::Text))
        | (Show::Picture(PictureKind::Grid(_)) | Show::Difference(_), None) => "text",
        (Show::Picture(_) | Show::Difference(_), _) => ".svg",
    }
}
