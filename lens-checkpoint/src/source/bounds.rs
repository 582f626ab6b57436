//! Where the links in a folder of the hub's cache may lead.

use std::path::{Path, PathBuf};

use super::error::SourceError;

/// Where the links of a snapshot may lead: into the model's own folder, into its `blobs`, which the user may have put
/// on another disk with a link, or into the store of blobs that models share.
pub(super) struct Bounds(Vec<PathBuf>);

impl Bounds {
    /// The bounds of a `models--*` folder; `None` if there is none.
    pub(super) fn of_repo(model_dir: &Path) -> Option<Self> {
        let own = model_dir.canonicalize().ok()?;
        let shared = model_dir.parent().and_then(|cache| cache.join("blobs").canonicalize().ok());
        // A link in place of the whole folder is not made by a download: only its owner can have put it there.
        let blobs = model_dir.join("blobs").canonicalize().ok();
        Some(Self([Some(own), blobs, shared].into_iter().flatten().collect()))
    }

    pub(super) fn check(&self, path: &Path) -> Result<(), SourceError> {
        let target = path.canonicalize().map_err(SourceError::io("resolve", path))?;
        if self.0.iter().any(|bound| target.starts_with(bound)) {
            return Ok(());
        }
        Err(SourceError::EscapingLink { path: path.to_owned(), target })
    }
}
