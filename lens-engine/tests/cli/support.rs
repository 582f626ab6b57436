//! Running the binary, and checkpoints to run it on.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use assert_cmd::{Command, assert::Assert};
use tempfile::TempDir;

/// A token that must never be seen again.
pub(crate) const SECRET: &str = "hf_SENTINELqwertyuiopasdfghjklzxcv";

/// `lens`, beside the engine that is tested. It is of another package, whose binary cargo does not build for this one's
/// tests alone, so it is built here. Where all packages are tested together it has been: LENS_IS_BUILT says so.
pub(crate) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let engine = Path::new(env!("CARGO_BIN_EXE_lens-engine"));
        let lens = engine.with_file_name(format!("lens{}", std::env::consts::EXE_SUFFIX));
        if std::env::var_os("LENS_IS_BUILT").is_some() && lens.exists() {
            return lens;
        }
        let mut cargo = std::process::Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "-p", "lens-cli", "--bin", "lens"]);
        if engine.parent().is_some_and(|folder| folder.ends_with("release")) {
            cargo.arg("--release");
        }
        for (variable, _) in std::env::vars_os() {
            // What cargo tells a test of the package that it tests; build scripts would run again.
            let name = variable.to_string_lossy();
            if ["CARGO_PKG_", "CARGO_MANIFEST_", "OUT_DIR"].iter().any(|start| name.starts_with(start)) {
                cargo.env_remove(variable);
            }
        }
        let built = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().expect("cargo runs");
        assert!(built.success(), "lens cannot be built");
        lens
    })
}

/// The binary in an environment of its own: no network, no cache, no colours unless a test asks for them.
pub(crate) fn lens(args: &[&str]) -> Command {
    let mut command = Command::new(program());
    for name in
        ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLORTERM", "COLUMNS", "LC_ALL", "LC_CTYPE", "LANG"]
    {
        command.env_remove(name);
    }
    command
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_TOKEN", SECRET)
        .env("HF_HUB_CACHE", "/nonexistent/hub")
        .args(args);
    command
}

/// What a command came to.
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Assert> for Outcome {
    fn from(assert: Assert) -> Self {
        let output = assert.get_output();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("the output is UTF-8");
        let outcome = Self {
            code: output.status.code().expect("the command was not killed"),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        for stream in [&outcome.stdout, &outcome.stderr] {
            assert!(!stream.contains("SENTINEL"), "the access token leaked: {stream}");
        }
        outcome
    }
}

/// Runs the binary.
pub(crate) fn run(args: &[&str]) -> Outcome {
    lens(args).assert().into()
}

/// Runs the binary, which must succeed, and returns its stdout.
pub(crate) fn ok(args: &[&str]) -> String {
    let outcome = run(args);
    assert_eq!(outcome.code, 0, "lens {args:?}: {}", outcome.stderr);
    outcome.stdout
}

/// Runs the binary, which must fail with `code` and say nothing on stdout, and returns its stderr.
pub(crate) fn refused(args: &[&str], code: i32) -> String {
    let outcome = run(args);
    assert_eq!(outcome.code, code, "lens {args:?}: {}{}", outcome.stdout, outcome.stderr);
    assert_eq!(outcome.stdout, "", "lens {args:?} failed and has results");
    assert!(outcome.stderr.starts_with("error: "), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("panicked") && !outcome.stderr.contains("RUST_BACKTRACE"));
    outcome.stderr
}

/// Says that a test is left out, and why: past what cargo keeps of tests that pass.
pub(crate) fn skipped(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {what}, because of {why}");
}

/// Asserts that a message says all of `parts`.
pub(crate) fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not in {message}");
    }
}

/// A folder of the fixtures.
pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/checkpoints").join(name)
}

/// A copy of a small Llama (2 layers, 101 tokens, no tokenizer) that a test may break.
pub(crate) struct Model(TempDir);

impl Model {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for file in ["config.json", "model.safetensors"] {
            std::fs::copy(fixture("llama2").join(file), folder.path().join(file)).expect("a fixture");
        }
        Self(folder)
    }

    /// With a tokenizer that has a word for every id, the last for unknown ones; spaces stand between words.
    pub(crate) fn with_words(words: &[&str]) -> Self {
        let filler = (words.len()..101).map(|id| format!("w{id}"));
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).chain(filler).collect();
        let unknown = words.last().cloned();
        let vocabulary: serde_json::Map<String, serde_json::Value> =
            words.into_iter().zip(0..101).map(|(word, id)| (word, id.into())).collect();
        let tokenizer = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
            "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
            "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": unknown},
        });
        Self::new().with("tokenizer.json", tokenizer.to_string())
    }

    /// With one file replaced.
    pub(crate) fn with(self, file: &str, contents: impl AsRef<[u8]>) -> Self {
        std::fs::write(self.0.path().join(file), contents).expect("a writable folder");
        self
    }

    /// With a part of config.json replaced.
    pub(crate) fn with_config(self, from: &str, to: &str) -> Self {
        let config = std::fs::read_to_string(self.0.path().join("config.json")).expect("a config");
        assert!(config.contains(from));
        self.with("config.json", config.replacen(from, to, 1))
    }

    pub(crate) fn weights(&self) -> Vec<u8> {
        std::fs::read(self.0.path().join("model.safetensors")).expect("weights")
    }

    pub(crate) fn path(&self) -> &str {
        self.0.path().to_str().expect("a temporary folder with a UTF-8 name")
    }
}
