//! The binary `lens-engine`: runs models for `lens`, which starts it in its own place with the same arguments.
//!
//! A command has its arguments in lens-cli and a file here, which turns them into a plan and the plan into calls.
//! Nothing here decides about numbers.

mod advice;
mod attribute;
mod check;
mod compare_prompts;
mod corpus;
mod diff;
mod evaluate;
mod failure;
mod fit;
mod gathered;
mod lenses;
mod machine;
mod many;
mod patch;
mod prompt;
mod reader;
mod records;
mod request;
mod run;
mod sequences;
mod serve;
mod show;
mod text;
mod tui;
mod watched;
mod weights;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use lens_cli::{
    Program,
    args::{Cli, Command, Corpus, CorpusArgs},
    engine, signals,
    style::{Console, When},
};

fn main() -> ExitCode {
    if let Err(error) = engine::same_build() {
        Console::new(When::Auto).error(&error);
        return ExitCode::FAILURE;
    }
    Program { models: follow, advice: advice::of }.run()
}

/// Does what a command with a model says.
fn follow(cli: &Cli, console: &Console) -> Result<()> {
    engine::settle()?;
    signals::watch().context("cannot watch for signals")?;
    match &cli.command {
        Command::Run(args) => run::run(args, console),
        Command::Serve(args) => serve::serve(args, console),
        Command::Attribute(args) => attribute::attribute(args, console),
        Command::Patch(args) => patch::patch(args, console),
        Command::Check(args) => check::check(args, console),
        Command::Fit(args) => fit::fit(args, console),
        Command::Evaluate(args) => evaluate::evaluate(args, console),
        Command::Corpus(CorpusArgs { what: Corpus::Run(args) }) => corpus::run(args, console),
        Command::Diff(args) => diff::diff(args, console),
        Command::Tui(args) => tui::tui(args, console),
        _ => bail!("this lens-engine does not know the command: install the one that belongs to lens"),
    }
}
