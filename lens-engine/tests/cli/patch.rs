//! `lens patch`: grids on stdout and in files.

use serde_json::Value;

use crate::support::{Model, ok, refused, run, says};

const PAIR: [&str; 5] =
    ["patch", "--clean", "The capital of France is", "--corrupted", "The capital of Italy is"];

const IDS: [&str; 9] =
    ["patch", "--clean-ids", "1,5,9,3", "--corrupted-ids", "1,7,9,3", "--target", "5", "--versus", "6"];

fn with<'a>(first: &[&'a str], args: &[&'a str]) -> Vec<&'a str> {
    [first, args].concat()
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&ok(&with(args, &["--format", "json"]))).expect("JSON")
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

#[test]
fn what_enters_the_first_block_is_the_whole_difference() {
    let found = json(&PAIR);
    assert_eq!(found["schema"], "lens-patching/1");
    assert_eq!(found["self_check"]["passed"], true);
    assert_eq!(found["experiment"]["kind"], "patching");
    assert_eq!(found["experiment"]["direction"], "denoise");
    assert_eq!((&found["changed"]["name"], &found["source"]["name"]), (&"corrupted".into(), &"clean".into()));
    let grids = found["grids"].as_array().expect("grids");
    assert_eq!(grids.len(), 3);
    let first = &grids[0];
    assert_eq!((&first["site"], &first["columns"]), (&"resid_pre".into(), &"positions".into()));
    let names = |run: &str| {
        let tokens = found[run]["tokens"].as_array().expect("tokens");
        tokens.iter().map(|token| token["id"].as_u64().expect("an id")).collect::<Vec<_>>()
    };
    let (changed, source) = (names("changed"), names("source"));
    let shares = first["shares"][0].as_array().expect("a row");
    assert_eq!(shares.len(), changed.len());
    let sum: f64 = shares
        .iter()
        .zip(changed.iter().zip(&source))
        .map(|(share, (a, b))| {
            let share = number(share);
            assert!(a != b || share.abs() < 0.02, "the same token changes the answer by {share}");
            share
        })
        .sum();
    assert!((sum - 1.0).abs() < 0.05, "one position differs, and makes {sum} of the difference");
    let [clean, corrupted] = ["source", "changed"].map(|run| number(&found[run]["answer"]["value"]));
    for (value, share) in
        first["values"][1].as_array().unwrap().iter().zip(first["shares"][1].as_array().unwrap())
    {
        let expected = (number(value) - corrupted) / (clean - corrupted);
        assert!((number(share) - expected).abs() < 1e-6);
    }
}

#[test]
fn noising_is_the_other_way_round() {
    let found = json(&with(&PAIR, &["--direction", "noise", "--sites", "resid_pre", "--per", "layer"]));
    assert_eq!((&found["changed"]["name"], &found["source"]["name"]), (&"clean".into(), &"corrupted".into()));
    for row in found["grids"][0]["shares"].as_array().unwrap() {
        assert!(number(&row[0]).abs() < 0.05, "the whole corrupted prompt makes the corrupted answer: {row}");
    }
}

#[test]
fn heads_are_one_grid_or_one_each() {
    let model = Model::new();
    let at = |args: &[&'static str]| json(&[&IDS[..], &["-m", model.path()], args].concat());
    let found = at(&["--sites", "heads"]);
    let grid = &found["grids"][0];
    assert_eq!((&grid["site"], &grid["columns"]), (&"heads".into(), &"heads".into()));
    assert_eq!(grid["changed_positions"], serde_json::json!([0, 1, 2, 3]));
    let found = at(&["--sites", "head.1", "--per", "position", "--positions", "1.."]);
    let grid = &found["grids"][0];
    assert_eq!((&grid["site"], &grid["of_columns"]), (&"head.1".into(), &serde_json::json!([1, 2, 3])));
}

#[test]
fn ablations_and_patchscopes_have_one_prompt() {
    let model = Model::new();
    let folder = tempfile::tempdir().unwrap();
    let prompts = folder.path().join("p.jsonl");
    std::fs::write(&prompts, "{\"token_ids\": [4, 5, 6, 7, 8]}\n{\"token_ids\": [9, 8]}\n").unwrap();
    let prompts = prompts.to_str().unwrap();
    let at = |args: &[&str]| json(&[&["patch", "--token-ids", "1,5,9,3", "-m", model.path()], args].concat());
    for args in [
        &["--ablate", "zero"][..],
        &["--ablate", "mean"],
        &["--ablate", "mean", "--prompts", prompts],
        &["--ablate", "resample", "--prompts", prompts, "--seed", "3"],
    ] {
        let found = at(args);
        assert_eq!(found["experiment"]["kind"], "ablation", "{args:?}");
        assert_eq!(found["experiment"]["with"], args[1], "{args:?}");
        assert_eq!(found["grids"].as_array().unwrap().len(), 2, "attn_out and mlp_out");
        let unchanged = number(&found["changed"]["answer"]["value"]);
        let grid = &found["grids"][0];
        let off = number(&grid["values"][0][0]) - unchanged - number(&grid["shares"][0][0]);
        assert!(off.abs() < 1e-6, "{args:?}");
    }
    let found = at(&["--patchscope", "--target-ids", "7,8,9", "--positions", "1,-1", "--layers", "0"]);
    let grids = found["grids"].as_array().unwrap();
    assert_eq!(grids.len(), 2, "one for each position");
    assert_eq!(
        (&grids[1]["columns"], &grids[1]["source_positions"]),
        (&"layers".into(), &serde_json::json!([3]))
    );
    assert!(grids[0]["top"][0][1]["id"].is_u64());
    let text = ok(&["patch", "The capital of France is", "--patchscope"]);
    says(&text, &["source", "target", "of position", "from layer (down) into layer (across)"]);
}

#[test]
fn a_table_and_files_are_written() {
    let text = ok(&PAIR);
    says(
        &text,
        &["clean", "corrupted", "answers", "metric", "attn_out", "0 as corrupted and 1 as clean", "layer"],
    );
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    assert_eq!(ok(&with(&PAIR, &["-o", &file("a.json")])), "");
    assert!(std::fs::read(file("a.json")).unwrap().starts_with(b"{"));
    assert_eq!(ok(&with(&PAIR, &["--sites", "mlp_out", "-o", &file("a.svg")])), "");
    assert!(std::fs::read(file("a.svg")).unwrap().starts_with(b"<svg"));
    assert_eq!(ok(&with(&PAIR, &["-o", &file("b.png")])), "");
    assert!(std::fs::read(file("b_attn_out.png")).unwrap().starts_with(b"\x89PNG"));
    assert_eq!(ok(&with(&PAIR, &["-o", &file("all"), "--pictures", "svg,pdf"])), "");
    assert!(std::fs::read(file("all/patching.json")).unwrap().starts_with(b"{"));
    assert!(std::fs::read(file("all/heatmaps/mlp_out.svg")).unwrap().starts_with(b"<svg"));
    assert!(std::fs::read(file("all/heatmaps/mlp_out.pdf")).unwrap().starts_with(b"%PDF-"));
    says(
        &refused(&with(&PAIR, &["-o", &file("a.bmp")]), 1),
        &["a.bmp", ".json, .svg, .pdf, .png, .webp or .jpg"],
    );
    says(&refused(&with(&PAIR, &["-o", &file("a.svg"), "--format", "json"]), 2), &["--format"]);
}

#[test]
fn prompts_of_different_lengths_say_where_they_differ() {
    let prompts = ["patch", "--clean-ids", "1,5,9,3", "--corrupted-ids", "1,7,7,9,3"];
    let lengths = [&prompts[..], &["--target", "5", "--versus", "6", "-m"]].concat();
    let model = Model::new();
    let at = |args: &[&'static str]| [&lengths[..], &[model.path()], args].concat();
    let message = refused(&at(&[]), 1);
    says(
        &message,
        &["clean prompt has 4 tokens", "corrupted one 5", "differ from position 1", "<id 7>", "--align"],
    );
    let found = json(&at(&["--align", "end", "--sites", "attn_out"]));
    assert_eq!(found["grids"][0]["of_columns"], serde_json::json!([1, 2, 3, 4]));
    assert_eq!(found["grids"][0]["source_positions"], serde_json::json!([0, 1, 2, 3]));
    let found = json(&at(&["--positions", "-2..", "--sites", "attn_out"]));
    assert_eq!(found["grids"][0]["source_positions"], serde_json::json!([2, 3]));
    assert!(!found["notes"].as_array().unwrap().is_empty());
}

#[test]
fn what_means_nothing_is_refused() {
    says(&refused(&["patch"], 2), &["--clean and --corrupted"]);
    says(&refused(&["patch", "a"], 2), &["--ablate and --patchscope"]);
    says(&refused(&["patch", "a", "--ablate", "resample"], 2), &["--other or --prompts"]);
    says(&refused(&["patch", "--ablate", "zero"], 2), &["no prompt"]);
    says(&refused(&with(&PAIR, &["--ablate", "zero"]), 2), &["one prompt"]);
    says(&refused(&["patch", "a", "--ablate", "zero", "--align", "end"], 2), &["--align"]);
    says(&refused(&with(&PAIR, &["--layers", "99"]), 1), &["no layer 99"]);
    says(&refused(&with(&PAIR, &["--sites", "head.99"]), 1), &["no head 99"]);
    says(&refused(&with(&PAIR, &["--sites", "attn"]), 2), &["attn"]);
    says(&refused(&with(&PAIR, &["--metric", "loss"]), 2), &["logit_diff"]);
    says(&refused(&with(&PAIR, &["--target", " Paris Rome"]), 1), &["Paris"]);
    says(&refused(&with(&PAIR, &["--target", " Paris", "--versus", " Paris"]), 1), &["the same"]);
    let same = ["patch", "--clean", "The capital of France is", "--corrupted", "The capital of France is"];
    says(&refused(&same, 1), &["same token", "--target and --versus"]);
    let model = Model::new();
    let outcome = run(&[&IDS[..], &["-m", model.path()]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
}
