//! Brings one pinned wheel with pip, whose settings for indexes, proxies and certificates then apply.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use super::SetupError;
use super::pins::Wheel;
use super::python::Python;

/// Downloads `wheel` into the empty folder `into`. `kept` is where a user without a network may put the file by hand.
pub(crate) fn with_pip(python: &Python, wheel: &Wheel, into: &Path, kept: &Path) -> Result<(), SetupError> {
    let mut pip = python.pip()?;
    pip.args(["download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--no-input"])
        .args(["--disable-pip-version-check", "--progress-bar=on"])
        .args(["--python-version=3.12", "--implementation=cp", "--abi=cp312", "--platform", wheel.platform])
        .arg("--dest")
        .arg(into)
        // Three equals signs: `2.11.0+cpu` of an extra index is another file.
        .arg(format!("{}==={}", wheel.package, wheel.version))
        // pip downloads to a temporary folder first, and /tmp is often too small for half a gigabyte.
        .env("TMPDIR", into)
        .stdin(Stdio::null())
        // pip's progress belongs to our notes; our own stdout stays clean for results.
        .stdout(std::io::stderr())
        .stderr(Stdio::piped());
    let starting = || SetupError::io("run pip of", python.name());
    let mut child = pip.spawn().map_err(starting())?;
    let mut said = String::new();
    if let Some(stderr) = child.stderr.take() {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            eprintln!("{line}");
            said.push_str(&line);
            said.push('\n');
        }
    }
    if child.wait().map_err(starting())?.success() {
        return Ok(());
    }
    Err(explain(&said, wheel, into, kept))
}

/// What pip's complaint means for the user.
fn explain(said: &str, wheel: &Wheel, into: &Path, kept: &Path) -> SetupError {
    const NETWORK: [&str; 7] = [
        "NewConnectionError",
        "Failed to establish a new connection",
        "NameResolutionError",
        "Temporary failure in name resolution",
        "Network is unreachable",
        "ProxyError",
        "Read timed out",
    ];
    let (file, kept) = (wheel.file.to_owned(), kept.to_owned());
    if said.contains("No space left on device") || said.contains("Disk quota exceeded") {
        return SetupError::DiskFull { path: into.to_owned() };
    }
    let line_with = |words: &[&str]| said.lines().rfind(|line| words.iter().any(|word| line.contains(word)));
    if line_with(&NETWORK).is_some() {
        return SetupError::NoNetwork { file, kept };
    }
    let line = line_with(&["ERROR"]).or_else(|| said.lines().next_back()).unwrap_or("it gave no reason");
    SetupError::Pip { file, said: line.trim().to_owned(), kept }
}

#[cfg(test)]
mod tests {
    use super::super::pins;
    use super::*;

    fn explained(said: &str) -> SetupError {
        let wheel = &pins::LINUX_X86_64.wheels[0];
        explain(said, wheel, Path::new("/into"), Path::new("/kept"))
    }

    #[test]
    fn a_failed_connection_is_not_reported_as_a_missing_package() {
        let said = "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...)'\n\
                    ERROR: Could not find a version that satisfies the requirement torch===2.11.0\n";
        assert!(matches!(explained(said), SetupError::NoNetwork { .. }));
    }

    #[test]
    fn a_full_disk_and_a_missing_package_keep_their_own_names() {
        let full = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device";
        assert!(matches!(explained(full), SetupError::DiskFull { .. }));
        let missing = "ERROR: No matching distribution found for torch===2.11.0\n[notice] a new pip\n";
        assert!(
            matches!(explained(missing), SetupError::Pip { said, .. } if said.starts_with("ERROR: No matching"))
        );
    }
}
