//! Many prompts in one run, and flat results.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde_json::{Value, json};

use crate::support::{ok, program, refused, run, says, skipped};

const TWO: &str = "The capital of France is\n\nThe opposite of hot is\n";

fn file(name: &str, text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The same, with numbers as close as those of transformers are: prompts of a pack are summed in another order.
fn assert_near(one: &Value, other: &Value, place: &str) {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() <= 1e-4, "{place}: {a} and {b}");
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{place}");
            a.iter().zip(b).enumerate().for_each(|(i, (a, b))| assert_near(a, b, &format!("{place}[{i}]")));
        }
        (Value::Object(a), Value::Object(b)) => {
            assert!(a.keys().eq(b.keys()), "{place}: {a:?} and {b:?}");
            a.iter().for_each(|(key, value)| assert_near(value, &b[key], &format!("{place}.{key}")));
        }
        _ => assert_eq!(one, other, "{place}"),
    }
}

#[test]
fn each_prompt_of_many_reads_as_it_does_alone() {
    let (_folder, path) = file("two.txt", TWO);
    let traces = lines(&ok(&["run", "--prompts", &path, "--format", "json"]));
    // With the times of each, every prompt has a forward pass of its own.
    let one_by_one = lines(&ok(&["run", "--prompts", &path, "--format", "json", "--timing"]));
    assert_eq!((traces.len(), one_by_one.len()), (2, 2));
    for (index, prompt) in TWO.lines().filter(|line| !line.is_empty()).enumerate() {
        assert_eq!(traces[index]["prompt_index"], index);
        let alone = lines(&ok(&["run", prompt, "--format", "json"])).remove(0);
        for field in ["prompt", "tokens"] {
            assert_eq!(traces[index][field], alone[field], "{field} of {prompt}");
        }
        for field in ["prompt", "tokens", "readouts", "final", "self_check"] {
            assert_eq!(one_by_one[index][field], alone[field], "{field} of {prompt}");
        }
        for field in ["readouts", "final", "self_check"] {
            assert_near(&traces[index][field], &alone[field], &format!("{field} of {prompt}"));
        }
        assert!(alone.get("prompt_index").is_none());
    }
    let table = ok(&["run", "--prompts", &path]);
    says(&table, &["prediction", "Paris", "cold"]);
    assert_eq!(table.lines().count(), 3);
}

#[test]
fn a_prompt_that_cannot_be_read_is_recorded_and_passed_over() {
    let records = [
        json!({"text": "The capital of France is", "id": "fr"}).to_string(),
        "nope".to_owned(),
        json!({"token_ids": [999_999]}).to_string(),
        json!({"prompt": "The opposite of hot is", "id": 7}).to_string(),
    ];
    let (folder, path) = file("some.jsonl", &records.join("\n"));
    let out = folder.path().join("out");
    let outcome = run(&["run", "--prompts", &path, "--format", "jsonl", "-o", out.to_str().unwrap()]);
    assert_eq!(outcome.code, 1);
    says(
        &outcome.stderr,
        &["2 of 4 prompts could not be read", "readouts.parquet, tokens.parquet, failures.jsonl"],
    );
    let events = lines(&outcome.stdout);
    let of = |kind: &str| events.iter().filter(|event| event["event"] == kind).collect::<Vec<_>>();
    let heads: Vec<(&Value, &Value)> =
        of("run").iter().map(|head| (&head["prompt_index"], &head["id"])).collect();
    assert_eq!(heads, [(&json!(0), &json!("fr")), (&json!(2), &Value::Null), (&json!(3), &json!("7"))]);
    let failed: Vec<&Value> = of("failure").iter().map(|failure| &failure["prompt_index"]).collect();
    assert_eq!(failed, [&json!(1), &json!(2)]);
    let failures = lines(&std::fs::read_to_string(out.join("failures.jsonl")).unwrap());
    assert_eq!(failures.len(), 2);
    says(failures[1]["error"].as_str().unwrap(), &["999999", "vocabulary"]);
    for name in ["readouts.parquet", "tokens.parquet"] {
        let bytes = std::fs::read(out.join(name)).unwrap();
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{name}");
    }
}

