//! How the engine is started: by `lens` from whatever folder, with whatever libtorch, or by itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

use crate::support::{program, says};

/// The folder of the libtorch that this was built with.
const LIBTORCH: &str = env!("BUILT_WITH_LIBTORCH");

/// Both binaries in another folder, as an archive would be unpacked.
struct Moved {
    folder: TempDir,
}

impl Moved {
    /// The engine does not know any more where its libtorch was: that path is another one in the copy.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        install(program(), &folder.path().join("lens"));
        let mut engine = fs::read(env!("CARGO_BIN_EXE_lens-engine")).expect("the engine");
        let gone = LIBTORCH.replace(|c: char| c.is_ascii_alphanumeric(), "x");
        let places: Vec<usize> = engine
            .windows(LIBTORCH.len())
            .enumerate()
            .filter_map(|(at, bytes)| (bytes == LIBTORCH.as_bytes()).then_some(at))
            .collect();
        assert!(!places.is_empty(), "the engine knows its libtorch");
        for at in places {
            engine[at..at + gone.len()].copy_from_slice(gone.as_bytes());
        }
        let written = folder.path().join("written");
        fs::write(&written, engine).expect("the engine can be written");
        install(&written, &folder.path().join("lens-engine"));
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, environment: &[(&str, &Path)]) -> Output {
        let mut command = Command::new(self.path("lens"));
        for name in ["LENS_ENGINE", "LENS_LIBTORCH", "LIBTORCH", "LD_LIBRARY_PATH"] {
            command.env_remove(name);
        }
        // No Python with a torch of its own.
        command.env("PATH", self.folder.path());
        command.envs(environment.iter().copied());
        command.args(["run", "The capital of France is", "-k", "1"]).output().expect("lens runs")
    }
}

/// Copies a program. Another process does: a program that this one has open to write, be it for a child that another
/// thread is about to start, cannot be run.
fn install(program: &Path, place: &Path) {
    let copied =
        Command::new("install").args(["-m", "755"]).args([program, place]).status().expect("install runs");
    assert!(copied.success());
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[cfg(target_os = "linux")]
#[test]
fn lens_runs_from_any_folder_with_a_libtorch_from_elsewhere() {
    let moved = Moved::new();
    let none = moved.run(&[]);
    assert_eq!(none.status.code(), Some(1));
    says(&stderr(&none), &["there is no libtorch 2.11", "cargo xtask setup", "LENS_LIBTORCH"]);

    let lib = Path::new(LIBTORCH);
    let root = lib.parent().expect("lib is in a folder");
    for environment in [("LIBTORCH", root), ("LENS_LIBTORCH", lib), ("LD_LIBRARY_PATH", lib)] {
        let output = moved.run(&[environment]);
        assert!(output.status.success(), "{environment:?}: {}", stderr(&output));
        assert!(String::from_utf8_lossy(&output.stdout).contains("Paris"));
    }
    // Beside the binaries, as an archive may have it.
    std::os::unix::fs::symlink(root, moved.path("libtorch")).expect("a link");
    let output = moved.run(&[]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[cfg(target_os = "linux")]
#[test]
fn another_version_of_libtorch_is_named_and_not_loaded() {
    let moved = Moved::new();
    let old = moved.path("old");
    fs::create_dir_all(old.join("lib")).expect("a folder");
    fs::write(old.join("lib/libtorch_cpu.so"), "").expect("a file");
    fs::write(old.join("build-version"), "2.4.1+cpu\n").expect("a file");
    let output = moved.run(&[("LIBTORCH", &old)]);
    assert_eq!(output.status.code(), Some(1));
    says(&stderr(&output), &["LIBTORCH has 2.4.1+cpu"]);
    let output = moved.run(&[("LENS_LIBTORCH", &old)]);
    assert_eq!(output.status.code(), Some(1));
    says(&stderr(&output), &["libtorch 2.4.1+cpu", "2.11 and no other"]);
    // In the way of the right one, where the loader would have taken it.
    let root = Path::new(LIBTORCH).parent().expect("lib is in a folder");
    let output = moved.run(&[("LD_LIBRARY_PATH", &old.join("lib")), ("LIBTORCH", root)]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_lens_of_another_build_is_refused_before_its_arguments_are_read() {
    let output = Command::new(env!("CARGO_BIN_EXE_lens-engine"))
        .env("LENS_OF_BUILD", "0.0.9+0123456789abcdef")
        .args(["run", "--an-option-of-that-build"])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    says(&stderr(&output), &["lens is of build 0.0.9+0123456789abcdef", "of build 0.1.0+", "cargo install"]);
}

#[test]
fn the_engine_by_itself_does_what_lens_does() {
    let both = [program(), Path::new(env!("CARGO_BIN_EXE_lens-engine"))].map(|program| {
        let run = |args: &[&str]| {
            let mut command = Command::new(program);
            for name in ["OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME"] {
                command.env_remove(name);
            }
            let output = command.args(args).output().expect("it runs");
            (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), stderr(&output))
        };
        [
            run(&["run", "The capital of France is"]),
            run(&["families"]),
            run(&["run"]),
            run(&["run", "hi", "--layers", "99"]),
            run(&["check", "no/such-folder-or-model", "--offline"]),
        ]
    });
    assert_eq!(both[0], both[1]);
    assert_eq!(both[0].each_ref().map(|(code, ..)| *code), [0, 0, 2, 1, 1].map(Some));
}
