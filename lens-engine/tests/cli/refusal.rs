//! What is refused, how, and with which exit code: 2 for the arguments, 1 for everything else.

use crate::support::{Model, lens, ok, refused, run, says};

/// A prompt that every model here can take.
const IDS: [&str; 2] = ["--token-ids", "1,2,3"];

fn refused_run(model: &Model, args: &[&str]) -> String {
    refused(&[&["run", "-m", model.path()], args].concat(), 1)
}

#[test]
fn a_typo_finds_the_near_name() {
    says(&refused(&["run", "a", "--component", "all"], 2), &["--components"]);
    says(&refused(&["familys"], 2), &["families"]);
    says(&refused(&["run", "a", "--components", "atn_out"], 2), &["did you mean \"attn_out\""]);
    says(&refused(&["run", "a", "--norm", "final_scale"], 2), &["did you mean \"final-scale\""]);
    says(&refused(&["run", "a", "--dtype", "bf61"], 2), &["bf16"]);
    let model = Model::new().with_config("\"model_type\": \"llama\"", "\"model_type\": \"lama\"");
    says(&refused_run(&model, &IDS), &["lama", "did you mean \"llama\""]);
}

#[test]
fn there_is_one_prompt_exactly() {
    says(&refused(&["run"], 2), &["PROMPT", "--prompt-file", "--token-ids"]);
    says(&refused(&["run", "a", "--token-ids", "1"], 2), &["cannot be used with"]);
    says(&refused(&["run", "--prompt-file", "x", "--token-ids", "1"], 2), &["cannot be used with"]);
    says(
        &refused(&["run", "--prompt-file", "/nonexistent/prompt"], 1),
        &["/nonexistent/prompt", "because: "],
    );
    says(&refused(&["run", "-m", Model::with_words(&[]).path(), ""], 1), &["no tokens"]);
}

#[test]
fn a_device_that_this_build_lacks_is_said() {
    says(&refused(&["run", "a", "--device", "cuda:1"], 1), &["cuda:1", "CUDA"]);
}

#[test]
fn what_is_outside_the_model_is_refused() {
    let model = Model::new();
    says(&refused_run(&model, &["--token-ids", "1,101"]), &["101", "vocabulary"]);
    says(&refused_run(&model, &["--token-ids", "1", "--target", "101"]), &["101", "vocabulary"]);
    says(&refused_run(&model, &["--token-ids", "1", "--layers", "2"]), &["no layer 2", "0 to 1"]);
    says(&refused_run(&model, &["--token-ids", "1", "--layers", "-3"]), &["no layer -3"]);
    says(&refused_run(&model, &["--token-ids", "1", "--positions", "1"]), &["no position 1"]);
    says(&refused(&["run", "a", "--revision", "main"], 1), &["demo", "revision"]);
}

#[test]
fn a_text_needs_a_tokenizer() {
    says(&refused_run(&Model::new(), &["hello"]), &["tokenizer.json", "--token-ids"]);
    says(&refused_run(&Model::new(), &["--token-ids", "1", "--target", "a"]), &["tokenizer.json"]);
    let broken = Model::new().with("tokenizer.json", "{}");
    says(&refused_run(&broken, &["hello"]), &["tokenizer.json cannot be used"]);
    // The tokenizers crate panics on these merges.
    let contradiction = serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
        "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]],
                  "continuing_subword_prefix": "longer"},
    });
    let panics = Model::new().with("tokenizer.json", contradiction.to_string());
    let message = refused_run(&panics, &["ab"]);
    says(&message, &["tokenizer.json cannot be used"]);
    assert_eq!(message.lines().count(), 1, "{message}");
}