#[test]
fn prompts_come_from_parquet_and_other_separators_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    ok(&["run", "The capital", "-o", out.to_str().unwrap(), "--pictures", "none"]);
    let table = out.join("tokens.parquet");
    let args =
        ["run", "--prompts", table.to_str().unwrap(), "--prompts-column", "token_text", "--format", "json"];
    let texts: Vec<Value> = lines(&ok(&args)).iter().map(|trace| trace["prompt"].clone()).collect();
    let trace: Value = serde_json::from_slice(&std::fs::read(out.join("trace.json")).unwrap()).unwrap();
    let tokens: Vec<Value> =
        trace["tokens"].as_array().unwrap().iter().map(|token| token["text"].clone()).collect();
    assert!(texts.len() > 1 && texts == tokens, "{texts:?}");
    let semicolons = folder.path().join("table.csv");
    std::fs::write(&semicolons, "id;text\n1;a\n").unwrap();
    let refusal = refused(&["run", "--prompts", semicolons.to_str().unwrap()], 1);
    says(&refusal, &["table.csv", "semicolons", "id, text"]);
}

#[test]
fn a_note_on_one_prompt_names_it() {
    let long = "word ".repeat(400);
    let (_folder, path) =
        file("two.jsonl", &format!("{{\"text\": \"\", \"id\": \"none\"}}\n{{\"text\": \"{long}\"}}\n"));
    let outcome = run(&["run", "--prompts", &path, "--format", "csv", "--layers", "-1"]);
    says(&outcome.stderr, &["prompt 0 (none): the text is empty", "prompt 1: the prompt has "]);
    assert_eq!(outcome.stderr.matches("the text is empty").count(), 1, "{}", outcome.stderr);
}

#[test]
fn readouts_are_rows_of_a_table() {
    let args = ["run", "The capital of France is", "--layers", "-1", "--components", "mlp_out,resid_post"];
    let csv = ok(&[&args[..], &["--format", "csv"]].concat());
    let mut rows = csv.lines();
    let names: Vec<&str> = rows.next().unwrap().split(',').collect();
    assert_eq!(&names[..6], ["prompt", "id", "position", "layer", "component", "lens"]);
    let rows: Vec<&str> = rows.collect();
    assert_eq!(rows.len(), 2);
    assert!(rows[0].starts_with("0,,5,7,mlp_out,logit,false,"), "{}", rows[0]);
    for (format, magic) in [("parquet", &b"PAR1"[..]), ("arrow", b"ARROW1")] {
        let output = crate::support::lens(&[&args[..], &["--format", format]].concat()).output().unwrap();
        assert!(output.status.success() && output.stdout.starts_with(magic), "{format}");
    }
    let (_folder, path) = file("empty.txt", "\n");
    let outcome = run(&["run", "--prompts", &path, "--format", "csv"]);
    assert_eq!((outcome.code, outcome.stdout.lines().count()), (1, 1));
    says(&outcome.stderr, &["there is no prompt in ", "empty.txt"]);
}

