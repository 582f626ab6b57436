//! An unpacked libtorch, and whether it is whole.
//!
//! A tree carries a manifest of its files and their sizes. It is written last, and the tree gets its name only after
//! that, by a rename: a tree that was interrupted, truncated or thinned out by a cleaner is never taken for whole.

use std::fs;
use std::path::{Path, PathBuf};

use super::SetupError;

const MANIFEST: &str = ".manifest";

/// Whether `tree` holds what was sealed there as `id`, every file with its full length.
pub(crate) fn is_whole(tree: &Path, id: &str) -> bool {
    let Ok(manifest) = fs::read_to_string(tree.join(MANIFEST)) else { return false };
    let mut lines = manifest.lines();
    lines.next() == Some(id)
        && lines.all(|line| {
            let Some((bytes, name)) = line.split_once(' ') else { return false };
            let length = fs::metadata(tree.join(name)).map(|file| file.len());
            length.is_ok_and(|length| bytes.parse() == Ok(length))
        })
}

/// Writes the manifest and makes every file read-only: checkouts share them by hard links.
pub(crate) fn seal(tree: &Path, id: &str) -> Result<(), SetupError> {
    let mut manifest = format!("{id}\n");
    for name in files(tree)? {
        let path = tree.join(&name);
        let reading = || SetupError::io("look at", &path);
        let file = fs::metadata(&path).map_err(reading())?;
        manifest.push_str(&format!("{} {}\n", file.len(), name.display()));
        let mut permissions = file.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions).map_err(reading())?;
    }
    let path = tree.join(MANIFEST);
    fs::write(&path, manifest).map_err(SetupError::io("write", &path))
}

/// Puts a copy of the whole tree `from` in the place of whatever is at `to`, by hard links where the disk allows it.
pub(crate) fn place(from: &Path, to: &Path) -> Result<(), SetupError> {
    let staged = Staging::new(to.with_extension("new.tmp"))?;
    for name in files(from)? {
        let (source, target) = (from.join(&name), staged.path().join(&name));
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(SetupError::io("make", parent))?;
        }
        if fs::hard_link(&source, &target).is_err() {
            fs::copy(&source, &target).map_err(SetupError::io("write", &target))?;
        }
    }
    let old = Staging::unmade(to.with_extension("old.tmp"))?;
    if fs::symlink_metadata(to).is_ok() {
        fs::rename(to, old.path()).map_err(SetupError::io("move away", to))?;
    }
    staged.settle(to)
}

/// A folder that is removed unless it is settled under its real name.
#[derive(Debug)]
pub(crate) struct Staging {
    path: PathBuf,
}

impl Staging {
    /// An empty folder. What an interrupted run left there is removed: the lock of the cache is held.
    pub(crate) fn new(path: PathBuf) -> Result<Self, SetupError> {
        let staging = Self::unmade(path)?;
        fs::create_dir_all(&staging.path).map_err(SetupError::io("make", &staging.path))?;
        Ok(staging)
    }

    fn unmade(path: PathBuf) -> Result<Self, SetupError> {
        remove(&path)?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the folder its real name, in one step.
    pub(crate) fn settle(self, to: &Path) -> Result<(), SetupError> {
        fs::rename(&self.path, to).map_err(SetupError::io("move the finished files to", to))
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Nothing to tell: it is either settled and gone, or another error is already on its way.
        let _ = remove(&self.path);
    }
}

/// Removes a file, a link or a folder; it is not an error if there is none.
pub(crate) fn remove(path: &Path) -> Result<(), SetupError> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    let removed = if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(SetupError::io("remove", path))
}

/// The names of all files under `tree`, the manifest last.
fn files(tree: &Path) -> Result<Vec<PathBuf>, SetupError> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        let here = tree.join(&folder);
        for entry in fs::read_dir(&here).map_err(SetupError::io("read", &here))? {
            let entry = entry.map_err(SetupError::io("read", &here))?;
            let name = folder.join(entry.file_name());
            let kind = entry.file_type().map_err(SetupError::io("look at", entry.path()))?;
            if kind.is_dir() {
                folders.push(name);
            } else {
                found.push(name);
            }
        }
    }
    found.sort_by_key(|name| (name.as_os_str() == MANIFEST, name.clone()));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(dir: &Path) -> PathBuf {
        let tree = dir.join("tree");
        fs::create_dir_all(tree.join("lib")).unwrap();
        fs::write(tree.join("lib/libc10.so"), "ten bytes.").unwrap();
        fs::write(tree.join("build-version"), "2.11.0\n").unwrap();
        seal(&tree, "id").unwrap();
        tree
    }

    #[test]
    fn a_tree_is_whole_only_with_every_file_at_full_length() {
        let dir = tempfile::tempdir().unwrap();
        let tree = sealed(dir.path());
        assert!(is_whole(&tree, "id"));
        assert!(!is_whole(&tree, "another id"), "other pins need another tree");

        let library = tree.join("lib/libc10.so");
        fs::remove_file(&library).unwrap();
        assert!(!is_whole(&tree, "id"), "a file is missing");
        fs::write(&library, "cut").unwrap();
        assert!(!is_whole(&tree, "id"), "a file is truncated");
    }

    #[test]
    fn a_tree_without_its_manifest_is_not_whole() {
        let dir = tempfile::tempdir().unwrap();
        let tree = sealed(dir.path());
        fs::remove_file(tree.join(MANIFEST)).unwrap();
        assert!(!is_whole(&tree, "id"));
    }

    #[test]
    fn placing_replaces_what_was_there_and_leaves_nothing_beside() {
        let dir = tempfile::tempdir().unwrap();
        let tree = sealed(dir.path());
        let target = dir.path().join("checkout/.libtorch");
        fs::create_dir_all(target.join("lib")).unwrap();
        fs::write(target.join("lib/stale.so"), "").unwrap();

        place(&tree, &target).unwrap();
        assert!(is_whole(&target, "id"));
        assert!(!target.join("lib/stale.so").exists());
        let beside = fs::read_dir(dir.path().join("checkout")).unwrap().count();
        assert_eq!(beside, 1);
    }

    #[test]
    fn a_staging_folder_that_is_not_settled_disappears() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("unpack.tmp");
        let staging = Staging::new(path.clone()).unwrap();
        fs::write(staging.path().join("half"), "").unwrap();
        drop(staging);
        assert!(!path.exists());
    }
}
