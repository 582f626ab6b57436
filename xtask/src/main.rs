//! `cargo xtask CHORE`: what has to be done around the crates, with nothing but Rust, a C++ compiler and Python 3.

mod apt;
mod cargo;
mod checkpoint;
mod chores;
mod libtorch;
mod nightly;
mod python;

use std::process::ExitCode;

use clap::Parser;

use cargo::Failed;
use chores::Chore;

/// The project's chores
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

fn main() -> ExitCode {
    let Cli { chore } = Cli::parse();
    let Err(error) = cargo::checkout().and_then(|root| chore.run(&root)) else { return ExitCode::SUCCESS };
    if let Some(failed) = error.downcast_ref::<Failed>() {
        eprintln!("error: {failed}");
        return failed.exit_code();
    }
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, error::ErrorKind};

    use super::*;

    fn refused(words: &[&str]) -> (ErrorKind, String) {
        let error = Cli::try_parse_from([&["xtask"], words].concat()).unwrap_err();
        (error.kind(), error.to_string())
    }

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn words_after_the_dashes_pass_through_untouched() {
        let words = ["xtask", "test", "--no-torch", "--", "--release", "--", "--nocapture"];
        let Chore::Test(asked) = Cli::try_parse_from(words).unwrap().chore else { panic!("another chore") };
        assert!(asked.no_torch);
        assert_eq!(asked.through, ["--release", "--", "--nocapture"]);
    }

    #[test]
    fn what_is_not_understood_is_refused_with_the_near_name() {
        let (kind, text) = refused(&["setpu"]);
        assert!(kind == ErrorKind::InvalidSubcommand && text.contains("'setup'"), "{text}");
        assert!(!refused(&["deploy-everything"]).1.contains("similar"));
        assert_eq!(refused(&["test", "--no-troch"]).0, ErrorKind::UnknownArgument);
        assert_eq!(refused(&["demo", "words"]).0, ErrorKind::UnknownArgument);
        assert_eq!(refused(&["make-checkpoint"]).0, ErrorKind::MissingRequiredArgument);
        let (kind, text) = refused(&["make-checkpoint", "qwen2.5-7", "x"]);
        assert!(kind == ErrorKind::InvalidValue && text.contains("'qwen2.5-7b'"), "{text}");
        assert_eq!(
            refused(&["make-checkpoint", "tiny", "x", "--shards", "5 kB"]).0,
            ErrorKind::ValueValidation
        );
        assert_eq!(refused(&["make-checkpoint", "tiny", "x", "--seed", "-1"]).0, ErrorKind::UnknownArgument);
    }
}
