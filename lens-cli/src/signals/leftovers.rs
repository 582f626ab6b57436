//! Files and folders that must not outlive the program unless it finishes them.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

static LEFTOVERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn leftovers() -> MutexGuard<'static, Vec<PathBuf>> {
    // A list of paths is whole whatever panicked beside it.
    LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that is not finished, or a folder in which nothing lies yet. A signal that ends the program at once removes
/// it; dropping this value only forgets it.
#[derive(Debug)]
pub struct Leftover(PathBuf);

impl Leftover {
    /// From now on, a signal removes what is at `path`.
    pub fn new(path: &Path) -> Self {
        leftovers().push(path.to_owned());
        Self(path.to_owned())
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        let mut all = leftovers();
        if let Some(at) = all.iter().rposition(|path| *path == self.0) {
            all.remove(at);
        }
    }
}

/// Removes all that is there now, the newest first: files before the folders that they lie in.
pub(super) fn remove() {
    for path in leftovers().iter().rev() {
        // Of folders, only empty ones go.
        let _ = std::fs::remove_file(path).or_else(|_| std::fs::remove_dir(path));
    }
}
