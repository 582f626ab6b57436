//! The checkout, and the cargo that chores run in it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::Context as _;

/// Builds both binaries: `lens`, and the engine beside it that runs models.
pub(crate) const BUILD: [&str; 2] = ["build", "--release"];

/// Runs `lens`, once [`BUILD`] has built them: words for it come after these.
pub(crate) const LENS: [&str; 6] = ["run", "--release", "--quiet", "--bin", "lens", "--"];

/// A program that a chore started came back with a failure; it has said why itself.
#[derive(Debug, thiserror::Error)]
#[error("`{command}` failed ({status})")]
pub(crate) struct Failed {
    command: String,
    status: ExitStatus,
}

impl Failed {
    /// The program's own code, so that a caller of the chore sees what a caller of the program would.
    pub(crate) fn exit_code(&self) -> ExitCode {
        self.status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
    }
}

/// The root of the checkout that this xtask belongs to.
pub(crate) fn checkout() -> anyhow::Result<PathBuf> {
    let here = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    let root = here.parent().with_context(|| format!("{} is not in a checkout", here.display()))?;
    Ok(root.to_owned())
}

/// `lens` as it is built for tests, where both binaries are.
pub(crate) fn built(root: &Path) -> Option<PathBuf> {
    let [lens, engine] = ["lens", "lens-engine"].map(|name| root.join("target/debug").join(name));
    (lens.is_file() && engine.is_file()).then_some(lens)
}

/// Runs cargo in the checkout, with its output where ours goes.
pub(crate) fn cargo<S: AsRef<OsStr>>(root: &Path, words: impl IntoIterator<Item = S>) -> anyhow::Result<()> {
    cargo_in(root, &[], words)
}

/// Runs cargo with more variables in its environment.
pub(crate) fn cargo_in<S: AsRef<OsStr>>(
    root: &Path,
    variables: &[(&str, &str)],
    words: impl IntoIterator<Item = S>,
) -> anyhow::Result<()> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(words).envs(variables.iter().copied());
    run_in(root, command)
}

/// Runs a command of cargo's in the checkout.
pub(crate) fn run_in(root: &Path, mut command: Command) -> anyhow::Result<()> {
    // What cargo says of this package to this program: build scripts that ask for it would be run again.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command.current_dir(root);
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    let shown = words.map(shown).collect::<Vec<_>>().join(" ");
    eprintln!("running {shown}");
    let status = command.status().with_context(|| format!("cannot run `{shown}`"))?;
    if status.success() { Ok(()) } else { Err(Failed { command: shown, status }.into()) }
}

fn shown(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    if word.contains(char::is_whitespace) { format!("{word:?}") } else { word.into_owned() }
}
