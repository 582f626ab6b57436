//! Several lenses from one run, and lenses that are looked at and converted.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{fixture, ok, refused, run, says};

/// A lens of the fixtures, as an argument.
fn lens(name: &str) -> String {
    path(name).display().to_string()
}

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/lenses").join(name)
}

/// The three lenses that are made for the small Llama.
fn three() -> String {
    format!("logit,tuned={},jacobian={}", lens("llama2/tuned"), lens("llama2/block_output.pt"))
}

fn llama(more: &[&str]) -> Vec<String> {
    let model = fixture("llama2").display().to_string();
    let args = ["run", "-m", &model, "--token-ids", "5,7,11"];
    args.iter().chain(more).map(|arg| (*arg).to_owned()).collect()
}

fn json(more: &[&str]) -> Value {
    let args = llama(&[&["--format", "json"], more].concat());
    serde_json::from_str(&ok(&args.iter().map(String::as_str).collect::<Vec<_>>())).unwrap()
}

#[test]
fn one_run_reads_with_every_lens_and_says_which() {
    let trace = json(&["--lens", &three(), "--positions", "all"]);
    let names: Vec<&str> =
        trace["lenses"].as_array().unwrap().iter().map(|l| l["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["logit", "tuned", "jacobian"]);
    assert_eq!(trace["lenses"][1]["source"], lens("llama2/tuned"));
    assert_eq!(trace["lenses"][2]["details"]["n_prompts"], "4");
    let readouts = trace["readouts"].as_array().unwrap();
    let of = |name: &str| readouts.iter().filter(|r| r["lens"] == name).collect::<Vec<_>>();
    // Three positions of two blocks: five components of a block less embed, and embed; one; one.
    assert_eq!([of("logit").len(), of("tuned").len(), of("jacobian").len()], [27, 6, 6]);
    assert!(of("tuned").iter().all(|r| r["component"] == "resid_pre"));
    assert!(of("jacobian").iter().all(|r| r["component"] == "resid_post"));
    // At the last output the Jacobian lens is the identity, and every row is judged.
    let notes = trace["notes"].to_string();
    says(&notes, &["no map for L1.resid_post, where a Jacobian lens is the identity"]);
    let rows = trace["faithfulness"].as_array().unwrap();
    assert_eq!(rows.len(), 9 + 2 + 2);
    let last = rows.iter().find(|r| r["lens"] == "jacobian" && r["layer"] == 1).unwrap();
    assert_eq!((&last["agreement"], &last["trusted"]), (&Value::from(1.0), &Value::from(true)));
}

#[test]
fn a_lens_may_have_a_comma_in_its_path_and_lens_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let there = folder.path().join("a, b,logit.pt");
    std::fs::copy(path("llama2/block_output.pt"), &there).unwrap();
    let [jacobian, tuned] =
        [format!("jacobian={}", there.display()), format!("tuned={}", lens("llama2/tuned"))];
    let trace = json(&["--lens", &jacobian, "--lens", &format!("logit,{tuned}")]);
    let sources: Vec<&Value> =
        trace["lenses"].as_array().unwrap().iter().map(|lens| &lens["source"]).collect();
    assert_eq!(
        sources,
        [&Value::from(there.display().to_string()), &Value::Null, &Value::from(lens("llama2/tuned"))]
    );
}

#[test]
fn readouts_are_those_of_each_lens_alone() {
    let all = json(&["--lens", &three()]);
    for (name, args) in [
        ("tuned", format!("tuned={}", lens("llama2/tuned"))),
        ("jacobian", format!("jacobian={}", lens("llama2/block_output.pt"))),
    ] {
        let alone = json(&["--lens", &args]);
        assert_eq!(alone["lens"]["kind"], name);
        let top = |trace: &Value| {
            let readouts = trace["readouts"].as_array().unwrap().iter().filter(|r| r["lens"] == name);
            readouts.map(|r| (r["layer"].clone(), r["top"].clone())).collect::<Vec<_>>()
        };
        assert_eq!(top(&alone), top(&all));
    }
    let twice = format!("tuned={0},tuned={0}", lens("llama2/tuned"));
    let twice = json(&["--lens", &twice]);
    assert_eq!(twice["lenses"][1]["name"], "tuned-2");
    let plain = json(&[]);
    assert!(plain.get("lenses").is_none() && plain.get("faithfulness").is_none());
    assert_eq!(plain["readouts"], json(&["--lens", "logit"])["readouts"]);
}

#[test]
fn people_see_the_lenses_one_after_the_other() {
    let args = llama(&["--lens", &three()]);
    let text = ok(&args.iter().map(String::as_str).collect::<Vec<_>>());
    says(&text, &["lens        logit", "lens        tuned", "lens        jacobian", "trust", "resid_pre"]);
    let grid = llama(&["--lens", &three(), "--positions", "all", "--grid"]);
    let grid = ok(&grid.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(grid.matches("token").count() % 3, 0, "{grid}");
    says(&grid, &["tuned", "jacobian"]);
}

#[test]
fn a_folder_of_results_has_pictures_and_a_page_of_every_lens() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let args = llama(&["--lens", &three(), "--positions", "all", "-o", out.to_str().unwrap()]);
    ok(&args.iter().map(String::as_str).collect::<Vec<_>>());
    for name in ["all_layers_step_0", "all_layers_step_0_tuned", "grid_jacobian", "grid"] {
        assert!(out.join(format!("heatmaps/{name}.svg")).exists(), "{name}");
    }
    let page = std::fs::read_to_string(out.join("lens.html")).unwrap();
    says(&page, &["logit lens", "tuned lens", "jacobian lens", "Lens from"]);
    let csv = std::fs::read_to_string(out.join("trace.json")).unwrap();
    says(&csv, &["\"faithfulness\""]);
}

#[test]
fn many_prompts_and_changed_runs_have_lenses_too() {
    let folder = tempfile::tempdir().unwrap();
    let prompts = folder.path().join("prompts.jsonl");
    std::fs::write(&prompts, "{\"token_ids\": [1, 2, 3]}\n{\"token_ids\": [4, 5]}\n").unwrap();
    let model = fixture("llama2").display().to_string();
    let (prompts, three) = (prompts.display().to_string(), three());
    let lines = ok(&["run", "-m", &model, "--prompts", &prompts, "--lens", &three, "--format", "json"]);
    for line in lines.lines() {
        let trace: Value = serde_json::from_str(line).unwrap();
        assert_eq!(trace["lenses"].as_array().unwrap().len(), 3);
        assert!(trace["readouts"].to_string().contains("\"lens\":\"jacobian\""));
        assert!(!trace["faithfulness"].as_array().unwrap().is_empty());
        says(&trace["notes"].to_string(), &["the identity"]);
    }
    assert_eq!(lines.lines().count(), 2);
    let steered = json(&["--lens", &three, "--steer", "L0.mlp_out *= 3", "-n", "2"]);
    assert_eq!(steered["steps"].as_array().unwrap().len(), 2);
    assert!(steered["readouts"].to_string().contains("\"lens\":\"tuned\""));
}

#[test]
fn a_lens_that_cannot_be_right_is_refused_and_one_that_may_not_be_is_said() {
    let refused = |lens: &str, code| {
        let args = llama(&["--lens", lens]);
        refused(&args.iter().map(String::as_str).collect::<Vec<_>>(), code)
    };
    says(
        &refused(&format!("tuned={}", lens("files/tuned")), 1),
        &["does not fit this model", "stream of 3 values"],
    );
    says(
        &refused(&format!("tuned={}", lens("llama2/block_output.pt")), 1),
        &["is a jacobian lens, not a tuned one"],
    );
    says(&refused("tuned=./nowhere", 1), &["no file and no folder ./nowhere"]);
    says(
        &refused(&format!("jacobian={}", lens("files/hostile/runs_system.pt")), 1),
        &["posix.system", "not allowed"],
    );
    says(&refused("tuned", 2), &["which tuned lens"]);
    says(&refused("logit,logit", 1), &["plain"]);
    let args = llama(&["--lens", &format!("tuned={}", lens("llama2/tuned")), "--components", "mlp_out"]);
    let message = crate::support::refused(&args.iter().map(String::as_str).collect::<Vec<_>>(), 1);
    says(&message, &["no map for any", "resid_pre of layers 0 to 1", "--components"]);
    let args = llama(&["--lens", &format!("tuned={}", lens("gemma2/tuned"))]);
    let outcome = run(&args.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(outcome.code, 0);
    says(&outcome.stderr, &["note: ", "made for \"gemma2\""]);
}

#[test]
fn a_lens_is_looked_at_and_converted_between_all_forms() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let inspect = |lens: &str| -> Value {
        serde_json::from_str(&ok(&["lens", "inspect", lens, "--format", "json"])).unwrap()
    };
    let facts = inspect(&lens("files/tuned"));
    assert_eq!(
        (&facts["kind"], &facts["d_model"], &facts["map"]),
        (&"tuned".into(), &3.into(), &"x + W x + b".into())
    );
    assert_eq!(facts["points"][2], "L2.resid_pre");
    assert_eq!(facts["base_model"], "owner/model");
    says(
        &ok(&["lens", "inspect", &lens("files/jlens.pt")]),
        &["jacobian, W x", "resid_post of layers", "n_prompts", "300"],
    );

    ok(&["lens", "convert", &lens("files/tuned"), &at("own.safetensors")]);
    ok(&["lens", "convert", &at("own.safetensors"), &at("again")]);
    let torch = std::fs::read(path("files/tuned/config.json")).unwrap();
    let ours = std::fs::read(folder.path().join("again/config.json")).unwrap();
    let parsed = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
    assert_eq!(parsed(&ours), parsed(&torch));
    ok(&["lens", "convert", &lens("files/jspace.pt"), &at("j.safetensors")]);
    ok(&["lens", "convert", &at("j.safetensors"), &at("j.pt")]);
    for (one, other) in [(lens("files/tuned"), at("again")), (lens("files/jspace.pt"), at("j.pt"))] {
        assert_eq!(inspect(&one)["points"], inspect(&other)["points"]);
    }
    let message = refused(&["lens", "convert", &lens("files/jlens.pt"), &at("folder")], 1);
    says(&message, &["cannot be written as a tuned lens", "it is a jacobian lens"]);
    assert!(!folder.path().join("folder").exists());
    says(&refused(&["lens", "convert", &lens("files/jlens.pt"), &at("x.bin")], 1), &["--to"]);
}
