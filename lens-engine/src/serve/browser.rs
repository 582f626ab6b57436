//! Opening the page without telling others where it is.

use std::io::Write as _;

use anyhow::{Context, Result};
use lens_cli::signals::Leftover;
use tempfile::NamedTempFile;

/// A file that leads to the page, as long as it is kept.
pub(super) struct Opened {
    _file: NamedTempFile,
    _leftover: Leftover,
}

/// Opens an address in the user's browser. What a browser is started with, others on this machine can see: it is started with
/// a file that only the user can read, and that leads on.
pub(super) fn open(url: &str) -> Result<Opened> {
    let mut file = tempfile::Builder::new()
        .prefix("lens-")
        .suffix(".html")
        .tempfile()
        .context("cannot write the file that leads to the page")?;
    // The address has nothing that HTML reads: letters, digits, and what is between them.
    let leads = format!(
        "<!DOCTYPE html><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\">\
         <meta http-equiv=\"refresh\" content=\"0;url={url}\"><title>lens</title>"
    );
    file.write_all(leads.as_bytes())
        .and_then(|()| file.flush())
        .context("cannot write the file that leads to the page")?;
    let leftover = Leftover::new(file.path());
    open::that_detached(file.path()).context("no browser was found: open the address above by hand")?;
    Ok(Opened { _file: file, _leftover: leftover })
}
