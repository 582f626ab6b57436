//! Continuations: their lines, their files, and how they end.

use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::{Model, ok, program, run, says};

fn traces(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// Starts the binary with a pipe for its stdout.
fn spawn(args: &[&str]) -> std::process::Child {
    let mut command = Command::new(program());
    command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("lens runs")
}

/// A model that goes on writing for a very long time.
fn endless() -> Model {
    Model::new()
        .with_config("\"eos_token_id\": 2", "\"eos_token_id\": null")
        .with_config("\"max_position_embeddings\": 64", "\"max_position_embeddings\": 1000000")
}

fn written(trace: &Value) -> String {
    let steps = trace["steps"].as_array().expect("steps");
    steps.iter().map(|step| step["token"]["text"].as_str().expect("a text")).collect()
}

#[test]
fn each_step_is_a_line_and_the_text_follows() {
    let text = ok(&["run", "The capital of France is", "-n", "2"]);
    says(&text, &["prompt      <|bos|>The capital of France is", "0  ·Paris", "1  .", "written      Paris."]);
    says(&text, &["ended       after 2 tokens, as asked", "self-check  passed"]);
}

#[test]
fn the_trace_says_what_was_sampled_where() {
    let text = ok(&["run", "The capital of France is", "-n", "2", "--format", "json"]);
    let trace = &traces(&text)[0];
    let tokens = trace["tokens"].as_array().expect("tokens");
    let steps = trace["steps"].as_array().expect("steps");
    assert_eq!(steps.len(), 2);
    for (i, step) in steps.iter().enumerate() {
        let position = tokens.len() - 3 + i;
        assert_eq!((&step["step"], &step["position"]), (&i.into(), &position.into()));
        assert_eq!(step["token"]["id"], tokens[position + 1]["id"]);
        assert_eq!(tokens[position + 1]["generated"], true);
        assert_eq!(step["token"]["id"], trace["final"][i]["top"][0]["id"]);
        assert_eq!(step["token"]["prob"], trace["final"][i]["top"][0]["prob"]);
        assert_eq!(trace["final"][i]["position"], position);
    }
    assert_eq!(trace["generation"]["stopped"], "length");
    assert_eq!(trace["prompt"], "The capital of France is");
}

#[test]
fn lines_of_json_add_up_to_the_trace() {
    let args = ["run", "The capital of France is", "-n", "3", "--positions", "all"];
    let lines = traces(&ok(&[&args[..], &["--format", "jsonl"]].concat()));
    let trace = &traces(&ok(&[&args[..], &["--format", "json"]].concat()))[0];
    assert_eq!(lines[0]["event"], "run");
    assert_eq!(lines[0]["model"], trace["model"]);
    let of = |event: &str| lines.iter().filter(|line| line["event"] == event).collect::<Vec<_>>();
    let finals: Vec<&Value> = of("position").iter().map(|line| &line["final"]).collect();
    assert_eq!(finals, trace["final"].as_array().expect("finals").iter().collect::<Vec<_>>());
    let readouts: Vec<&Value> =
        of("position").iter().flat_map(|line| line["readouts"].as_array().expect("readouts")).collect();
    assert_eq!(readouts, trace["readouts"].as_array().expect("readouts").iter().collect::<Vec<_>>());
    for (line, step) in of("step").iter().zip(trace["steps"].as_array().expect("steps")) {
        assert_eq!((&line["step"], &line["token"]), (&step["step"], &step["token"]));
    }
    let end = lines.last().expect("an end");
    assert_eq!((&end["event"], &end["generation"]), (&"end".into(), &trace["generation"]));
    assert_eq!(end["self_check"]["passed"], true);
}

#[test]
fn a_run_without_continuation_has_lines_too() {
    let lines = traces(&ok(&["run", "The capital of France is", "--format", "jsonl"]));
    let events: Vec<&str> = lines.iter().filter_map(|line| line["event"].as_str()).collect();
    assert_eq!(events, ["run", "position", "end"]);
}

#[test]
fn the_seed_decides_and_trials_take_the_next_ones() {
    let args = ["run", "one two", "-n", "6", "--temperature", "1.5", "--format", "json"];
    let with = |more: &[&str]| traces(&ok(&[&args[..], more].concat()));
    let trials = with(&["--trials", "3", "--seed", "5"]);
    assert_eq!(trials.len(), 3);
    for (k, trial) in trials.iter().enumerate() {
        let alone = &with(&["--seed", &(5 + k).to_string()])[0];
        assert_eq!(written(trial), written(alone));
        assert_eq!((&trial["generation"]["seed"], &trial["generation"]["trial"]), (&5.into(), &k.into()));
    }
    assert_ne!(written(&trials[0]), written(&trials[1]));
    let one = &with(&["--top-k-sampling", "1"])[0];
    let greedy = &traces(&ok(&["run", "one two", "-n", "6", "--format", "json"]))[0];
    assert_eq!(written(one), written(greedy));
}

#[test]
fn trials_have_folders_of_their_own() {
    let root = tempfile::tempdir().expect("a folder");
    let out = root.path().join("results");
    let path = out.to_str().expect("text");
    ok(&["run", "one two", "-n", "2", "--temperature", "1", "--trials", "2", "-o", path]);
    for trial in ["trial_0", "trial_1"] {
        let text = std::fs::read_to_string(out.join(trial).join("trace.json")).expect("a trace");
        assert_eq!(traces(&text)[0]["steps"].as_array().map(Vec::len), Some(2));
    }
}

#[test]
fn a_continuation_ends_at_a_text_however_it_is_cut_into_tokens() {
    let args = ["run", "The capital of France is", "-n", "9", "--format", "json", "--stop", "is.\nThe"];
    assert_eq!(written(&traces(&ok(&args))[0]).matches("The").count(), 1);
    let trace = &traces(&ok(&args))[0];
    assert_eq!(trace["generation"]["stopped"], "stop_text");
    assert_eq!(written(trace), " Paris.\nThe");
}

#[test]
fn it_ends_with_the_context() {
    let model = Model::new();
    let context = 64;
    let ids: Vec<String> = (0..context - 2).map(|i| (i % 90).to_string()).collect();
    let ids = ids.join(",");
    let args = ["run", "-m", model.path(), "--token-ids", &ids, "-n", "50", "--format", "json"];
    let trace = &traces(&ok(&args))[0];
    assert_eq!(trace["generation"]["stopped"], "context", "{}", trace["tokens"]);
    assert!(ok(&args[..7]).contains("as long as the model's context"));
}

#[test]
fn options_of_a_continuation_need_one() {
    for option in ["--temperature", "--top-p", "--seed", "--trials", "--top-k-sampling", "--stop"] {
        let outcome = run(&["run", "a", option, "1"]);
        assert_eq!(outcome.code, 2, "{option}");
        says(&outcome.stderr, &["--max-new-tokens"]);
    }
}

#[test]
fn greedy_trials_are_noted() {
    let outcome = run(&["run", "one", "-n", "1", "--trials", "2"]);
    assert_eq!(outcome.code, 0);
    says(&outcome.stderr, &["greedy trials are all the same"]);
    // Counted as in folders and traces.
    says(&outcome.stdout, &["trial 0 (of 2, seed 0)", "trial 1 (of 2, seed 1)"]);
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_without_failure() {
    let model = endless();
    let args = ["run", "-m", model.path(), "--token-ids", "1", "-n", "100000", "--format", "jsonl"];
    let mut child = spawn(&args);
    let mut out = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    out.read_line(&mut line).expect("a line");
    drop(out);
    let output = child.wait_with_output().expect("lens ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What was read until then is whole, and the status says what happened.
#[cfg(unix)]
#[test]
fn the_first_signal_ends_it_in_good_order() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let root = tempfile::tempdir().expect("a folder");
        let (model, out) = (endless(), root.path().to_str().expect("text"));
        let args = ["run", "-m", model.path(), "--token-ids", "1", "-n", "100000"];
        let mut child = spawn(&[&args[..], &["--format", "jsonl", "-o", out]].concat());
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        // The third line is the first step: the model is writing.
        for line in lines.by_ref().take(3) {
            line.expect("a line");
        }
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().expect("kill runs").success());
        let rest: Vec<String> = lines.map(|line| line.expect("a line")).collect();
        let code = child.wait().expect("lens ends").code();
        let end: Value = serde_json::from_str(rest.last().expect("an end")).expect("JSON");
        assert_eq!((code, &end["generation"]["stopped"]), (Some(status), &"interrupted".into()));
        let text = std::fs::read_to_string(root.path().join("trace.json")).expect("a trace");
        let trace = &traces(&text)[0];
        assert_eq!(trace["generation"], end["generation"]);
        assert_eq!(trace["steps"].as_array().map(Vec::len), trace["final"].as_array().map(Vec::len));
    }
}
