//! `cargo xtask browser`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use clap::Args;

use crate::apt;

/// What the tests of the HTML page need: Chromium and axe-core
#[derive(Debug, Args)]
#[command(after_help = "\
Installs Chromium with apt where that is possible (Debian or Ubuntu, as root) and it is not there yet; elsewhere says
what to install. Fetches axe-core, which looks for what keeps people out of a page, from the npm registry into
target/browser, checked against a pinned SHA-512.

Without them those tests are skipped and say so; with LENS_REQUIRE_BROWSER=1 they fail instead.

  LENS_CHROMIUM=PROGRAM   another Chromium than those on the PATH
  PYTHON=PROGRAM          another Python than python3")]
pub(crate) struct Browser {}

/// Where lens-viz/tests/browser looks as well.
const CHROMIUM: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

const AXE: &str = "https://registry.npmjs.org/axe-core/-/axe-core-4.14.1.tgz";
const AXE_SHA512: &str =
    "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==";

pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let axe = axe(root)?;
    eprintln!("axe-core is in {}", axe.display());
    let chromium = chromium()?;
    eprintln!("Chromium is {}", chromium.display());
    Ok(())
}

/// Brings axe-core, once for each version.
fn axe(root: &Path) -> anyhow::Result<PathBuf> {
    let folder = root.join("target/browser");
    let file = folder.join("axe-4.14.1.min.js");
    if file.is_file() {
        return Ok(file);
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let mut fetch = Command::new(&python);
    fetch.args(["-I", "-c", include_str!("browser.py"), AXE, AXE_SHA512, "package/axe.min.js"]).arg(&file);
    let status =
        fetch.stdin(Stdio::null()).status().with_context(|| format!("cannot run {}", python.display()))?;
    if !status.success() {
        bail!("axe-core could not be fetched; put axe.min.js of axe-core 4.14.1 at {}", file.display());
    }
    Ok(file)
}

/// Finds Chromium, and installs it where we may.
fn chromium() -> anyhow::Result<PathBuf> {
    if let Some(chosen) = std::env::var_os("LENS_CHROMIUM") {
        return Ok(chosen.into());
    }
    apt::program(&CHROMIUM, "chromium", ", or set LENS_CHROMIUM to one that is somewhere else")
}
