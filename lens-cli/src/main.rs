//! The binary `lens`: arguments become a plan, the plan becomes calls.
//!
//! Nothing here decides about numbers. Results go to stdout; progress, notes and errors go to stderr.

mod advice;
mod args;
mod check;
mod describe;
mod families;
mod fields;
mod flat;
mod hint;
mod inspect;
mod machine;
mod many;
mod model;
mod output;
mod packed;
mod progress;
mod prompt;
mod record;
mod render;
mod results;
mod run;
mod show;
mod signals;
mod style;
mod tables;
mod temporary;
mod to_file;
mod values;
mod watched;
mod weights;

use std::{
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};

use args::{Cli, Command};
use style::Console;

/// What the user got wrong, as opposed to what went wrong.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    panic::set_hook(Box::new(report_panic));
    // The hook has already said what happened.
    panic::catch_unwind(AssertUnwindSafe(dispatch)).unwrap_or(ExitCode::FAILURE)
}

fn dispatch() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli.settled(),
        Err(error) => return answer(&error, hint::of(&error, std::env::args_os())),
    };
    if let Some(error) = cli.contradiction() {
        return answer(&error, None);
    }
    let console = Console::new(cli.color);
    let result = signals::watch().context("cannot watch for signals").and_then(|()| follow(&cli, &console));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match error.downcast_ref::<signals::Interrupted>() {
            Some(interrupted) => ExitCode::from(interrupted.status()),
            None => {
                console.error(&error);
                if error.is::<render::NoEffect>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
            }
        },
    }
}

/// Does what the command says.
fn follow(cli: &Cli, console: &Console) -> Result<()> {
    match &cli.command {
        Command::Run(args) => run::run(args, console),
        Command::Render(args) => render::render(args, console),
        Command::Inspect(args) => inspect::inspect(args, console),
        Command::Check(args) => check::check(args, console),
        Command::Families(args) => families::families(args, console),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "lens", &mut script);
            output::print(|out| out.write_all(&script))
        }
    }
}

/// Prints what clap has to say instead of a command: help and version, or what is wrong with the arguments.
fn answer(error: &clap::Error, hint: Option<String>) -> ExitCode {
    let console = Console::new(style::When::Auto);
    if error.use_stderr() {
        let text = error.render().to_string();
        console.usage(
            &hint.map_or_else(|| text.clone(), |hint| format!("{}\n\n  tip: {hint}", text.trim_end())),
        );
        return ExitCode::from(USAGE);
    }
    let text = error.render();
    let text = if console.out.is_plain() { text.to_string() } else { text.ansi().to_string() };
    match output::print(|out| out.write_all(text.as_bytes())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            console.error(&error);
            ExitCode::FAILURE
        }
    }
}

/// One line for a panic. Those of the tokenizer's thread are caught there and become errors.
fn report_panic(info: &panic::PanicHookInfo<'_>) {
    if std::thread::current().name() == Some(lens_models::tokenizer::THREAD) {
        return;
    }
    let what = info.payload_as_str().unwrap_or("no message");
    let place = info.location().map(|place| format!(" ({}:{})", place.file(), place.line()));
    Console::new(style::When::Auto).bug(&format!("{what}{}", place.unwrap_or_default()));
}
