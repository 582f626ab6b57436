//! The folder of a checkpoint: made under another name first, so that it is there whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

const LOCK: &str = "lock";

/// A folder in the making. Unless it is finished, it goes again.
pub(super) struct Folder {
    target: PathBuf,
    staging: PathBuf,
    /// Held while the folder is filled: whoever cannot have it is told so, and what lies about without it is debris.
    _lock: File,
    finished: bool,
}

impl Folder {
    /// Prepares to make `target`, which must not be there, or be empty, or, with `force`, a checkpoint and nothing
    /// else; `bytes` are to be written.
    pub(super) fn prepare(target: &Path, force: bool, bytes: u64) -> anyhow::Result<Self> {
        let target =
            std::path::absolute(target).with_context(|| format!("no path: {:?}", target.display()))?;
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            bail!("{} cannot be a checkpoint's folder", target.display());
        };
        check_replaceable(&target, force)?;
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        check_room(parent, bytes)?;

        let mut staged = OsString::from(name);
        staged.push(".tmp");
        let staging = parent.join(staged);
        fs::create_dir_all(&staging).with_context(|| format!("cannot make {}", staging.display()))?;
        let debris = own_files(&staging)?;
        let lock = staging.join(LOCK);
        let lock = File::create(&lock).with_context(|| format!("cannot write {}", lock.display()))?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            bail!("another run is making {} (its files are in {})", target.display(), staging.display());
        }
        // Any other failure means a file system without locks: then two runs at once are up to the user.
        for file in debris.iter().filter(|file| !file.ends_with(LOCK)) {
            fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
        }
        Ok(Self { target, staging, _lock: lock, finished: false })
    }

    /// Where the files go.
    pub(super) fn path(&self) -> &Path {
        &self.staging
    }

    /// Writes a small file.
    pub(super) fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        fs::write(self.staging.join(name), text).with_context(|| format!("cannot write {name}"))
    }

    /// Gives the folder its name, in place of what had it.
    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        let settling = || format!("cannot put the finished checkpoint at {}", self.target.display());
        fs::remove_file(self.staging.join(LOCK)).with_context(settling)?;
        let old = self.staging.with_extension("old.tmp");
        let replaced = self.target.exists();
        if replaced {
            fs::rename(&self.target, &old).with_context(settling)?;
        }
        fs::rename(&self.staging, &self.target).with_context(settling)?;
        self.finished = true;
        if replaced {
            fs::remove_dir_all(&old).with_context(|| format!("cannot remove {}", old.display()))?;
        }
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.finished {
            // Nothing to tell: another error is already on its way.
            let _ = fs::remove_dir_all(&self.staging);
        }
    }
}

/// Whether `target` may be replaced: what is not a checkpoint's is never removed.
fn check_replaceable(target: &Path, force: bool) -> anyhow::Result<()> {
    if fs::symlink_metadata(target).is_ok() && !own_files(target)?.is_empty() && !force {
        bail!("{} is not empty: name another folder, or add --force to replace it", target.display());
    }
    Ok(())
}

/// The files of a folder; it is an error if one of them cannot have been made here.
fn own_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let unreadable = || format!("cannot read the folder {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let name = entry.file_name();
        if !is_ours(&name.to_string_lossy()) || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            bail!(
                "{} holds {}, which is not part of a made checkpoint: name another folder",
                folder.display(),
                name.display()
            );
        }
        files.push(entry.path());
    }
    Ok(files)
}

/// Whether a file of that name may be one that this chore made.
fn is_ours(name: &str) -> bool {
    matches!(
        name,
        "config.json" | "tokenizer.json" | "tokenizer_config.json" | "model.safetensors.index.json"
    ) || (name.starts_with("model") && name.ends_with(".safetensors"))
        || name == LOCK
}

fn check_room(parent: &Path, bytes: u64) -> anyhow::Result<()> {
    match free(parent) {
        Some(free) if free < bytes => bail!(
            "not enough room in {}: the checkpoint takes {} MB and {} MB are free; make room, or name a folder on a \
             larger disk",
            parent.display(),
            bytes.div_ceil(1_000_000),
            free / 1_000_000
        ),
        _ => Ok(()),
    }
}

/// Bytes that can still be written under `dir`, where POSIX's `df` can tell.
fn free(dir: &Path) -> Option<u64> {
    let mut df = Command::new("df");
    let output = df.arg("-Pk").arg(dir).env("LC_ALL", "C").stderr(Stdio::null()).output().ok()?;
    let output = String::from_utf8(output.stdout).ok()?;
    // Filesystem 1024-blocks Used Available Capacity Mounted-on; the first and the last may have spaces in them.
    let fields: Vec<&str> = output.lines().last()?.split_whitespace().collect();
    let capacity = fields.iter().rposition(|field| field.ends_with('%'))?;
    fields.get(capacity.checked_sub(1)?)?.parse::<u64>().ok()?.checked_mul(1024)
}
