//! `lens` without its engine: what needs no model, and how the rest is handed over.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use tempfile::TempDir;

const LENS: &str = env!("CARGO_BIN_EXE_lens");

/// Variables that decide how the engine is found and run.
const VARIABLES: [&str; 6] =
    ["LENS_ENGINE", "LENS_LIBTORCH", "LIBTORCH", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"];

/// `lens` in a folder of its own.
struct Alone {
    folder: TempDir,
    lens: PathBuf,
}

impl Alone {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lens = folder.path().join("lens");
        install(LENS.as_ref(), &lens);
        Self { folder, lens }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.lens);
        for name in VARIABLES {
            command.env_remove(name);
        }
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Copies a program. Another process does: a program that this one has open to write, be it for a child that another
/// thread is about to start, cannot be run.
fn install(program: &Path, place: &Path) {
    assert!(Command::new("install").args(["-m", "755"]).args([program, place]).status().unwrap().success());
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn what_needs_no_model_needs_no_engine() {
    let alone = Alone::new();
    for args in [
        &["--help"][..],
        &["--version"],
        &["run", "--help"],
        &["families"],
        &["inspect"],
        &["inspect", "demo", "--format", "json"],
        &["completions", "bash"],
    ] {
        let output = alone.output(args);
        assert!(output.status.success(), "{args:?}: {}", stderr(&output));
        assert!(!output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn a_model_without_an_engine_is_refused_with_what_to_do() {
    let alone = Alone::new();
    for args in [&["run", "hi"][..], &["check"]] {
        let output = alone.output(args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        let said = stderr(&output);
        assert!(
            said.contains("no lens-engine") && said.contains("cargo install --path lens-engine"),
            "{said}"
        );
    }
}

#[test]
fn arguments_that_are_wrong_never_reach_the_engine() {
    let alone = Alone::new();
    for (args, part) in [
        (&["run"][..], "Usage: lens run"),
        (&["run", "hi", "--layres", "1"], "--layers"),
        (&["run", "hi", "--grid", "--format", "json"], "--grid shows results to people"),
        (&["rnu", "hi"], "unrecognized subcommand"),
    ] {
        let output = alone.output(args);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{args:?}");
        let said = stderr(&output);
        assert!(said.contains(part) && !said.contains("lens-engine"), "{args:?}: {said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn lens_is_not_linked_with_libtorch() {
    use object::{
        elf::{DT_NEEDED, FileHeader64},
        endian::Endianness,
        read::elf::{Dyn as _, FileHeader as _},
    };

    let data = fs::read(LENS).unwrap();
    let header = FileHeader64::<Endianness>::parse(&*data).unwrap();
    let endian = header.endian().unwrap();
    let sections = header.sections(endian, &*data).unwrap();
    let (entries, strings) = sections.dynamic(endian, &*data).unwrap().unwrap();
    let strings = sections.strings(endian, &*data, strings).unwrap();
    let needed = entries.iter().filter(|entry| u32::try_from(entry.d_tag(endian)) == Ok(DT_NEEDED));
    let names: Vec<String> = needed
        .map(|entry| u32::try_from(entry.d_val(endian)).unwrap())
        .map(|name| String::from_utf8_lossy(strings.get(name).unwrap()).into_owned())
        .collect();
    assert!(names.iter().any(|name| name.starts_with("libc.so")), "{names:?}");
    let foreign = ["torch", "c10", "stdc++", "cuda", "gomp"];
    let foreign = |name: &&String| foreign.iter().any(|part| name.contains(part));
    assert_eq!(names.iter().find(foreign), None, "{names:?}");
}

/// An engine that says what it was given.
#[cfg(unix)]
fn engine(place: &Path) {
    let script = "#!/bin/sh\nprintf '%s|' \"$$\" \"$@\" \"$OMP_WAIT_POLICY\" \"$GOMP_SPINCOUNT\" \"$KMP_BLOCKTIME\"\ncat\nexit 41\n";
    let written = place.with_extension("written");
    fs::write(&written, script).unwrap();
    install(&written, place);
}

#[cfg(unix)]
#[test]
fn the_engine_gets_everything_and_is_the_same_process() {
    use std::io::Write as _;

    let alone = Alone::new();
    engine(&alone.path().join("lens-engine"));
    let args = ["--color", "never", "run", "a  b\n", "--target", " c"];
    let mut command = alone.command(&args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"from stdin").unwrap();
    let id = child.id();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, format!("{id}|--color|never|run|a  b\n|--target| c|passive|10000|0|from stdin"));
    assert_eq!(output.status.code(), Some(41));
}

#[cfg(unix)]
#[test]
fn what_the_user_has_told_openmp_stays() {
    let alone = Alone::new();
    engine(&alone.path().join("lens-engine"));
    let output = alone.command(&["check"]).env("OMP_WAIT_POLICY", "active").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.ends_with("|check|active|||"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_link_to_lens_finds_the_engine_beside_lens_itself_and_a_variable_names_another() {
    let alone = Alone::new();
    engine(&alone.path().join("lens-engine"));
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("lens");
    std::os::unix::fs::symlink(&alone.lens, &link).unwrap();
    let run = |program: &Path, engine: Option<&Path>| {
        let mut command = Command::new(program);
        for name in VARIABLES {
            command.env_remove(name);
        }
        command.envs(engine.map(|engine| ("LENS_ENGINE", engine))).arg("check").stdin(Stdio::null());
        command.output().unwrap()
    };
    assert_eq!(run(&link, None).status.code(), Some(41));
    let other = elsewhere.path().join("other");
    engine(&other);
    fs::remove_file(alone.path().join("lens-engine")).unwrap();
    assert_eq!(run(&alone.lens, None).status.code(), Some(1));
    assert_eq!(run(&alone.lens, Some(&other)).status.code(), Some(41));
}
