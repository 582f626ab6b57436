//! `cargo xtask CHORE`: what has to be done around the crates, with nothing but Rust, a C++ compiler and Python 3.

mod arguments;
mod cargo;
mod checkpoint;
mod chores;
mod libtorch;

use std::process::ExitCode;

use arguments::{Arguments, Usage};
use cargo::Failed;

fn main() -> ExitCode {
    let Err(error) = run() else { return ExitCode::SUCCESS };
    if let Some(failed) = error.downcast_ref::<Failed>() {
        eprintln!("error: {failed}");
        return failed.exit_code();
    }
    eprintln!("error: {error:#}");
    ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
}

fn run() -> anyhow::Result<()> {
    let mut words = std::env::args_os().skip(1);
    let Some(first) = words.next() else {
        eprint!("{}", chores::help());
        return Err(Usage("say which chore".to_owned()).into());
    };
    let name = first.to_string_lossy();
    if matches!(&*name, "--help" | "-h" | "help") {
        print!("{}", chores::help());
        return Ok(());
    }
    let chore = chores::find(&name)?;
    let mut arguments = Arguments::parse(words)?;
    if arguments.take_flag("--help") || arguments.take_flag("-h") {
        print!("{}", chore.help());
        return Ok(());
    }
    (chore.run)(&cargo::checkout()?, arguments)
}
