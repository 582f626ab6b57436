//! Two models on one text, and the gate.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::support::{Model, Outcome, fixture, refused, run, says};

const WORDS: [&str; 6] = ["the", "capital", "of", "France", "is", "Paris"];

/// A small Llama, and a text of its words.
fn model() -> Model {
    Model::with_words(&WORDS)
}

fn corpus(folder: &Path) -> PathBuf {
    let path = folder.join("text.txt");
    let lines = "the capital of France is Paris\nParis is the capital w9 w20 w31\nof of of France w77 is\n";
    fs::write(&path, lines).unwrap();
    path
}

/// The same model with some values of a bfloat16 tensor changed.
fn changed(model: &Model, tensor: &str, change: impl Fn(usize, u16) -> u16) -> Vec<u8> {
    let mut bytes = model.weights();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let entry = &header[tensor];
    assert_eq!(entry["dtype"], "BF16", "{tensor}");
    let at = |i: usize| 8 + length + entry["data_offsets"][i].as_u64().unwrap() as usize;
    let (values, _) = bytes[at(0)..at(1)].as_chunks_mut::<2>();
    for (i, value) in values.iter_mut().enumerate() {
        *value = change(i, u16::from_le_bytes(*value)).to_le_bytes();
    }
    bytes
}

/// The sign of every third value of what the MLP of the second block projects with.
fn tuned() -> Model {
    let model = model();
    let flip = |i, value| if i % 3 == 0 { value ^ 0x8000 } else { value };
    let weights = changed(&model, "model.layers.1.mlp.down_proj.weight", flip);
    model.with("model.safetensors", weights)
}

fn diff(a: &Model, b: &Model, more: &[&str]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let text = corpus(folder.path());
    run(&[&["diff", a.path(), b.path(), "--corpus", text.to_str().unwrap()], more].concat())
}

