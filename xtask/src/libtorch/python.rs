//! The Python that set-up runs, for pip and for [`HELPER`].

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::pins::{VERSION, Wheel};
use super::{SetupError, Surroundings};

const HELPER: &str = include_str!("helper.py");

/// Fails on an old Python; else prints the interpreter itself, since `python3` may be a version manager's slow script.
const INTRODUCE: &str = "import sys; assert sys.version_info >= (3, 8); print(sys.executable)";

/// What the helper exits with when the disk is full.
const DISK_FULL: i32 = 28;

#[derive(Debug, Clone)]
pub(crate) struct Python {
    program: OsString,
}

impl Python {
    /// `$PYTHON`, else the first of `python3` and `python` that is new enough.
    pub(crate) fn find(around: &Surroundings) -> Result<Self, SetupError> {
        let candidates = match &around.python {
            Some(chosen) => vec![chosen.clone()],
            None => vec!["python3".into(), "python".into()],
        };
        let found = candidates.iter().find_map(|program| {
            let output = Command::new(program).args(["-c", INTRODUCE]).stdin(Stdio::null()).output().ok()?;
            let executable = String::from_utf8(output.stdout).ok()?;
            let executable = executable.trim();
            (output.status.success() && !executable.is_empty()).then(|| Self { program: executable.into() })
        });
        found.ok_or(SetupError::NoPython { wanted: VERSION })
    }

    fn runs(&self, program: &str) -> bool {
        let mut command = Command::new(&self.program);
        command.args(["-c", program]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }

    /// A `python -m pip` to add arguments to; an error if this Python has none.
    pub(crate) fn pip(&self) -> Result<Command, SetupError> {
        if !self.runs("import pip") {
            return Err(SetupError::NoPip { python: self.name(), wanted: VERSION });
        }
        let mut command = Command::new(&self.program);
        command.args(["-m", "pip"]);
        Ok(command)
    }

    pub(crate) fn name(&self) -> String {
        self.program.display().to_string()
    }

    /// Bytes that can still be written under `dir`.
    pub(crate) fn free(&self, dir: &Path) -> Result<u64, SetupError> {
        let said = self.help("free", dir, "").map_err(|trouble| trouble.at(dir, dir))?;
        said.trim().parse().map_err(|_| SetupError::Wheel { file: dir.display().to_string(), said })
    }

    /// The digest of a file, in hex.
    pub(crate) fn sha256(&self, file: &Path) -> Result<String, SetupError> {
        let digest = self.help("sha256", file, "").map_err(|trouble| trouble.at(file, file))?;
        Ok(digest.trim().to_owned())
    }

    /// Writes the files of `wheel` that its rules want into `tree`.
    pub(crate) fn unpack(&self, wheel: &Wheel, file: &Path, tree: &Path) -> Result<(), SetupError> {
        let names = self.help("list", file, "").map_err(|trouble| trouble.at(file, tree))?;
        let wanted = names.lines().filter_map(|name| {
            let destination = wheel.destination(name)?;
            Some(format!("{name}\t{}\n", tree.join(destination).display()))
        });
        let wanted: String = wanted.collect();
        self.help("unpack", file, &wanted).map_err(|trouble| trouble.at(file, tree))?;
        Ok(())
    }

    fn help(&self, task: &str, path: &Path, input: &str) -> Result<String, Trouble> {
        // -I: a PYTHONPATH or a sitecustomize of the user's cannot change what the helper does.
        let mut command = Command::new(&self.program);
        command.args([OsStr::new("-I"), "-c".as_ref(), HELPER.as_ref(), task.as_ref(), path.as_os_str()]);
        let output = exchange(&mut command, input).map_err(|error| Trouble::Said(error.to_string()))?;
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        match output.status.code() {
            Some(0) => Ok(said(&output.stdout)),
            Some(DISK_FULL) => Err(Trouble::DiskFull),
            _ => Err(Trouble::Said(said(&output.stderr))),
        }
    }
}

enum Trouble {
    DiskFull,
    Said(String),
}

impl Trouble {
    fn at(self, reading: &Path, writing: &Path) -> SetupError {
        match self {
            Self::DiskFull => SetupError::DiskFull { path: PathBuf::from(writing) },
            Self::Said(said) => SetupError::Wheel { file: reading.display().to_string(), said },
        }
    }
}

/// Runs `command` with `input`, which is at most a list of names: it is read whole before anything is answered.
pub(super) fn exchange(command: &mut Command, input: &str) -> std::io::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A child that died early says why itself; its closed pipe is not the news.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output()
}
