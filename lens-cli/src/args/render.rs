//! `lens render`.

use std::{
    num::{NonZeroU16, NonZeroUsize},
    path::PathBuf,
};

use clap::{Args, ValueEnum};
use lens_core::{ComponentSelection, Selection};

use super::MORE_HELP;
use crate::values::{Percent, Show, Target, Width, font_size, from_one};

/// Draw a saved trace: tables, heatmaps, curves, and a page to explore it
#[derive(Debug, Args)]
#[command(
    after_help = MORE_HELP,
    after_long_help = "Everything that lens run writes with --out or prints with --format json and jsonl can be shown: one run, comparisons, \
trials, and the runs of many prompts. No model is needed.

Examples:
  lens run \"The capital of France is\" --positions all --format json > trace.json
  lens render trace.json -o lens.html
  lens render trace.json --kind grid
  lens render trace.json --kind grid-kl -o grid.svg
  lens render trace.json --kind trajectories --tokens \" Paris\" -o paris.png
  lens render trace.json --kind grid --width 85mm --font-size 7 -o figure.pdf
  lens render trace.json -o film.gif
  lens render trace.json --positions 0..2
  lens render trace.json trace.json -o both.html
  lens render trace.json trace.json --kind difference-entropy
  lens render trace.json --format logitlenskit-v2 -o v2.json"
)]
pub struct RenderArgs {
    /// Files and folders that lens run has written, or logitlenskit's JSON; - is stdin. A page shows all of them, a
    /// difference two
    #[arg(required = true, value_name = "TRACE")]
    pub traces: Vec<PathBuf>,
    /// Of several traces: which, by number from 0 or by name; can be repeated
    #[arg(long, value_name = "N|NAME", help_heading = "What to show")]
    pub trace: Vec<String>,
    /// What to show: table, page, all-layers, important-layers, grid, grid-logit, grid-rank, grid-kl,
    /// grid-entropy, trajectories, curves, film (how each token that the model wrote was formed), or what differs between two
    /// traces: difference (of probabilities, or of that of --tokens), difference-kl and so on [default: what the file's name
    /// implies]
    #[arg(long, value_name = "KIND")]
    pub kind: Option<Show>,
    /// The file to write: .svg, .pdf, .png, .webp, .jpg, .gif (a film), .html, .txt or .json; without it, tables and grids go to
    /// the terminal
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write the data and no picture: json (lens's own) or logitlenskit-v2 [default: logitlenskit-v2 for .json]
    #[arg(long, value_enum, value_name = "FORMAT", hide_possible_values = true, conflicts_with = "kind")]
    pub format: Option<RenderFormat>,

    /// Positions; heatmaps and curves show one [default: the last; for pages and grids all]
    #[arg(long, value_name = "WHICH", allow_hyphen_values = true, help_heading = "What to show")]
    pub positions: Option<Selection>,
    /// In place of a position: what was read when this token was generated, from 0
    #[arg(long, value_name = "STEP", conflicts_with = "positions", help_heading = "What to show")]
    pub step: Option<usize>,
    /// Layers, written as for lens run
    #[arg(long, value_name = "WHICH", allow_hyphen_values = true, help_heading = "What to show")]
    pub layers: Option<Selection>,
    /// Every how many layers one is shown; the last one always is
    #[arg(long, value_name = "N", default_value = "1", help_heading = "What to show")]
    pub stride: NonZeroU16,
    /// Components, written as for lens run
    #[arg(long, value_name = "NAMES", help_heading = "What to show")]
    pub components: Option<ComponentSelection>,
    /// Of several lenses: which, by its name in the trace (tuned, tuned-2) [default: the first; tables and pages show all]
    #[arg(long, value_name = "NAME", help_heading = "What to show")]
    pub lens: Option<String>,
    /// The most ranks of a heatmap, predictions below a table, and tokens of a readout on a page
    #[arg(short = 'k', long, value_name = "K", help_heading = "What to show")]
    #[arg(value_parser = from_one)]
    pub top_k: Option<NonZeroUsize>,
    /// A token whose trajectory or difference to draw, by text or id; can be repeated
    #[arg(long, value_name = "TEXT|ID", allow_hyphen_values = true, help_heading = "What to show")]
    pub tokens: Vec<Target>,
    /// Probability of a token above which a layer counts as important [default: that of the run]
    #[arg(long, value_name = "PERCENT", help_heading = "What to show")]
    pub threshold: Option<Percent>,
    /// By what important-layers are chosen: probability (of a token, above --threshold) or movement (more than twice an even
    /// share of the movement of KL to the final answer) [default: probability]
    #[arg(long, value_enum, value_name = "RULE", hide_possible_values = true, help_heading = "What to show")]
    pub important_by: Option<ImportantBy>,

    /// The most pixels that a page is wide, or the length that it is wide exactly: 85mm, 8.5cm, 3.35in, 240pt or 700px
    #[arg(long, value_name = "WIDTH", help_heading = "Looks")]
    pub width: Option<Width>,
    /// Points of text, in the finished picture: of names, axes and facts; tokens in cells have 0.7 to 1.1 times as many
    /// [default: 7.5]
    #[arg(long, value_name = "POINTS", value_parser = font_size, help_heading = "Looks")]
    pub font_size: Option<f64>,
    /// Pixels of a .png, .webp or .jpg for each pixel of the page, 96 to an inch [default: 2; of a .gif 1]
    #[arg(long, value_name = "FACTOR", help_heading = "Looks")]
    pub scale: Option<f32>,
    /// Colours: viridis or cividis [default: viridis]
    #[arg(long, value_enum, value_name = "NAME", hide_possible_values = true, help_heading = "Looks")]
    pub ramp: Option<RampName>,
    /// How colours are spread over values: linear, log, or quantile (as many cells of each colour) [default: log for ranks
    /// and divergences, else linear]
    #[arg(long, value_enum, value_name = "HOW", hide_possible_values = true, help_heading = "Looks")]
    pub colors: Option<ColorsName>,
    /// What stands above the picture
    #[arg(long, value_name = "TEXT", help_heading = "Looks")]
    pub title: Option<String>,
}

/// The form of a trace's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RenderFormat {
    /// The trace, one on each line.
    Json,
    /// The JSON of logitlenskit's viewer, version 2.
    LogitlenskitV2,
}

/// By what rule layers are important.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ImportantBy {
    Probability,
    Movement,
}

impl From<ImportantBy> for lens_viz::picture::Importance {
    fn from(name: ImportantBy) -> Self {
        match name {
            ImportantBy::Probability => Self::Probability,
            ImportantBy::Movement => Self::Movement,
        }
    }
}

/// How colours are spread over values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorsName {
    Linear,
    Log,
    Quantile,
}

impl From<ColorsName> for lens_viz::picture::Spread {
    fn from(name: ColorsName) -> Self {
        match name {
            ColorsName::Linear => Self::Linear,
            ColorsName::Log => Self::Log,
            ColorsName::Quantile => Self::Quantile,
        }
    }
}

/// The colours of probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RampName {
    Viridis,
    Cividis,
}

impl From<RampName> for lens_viz::Ramp {
    fn from(name: RampName) -> Self {
        match name {
            RampName::Viridis => Self::Viridis,
            RampName::Cividis => Self::Cividis,
        }
    }
}