#[test]
fn a_target_is_one_token() {
    let model = Model::with_words(&["Par", "is", "Paris", "5"]);
    let several = refused_run(&model, &["Par", "--target", "Par is"]);
    says(
        &several,
        &[
            "not one token but 2",
            "\"Par\" (<id 0>), \"is\" (<id 1>)",
            "To watch the first of them, give <id 0>",
        ],
    );
    says(&refused_run(&model, &["Par", "--target", "unheard"]), &["\"w100\" (<id 100>)"]);

    let args = ["run", "-m", model.path(), "Par", "--format", "json", "--target"];
    let first = |target: &str| {
        let trace: serde_json::Value = serde_json::from_str(&ok(&[&args[..], &[target]].concat())).unwrap();
        trace["final"][0]["targets"][0]["id"].clone()
    };
    assert_eq!((first("Paris"), first("5"), first("text:5")), (2.into(), 5.into(), 3.into()));
    assert_eq!((first("#5"), first("<id 5>")), (5.into(), 5.into()));
    let twice = ok(&[&args[..], &["Paris", "--target", "#2", "--target", "2"]].concat());
    let trace: serde_json::Value = serde_json::from_str(&twice).unwrap();
    assert_eq!(trace["final"][0]["targets"].as_array().map(Vec::len), Some(1), "a token is watched once");

    // The demo model spells a word in the middle of a text with its space.
    let spaced = refused(&["run", "a", "--target", "Germany"], 1);
    says(&spaced, &["not one token", "with a space before it", "\" Germany\" is one token"]);
}

#[test]
fn a_broken_checkpoint_is_named() {
    let missing = "./no/such/folder";
    says(&refused(&["inspect", missing], 1), &["there is no folder", missing]);
    says(&refused(&["inspect", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")], 1), &["is a file"]);
    let config = Model::new().with("config.json", "{\"model_type\": ");
    let path = format!("{}/config.json is not valid JSON", config.path());
    says(&refused_run(&config, &IDS), &[&path, "because: EOF"]);
    let half = Model::new();
    let weights = half.weights();
    let half = half.with("model.safetensors", &weights[..weights.len() / 2]);
    let path = format!("{}/model.safetensors is ", half.path());
    let text = half.path().to_owned() + "/config.json";
    let fit = ["--text", &text, "-o", "/nowhere/lens.safetensors"];
    for args in [
        &["run", "-m", half.path(), "--token-ids", "1"][..],
        &["decode", "-m", half.path(), "--embedding"],
        &["evaluate", "-m", half.path(), "--text", &text],
        &["serve", "-m", half.path()],
        &[&["fit", "jacobian", "-m", half.path()][..], &fit].concat(),
        &[&["fit", "tuned", "-m", half.path()][..], &fit].concat(),
        &["diff", half.path(), half.path(), "--corpus", &text],
    ] {
        let said = refused(args, 1);
        says(&said, &[&path, " bytes too short", "Download it again"]);
    }
    // Headers alone may come from the hub, where a file has no path.
    says(&refused(&["inspect", half.path()], 1), &["model.safetensors is ", " bytes too short"]);
    let pointer = Model::new()
        .with("model.safetensors", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 31928\n");
    says(&refused(&["inspect", pointer.path()], 1), &["git lfs pull"]);
    says(&refused_run(&pointer, &IDS), &["git lfs pull"]);
}

#[test]
fn offline_says_so_at_once() {
    let start = std::time::Instant::now();
    let mut command = lens(&["inspect", "nobody/nothing", "--offline"]);
    let outcome: crate::support::Outcome = command.env_remove("HF_HUB_OFFLINE").assert().into();
    assert_eq!(outcome.code, 1);
    says(&outcome.stderr, &["nobody/nothing", "offline"]);
    assert!(start.elapsed().as_secs() < 20);
}

#[test]
fn a_check_of_broken_weights_fails_and_names_them() {
    let model = Model::new();
    let mut weights = model.weights();
    let end = weights.len();
    weights[end - 2..].copy_from_slice(&[0xc0, 0x7f]); // NaN in bfloat16
    let model = model.with("model.safetensors", weights);
    let outcome = run(&["check", model.path()]);
    assert_eq!(outcome.code, 1);
    says(&outcome.stdout, &["kernel", "FAIL  every weight is finite", "(1 values)"]);
    says(&outcome.stderr, &["error: "]);
    says(
        &ok(&["check", Model::new().path(), "--token-ids", "5,6,7"]),
        &["pass  every weight is finite", "3: 5, 6, 7"],
    );
}
