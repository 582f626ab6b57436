//! Archives, packed by Python's own library: it is there wherever lens is built, and compresses at the speed of C.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context as _, bail};
use serde::Serialize;

/// A file of an archive.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Entry {
    /// Its path in the archive, with `/`.
    pub(super) name: String,
    pub(super) executable: bool,
    #[serde(flatten)]
    pub(super) what: What,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum What {
    Path(PathBuf),
    Text(String),
}

impl Entry {
    pub(super) fn copy(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), executable: false, what: What::Path(path.into()) }
    }

    pub(super) fn text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), executable: false, what: What::Text(text.into()) }
    }

    pub(super) fn executable(self) -> Self {
        Self { executable: true, ..self }
    }
}

/// What is packed.
#[derive(Debug, Serialize)]
#[serde(tag = "form", rename_all = "lowercase")]
pub(super) enum Form<'a> {
    /// Gzipped, with everything in one folder.
    Tar { folder: &'a str },
    /// With the list `record` of its files and their hashes.
    Wheel { record: &'a str },
}

#[derive(Debug, Serialize)]
struct Job<'a> {
    #[serde(flatten)]
    form: Form<'a>,
    out: &'a Path,
    time: u64,
    /// How hard to try to make it small, from 1 to 9.
    level: u8,
    files: &'a [Entry],
}

/// Packs `files` into `out`; every entry has the time `time`, in seconds since 1970.
pub(super) fn pack(out: &Path, form: Form<'_>, time: u64, level: u8, files: &[Entry]) -> anyhow::Result<()> {
    let job = serde_json::to_vec(&Job { form, out, time, level, files })?;
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    let mut command = Command::new(&python);
    // -I: a PYTHONPATH of the user's cannot change what is packed.
    command.args(["-I", "-c", include_str!("pack.py")]).stdin(Stdio::piped());
    let mut child =
        command.spawn().with_context(|| format!("cannot run {}", Path::new(&python).display()))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A child that died early says why itself.
        let _ = stdin.write_all(&job);
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("{} was not packed ({status})", out.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn python(program: &str, file: &Path) -> String {
        let output = Command::new("python3").args(["-I", "-c", program]).arg(file).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn files(folder: &Path) -> Vec<Entry> {
        let program = folder.join("program");
        std::fs::write(&program, "#!/bin/sh\n").unwrap();
        vec![
            Entry::text("x-1.dist-info/METADATA", "Name: x\n"),
            Entry::text("lens/__init__.py", "ä"),
            Entry::copy("lens/bin/lens", program).executable(),
        ]
    }

    #[test]
    fn a_tarball_has_the_same_bytes_again_and_the_modes_that_were_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let files = files(folder.path());
        let (one, two) = (folder.path().join("1.tar.gz"), folder.path().join("2.tar.gz"));
        pack(&one, Form::Tar { folder: "x-1" }, 1_700_000_000, 6, &files).unwrap();
        let backwards: Vec<Entry> = files.into_iter().rev().collect();
        pack(&two, Form::Tar { folder: "x-1" }, 1_700_000_000, 6, &backwards).unwrap();
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
        let list = "import sys, tarfile
for e in tarfile.open(sys.argv[1]): print(e.name, oct(e.mode), e.size, e.mtime, e.uid, e.uname or '-')";
        assert_eq!(
            python(list, &one),
            "x-1/lens/__init__.py 0o644 2 1700000000 0 -\nx-1/lens/bin/lens 0o755 10 1700000000 0 -\n\
             x-1/x-1.dist-info/METADATA 0o644 8 1700000000 0 -\n"
        );
    }

    #[test]
    fn a_wheel_lists_its_files_with_their_hashes() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("x.whl");
        let record = Form::Wheel { record: "x-1.dist-info/RECORD" };
        pack(&out, record, 1_700_000_000, 6, &files(folder.path())).unwrap();
        let check = "import base64, csv, hashlib, sys, zipfile
z = zipfile.ZipFile(sys.argv[1])
rows = list(csv.reader(z.read('x-1.dist-info/RECORD').decode().splitlines()))
assert [r[0] for r in rows] == z.namelist(), (rows, z.namelist())
for name, digest, size in rows[:-1]:
    data = z.read(name)
    assert int(size) == len(data)
    assert digest == 'sha256=' + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')
assert rows[-1][1:] == ['', '']
for e in z.infolist(): print(e.filename, oct(e.external_attr >> 16), e.date_time[0])";
        assert_eq!(
            python(check, &out),
            "lens/__init__.py 0o100644 2023\nlens/bin/lens 0o100755 2023\nx-1.dist-info/METADATA 0o100644 2023\n\
             x-1.dist-info/RECORD 0o100644 2023\n"
        );
    }
}
