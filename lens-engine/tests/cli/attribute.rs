//! `lens attribute`: the shares of a logit on stdout and in files.

use serde_json::Value;

use crate::support::{Model, fixture, ok, refused, run, says};

const PARIS: [&str; 4] = ["attribute", "The capital of France is", "--target", " Paris"];

fn with<'a>(args: &[&'a str]) -> Vec<&'a str> {
    [&PARIS[..], args].concat()
}

fn sum(shares: &Value) -> f64 {
    shares.as_object().expect("an object").values().map(|share| share.as_f64().expect("a number")).sum()
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&ok(args)).expect("JSON")
}

#[test]
fn the_shares_and_the_bias_sum_to_the_logit() {
    for args in [
        with(&["--format", "json"]),
        with(&["--format", "json", "--versus", " Rome"]),
        with(&["--format", "json", "--position", "-2", "--neurons", "3"]),
        with(&["--format", "json", "--dtype", "f32"]),
    ] {
        let found = json(&args);
        let number = |name: &str| found[name].as_f64().expect("a number");
        let off = sum(&found["contributions"]) + number("bias") - number("logit_before_cap");
        assert!(off.abs() < 1e-4 && (off - number("error")).abs() < 1e-9, "{args:?}: off by {off}");
        assert_eq!(found["schema"], "lens-attribution/1");
        assert_eq!(found["self_check"]["passed"], true, "{args:?}");
        assert!(found["contributions"]["L0.attn_out"].is_f64() && found["heads"]["L0.h0"].is_f64());
    }
    let neurons = json(&with(&["--format", "json", "--neurons", "3"]));
    assert_eq!(neurons["neurons"].as_object().map(serde_json::Map::len), Some(3));
}

#[test]
fn the_readout_with_the_final_scale_says_the_same() {
    let prompt = "The capital of France is";
    let shares = json(&with(&["--format", "json", "--dtype", "f32"]));
    let read = json(&[
        "run",
        prompt,
        "--target",
        " Paris",
        "--norm",
        "final-scale",
        "--components",
        "attn_out,heads",
        "--dtype",
        "f32",
        "--format",
        "json",
    ]);
    let bias = shares["bias"].as_f64().unwrap();
    let mut compared = 0;
    for readout in read["readouts"].as_array().unwrap() {
        let (layer, component) = (&readout["layer"], readout["component"].as_str().unwrap());
        let share = match component.strip_prefix("head.") {
            Some(head) => &shares["heads"][format!("L{layer}.h{head}")],
            None => &shares["contributions"][format!("L{layer}.{component}")],
        };
        let logit = readout["targets"][0]["logit"].as_f64().unwrap();
        let off = logit - share.as_f64().unwrap() - bias;
        assert!(off.abs() < 1e-4, "L{layer}.{component}: off by {off}");
        compared += 1;
    }
    assert!(compared > 10, "only {compared} readouts were compared");
}

#[test]
fn a_table_and_files_are_written() {
    let text = ok(&with(&["--versus", " Rome", "-k", "3"]));
    says(
        &text,
        &["logit of", "less that of", "attn_out", "h0", "largest heads", "largest neurons", "off by"],
    );
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (name, begins) in [
        ("a.json", &b"{"[..]),
        ("a.svg", b"<svg"),
        ("a.html", b"<!DOCTYPE html>"),
        ("a.png", b"\x89PNG"),
        ("a.webp", b"RIFF"),
        ("a.pdf", b"%PDF-"),
    ] {
        assert_eq!(ok(&with(&["-o", &file(name)])), "");
        let bytes = std::fs::read(file(name)).unwrap();
        assert!(bytes.starts_with(begins), "{name}");
    }
    says(
        &refused(&with(&["-o", &file("a.bmp")]), 1),
        &["a.bmp", ".json, .html, .svg, .pdf, .png, .webp or .jpg"],
    );
    says(&refused(&with(&["-o", &file("a.svg"), "--format", "json"]), 2), &["a.svg", "--format"]);
}

#[test]
fn what_a_change_adds_has_a_share() {
    let args = ["--format", "json", "--dtype", "f32", "--neurons", "0"];
    let plain = json(&with(&args));
    let steered = |change: &str| json(&with(&[&args[..], &["--steer", change]].concat()));
    for (change, name) in [
        ("L4.resid_post[last] = @'The capital of Italy is'", "steer.L4.resid_post"),
        ("L3.resid_pre *= 1.5", "steer.L3.resid_pre"),
        ("L5.resid_mid += 2*@'love'", "steer.L5.resid_mid"),
        ("L5.attn_out = 0", "steer.L5.attn_out"),
        ("L6.mlp_out *= 2", "steer.L6.mlp_out"),
    ] {
        let found = steered(change);
        assert!(found["contributions"][name].as_f64().is_some_and(|share| share != 0.0), "{change}: {found}");
        assert!(found["error"].as_f64().unwrap().abs() < 1e-3, "{change}: {}", found["error"]);
        assert_eq!(found["interventions"].as_array().map(Vec::len), Some(1));
        assert_eq!(found["self_check"]["passed"], true, "{change}");
        for units in ["heads_error", "neurons_error"] {
            assert!(found[units].as_f64().unwrap().abs() < 1e-3, "{change}: {units} {}", found[units]);
        }
    }
    let silenced = steered("L3.z.h1 = 0");
    assert_eq!(silenced["heads"]["L3.h1"], 0.0);
    assert_ne!(plain["heads"]["L3.h1"], 0.0);
    // In the dtype of the demo, sums that nobody changed are still checked and rounded.
    let half = json(&with(&["--format", "json", "--steer", "L4.resid_post *= 1.5"]));
    assert!(half["contributions"]["steer.L4.resid_post"].is_f64(), "{half}");
    assert!(half["error"].as_f64().unwrap().abs() < 1e-3, "{}", half["error"]);
    let text = ok(&with(&["--steer", "L4.resid_post *= 1.5"]));
    says(&text, &["L4.resid_post *= 1.5", "steer.L4.resid_post"]);
}

