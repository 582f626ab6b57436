//! `lens decode`, which needs no engine: vectors of files and of the model, in every form.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

fn model(name: &str) -> String {
    fixtures().join("checkpoints").join(name).to_str().unwrap().to_owned()
}

/// Exit code, stdout and stderr of `lens decode` in a folder of its own, with an engine that does not exist.
fn decode(args: &[&str]) -> (i32, Vec<u8>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lens"));
    for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS", "LC_ALL", "LC_CTYPE", "LANG"] {
        command.env_remove(name);
    }
    command.env("HF_HUB_OFFLINE", "1").env("LENS_ENGINE", "/nonexistent/lens-engine").env("COLUMNS", "120");
    let output = command.arg("decode").args(args).output().unwrap();
    let code = output.status.code().expect("it was not killed");
    (code, output.stdout, String::from_utf8(output.stderr).unwrap())
}

/// The rows that it writes as JSON lines, and what it says besides.
fn rows(args: &[&str]) -> (Vec<Value>, String) {
    let (code, stdout, stderr) = decode(&[args, &["--format", "jsonl"]].concat());
    assert_eq!(code, 0, "{args:?}: {stderr}");
    let text = String::from_utf8(stdout).unwrap();
    (text.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), stderr)
}

fn refused(args: &[&str], code: i32) -> String {
    let (got, stdout, stderr) = decode(args);
    assert_eq!(got, code, "{args:?}: {stderr}");
    assert_eq!(stdout, b"", "{args:?} has results");
    assert!(stderr.starts_with("error: ") && !stderr.contains("panicked"), "{stderr}");
    stderr
}

