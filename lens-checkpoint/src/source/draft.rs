//! A file on its way into the cache, verified before it gets its name.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::SourceError;
use super::cache::unique_suffix;
use super::meta::FileMeta;

/// How the names of drafts end.
const ENDING: &str = ".lens.incomplete";

/// A file that is being written, under a name that is not yet its own.
///
/// Only a file whose hash is known keeps what has arrived for the next time: anything else cannot be told
/// from the beginning of some other file. Such a draft has a name of its own and goes away with this value, or, where a
/// signal ended the program, with the next draft of the same blob.
pub(super) struct Draft {
    path: PathBuf,
    file: File,
    /// Bytes that are here.
    pub(super) done: u64,
    /// The hash of those bytes.
    hash: Sha256,
    /// Whether a later download may go on from here.
    pub(super) resumable: bool,
    /// Whether the draft outlives this value.
    keep: bool,
}

impl Draft {
    /// Opens the draft of a blob, with what an earlier download has left of it. The caller has the blob's lock.
    pub(super) fn open(blob: &Path, meta: &FileMeta) -> Result<Self, SourceError> {
        let resumable = meta.sha256.is_some();
        let own = format!("{}.{}", meta.etag, unique_suffix());
        let name = if resumable { &meta.etag } else { &own };
        let path = blob.with_file_name(format!("{name}{ENDING}"));
        if !resumable {
            sweep(blob, &meta.etag);
        }
        if path.is_symlink() {
            fs::remove_file(&path).map_err(SourceError::io("remove the link", &path))?;
        }
        let file = File::options().create(true).truncate(false).read(true).append(true).open(&path);
        let file = file.map_err(SourceError::io("write", &path))?;
        let mut draft = Self { path, file, done: 0, hash: Sha256::new(), resumable, keep: resumable };
        draft.take_in()?;
        Ok(draft)
    }

    /// Hashes what is there already.
    fn take_in(&mut self) -> Result<(), SourceError> {
        let mut buffer = vec![0; 1 << 20];
        loop {
            match self.file.read(&mut buffer).map_err(SourceError::io("read", &self.path))? {
                0 => return Ok(()),
                n => {
                    self.hash.update(&buffer[..n]);
                    self.done += n as u64;
                }
            }
        }
    }

    /// Appends.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), SourceError> {
        self.file.write_all(bytes).map_err(SourceError::io("write", &self.path))?;
        self.hash.update(bytes);
        self.done += bytes.len() as u64;
        Ok(())
    }

    /// Starts from nothing.
    pub(super) fn restart(&mut self) -> Result<(), SourceError> {
        self.file.set_len(0).map_err(SourceError::io("write", &self.path))?;
        self.hash = Sha256::new();
        self.done = 0;
        self.keep = self.resumable;
        Ok(())
    }

    /// Compares size and hash with what the hub says. A draft that fails is worth nothing and is removed.
    pub(super) fn verify(&mut self, file: &str, meta: &FileMeta) -> Result<(), SourceError> {
        let on_disk = self.file.metadata().map_err(SourceError::io("read", &self.path))?.len();
        let expected = meta.size.unwrap_or(self.done);
        let hash = self.hash.clone().finalize();
        let received: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
        let fault = if self.done != expected || on_disk != expected {
            let received = if self.done == expected { on_disk } else { self.done };
            SourceError::SizeMismatch { file: file.to_owned(), expected, received }
        } else if let Some(expected) = meta.sha256.clone().filter(|expected| *expected != received) {
            SourceError::HashMismatch { file: file.to_owned(), expected, received }
        } else {
            return Ok(());
        };
        self.keep = false;
        Err(fault)
    }

    /// Gives the draft its name.
    pub(super) fn publish(mut self, blob: &Path) -> Result<(), SourceError> {
        let name = self.file.sync_all().and_then(|()| fs::rename(&self.path, blob));
        name.map_err(SourceError::io("write", blob))?;
        self.keep = true;
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.keep || self.done == 0 {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the drafts of a blob that have names of their own: nobody else writes it, so that they are of programs that were
/// ended. What cannot be looked at or removed stays: it is in nobody's way.
fn sweep(blob: &Path, etag: &str) {
    let Some(Ok(entries)) = blob.parent().map(fs::read_dir) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let suffix =
            name.to_str().and_then(|name| name.strip_prefix(etag)?.strip_prefix('.')?.strip_suffix(ENDING));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let is_own = suffix
            .and_then(|suffix| suffix.split_once('.'))
            .is_some_and(|(process, count)| is_number(process) && is_number(count));
        if is_own && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_programs_left_of_a_file_without_a_hash_goes_with_its_next_draft() {
        let folder = tempfile::tempdir().unwrap();
        let meta = FileMeta { etag: "abc.1".to_owned(), size: None, sha256: None };
        let left = ["abc.1.4711.0.lens.incomplete", "abc.1.4711.12.lens.incomplete"];
        // A draft that goes on where it broke off, one of another blob, blobs, and what is nobody's here.
        let others = [
            "abc.1.lens.incomplete",
            "abc.4711.0.lens.incomplete",
            "abc.1",
            "abc.1.4711.0",
            "abc.1.4711.x.lens.incomplete",
            "abc.1.4711.0.incomplete",
        ];
        for name in left.iter().chain(&others) {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let blob = folder.path().join(&meta.etag);
        let mut draft = Draft::open(&blob, &meta).unwrap();
        assert_eq!(draft.done, 0);
        draft.push(b"whole").unwrap();
        draft.verify("config.json", &meta).unwrap();
        draft.publish(&blob).unwrap();
        assert_eq!(fs::read(&blob).unwrap(), b"whole");
        let mut names: Vec<String> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let mut expected = others;
        expected.sort_unstable();
        assert_eq!(names, expected);
    }
}
