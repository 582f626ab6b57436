//! `lens render` of everything that `lens run` writes, and of several traces at once.

use std::{fs, path::Path};

use serde_json::Value;

use crate::support::{ok, refused, run, says};

const PROMPT: &str = "The capital of France is";
const STEER: &str = "L4.resid_post[last] = @'The capital of Italy is'";

/// A folder of the test's own, and the path of a file in it.
fn folder() -> (tempfile::TempDir, impl Fn(&str) -> String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_owned();
    (folder, move |name: &str| path.join(name).to_str().expect("text").to_owned())
}

/// What a run prints, as a file.
fn saved(file: &str, args: &[&str]) {
    fs::write(file, ok(args)).expect("written");
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn the_lines_of_a_run_are_its_trace_again() {
    let (_folder, at) = folder();
    let args = ["run", PROMPT, "-n", "3", "--positions", "all", "-k", "3", "--format"];
    saved(&at("lines.jsonl"), &[&args[..], &["jsonl"]].concat());
    let trace = ok(&[&args[..], &["json"]].concat());
    assert_eq!(json(&ok(&["render", &at("lines.jsonl"), "--format", "json"])), json(&trace));
    // A stream that was cut off shows what it has.
    let lines = fs::read_to_string(at("lines.jsonl")).expect("text");
    let cut = lines.lines().take(4).collect::<Vec<_>>().join("\n") + "\n{\"event\":\"pos";
    fs::write(at("cut.jsonl"), cut).expect("written");
    let outcome = run(&["render", &at("cut.jsonl"), "--kind", "grid"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    says(
        &outcome.stderr,
        &["breaks off in the middle of an object", "breaks off before the end of this run"],
    );
}

#[test]
fn a_comparison_is_shown_as_when_it_was_run() {
    let (_folder, at) = folder();
    let args = ["run", PROMPT, "--steer", STEER, "--compare", "--target", " Rome"];
    let shown = ok(&args);
    saved(&at("both.json"), &[&args[..], &["--format", "json"]].concat());
    let out = at("out");
    let outcome = run(&[&args[..], &["-o", &out]].concat());
    says(&outcome.stderr, &["lens.html shows 2 runs"]);
    for given in [at("both.json"), out.clone()] {
        assert_eq!(ok(&["render", &given]), shown);
        says(&ok(&["render", &given, "--trace", "before"]), &["·Paris", "prediction"]);
        says(&refused(&["render", &given, "--kind", "grid"], 1), &["2 traces", "0 (before), 1 (after)"]);
        let difference = ok(&["render", &given, "--kind", "difference", "--tokens", " Rome"]);
        says(&difference, &["probability of ·Rome", "after − before, percentage", "≠·Rome"]);
    }
    let page = fs::read_to_string(Path::new(&out).join("lens.html")).expect("a page");
    assert!(page.contains("\"name\":\"before\"") && page.contains("\"name\":\"after\""));
    assert_eq!(ok(&["render", &out, "--kind", "page"]).matches("\"name\":\"before\"").count(), 1);
}

#[test]
fn trials_are_chosen_by_number_and_by_name() {
    let (_folder, at) = folder();
    let args = ["run", PROMPT, "-n", "2", "--temperature", "1.5", "--trials", "3", "-k", "2"];
    saved(&at("trials.json"), &[&args[..], &["--format", "json"]].concat());
    let array =
        format!("[{}]", fs::read_to_string(at("trials.json")).expect("text").trim().replace('\n', ","));
    fs::write(at("array.json"), array).expect("written");
    let out = at("out");
    ok(&[&args[..], &["-o", &out]].concat());
    let last = fs::read_to_string(at("out/trial_2/trace.json")).expect("a trace");
    for given in [at("trials.json"), at("array.json"), out] {
        for chosen in ["2", "trial 2"] {
            let trace = ok(&["render", &given, "--trace", chosen, "--format", "json"]);
            assert_eq!(json(&trace), json(&last), "{given}, {chosen}");
        }
        says(&refused(&["render", &given, "--trace", "3"], 1), &["no such trace", "2 (trial 2)"]);
        says(&refused(&["render", &given, "--kind", "difference"], 1), &["3 traces", "--trace A --trace B"]);
        let args = ["render", &given, "--trace", "2", "--trace", "0", "--kind", "difference-entropy"];
        says(&ok(&args), &["trial 2 − trial 0, nats"]);
    }
    let page = fs::read_to_string(at("out/lens.html")).expect("a page");
    assert_eq!(page.matches("\"name\":\"trial ").count(), 3);
}

#[test]
fn prompts_that_failed_are_said_and_the_others_shown() {
    let (_folder, at) = folder();
    fs::write(
        at("p.jsonl"),
        "{\"text\":\"The cat\"}\n{\"token_ids\":[999999]}\n{\"text\":\"A dog\",\"id\":\"d\"}\n",
    )
    .expect("written");
    for format in ["json", "jsonl"] {
        let outcome = run(&["run", "--prompts", &at("p.jsonl"), "--format", format]);
        fs::write(at("runs"), outcome.stdout).expect("written");
        let outcome = run(&["render", &at("runs"), "--trace", "1"]);
        assert_eq!(outcome.code, 0, "{}", outcome.stderr);
        says(&outcome.stderr, &["prompt 1 is left out, it could not be read"]);
        says(&outcome.stdout, &["A[·dog]"]);
        let outcome = run(&["render", &at("runs")]);
        assert_eq!((outcome.code, &*outcome.stdout), (1, ""));
        says(&outcome.stderr, &["0 (prompt 0), 1 (prompt 2 (d))"]);
    }
    let out = at("out");
    run(&["run", "--prompts", &at("p.jsonl"), "-o", &out]);
    says(&refused(&["render", &out], 1), &["readouts.parquet", "--format json"]);
    says(&refused(&["render", &at("out/readouts.parquet")], 1), &["is a table of readouts"]);
    says(&refused(&["render", &at("nothing")], 1), &["cannot read"]);
}

#[test]
fn two_files_are_one_page_or_a_difference() {
    let (_folder, at) = folder();
    saved(&at("a.json"), &["run", PROMPT, "--positions", "all", "-k", "2", "--format", "json"]);
    saved(
        &at("b.json"),
        &["run", "The capital of Italy is", "--positions", "all", "-k", "2", "--format", "json"],
    );
    let both = [at("a.json"), at("b.json")];
    let page = ok(&["render", &both[0], &both[1], "--kind", "page"]);
    assert!(page.contains("\"name\":\"b.json\""), "named by its file");
    let svg = at("d.svg");
    let args = ["render", &both[0], &both[1], "--kind", "difference-kl", "--title", "mine", "-o", &svg];
    let outcome = run(&args);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    says(&outcome.stderr, &["the prompts differ at position 4"]);
    says(&fs::read_to_string(&svg).expect("a picture"), &["mine", "nats"]);
    ok(&["render", &both[0], &both[1], "--kind", "difference", "-o", &at("d.png")]);
    assert!(fs::read(at("d.png")).expect("a picture").starts_with(b"\x89PNG"));
    says(
        &refused(&["render", &both[0], "--kind", "difference"], 1),
        &["that of two traces, and there is one"],
    );
    says(
        &refused(&["render", &both[0], &both[1], "--kind", "difference", "-o", &at("d.html")], 1),
        &["a difference is"],
    );
    says(
        &refused(&["render", &both[0], &both[1], "--kind", "difference", "-k", "3"], 2),
        &["--top-k has no effect"],
    );
}

#[test]
fn logitlenskits_form_goes_out_and_comes_in() {
    let (_folder, at) = folder();
    let args = ["run", PROMPT, "--positions", "all", "-k", "3", "--format"];
    saved(&at("trace.json"), &[&args[..], &["json"]].concat());
    let v2 = ok(&[&args[..], &["logitlenskit-v2"]].concat());
    assert_eq!(json(&ok(&["render", &at("trace.json"), "--format", "logitlenskit-v2"])), json(&v2));
    let outcome = run(&["render", &at("trace.json"), "-o", &at("v2.json")]);
    says(&outcome.stderr, &["logitlenskit's form"]);
    assert_eq!(json(&fs::read_to_string(at("v2.json")).expect("a file")), json(&v2));
    let outcome = run(&["render", &at("v2.json")]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    says(&outcome.stdout, &["self-check  not checked", "·Paris"]);
    says(&outcome.stderr, &["imported from logitlenskit's JSON"]);
    let mlp = ok(&["render", &at("trace.json"), "--format", "logitlenskit-v2", "--components", "mlp_out"]);
    assert_ne!(json(&mlp), json(&v2));
    says(
        &refused(
            &["render", &at("trace.json"), "--format", "logitlenskit-v2", "--components", "mlp_out,attn_out"],
            1,
        ),
        &["one component a layer"],
    );
}

#[test]
fn a_few_prompts_stand_side_by_side() {
    let (_folder, at) = folder();
    fs::write(at("p.txt"), "The capital of France is\nThe capital of Italy is\nThe cat sat on the\n")
        .expect("written");
    let args = ["run", "--prompts", &at("p.txt"), "--compare-prompts"].map(str::to_owned);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let text = ok(&args);
    says(&text, &["prompt 0    The capital of France is", "·Paris", "·Rome", "▸"]);
    assert!(text.lines().any(|line| line.contains("·Paris") && line.contains("·Rome")), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let lines = ok(&[&args[..], &["--format", "json"]].concat());
    assert_eq!(lines, ok(&["run", "--prompts", &at("p.txt"), "--format", "json"]));
    let out = at("out");
    let outcome = run(&[&args[..], &["-o", &out]].concat());
    says(&outcome.stderr, &["lens.html shows 3 runs and what differs"]);
    assert_eq!(fs::read_to_string(at("out/traces.jsonl")).expect("traces"), lines);
    let page = fs::read_to_string(at("out/lens.html")).expect("a page");
    assert!(page.contains("\"name\":\"1: The capital of Italy is\""));
    let difference = ["render", &out, "--trace", "0", "--trace", "1", "--kind", "difference-entropy"];
    says(&ok(&difference), &["prompt 0 − prompt 1, nats"]);
    // Another run's files take the place of these.
    ok(&["run", PROMPT, "-o", &out]);
    assert!(!Path::new(&out).join("traces.jsonl").exists());
    fs::write(at("many.txt"), "one\n".repeat(17)).expect("written");
    says(&refused(&["run", "--prompts", &at("many.txt"), "--compare-prompts"], 1), &["at most 16 prompts"]);
    fs::write(at("one.txt"), "one\n").expect("written");
    says(&refused(&["run", "--prompts", &at("one.txt"), "--compare-prompts"], 1), &["at least two prompts"]);
    says(&refused(&["run", "a", "--compare-prompts"], 2), &["--prompts"]);
}
