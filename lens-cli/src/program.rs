//! From the arguments to an exit status: what `lens` and `lens-engine` have in common.

use std::{
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser};

use crate::{
    advice,
    args::{Cli, Command, Corpus, CorpusArgs},
    corpus, decode, families, hint, inspect, lenses, manual, output, render, signals,
    style::{Adviser, Console, When},
    tui,
};

/// What the user got wrong, as opposed to what went wrong.
const USAGE: u8 = 2;

/// What differs between the binaries.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// Follows a command that runs a model.
    pub models: fn(&Cli, &Console) -> Result<()>,
    /// What may help against an error.
    pub advice: Adviser,
}

impl Program {
    /// Does what the process's arguments say.
    pub fn run(self) -> ExitCode {
        panic::set_hook(Box::new(report_panic));
        // The hook has already said what happened.
        panic::catch_unwind(AssertUnwindSafe(|| self.dispatch())).unwrap_or(ExitCode::FAILURE)
    }

    fn dispatch(self) -> ExitCode {
        let cli = match Cli::try_parse_from(hint::asked(std::env::args_os())) {
            Ok(cli) => cli.settled(),
            Err(error) => return answer(&error, hint::of(&error, std::env::args_os())),
        };
        if let Some(error) = cli.contradiction() {
            return answer(&error, None);
        }
        let console = Console::new(cli.color).advised_by(self.advice);
        match self.follow(&cli, &console) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => match error.downcast_ref::<signals::Interrupted>() {
                Some(interrupted) => ExitCode::from(interrupted.status()),
                None => {
                    console.error(&error);
                    let is_usage = error.is::<render::NoEffect>() || error.is::<tui::NoTerminal>();
                    if is_usage { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
                }
            },
        }
    }

    /// Does what the command says.
    fn follow(self, cli: &Cli, console: &Console) -> Result<()> {
        let watch = || signals::watch().context("cannot watch for signals");
        match &cli.command {
            Command::Render(args) => watch().and_then(|()| render::render(args, console)),
            Command::Inspect(args) => watch().and_then(|()| inspect::inspect(args, console)),
            Command::Families(args) => families::families(args, console),
            Command::Decode(args) => watch().and_then(|()| decode::decode(args, console)),
            Command::Lens(args) => watch().and_then(|()| lenses::lens(args, console)),
            Command::Corpus(CorpusArgs { what: Corpus::Merge(args) }) => {
                watch().and_then(|()| corpus::merge(args, console))
            }
            Command::Tui(args) => match tui::trace_of(args)? {
                Some(path) => watch().and_then(|()| tui::show_trace(&path, args, console)),
                None => (self.models)(cli, console),
            },
            Command::Completions { shell } => {
                let mut script = Vec::new();
                clap_complete::generate(*shell, &mut Cli::command(), "lens", &mut script);
                output::print(|out| out.write_all(&script))
            }
            Command::ManPages { folder } => manual::write(folder),
            // Signals are watched by the process that runs the model.
            _ => (self.models)(cli, console),
        }
    }
}

/// Prints what clap has to say instead of a command: help and version, or what is wrong with the arguments.
fn answer(error: &clap::Error, hint: Option<String>) -> ExitCode {
    let console = Console::new(When::Auto).advised_by(advice::of);
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

/// One line for a panic. Those of the tokenizer's thread and of the reader of Parquet are caught there and become errors.
fn report_panic(info: &panic::PanicHookInfo<'_>) {
    let in_tokenizer = std::thread::current().name() == Some(lens_checkpoint::tokenizer::THREAD);
    if in_tokenizer || lens_data::is_reading_parquet() {
        return;
    }
    // What follows is for the screen as it was before.
    tui::leave_screen();
    let what = info.payload_as_str().unwrap_or("no message");
    let place = info.location().map(|place| format!(" ({}:{})", place.file(), place.line()));
    Console::new(When::Auto).bug(&format!("{what}{}", place.unwrap_or_default()));
}
