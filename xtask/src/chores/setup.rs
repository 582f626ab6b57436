//! `cargo xtask setup`.

use std::path::Path;

use clap::Args;

use crate::libtorch;

/// Bring libtorch into .libtorch/, once for all checkouts of this user
#[derive(Debug, Args)]
#[command(after_help = "\
Downloads the pinned wheels of libtorch with pip (about 545 MB, once), checks their SHA-256 and unpacks the CPU half
(about 500 MB) into the user's cache; checkouts share it by hard links. Does nothing if it is there already. Another link
in ~/.local/share/lens serves what `cargo install` installs, so that the checkout may go.

Needs a C++ compiler and Python 3.8 or newer with pip. Pinned for Linux x86_64; for Linux aarch64 and macOS arm64 too,
where it has not been tried. Elsewhere set LIBTORCH.

  LIBTORCH=DIR             your own libtorch 2.11 wins; set-up then only checks its version
  LIBTORCH_USE_PYTORCH=1   the torch of your Python wins over both
  LENS_LIBTORCH_CACHE=DIR  another place for the download than ~/.cache/lens-libtorch
  XDG_DATA_HOME=DIR        another place for what is installed than ~/.local/share
  PYTHON=PROGRAM           another Python than python3")]
pub(crate) struct Setup {
    /// The CUDA half too (2.5 GB more to download, 3 GB on disk; Linux x86_64), for machines with an NVIDIA card; what is
    /// built is the same, and finds it when it runs
    #[arg(long)]
    cuda: bool,
}

pub(crate) fn run(root: &Path, asked: &Setup) -> anyhow::Result<()> {
    eprintln!("{}", if asked.cuda { libtorch::ensure_cuda(root)? } else { libtorch::ensure(root)? });
    match libtorch::keep_for_installed(root)? {
        Some(said) => eprintln!("{said}"),
        None => eprintln!(
            "installed binaries look for it where it is now: keep it there, or name it in LENS_LIBTORCH"
        ),
    }
    Ok(())
}