fn json(a: &Model, b: &Model, more: &[&str]) -> Value {
    let outcome = diff(a, b, &[&["--format", "json"], more].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    serde_json::from_str(&outcome.stdout).unwrap()
}

#[test]
fn a_model_beside_itself_passes_any_gate() {
    let model = model();
    let gate = ["--fail-if", "kl>0", "--fail-if", "top1<1", "--fail-if", "L1.mlp_out.relative.max>0"];
    let trace = json(&model, &model, &gate);
    assert_eq!(trace["schema"], "lens-diff/1");
    assert_eq!((&trace["final"]["kl"]["max"], &trace["final"]["top1"]["min"]), (&0.0.into(), &1.0.into()));
    assert_eq!(trace["changed"]["above"].as_array().unwrap().len(), 0);
    assert_eq!(trace["rows"].as_array().unwrap().len(), 1 + 2 * 4);
    assert_eq!(trace["conditions"].as_array().unwrap().len(), 3);
    assert!(trace["conditions"].as_array().unwrap().iter().all(|judged| judged["failed"] == false));
    // 19 words, and before each line the token that ends texts.
    assert_eq!(trace["positions"], 22);
}

#[test]
fn a_failed_gate_ends_with_1_and_says_which_condition_with_the_number_shown() {
    let (a, b) = (model(), tuned());
    let trace = json(&a, &b, &[]);
    assert_eq!(trace["changed"]["above"], serde_json::json!(["L1.mlp_out"]));
    let kl = trace["final"]["kl"]["mean"].as_f64().unwrap();
    assert!(kl > 1e-4, "{kl}");
    let outcome = diff(&a, &b, &["--fail-if", "kl>0.0001", "--fail-if", "kl.max > 1000", "--format", "json"]);
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    says(&outcome.stderr, &["error: ", "kl>0.0001: it is ", &kl.to_string()]);
    assert!(!outcome.stderr.contains("1000"), "{}", outcome.stderr);
    // The results are there all the same, and the gate in them.
    let said: Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(
        (&said["conditions"][0]["failed"], &said["conditions"][1]["failed"]),
        (&true.into(), &false.into())
    );
    assert_eq!(said["conditions"][0]["value"], kl);
    // At the number itself, and just below it.
    for (condition, code) in [(format!("kl>{kl}"), 0), (format!("kl>={kl}"), 1)] {
        assert_eq!(diff(&a, &b, &["--fail-if", &condition]).code, code, "{condition}");
    }
    let outcome = diff(&a, &b, &["--fail-if", "L1.mlp_out.own.max>0", "--fail-if", "L0.mlp_out.own.max>0"]);
    assert_eq!(outcome.code, 1);
    says(&outcome.stderr, &["L1.mlp_out.own.max>0: it is ", "at position ", " of sequence 0"]);
    assert!(!outcome.stderr.contains("L0.mlp_out"), "{}", outcome.stderr);
    says(&outcome.stdout, &["fails", "passes", "changed", "L1.mlp_out alone of 5 components"]);
}

#[test]
fn conditions_that_make_no_sense_are_refused() {
    let model = model();
    for (condition, says_) in [
        ("kll>1", "did you mean \"kl\"?"),
        ("kl", "is not a condition"),
        ("L1.mlp_oot.kl>1", "did you mean \"mlp_out\"?"),
        ("kl>much", "not a number"),
    ] {
        let outcome = diff(&model, &model, &["--fail-if", condition]);
        assert_eq!((outcome.code, &*outcome.stdout), (2, ""), "{condition}");
        says(&outcome.stderr, &[says_]);
    }
    for condition in ["L7.mlp_out.kl>1", "L1.resid_post.own>1", "L0.head.0.own>0"] {
        let outcome = diff(&model, &model, &["--fail-if", condition]);
        assert_eq!((outcome.code, &*outcome.stdout), (1, ""), "{condition}");
        says(&outcome.stderr, &["cannot be decided", "tip: ", "--components"]);
    }
    let outcome = diff(&model, &model, &["--components", "heads", "--fail-if", "L0.head.0.own>0"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}

#[test]
fn dtypes_of_one_model_are_compared() {
    let model = model();
    let trace = json(&model, &model, &["--dtype-a", "f32", "--dtype-b", "bf16"]);
    assert_eq!((&trace["a"]["dtype"], &trace["b"]["dtype"]), (&"f32".into(), &"bf16".into()));
    let kl = trace["final"]["kl"]["mean"].as_f64().unwrap();
    assert!(kl > 0.0 && kl < 0.01, "{kl}");
    let [first, last] = [4, 8].map(|row| trace["rows"][row]["relative"]["mean"].as_f64().unwrap());
    assert_eq!(
        (&trace["rows"][4]["point"], &trace["rows"][8]["point"]),
        (&"L0.resid_post".into(), &"L1.resid_post".into())
    );
    assert!(first > 0.0 && last > first && last < 0.05, "{first} {last}");
}

#[test]
fn models_that_do_not_mean_the_same_are_refused_with_what_differs() {
    let one = model();
    let mut words = WORDS;
    words.swap(1, 3);
    let other = Model::with_words(&words);
    let said = diff(&one, &other, &[]);
    assert_eq!((said.code, &*said.stdout), (1, ""));
    says(&said.stderr, &["different vocabularies", "token 1 is \"capital\" in A and \"France\" in B"]);

    let folder = tempfile::tempdir().unwrap();
    let text = corpus(folder.path());
    let text = text.to_str().unwrap();
    let shape = fixture("mistral4").display().to_string();
    let said = refused(&["diff", one.path(), &shape, "--corpus", text], 1);
    says(&said, &["cannot be compared point by point"]);
    let said = refused(&["diff", one.path(), "/nonexistent/model", "--corpus", text], 1);
    says(&said, &["model B cannot be opened"]);
    let said = refused(&["diff", one.path(), one.path(), "--corpus", "/nonexistent.txt"], 1);
    says(&said, &["/nonexistent.txt"]);
}

#[test]
fn a_weight_that_is_no_number_names_its_model() {
    let one = model();
    let nan =
        changed(&one, "model.layers.1.mlp.down_proj.weight", |i, value| if i == 5 { 0x7fc0 } else { value });
    let broken = model().with("model.safetensors", nan);
    let said = diff(&one, &broken, &[]);
    assert_eq!((said.code, &*said.stdout), (1, ""));
    says(&said.stderr, &["model B (", "NaN or infinite at L1.mlp_out"]);
    says(&diff(&broken, &one, &[]).stderr, &["model A ("]);
}

#[test]
fn a_folder_has_everything_and_files_what_their_names_say() {
    let (a, b) = (model(), tuned());
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let outcome =
        diff(&a, &b, &["--components", "all,heads", "-o", out.to_str().unwrap(), "--fail-if", "kl>0"]);
    assert_eq!(outcome.code, 1, "{}", outcome.stderr);
    says(&outcome.stdout, &["KL(A || B)", "layer"]);
    let trace: Value = serde_json::from_str(&fs::read_to_string(out.join("diff.json")).unwrap()).unwrap();
    let csv = fs::read_to_string(out.join("diff.csv")).unwrap();
    let rows = trace["rows"].as_array().unwrap().len();
    assert_eq!(csv.lines().count(), 2 + rows);
    assert!(csv.starts_with("point,layer,component,kl,kl_min,kl_max,"), "{csv}");
    let columns: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
    assert!(columns.iter().all(|n| *n == 27), "{columns:?}");
    let last = csv.lines().last().unwrap();
    assert!(last.starts_with("L1.resid_post,1,resid_post,"), "{last}");
    says(last, &[&trace["rows"][rows - 1]["kl"]["mean"].to_string()]);
    for name in ["own", "relative", "kl", "heads_own", "heads_relative", "heads_kl"] {
        let svg = fs::read_to_string(out.join(format!("heatmaps/{name}.svg"))).unwrap();
        assert!(svg.starts_with("<svg "), "{name}");
    }
    let page = fs::read_to_string(out.join("diff.html")).unwrap();
    says(&page, &["default-src 'none'", "L1.mlp_out", "class=\"failed\"", "<svg "]);
    let addresses = page.matches("http").count();
    assert_eq!(
        addresses,
        page.matches("http-equiv").count() + page.matches("http://www.w3.org/2000/svg").count()
    );

    for (name, begins) in [
        ("d.json", "{\"schema\":\"lens-diff/1\""),
        ("d.csv", "point,"),
        ("d.html", "<!DOCTYPE html>"),
        ("d.txt", "A "),
    ] {
        let file = folder.path().join(name);
        let outcome = diff(&a, &b, &["-o", file.to_str().unwrap()]);
        assert_eq!((outcome.code, &*outcome.stdout), (0, ""), "{}", outcome.stderr);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with(begins), "{name}: {text}");
    }
    let outcome = diff(&a, &b, &["-o", folder.path().join("d.svg").to_str().unwrap()]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(folder.path().join("d_own.svg").exists() && folder.path().join("d_kl.svg").exists());
    let outcome = diff(&a, &b, &["-o", "d.xlsx"]);
    assert_eq!(outcome.code, 2);
    let outcome = diff(&a, &b, &["-o", "d.json", "--format", "csv"]);
    assert_eq!(outcome.code, 2);
}

#[test]
fn the_text_is_cut_as_asked() {
    let (a, b) = (model(), tuned());
    let trace =
        json(&a, &b, &["--context", "5", "--sequences", "2", "--layers", "1", "--components", "mlp_out"]);
    assert_eq!(
        (&trace["sequences"], &trace["positions"], &trace["next_tokens"]),
        (&2.into(), &10.into(), &8.into())
    );
    assert_eq!(trace["rows"].as_array().unwrap().len(), 1);
    assert_eq!(trace["text"]["context"], 5);
    let estimate = &trace["final"]["cross_entropy"];
    let number = |name: &str| estimate[name].as_f64().unwrap();
    assert!(number("low") <= number("mean") && number("mean") <= number("high"), "{estimate}");
    let fast = json(&a, &b, &["--readouts", "final"]);
    let whole = json(&a, &b, &[]);
    assert_eq!((&fast["final"], &fast["changed"]), (&whole["final"], &whole["changed"]));
    assert!(fast["rows"][3]["kl"].is_null() && whole["rows"][3]["kl"].is_object());
    assert_eq!(fast["rows"][3]["own"], whole["rows"][3]["own"]);
    let undecided = diff(&a, &b, &["--readouts", "final", "--fail-if", "L1.mlp_out.kl>1"]);
    assert_eq!(undecided.code, 1);
    says(&undecided.stderr, &["cannot be decided", "--readouts all"]);
    let changed = json(&a, &b, &["--threshold", "1000"]);
    assert_eq!(changed["changed"], serde_json::json!({"threshold": 1000.0, "above": []}));
}
