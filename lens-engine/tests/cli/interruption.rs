//! Signals, limits and weights that go away: nothing is lost that was read, and nothing half is left.
#![cfg(unix)]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{Model, program, says};

/// A model that goes on writing for a very long time.
fn endless() -> Model {
    Model::new()
        .with_config("\"eos_token_id\": 2", "\"eos_token_id\": null")
        .with_config("\"max_position_embeddings\": 64", "\"max_position_embeddings\": 1000000")
}

fn spawn(args: &[&str]) -> Child {
    let mut command = Command::new(program());
    command.args(args).env("HF_HUB_OFFLINE", "1").stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("lens runs")
}

fn kill(child: &Child, signal: &str) {
    let status = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status();
    assert!(status.expect("kill runs").success());
}

/// Waits until `done`; far longer than it ever takes, so that only a hang fails.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(120), "{what} never came");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// Every name in a folder and below.
fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths
        .flat_map(|path| {
            let below = if path.is_dir() { names(&path) } else { Vec::new() };
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            name.into_iter().chain(below).collect::<Vec<_>>()
        })
        .collect()
}

fn is_temporary(name: &String) -> bool {
    name.starts_with(".lens-") && name != ".lens-files.jsonl"
}

/// Whether these tests, and so what they start, go on after their terminal is closed.
fn is_hangup_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_none_or(|mask| mask & 1 != 0)
}

#[test]
fn a_run_that_is_to_outlive_its_terminal_does() {
    let root = tempfile::tempdir().expect("a folder");
    let out = root.path().join("new");
    let mut command = Command::new("nohup");
    command.arg(program()).args(["run", "-", "-o", out.to_str().expect("text")]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("nohup runs");
    wait_until("the folder", || out.is_dir());
    kill(&child, "HUP");
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().expect("it can be asked").is_none(), "it ended");
    kill(&child, "TERM");
    assert_eq!(child.wait().expect("it ends").code(), Some(143));
}

#[test]
fn a_signal_while_nothing_is_read_ends_it_at_once() {
    let hangup = (!is_hangup_ignored()).then_some(("HUP", 129));
    for (signal, status) in [("INT", 130), ("TERM", 143)].into_iter().chain(hangup) {
        let root = tempfile::tempdir().expect("a folder");
        let out = root.path().join("new/deep");
        // It waits for its prompt, having made sure that it can write.
        let child = spawn(&["run", "-", "-o", out.to_str().expect("text")]);
        wait_until("the folder", || out.is_dir());
        kill(&child, signal);
        let output = child.wait_with_output().expect("lens ends");
        assert_eq!(output.status.code(), Some(status));
        says(&stderr(&output), &["note: interrupted"]);
        assert_eq!(names(root.path()), [""; 0], "something was left");
    }
}

#[test]
fn a_signal_in_a_sweep_ends_it_at_once() {
    let model = endless();
    let prompt = |shift: u32| {
        let ids: Vec<String> = (0..600).map(|i| (3 + (i * 7 + shift) % 90).to_string()).collect();
        ids.join(",")
    };
    let (clean, corrupted) = (prompt(0), prompt(1));
    let root = tempfile::tempdir().expect("a folder");
    let out = root.path().join("new");
    let tokens =
        ["patch", "--clean-ids", &clean, "--corrupted-ids", &corrupted, "--target", "5", "--versus", "6"];
    let places =
        ["--sites", "heads", "--per", "position", "-m", model.path(), "-o", out.to_str().expect("text")];
    let child = spawn(&[&tokens[..], &places].concat());
    wait_until("the folder", || out.is_dir());
    std::thread::sleep(Duration::from_millis(1500));
    kill(&child, "INT");
    let output = child.wait_with_output().expect("lens ends");
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    assert_eq!(names(root.path()), [""; 0], "something was left");
}

#[test]
fn a_signal_while_pictures_are_drawn_leaves_them_out() {
    let root = tempfile::tempdir().expect("a folder");
    let out = root.path().to_str().expect("text");
    let prompt = "The capital of France is";
    let args = ["run", prompt, "-n", "200", "--temperature", "1", "--format", "json", "-o", out];
    let mut child = spawn(&args);
    let mut stdout = child.stdout.take().expect("a pipe");
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        stdout.read_to_string(&mut text).map(|_| text)
    });
    // The trace is written first, and then up to four hundred pictures.
    wait_until("the trace", || root.path().join("trace.json").exists());
    kill(&child, "TERM");
    let output = child.wait_with_output().expect("lens ends");
    let stdout = reader.join().expect("a reader").expect("text");
    assert_eq!(output.status.code(), Some(143), "{}", stderr(&output));
    says(&stderr(&output), &["note: results in", "interrupted: the page and", "lens render"]);
    let trace = fs::read_to_string(root.path().join("trace.json")).expect("a trace");
    assert_eq!(trace, stdout, "what was read is on stdout too");
    assert_eq!(names(root.path()).iter().find(|name| is_temporary(name)), None);
}

