//! Where the file lies that an error is about.

use super::CheckpointError;
use crate::source::CheckpointFiles;

impl CheckpointError {
    /// The same error with the whole path of the file that it names, where that is one of `files`.
    pub(super) fn located(mut self, files: &CheckpointFiles) -> Self {
        let named = match &mut self {
            Self::BrokenHeader { file, .. }
            | Self::WrongSize { file, .. }
            | Self::LfsPointer { file }
            | Self::TwiceStored { file, .. }
            | Self::Gguf { file, .. }
            | Self::Pickle { file, .. }
            | Self::NoStateDict { file, .. }
            | Self::ConfigJson { file, .. } => file,
            _ => return self,
        };
        let is_named = |path: &&std::path::PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy() == named.as_str())
        };
        if let Some(path) = files.weights.iter().chain([&files.config]).find(is_named) {
            *named = path.display().to_string();
        }
        self
    }
}