#[test]
fn two_tokens_are_compared_by_their_logits() {
    let args =
        ["run", "The capital of France is", "--target", " Paris", "--versus", " Rome", "--format", "json"];
    let trace: Value = serde_json::from_str(&ok(&args)).unwrap();
    assert_eq!(trace["versus"]["text"], " Rome");
    let rome = trace["versus"]["id"].to_string();
    let watched: Value = serde_json::from_str(&ok(&[
        "run",
        "The capital of France is",
        "--target",
        &rome,
        "--format",
        "json",
    ]))
    .unwrap();
    for (readout, other) in
        trace["readouts"].as_array().unwrap().iter().zip(watched["readouts"].as_array().unwrap())
    {
        let logit = |readout: &Value| readout["targets"][0]["logit"].as_f64().unwrap();
        let difference = readout["logit_diff"].as_f64().unwrap();
        assert!((difference - (logit(readout) - logit(other))).abs() < 1e-4, "{readout}");
    }
    let table = ok(&args[..6]);
    says(&table, &["diff of logits: ·Paris less ·Rome"]);
    says(&refused(&["run", "a", "--versus", "b"], 2), &["--target"]);
    let same = run(&["run", "The capital of France is", "--target", " Paris", "--versus", " Paris"]);
    says(&same.stderr, &["is compared with itself"]);
    says(&ok(&[&args[..6], &["--grid=logit_diff"]].concat()), &["logit difference of resid_post, logits"]);
}

#[test]
fn statistics_are_chosen_by_name() {
    let of = |names: &str| -> Value {
        serde_json::from_str(&ok(&["run", "a", "--statistics", names, "--format", "json"])).unwrap()
    };
    let trace = of("entropy,norm");
    let readout = trace["readouts"][1].as_object().unwrap();
    assert!(readout.contains_key("entropy") && readout.contains_key("norm"));
    assert!(!readout.contains_key("kl_to_final") && !readout.contains_key("margin"));
    assert!(of("all")["readouts"][1].get("js_to_final").is_some());
    says(&refused(&["run", "a", "--statistics", "entropie"], 2), &["did you mean \"entropy\"?"]);
}

#[test]
fn forms_of_one_run_do_not_go_with_many() {
    let (_folder, path) = file("two.txt", TWO);
    for (options, instead) in [
        (&["--grid"][..], "leave out --grid"),
        (&["--trials", "2", "--temperature", "1", "-n", "1"], "leave out --trials"),
        (&["-n", "2", "--tables"], "leave out --tables"),
        (&["--format", "logitlenskit-v2"], "have lens render convert one"),
        (&["--steer", "L0.mlp_out = 0", "--compare"], "run the file twice"),
        (&["--pictures", "png", "-o", "x"], "leave out --pictures"),
    ] {
        says(&refused(&[&["run", "--prompts", &path], options].concat(), 2), &["--prompts", instead]);
    }
    says(
        &refused(&["run", "a", "-n", "1", "--trials", "2", "--format", "csv"], 2),
        &["leave one of them out"],
    );
    says(&refused(&["run", "a", "--prompts", &path], 2), &["cannot be used with"]);
    says(&refused(&["run", "--prompts", "/nonexistent"], 1), &["/nonexistent"]);
    let v2: Value =
        serde_json::from_str(&ok(&["run", "The capital of France is", "--format", "logitlenskit-v2"]))
            .unwrap();
    assert_eq!(v2["meta"]["version"], 2);
}

#[test]
fn what_is_wrong_with_every_prompt_ends_the_run_before_it_begins() {
    let (_folder, path) = file("two.txt", TWO);
    for (options, parts) in [
        (&["--target", "Parisian nights"][..], &["Parisian nights"][..]),
        (&["--target", " Paris", "--versus", "#99999"], &["99999"]),
        (&["--layers", "12"], &["there is no layer 12"]),
    ] {
        says(&refused(&[&["run", "--prompts", &path, "--format", "jsonl"], options].concat(), 1), parts);
    }
}

#[test]
fn the_time_of_many_prompts_is_said_once() {
    let (_folder, path) = file("two.txt", TWO);
    let outcome = run(&["run", "--prompts", &path, "--timing"]);
    assert_eq!(
        (outcome.code, outcome.stderr.matches("timing: forward ").count()),
        (0, 1),
        "{}",
        outcome.stderr
    );
    assert!(!run(&["run", "--prompts", &path]).stderr.contains("timing"));
}

