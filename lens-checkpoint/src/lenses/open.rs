//! Which kind of lens a path holds.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use super::{error::LensFileError, file::LensFile, jacobian, mlxterp, own, stored::Stored, tuned};
use crate::{checkpoint::CheckpointError, source::files::check_regular, torch_file::TorchFile};

/// Names of a lens in a folder, this project's own and jlens-mlx's.
const SAFETENSORS: &str = "lens.safetensors";

/// Reads the lens at a path, whatever kind it is: a file, or a folder of the tuned-lens package or with a
/// `lens.safetensors`. What a file is shows in its bytes, not in its name.
///
/// # Errors
/// When there is no lens, or it cannot be read: see the reader of its kind.
pub fn open(path: &Path) -> Result<LensFile, LensFileError> {
    if path.is_dir() {
        return folder(path);
    }
    match start(path)? {
        Start::Zip if mlxterp::is_lens(path) => mlxterp::read(path),
        Start::Zip | Start::Pickle => torch(path),
        Start::Safetensors => safetensors(path),
        Start::Json => match path.parent() {
            Some(parent) if path.ends_with(tuned::CONFIG) => tuned::read(parent),
            _ => Err(unknown(path, "it is JSON: give the lens that lies beside it, or its folder")),
        },
        Start::Other => Err(unknown(path, "its first bytes are those of no file of a lens")),
    }
}

fn unknown(path: &Path, reason: impl Into<String>) -> LensFileError {
    LensFileError::broken(path, "a lens", reason)
}

fn folder(path: &Path) -> Result<LensFile, LensFileError> {
    if path.join(tuned::PARAMS).exists() {
        return tuned::read(path);
    }
    let file = path.join(SAFETENSORS);
    if file.exists() {
        return safetensors(&file);
    }
    let reason = format!(
        "the folder has neither {} with {}, nor {SAFETENSORS}{}",
        tuned::PARAMS,
        tuned::CONFIG,
        lone_file(path).map(|file| format!(": give the file, {}", file.display())).unwrap_or_default()
    );
    Err(unknown(path, reason))
}

/// The only file of a folder that may be a lens.
fn lone_file(folder: &Path) -> Option<PathBuf> {
    let is_lens = |path: &PathBuf| {
        path.extension()
            .is_some_and(|ending| ["pt", "npz", "safetensors"].iter().any(|known| ending == *known))
    };
    let mut files =
        std::fs::read_dir(folder).ok()?.filter_map(|entry| Some(entry.ok()?.path())).filter(is_lens);
    files.next().filter(|_| files.next().is_none())
}

/// What a file begins like.
enum Start {
    Zip,
    Pickle,
    Safetensors,
    Json,
    Other,
}

fn start(path: &Path) -> Result<Start, LensFileError> {
    let failed = |source| CheckpointError::Read { path: path.to_owned(), source };
    check_regular(path).map_err(failed)?;
    let mut start = Vec::new();
    File::open(path).and_then(|file| file.take(9).read_to_end(&mut start)).map_err(failed)?;
    Ok(match start.as_slice() {
        [b'P', b'K', 3, 4, ..] => Start::Zip,
        // Before pickles: the length of a header may begin as one does.
        [_, _, _, _, _, 0, 0, 0, b'{'] => Start::Safetensors,
        [0x80, 2..=5, ..] => Start::Pickle,
        [b'{', ..] => Start::Json,
        // The reader says what a git-lfs pointer is.
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', ..] => Start::Safetensors,
        _ => Start::Other,
    })
}

/// A file of `torch.save`: a Jacobian lens, or a part of a folder.
fn torch(path: &Path) -> Result<LensFile, LensFileError> {
    let file = TorchFile::open(path).map_err(LensFileError::torch(path))?;
    if jacobian::torch::is_lens(file.root()) {
        return jacobian::torch::of(path, &file);
    }
    match path.parent().filter(|_| path.ends_with(tuned::PARAMS)) {
        Some(parent) => tuned::read(parent),
        None => {
            let reason =
                "it has neither the matrices of a Jacobian lens (J) nor is it the params.pt of a tuned lens";
            Err(unknown(path, reason))
        }
    }
}

fn safetensors(path: &Path) -> Result<LensFile, LensFileError> {
    let stored = Stored::open(path)?;
    if own::is_own(&stored.texts) {
        own::of(path, &stored)
    } else if jacobian::gguf::is_lens(&stored) {
        jacobian::gguf::of(path, &stored)
    } else if jacobian::mlx::is_lens(&stored) {
        jacobian::mlx::of(path, &stored)
    } else {
        let names: Vec<&str> = stored.names().take(4).collect();
        let reason = format!(
            "its header says neither format nor jlens, and its tensors ({}, …) are not named by blocks",
            names.join(", ")
        );
        Err(unknown(path, reason))
    }
}