#[test]
fn a_signal_while_the_prompt_is_read_keeps_the_positions_that_are_there() {
    let model = endless();
    let root = tempfile::tempdir().expect("a folder");
    let out = root.path().to_str().expect("text");
    let ids = vec!["1"; 30_000].join(",");
    let args = ["run", "-m", model.path(), "--token-ids", &ids, "--positions", "all", "-k", "1"];
    let mut child = spawn(&[&args[..], &["--layers", "0", "--format", "jsonl", "-o", out]].concat());
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    // The second line is the first position.
    for line in lines.by_ref().take(2) {
        line.expect("a line");
    }
    kill(&child, "INT");
    let rest: Vec<String> = lines.map(|line| line.expect("a line")).collect();
    let output = child.wait_with_output().expect("lens ends");
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    says(&stderr(&output), &["note: interrupted after", "of 30000 tokens"]);
    let end: Value = serde_json::from_str(rest.last().expect("an end")).expect("JSON");
    assert_eq!((&end["event"], &end["self_check"]["passed"]), (&"end".into(), &true.into()));
    let text = fs::read_to_string(root.path().join("trace.json")).expect("a trace");
    let trace: Value = serde_json::from_str(&text).expect("JSON");
    let finals = trace["final"].as_array().expect("finals").len();
    // The last of the lines is the end, the first position was taken off before.
    assert!(finals > 0 && finals == rest.len(), "{finals} positions, {} lines", rest.len());
    assert!(trace["notes"].to_string().contains("interrupted after"), "{}", trace["notes"]);
}

#[test]
fn a_signal_among_many_prompts_keeps_those_that_were_read() {
    let root = tempfile::tempdir().expect("a folder");
    let (prompts, out) = (root.path().join("many.txt"), root.path().join("out"));
    fs::write(&prompts, "The capital of France is\n".repeat(100_000)).expect("the prompts");
    let out_text = out.to_str().expect("text");
    let mut child =
        spawn(&["run", "--prompts", prompts.to_str().expect("text"), "--format", "jsonl", "-o", out_text]);
    let mut lines = BufReader::new(child.stdout.take().expect("its stdout")).lines();
    let line = lines.next().expect("the first prompt").expect("text");
    assert!(line.contains("\"prompt_index\":0"), "{line}");
    kill(&child, "INT");
    let rest: Vec<String> = lines.map(|line| line.expect("text")).collect();
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
    says(
        &stderr(&output),
        &["interrupted after ", "prompts of the file", "readouts.parquet, tokens.parquet"],
    );
    // Every prompt that was begun is whole, and the tables have their names.
    let last: Value = serde_json::from_str(rest.last().expect("more lines")).expect("a whole line");
    assert_eq!(last["event"], "end");
    for name in ["readouts.parquet", "tokens.parquet"] {
        let bytes = fs::read(out.join(name)).expect("a table");
        assert!(bytes.len() > 1000 && bytes.ends_with(b"PAR1"), "{name}: {} bytes", bytes.len());
    }
    assert!(!names(&out).iter().any(is_temporary));
}

#[test]
fn a_second_signal_ends_it_without_half_a_file() {
    let model = endless();
    let root = tempfile::tempdir().expect("a folder");
    let out = root.path().to_str().expect("text");
    let args =
        ["run", "-m", model.path(), "--token-ids", "1", "-n", "100000", "--format", "jsonl", "-o", out];
    let mut child = spawn(&args);
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    for _ in 0..3 {
        out.read_line(&mut line).expect("a line");
    }
    // Nobody reads on: the pipe fills, and the run waits for ever in a write.
    std::thread::sleep(Duration::from_millis(300));
    kill(&child, "TERM");
    std::thread::sleep(Duration::from_millis(100));
    kill(&child, "TERM");
    let status = child.wait().expect("lens ends");
    assert_eq!(status.code(), Some(143));
    assert_eq!(names(root.path()).iter().find(|name| is_temporary(name)), None);
}

#[test]
fn a_limit_on_the_length_of_files_is_an_error_like_a_full_disk() {
    let root = tempfile::tempdir().expect("a folder");
    let script = "ulimit -f 8; exec \"$0\" run hi -o out";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(program())
        .current_dir(root.path())
        .output()
        .expect("sh runs");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    says(&stderr(&output), &["error: cannot write", "trace.json", "because: "]);
    assert_eq!(names(root.path()), [""; 0], "something was left");
}

#[test]
fn weights_that_are_cut_off_while_they_are_mapped_are_named() {
    let model = endless();
    let weights = Path::new(model.path()).join("model.safetensors");
    let whole = model.weights();
    let args = ["run", "-m", model.path(), "--token-ids", "1", "-n", "100000", "--format", "jsonl", "--io"];
    let start = |io| {
        let mut child = spawn(&[&args[..], &[io]].concat());
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        for line in lines.by_ref().take(3) {
            line.expect("a line");
        }
        fs::File::options().write(true).open(&weights).and_then(|file| file.set_len(0)).expect("weights");
        (child, lines)
    };
    let (child, lines) = start("map");
    lines.for_each(drop);
    let output = child.wait_with_output().expect("lens ends");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    says(&stderr(&output), &["error: a file", "became shorter", "model.safetensors", "--io read"]);

    // What was read does not go away.
    fs::write(&weights, whole).expect("a writable folder");
    let (child, mut lines) = start("read");
    for line in lines.by_ref().take(10) {
        line.expect("a line");
    }
    kill(&child, "INT");
    lines.for_each(drop);
    let output = child.wait_with_output().expect("lens ends");
    assert_eq!(output.status.code(), Some(130), "{}", stderr(&output));
}