#[test]
fn a_column_that_is_not_there_comes_with_the_option_that_names_one() {
    let (_folder, path) = file("two.csv", "question,answer\nThe capital of France is,Paris\n");
    let option = ["no column", "question", "--prompts-column NAME"];
    says(&refused(&["run", "--prompts", &path], 1), &option);
    ok(&["run", "--prompts", &path, "--prompts-column", "question"]);
    let (_folder, path) = file("same.csv", "text,text\na,b\n");
    says(&refused(&["run", "--prompts", &path], 1), &["2 columns", "--prompts-column NAME"]);
}

/// A Python that has what the examples need, or the reason why there is none. `LENS_PYTHON` names one.
fn python() -> Result<String, String> {
    let python = std::env::var("LENS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let imports = "import pandas, pyarrow, polars, duckdb";
    match std::process::Command::new(&python).args(["-c", imports]).output() {
        Ok(output) if output.status.success() => Ok(python),
        Ok(output) => {
            Err(String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned())
        }
        Err(error) => Err(format!("{python}: {error}")),
    }
}

#[test]
fn the_examples_of_the_tables_page_run() {
    let python = match python() {
        Ok(python) => python,
        Err(reason) => {
            assert!(std::env::var_os("LENS_REQUIRE_TABLES").is_none(), "{reason}");
            skipped("the examples for tables, which need pandas, pyarrow, polars and duckdb", &reason);
            return;
        }
    };
    let (folder, path) = file("prompts.txt", TWO);
    let out = folder.path().join("out");
    let out = out.to_str().unwrap();
    ok(&["run", "--prompts", &path, "--target", " Paris", "--versus", " Rome", "-o", out]);
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/tables.md")).unwrap();
    let examples: Vec<&str> =
        page.split("```python\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 3);
    for example in examples {
        let output = std::process::Command::new(&python)
            .args(["-c", example])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{example}\n{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains('7'), "no last layer in {said}");
    }
}

/// Groups, packs, prompts that are too long for one and prompts that fail, in the order of the file.
#[test]
fn many_prompts_come_in_order_whatever_they_are_read_with() {
    let long = "one two three four five ".repeat(80);
    let text = |i: usize| match i {
        90 => long.clone(),
        _ => format!("prompt number {i} is"),
    };
    let record = |i: usize| match i {
        7 => json!({"token_ids": [999_999], "id": i}),
        _ => json!({"text": text(i), "id": i}),
    };
    let records: String = (0..150).map(|i| record(i).to_string() + "\n").collect();
    let (_folder, path) = file("many.jsonl", &records);
    let outcome =
        run(&["run", "--prompts", &path, "--format", "json", "--components", "resid_post", "-k", "1"]);
    says(&outcome.stderr, &["149 prompts were read, 1 could not be"]);
    let traces = lines(&outcome.stdout);
    assert_eq!(traces.len(), 150);
    for (i, trace) in traces.iter().enumerate() {
        assert_eq!((&trace["prompt_index"], &trace["id"]), (&json!(i), &json!(i.to_string())));
        match i {
            7 => assert!(trace["error"].as_str().unwrap().contains("999999"), "{trace}"),
            _ => assert_eq!(
                (&trace["prompt"], &trace["self_check"]["passed"]),
                (&json!(text(i)), &json!(true))
            ),
        }
    }
}

/// Nobody who writes prompts into a pipe waits for others before the first is answered.
#[test]
fn a_prompt_from_a_pipe_is_answered_before_the_next_one_is_written() {
    use std::io::{BufRead, BufReader, Write};
    let mut child = std::process::Command::new(program())
        .args(["run", "--prompts", "-", "--format", "json", "--components", "resid_post", "-k", "1"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let (mut prompts, mut traces) =
        (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
    for prompt in ["The capital of France is", "The opposite of hot is"] {
        writeln!(prompts, "{prompt}").unwrap();
        let mut line = String::new();
        traces.read_line(&mut line).unwrap();
        let trace: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(trace["prompt"], prompt);
    }
    drop(prompts);
    assert!(child.wait().unwrap().success());
}
