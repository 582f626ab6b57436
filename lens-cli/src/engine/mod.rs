//! Handing over to `lens-engine`, the binary that runs models.
//!
//! `lens` has no libtorch in it, so that what needs no model begins at once. Where a command runs a model, `lens` finds
//! the engine (`place`) and a libtorch for it (`libtorch`), and becomes it: the same process, arguments, streams and
//! signals. Elsewhere than on Unix the engine is a child, and its exit code is passed on.

mod build;
mod libtorch;
mod linked;
mod place;

use std::{
    env,
    ffi::{OsStr, OsString},
    path::Path,
    process::Command,
};

use anyhow::{Context, Result};

pub use build::same_build;

/// What threads of libtorch's OpenMP do while they have nothing to do: by themselves they go round and round, which takes
/// the processor from everybody else, and from their own kind first. GNU's, LLVM's and Intel's read these. GNU's goes round
/// for a fraction of a millisecond before it sleeps: a token's forward pass has hundreds of products one after the other, and
/// waking threads for each takes a fifth of its time.
const WAITING: [(&str, &str); 3] =
    [("OMP_WAIT_POLICY", "passive"), ("GOMP_SPINCOUNT", "10000"), ("KMP_BLOCKTIME", "0")];

/// Runs the engine with this process's arguments, in its place where the system can do that.
///
/// # Errors
/// When there is no engine or no libtorch for it, or it cannot be started. Where it could, this does not return.
pub fn hand_over() -> Result<()> {
    let lens = env::current_exe().context("cannot find out where lens is")?;
    let engine = place::find(&lens, env::var_os(place::VARIABLE).as_deref())?;
    let mut command = itself(&engine);
    command.env(build::VARIABLE, build::BUILD);
    let around = libtorch::Surroundings { lookup: &|name| env::var_os(name), python: &libtorch::of_python };
    if let Some(path) = around.search_path(&engine)? {
        command.env(libtorch::SEARCH_PATH, path);
    }
    become_it(command, &engine)
}

/// For the engine, before it does anything: where somebody started it directly, what `lens` would have told libtorch's
/// OpenMP is told now. It listens only when it is loaded, so the engine starts again.
///
/// # Errors
/// When it cannot.
pub fn settle() -> Result<()> {
    if !cfg!(unix) || waiting(|name| env::var_os(name)).next().is_none() {
        return Ok(());
    }
    let engine = env::current_exe().context("cannot find out where lens-engine is")?;
    become_it(itself(&engine), &engine)
}

/// A program with this process's arguments.
fn itself(program: &Path) -> Command {
    let mut arguments = env::args_os();
    let mut command = Command::new(program);
    let name = arguments.next();
    #[cfg(unix)]
    if let Some(name) = name {
        // A list of processes shows what was typed.
        std::os::unix::process::CommandExt::arg0(&mut command, name);
    }
    #[cfg(not(unix))]
    drop(name);
    command.args(arguments).envs(waiting(|name| env::var_os(name)));
    command
}

/// What to tell OpenMP: nothing where the user has told it something.
fn waiting(
    lookup: impl Fn(&str) -> Option<OsString>,
) -> impl Iterator<Item = (&'static OsStr, &'static OsStr)> {
    let told = WAITING.iter().any(|(name, _)| lookup(name).is_some());
    WAITING.into_iter().filter(move |_| !told).map(|(name, value)| (name.as_ref(), value.as_ref()))
}

#[cfg(unix)]
fn become_it(mut command: Command, engine: &Path) -> Result<()> {
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    Err(error).with_context(|| format!("cannot start {}", engine.display()))
}

#[cfg(not(unix))]
fn become_it(mut command: Command, engine: &Path) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start {}", engine.display()))?;
    std::process::exit(status.code().unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openmp_waits_quietly_unless_the_user_has_told_it_something() {
        assert_eq!(waiting(|_| None).count(), WAITING.len());
        for (name, _) in WAITING {
            assert_eq!(waiting(|asked| (asked == name).then(|| "1".into())).count(), 0, "{name}");
        }
    }
}