/// A safetensors file with one tensor `W_dec` of float32.
fn written(rows: usize, values: &[f32]) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.safetensors");
    let shape = format!("[{rows},{}]", values.len() / rows);
    let size = 4 * values.len();
    let header = format!(r#"{{"W_dec":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{size}]}}}}"#);
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    std::fs::write(&path, bytes).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

#[test]
fn rows_say_what_the_restatement_says() {
    let text = std::fs::read_to_string(fixtures().join("directions.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&text).unwrap();
    let sae = fixtures().join("directions/saelens");
    let mut compared = 0;
    for case in cases.iter().filter(|case| case["mode"] == "folded" || case["model"] == "gemma2") {
        let (model, source) = (model(case["model"].as_str().unwrap()), case["source"].as_str().unwrap());
        let token = case["token"].to_string();
        let what: &[&str] = match source {
            s if s.starts_with("W_dec") => &[sae.to_str().unwrap()],
            s if s.starts_with("embed") => &["--embedding", "--tokens", &token],
            s if s.contains(".h") => &["--heads-ov", "--tokens", &token, "--layers", "1"],
            _ => &["--neurons", "--layers", "1", "--rows", "5"],
        };
        let how = ["-m", &model, "--norm", case["mode"].as_str().unwrap(), "--dtype", "f32", "-k", "101"];
        let (rows, _) = rows(&[&how[..], what].concat());
        let row = rows.iter().find(|row| row["source"] == source).unwrap();
        assert_eq!(row["mode"], case["mode"]);
        for end in ["top", "bottom"] {
            for token in row[end].as_array().unwrap() {
                let expected = case["logits"][token["id"].as_u64().unwrap() as usize].as_f64().unwrap();
                let error = (token["logit"].as_f64().unwrap() - expected).abs();
                assert!(error < 1e-5 * expected.abs().max(1.0), "{model}, {source}: {token}, not {expected}");
                compared += 1;
            }
        }
    }
    assert!(compared > 20 * 101, "{compared}");
}

#[test]
fn tokens_are_named_by_their_texts() {
    let (rows, notes) =
        rows(&["--heads-ov", "--tokens", " Paris", "--layers", "0,-1", "--rows", "1", "-k", "2"]);
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (&rows[0]["source"], &rows[0]["layer"], &rows[0]["row"]),
        (&"L0.h1".into(), &0.into(), &1.into())
    );
    assert_eq!(rows[0]["token"]["text"], " Paris");
    assert_eq!(rows[1]["top"].as_array().unwrap().len(), 2);
    assert!(
        notes.contains("every other position, is left out") && notes.contains("2 directions in"),
        "{notes}"
    );
}

#[test]
fn every_form_has_the_same_rows() {
    let (rows, _) = rows(&["--neurons", "--layers", "0", "-k", "3"]);
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.csv", "a.parquet", "a.arrow", "a.jsonl", "a.jsonl.gz"] {
        let path = folder.path().join(name);
        let (code, stdout, stderr) =
            decode(&["--neurons", "--layers", "0", "-k", "3", "-o", path.to_str().unwrap()]);
        assert_eq!((code, stdout.len()), (0, 0), "{name}: {stderr}");
        let bytes = std::fs::read(&path).unwrap();
        match name {
            "a.csv" => {
                let text = String::from_utf8(bytes).unwrap();
                assert!(text.starts_with("source,layer,row,token_id,token_text,norm,mode,cosine,top_id,"));
                assert!(text.lines().count() > rows.len());
            }
            "a.jsonl" => {
                let read: Vec<Value> = String::from_utf8(bytes)
                    .unwrap()
                    .lines()
                    .map(|l| serde_json::from_str(l).unwrap())
                    .collect();
                assert_eq!(read, rows);
            }
            "a.parquet" => assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1")),
            "a.arrow" => assert!(bytes.starts_with(b"ARROW1")),
            _ => assert!(bytes.starts_with(&[0x1f, 0x8b])),
        }
    }
}

#[test]
fn a_table_shows_the_first_directions_and_says_so() {
    let (code, stdout, stderr) = decode(&["--neurons"]);
    assert_eq!(code, 0, "{stderr}");
    let text = String::from_utf8(stdout).unwrap();
    assert_eq!(text.lines().count(), 41, "{text}");
    assert!(text.lines().nth(1).unwrap().starts_with("L0.n0 "), "{text}");
    assert!(stderr.contains("the first 40 of") && stderr.contains("--format jsonl"), "{stderr}");
}

#[test]
fn a_vector_that_is_not_finite_is_named_or_left_out() {
    let mut values = [1.0f32; 3 * 24];
    values[24] = f32::NAN;
    let (_folder, path) = written(3, &values);
    let model = model("llama2");
    let (code, _, stderr) = decode(&["-m", &model, &path, "--format", "jsonl"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("W_dec[1]") && stderr.contains("--skip-nonfinite"), "{stderr}");
    let (rows, stderr) = rows(&["-m", &model, &path, "--skip-nonfinite"]);
    let sources: Vec<&Value> = rows.iter().map(|row| &row["source"]).collect();
    assert_eq!(sources, ["W_dec[0]", "W_dec[2]"]);
    assert!(stderr.contains("left out") && stderr.contains("W_dec[1]"), "{stderr}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let (_folder, path) = written(3, &[0.0; 3 * 7]);
    let model = model("llama2");
    let error = refused(&["-m", &model, &path], 1);
    assert!(error.contains("[3, 7]") && error.contains("d_model = 24"), "{error}");
    for args in [
        &["-m", &model, "--neurons", "--layers", "2"][..],
        &["-m", &model, "--neurons", "--rows", "5..5"],
        &["-m", &model, "--heads-ov", "--tokens", "101"],
        &["-m", &model, "--embedding", "--tokens", "word"],
        &["-m", &model, "/nonexistent.safetensors"],
        &["--embedding", "--tokens", "no such token at all"],
    ] {
        refused(args, 1);
    }
    for args in [
        &[][..],
        &["--neurons", "--embedding"],
        &["--heads-ov"],
        &["--neurons", "--tokens", "5"],
        &["--embedding", "--tensor", "W_dec"],
        &["--embedding", "--layers", "0"],
        &["--neurons", "--norm", "final-scale"],
        &["--neurons", "--norm", "fold"],
        &["--neurons", "-k", "0"],
        &["--neurons", "-o", "results"],
        &["--neurons", "--device", "cuda"],
        &["--neurons", "-o", "a.csv", "--format", "jsonl"],
    ] {
        refused(args, 2);
    }
}

#[test]
fn what_the_logits_leave_out_is_said() {
    let (model, how) = (model("gemma2"), ["--neurons", "--layers", "0", "--rows", "0"]);
    let said = |mode: &str| rows(&[&["-m", &model, "--norm", mode][..], &how].concat()).1;
    assert!(said("folded").contains("without the cap at 5"));
    assert!(said("recomputed").contains("logits have the cap at 5"));
}
