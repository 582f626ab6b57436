//! The command line as data: a file for each command, and one for what commands share.

#![allow(missing_docs, reason = "clap shows doc comments as help, and what has none there needs none")]

mod attribute;
mod check;
mod corpus;
mod decode;
mod diff;
mod evaluate;
mod families;
mod fit;
mod fitting;
mod inspect;
mod lens;
mod model;
mod patch;
mod read;
mod render;
mod run;
mod serve;
mod text;
mod tui;

use std::path::PathBuf;

use clap::{CommandFactory as _, Parser, Subcommand};

pub use self::{
    attribute::{AttributeArgs, AttributeFormat},
    check::CheckArgs,
    corpus::{Corpus, CorpusArgs, CorpusFile, CorpusMergeArgs, CorpusOut, CorpusRunArgs},
    decode::{DecodeArgs, DecodeFormat},
    diff::{DiffArgs, DiffOut, ReadoutsName, SideArgs},
    evaluate::{EvaluateArgs, EvaluateFormat, EvaluateOut},
    families::{FamiliesArgs, ListFormat},
    fitting::{
        Fit, FitArgs, FitFormat, FitJacobianArgs, FitMergeArgs, FitTunedArgs, KeptArgs, OptimiserName,
    },
    inspect::{Format, InspectArgs},
    lens::{
        LensArgs, LensCommand, LensConvertArgs, LensForm, LensInput, LensInspectArgs, LensName, LensNames,
    },
    model::{Dtype, IoChoice, MachineArgs, SourceArgs},
    patch::{AblateName, AlignName, DirectionName, OtherArgs, PatchArgs, PatchMode, PlaceArgs},
    read::ReadArgs,
    render::{ImportantBy, RampName, RenderArgs, RenderFormat},
    run::{ChatArgs, GenerateArgs, InputArgs, ManyArgs, RunArgs},
    serve::ServeArgs,
    text::{ReaderArgs, TextArgs},
    tui::TuiArgs,
};
use crate::style::When;

/// Below the short help.
const MORE_HELP: &str = "--help shows all options, with examples";

/// See what a language model believes at every layer.
#[derive(Debug, Parser)]
#[command(
    name = "lens",
    bin_name = "lens",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
#[command(after_help = "Without --model, lens uses a small model that is part of it. Try:
  lens run \"The capital of France is\"")]
pub struct Cli {
    /// Colours: auto, always or never
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, value_name = "WHEN", hide_possible_values = true)]
    pub color: When,
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// With what other arguments imply: the form of results that the name of their file tells.
    #[must_use]
    pub fn settled(mut self) -> Self {
        match &mut self.command {
            Command::Run(args) => args.settle(),
            Command::Decode(args) => args.settle(),
            _ => {}
        }
        self
    }

    /// Options that cannot both be followed, where clap's own rules do not reach: an option with a default value
    /// is always there.
    pub fn contradiction(&self) -> Option<clap::Error> {
        let says = match &self.command {
            Command::Run(args) => args.contradiction(),
            Command::Check(args) => args.machine.contradiction(),
            Command::Serve(args) => args.contradiction(),
            Command::Attribute(args) => args.contradiction(),
            Command::Patch(args) => args.contradiction(),
            Command::Decode(args) => args.contradiction(),
            Command::Fit(args) => args.what.contradiction(),
            Command::Evaluate(args) => args.contradiction(),
            Command::Corpus(args) => args.what.contradiction(),
            Command::Diff(args) => args.contradiction(),
            Command::Tui(args) => args.contradiction(),
            _ => None,
        };
        says.map(|says| Self::command().error(clap::error::ErrorKind::ArgumentConflict, says))
    }
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    Run(Box<RunArgs>),
    Serve(Box<ServeArgs>),
    Attribute(Box<AttributeArgs>),
    Patch(Box<PatchArgs>),
    Decode(Box<DecodeArgs>),
    Render(Box<RenderArgs>),
    Tui(Box<TuiArgs>),
    Inspect(InspectArgs),
    Check(CheckArgs),
    Fit(FitArgs),
    Evaluate(Box<EvaluateArgs>),
    Corpus(CorpusArgs),
    Diff(Box<DiffArgs>),
    Families(FamiliesArgs),
    Lens(LensArgs),
    /// Print a completion script for a shell
    #[command(after_help = MORE_HELP, after_long_help = "Example:
  lens completions bash > lens.bash")]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder, one for each command
    #[command(hide = true, after_help = MORE_HELP, after_long_help = "Example:
  lens man-pages ~/.local/share/man/man1")]
    ManPages {
        /// The folder, which is made if it is not there
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;
    use crate::values::{StopText, Target};

    fn refusal(args: &[&str]) -> ErrorKind {
        Cli::try_parse_from([&["lens", "run", "a"], args].concat()).expect_err("it was accepted").kind()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_value_that_makes_no_sense_is_refused() {
        for args in [
            ["--layers", "0..x"],
            ["--positions", ""],
            ["--components", "z"],
            ["-k", "0"],
            ["-k", "-1"],
            ["--target", ""],
            ["--threshold", "nan"],
            ["--threads", "0"],
            ["--memory-budget", "much"],
            ["--device", "gpu"],
            ["--format", "xml"],
            ["-n", "0"],
            ["--temperature", "-1"],
            ["--temperature", "inf"],
            ["--top-p", "0"],
            ["--top-p", "1.5"],
            ["--top-k-sampling", "0"],
            ["--seed", "-1"],
            ["--trials", "0"],
            ["--stop", ""],
            ["--color", "red"],
            ["--token-ids", "1,two"],
        ] {
            let kind = refusal(&args);
            let expected = [
                ErrorKind::ValueValidation,
                ErrorKind::InvalidValue,
                ErrorKind::UnknownArgument,
                ErrorKind::ArgumentConflict,
            ];
            assert!(expected.contains(&kind), "{args:?}: {kind:?}");
        }
    }

    #[test]
    fn what_is_written_has_the_defaults_of_a_greedy_continuation() {
        let cli = Cli::try_parse_from(["lens", "run", "a", "-n", "3", "--stop", "-"]);
        let Ok(Cli { command: Command::Run(args), .. }) = cli else { panic!("{cli:?}") };
        let generate = &args.generate;
        assert_eq!((generate.temperature.0, generate.top_p.0, generate.seed), (0.0, 1.0, 0));
        assert_eq!((generate.trials.get(), generate.top_k_sampling), (1, None));
        assert_eq!(generate.stop, [StopText("-".to_owned())]);
    }

    #[test]
    fn what_is_for_people_contradicts_what_is_for_programs() {
        for (args, contradicts) in [
            (&["--grid", "--format", "json"][..], true),
            (&["-n", "2", "--tables", "--format", "jsonl"], true),
            (&["--grid"], false),
            (&["-n", "2", "--tables"], false),
        ] {
            let cli = Cli::try_parse_from([&["lens", "run", "a"], args].concat()).unwrap();
            assert_eq!(cli.contradiction().is_some(), contradicts, "{args:?}");
        }
    }

    #[test]
    fn selections_may_begin_with_a_hyphen() {
        let cli = Cli::try_parse_from([
            "lens",
            "run",
            "a",
            "--layers",
            "-3..-1",
            "--positions",
            "-1",
            "--target",
            "-",
        ]);
        let Ok(Cli { command: Command::Run(args), .. }) = cli else { panic!("{cli:?}") };
        assert_eq!(args.read.layers.resolve(8, "layer").unwrap(), [5, 6]);
        assert_eq!(args.read.targets, [Target::Text("-".to_owned())]);
    }
}
