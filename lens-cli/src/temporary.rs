//! Files that are being written, under a name that is not yet theirs.

use std::{fs::File, io, path::Path};

use anyhow::{Context, Result, bail};
use tempfile::NamedTempFile;

use crate::signals::Leftover;

/// How the names begin.
const PREFIX: &str = ".lens-";

/// Letters and digits after it.
const RANDOM: usize = 6;

/// A new file that disappears unless it gets its final name. As long as it is open, it is locked: a file with such a
/// name and without a lock was left by a program that is dead.
#[derive(Debug)]
pub(crate) struct Temporary {
    file: NamedTempFile,
    _leftover: Leftover,
}

impl Temporary {
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        // A run that sweeps may take the file for a dead one's in the moment before it is locked.
        for _ in 0..100 {
            let file = Self::create(folder)
                .with_context(|| format!("cannot create a file in {}", folder.display()))?;
            let leftover = Leftover::new(file.path());
            // Some file systems have no locks; none is swept there.
            let _ = file.as_file().lock();
            if file.path().exists() {
                return Ok(Self { file, _leftover: leftover });
            }
        }
        bail!("files disappear from {} as soon as they are created", folder.display())
    }

    fn create(folder: &Path) -> io::Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX).rand_bytes(RANDOM);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Less what the user's umask takes away, as for any other file.
            builder.permissions(std::fs::Permissions::from_mode(0o666));
        }
        builder.tempfile_in(folder)
    }

    pub(crate) fn as_file(&self) -> &File {
        self.file.as_file()
    }

    /// Gives the file its final name.
    pub(crate) fn persist(self, path: &Path) -> io::Result<()> {
        self.file.persist(path).map(drop).map_err(|error| error.error)
    }
}

/// Removes what dead runs have left in a folder. What cannot be looked at or removed stays: it is in nobody's way.
pub(crate) fn sweep(folder: &Path) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let is_ours = name.to_str().and_then(|name| name.strip_prefix(PREFIX)).is_some_and(|rest| {
            rest.len() == RANDOM && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let path = entry.path();
        if File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = std::fs::remove_file(&path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_nobody_holds_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let held = Temporary::new(folder.path()).unwrap();
        for name in [".lens-a1B2c3", ".lens-files.jsonl", ".lens-tooLong1", "lens-a1B2c3", "mine"] {
            std::fs::write(at(name), "x").unwrap();
        }
        sweep(folder.path());
        assert!(!at(".lens-a1B2c3").exists(), "a dead run's file stayed");
        for name in [".lens-files.jsonl", ".lens-tooLong1", "lens-a1B2c3", "mine"] {
            assert!(at(name).exists(), "{name} went");
        }
        held.persist(&at("whole")).unwrap();
        assert!(at("whole").exists());
    }
}
