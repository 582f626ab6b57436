//! `cargo xtask terminal`.

use clap::Args;

use crate::apt;

/// What the tests of `lens tui` need: tmux, a terminal that a program can drive
#[derive(Debug, Args)]
#[command(after_help = "\
Installs tmux with apt where that is possible (Debian or Ubuntu, as root) and it is not there yet; elsewhere says what
to install.

Without it those tests are skipped and say so; with LENS_REQUIRE_TMUX=1 they fail instead.")]
pub(crate) struct Terminal {}

pub(crate) fn run() -> anyhow::Result<()> {
    let tmux = apt::program(&["tmux"], "tmux", "")?;
    eprintln!("tmux is {}", tmux.display());
    Ok(())
}