#[test]
fn a_logit_in_the_middle_is_taken_apart_plainly_and_through_a_lens() {
    let model = fixture("llama2").display().to_string();
    let lens = |name: &str| {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/lenses/llama2");
        root.join(name).display().to_string()
    };
    let tuned = format!("tuned={}", lens("tuned"));
    let jacobian = format!("jacobian={}", lens("block_output.pt"));
    let shared = ["-m", &model, "--token-ids", "5,7,11", "--target", "9", "--format", "json"];
    for (point, lens, layer) in
        [("L1.resid_pre", None, 1), ("L1.resid_pre", Some(&tuned), 1), ("L0.resid_post", Some(&jacobian), 0)]
    {
        let more: Vec<&str> = lens.iter().flat_map(|lens| ["--lens", lens.as_str()]).collect();
        let parts = json(&[&["attribute"], &shared[..], &["--point", point], &more].concat());
        let component = point.split_once('.').unwrap().1;
        let read = json(&[&["run"], &shared[..], &["--components", component], &more].concat());
        let of_point = |readout: &&Value| readout["layer"] == layer && readout["component"] == component;
        let readout = read["readouts"].as_array().unwrap().iter().find(of_point).unwrap();
        let logit = readout["targets"][0]["logit"].as_f64().unwrap();
        let found = parts["logit"].as_f64().unwrap();
        assert!((found - logit).abs() < 1e-4, "{point}: {found}, and lens run reads {logit}");
        assert!(parts["error"].as_f64().unwrap().abs() < 1e-5, "{point}: {}", parts["error"]);
        assert_eq!(parts["point"], point);
        assert_eq!(parts["lens"]["kind"].as_str(), lens.map(|lens| lens.split('=').next().unwrap()));
        assert!(parts["contributions"]["L0.attn_out"].is_f64() != (point == "embed"));
        assert!(parts["contributions"]["L1.attn_out"].is_null(), "{point}: a later layer has a share");
    }
    let args = ["attribute", "-m", &model, "--token-ids", "5,7", "--target", "9"];
    let refusal = |more: &[&str], code| refused(&[&args[..], more].concat(), code);
    says(&refusal(&["--point", "L1.attn_out"], 2), &["input or output of a block"]);
    says(&refusal(&["--point", "L7.resid_pre"], 1), &["L7.resid_pre", "2 layers"]);
    says(&refusal(&["--lens", &tuned], 2), &["--point"]);
    says(&refusal(&["--lens", &tuned, "--point", "L1.resid_post"], 1), &["no map for L1.resid_post"]);
}

#[test]
fn a_logit_of_every_prompt_is_taken_apart() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        folder.path().join(name).to_str().unwrap().to_owned()
    };
    let two =
        "{\"text\": \"The capital of France is\", \"id\": \"fr\"}\n{\"text\": \"The capital of Italy is\"}\n";
    let path = file("two.jsonl", two);
    let args = ["attribute", "--prompts", &path, "--target", " Paris"];
    let text = ok(&[&args[..], &["--format", "json"]].concat());
    let found: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((found.len(), &found[0]["id"], &found[1]["prompt_index"]), (2, &"fr".into(), &1.into()));
    let mut alone = json(&with(&["--format", "json"]));
    (alone["prompt_index"], alone["id"]) = (0.into(), "fr".into());
    assert_eq!(found[0], alone);
    says(&ok(&args), &["prompt 0 (fr)", "prompt 1", "logit of"]);
    let out = folder.path().join("all.jsonl");
    assert_eq!(ok(&[&args[..], &["-o", out.to_str().unwrap()]].concat()), "");
    assert_eq!(std::fs::read_to_string(out).unwrap(), text);
    says(&refused(&[&args[..], &["-o", "a.svg"]].concat(), 1), &["a.svg", "many prompts"]);
    let broken = file("broken.jsonl", &format!("{two}{{\"texts\": 1}}\n"));
    let outcome = run(&["attribute", "--prompts", &broken, "--target", " Paris", "--format", "json"]);
    assert_eq!((outcome.code, outcome.stdout.lines().count()), (1, 3), "{}", outcome.stderr);
    says(&outcome.stderr, &["1 of 3 prompts were not taken apart"]);
    let empty = file("empty.txt", "\n");
    says(
        &run(&["attribute", "--prompts", &empty, "--target", "1"]).stderr,
        &["there is no prompt in ", "empty.txt"],
    );
}

#[test]
fn what_means_nothing_is_refused() {
    says(&refused(&["attribute", "a"], 2), &["--target"]);
    says(&refused(&["attribute", "--target", "1"], 2), &["PROMPT", "--token-ids"]);
    says(&refused(&with(&["--versus", " Paris"]), 1), &["the same", "difference is zero"]);
    says(&refused(&with(&["--position", "0..2"]), 1), &["0..2", "2 positions"]);
    says(&refused(&with(&["--position", "99"]), 1), &["no position 99"]);
    let model = Model::new();
    let ids = |target| ["attribute", "-m", model.path(), "--token-ids", "1,2,3", "--target", target];
    says(&refused(&ids("101"), 1), &["101", "vocabulary"]);
    let outcome = run(&[&ids("5")[..], &["--format", "json"]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}
