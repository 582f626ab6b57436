//! One repository's part of the hub cache, in the layout that all of the hub's tools share.
//!
//! ```text
//! models--owner--name/refs/main                  the commit that the branch was last seen at
//! models--owner--name/blobs/<etag>               the content of a file
//! models--owner--name/snapshots/<commit>/<file>  a relative link to the blob
//! models--owner--name/.no_exist/<commit>/<file>  a mark: that commit has no such file
//! .locks/models--owner--name/<etag>.lock         held while the blob is written
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use hf_hub::{Cache, CacheRepo, Repo, RepoType};

use super::bounds::Bounds;
use super::error::SourceError;
use super::files;
use super::name::{HubId, RepoKind, Revision, is_commit};
use super::progress::{Event, Progress};

/// One model's part of the cache.
pub(super) struct ModelCache {
    cache: PathBuf,
    folder: String,
    layout: CacheRepo,
}

impl ModelCache {
    pub(super) fn new(cache: PathBuf, id: &HubId) -> Self {
        let kind = match id.kind() {
            RepoKind::Model => RepoType::Model,
            RepoKind::Space => RepoType::Space,
        };
        let repo = Repo::new(id.to_string(), kind);
        Self { folder: repo.folder_name(), layout: Cache::new(cache.clone()).repo(repo), cache }
    }

    pub(super) fn root(&self) -> &Path {
        &self.cache
    }

    fn model_dir(&self) -> PathBuf {
        self.cache.join(&self.folder)
    }

    pub(super) fn snapshot(&self, commit: &str) -> PathBuf {
        self.layout.pointer_path(commit)
    }

    /// Where a blob lies. The caller has checked the etag with [`is_blob_name`].
    pub(super) fn blob(&self, etag: &str) -> PathBuf {
        self.layout.blob_path(etag)
    }

    pub(super) fn bounds(&self) -> Option<Bounds> {
        Bounds::of_repo(&self.model_dir())
    }

    /// The commit that the cache knows for a revision: itself, what its ref says, or the one snapshot that an
    /// abbreviated hash can mean.
    pub(super) fn commit_of(&self, revision: &Revision) -> Option<String> {
        let commit = if revision.is_commit() {
            revision.as_str().to_owned()
        } else if let Ok(bytes) =
            files::read_at_most(&self.model_dir().join("refs").join(revision.as_str()), 256)
        {
            String::from_utf8(bytes).ok()?.trim().to_owned()
        } else {
            self.abbreviated(revision.as_str())?
        };
        (is_commit(&commit) && self.snapshot(&commit).is_dir()).then_some(commit)
    }

    /// The commits of all snapshots that are there.
    pub(super) fn commits(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.model_dir().join("snapshots")) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut commits: Vec<String> =
            names.filter(|name| is_commit(name) && self.snapshot(name).is_dir()).collect();
        commits.sort();
        commits
    }

    /// Whether the cache knows no branch or tag at all, as after a copy of snapshots alone.
    pub(super) fn has_no_refs(&self) -> bool {
        fs::read_dir(self.model_dir().join("refs")).map_or(true, |mut entries| entries.next().is_none())
    }

    fn abbreviated(&self, start: &str) -> Option<String> {
        if start.len() < 7 || !start.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let entries = fs::read_dir(self.model_dir().join("snapshots")).ok()?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut fitting = names.filter(|name| name.starts_with(start));
        fitting.next().filter(|_| fitting.next().is_none())
    }

    /// Remembers the commit of a branch or tag.
    pub(super) fn write_ref(&self, revision: &Revision, commit: &str) -> Result<(), SourceError> {
        if revision.is_commit() || self.commit_of(revision).as_deref() == Some(commit) {
            return Ok(());
        }
        let path = self.model_dir().join("refs").join(revision.as_str());
        create_parent(&path)?;
        let draft = self.model_dir().join(format!(".ref.{}.tmp", unique_suffix()));
        let write = fs::write(&draft, commit).and_then(|()| fs::rename(&draft, &path));
        write.map_err(SourceError::io("write", path))
    }

    /// Remembers that a commit has no such file; a cache that cannot be written to is not an obstacle.
    pub(super) fn mark_absent(&self, commit: &str, file: &str) {
        let mark = self.absence_mark(commit, file);
        if !mark.exists() && create_parent(&mark).is_ok() {
            let _ = File::create_new(mark);
        }
    }

    pub(super) fn is_marked_absent(&self, commit: &str, file: &str) -> bool {
        self.absence_mark(commit, file).exists()
    }

    fn absence_mark(&self, commit: &str, file: &str) -> PathBuf {
        self.model_dir().join(".no_exist").join(commit).join(file)
    }

    /// Puts a blob into a snapshot under its file name.
    pub(super) fn link(&self, etag: &str, commit: &str, file: &str) -> Result<(), SourceError> {
        let pointer = self.snapshot(commit).join(file);
        create_parent(&pointer)?;
        if pointer.exists() {
            return Ok(());
        }
        if pointer.is_symlink() {
            fs::remove_file(&pointer).map_err(SourceError::io("replace the link", &pointer))?;
        }
        // Out of the folders that the file is in, the snapshot's own, and `snapshots`.
        let up = Path::new(file).components().count() + 1;
        let target = Path::new(&"../".repeat(up)).join("blobs").join(etag);
        match symlink(&target, &pointer) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            // A file system without links: the hub's own tools move the blob then, too.
            Err(_) => fs::rename(self.blob(etag), &pointer).map_err(SourceError::io("write", pointer)),
            Ok(()) => Ok(()),
        }
    }

    /// Waits until no other process writes this blob. A file system without locks grants the lock to
    /// everyone; the checks after the download then find what two writers spoil.
    pub(super) fn lock(&self, etag: &str, progress: &mut dyn Progress) -> Result<File, SourceError> {
        let path = self.cache.join(".locks").join(&self.folder).join(format!("{etag}.lock"));
        create_parent(&path)?;
        let mut open = File::options();
        let file = open
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(SourceError::io("open", &path))?;
        if let Err(fs::TryLockError::WouldBlock) = file.try_lock() {
            progress.event(Event::Note("another process downloads the same file: waiting for it"));
            file.lock().map_err(SourceError::io("lock", path))?;
        }
        Ok(file)
    }
}

/// Whether an etag can be the name of a blob: a plain file name, whatever the server says.
pub(super) fn is_blob_name(etag: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'=' | b'+');
    (1..=128).contains(&etag.len()) && !etag.starts_with('.') && etag.bytes().all(plain)
}

pub(super) fn create_parent(path: &Path) -> Result<(), SourceError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(SourceError::io("create the folder", parent))
}

/// A part of a file name that no other writer uses at this time.
pub(super) fn unique_suffix() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{}.{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(unix)]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(windows)]
fn symlink(target: &Path, link: &Path) -> std::io::Result<()> {
    std::os::windows::fs::symlink_file(target, link)
}

#[cfg(test)]
mod tests {
    use super::is_blob_name;

    #[test]
    fn an_etag_is_a_plain_name_or_refused() {
        assert!(is_blob_name("a6344aac8c09253b3b630fb776ae94478aa0275b"));
        assert!(is_blob_name("5d41402abc4b2a76b9719d911017c592-3"));
        for bad in
            ["", ".", "..", "../x", "a/b", "a\\b", "/etc/passwd", "a\0", "a b", ".hidden", &"a".repeat(129)]
        {
            assert!(!is_blob_name(bad), "{bad:?}");
        }
    }
}
