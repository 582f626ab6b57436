//! Models in GGUF files: the same answers as from the checkpoint that they were made from, and the same commands.

use serde_json::Value;

use crate::support::{fixture, ok, run, says};

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&ok(&[args, &["--format", "json"]].concat())).expect("JSON on stdout")
}

/// The GGUF file of a fixture, and the checkpoint that it was made from.
fn both(name: &str) -> [String; 2] {
    let file = fixture("../gguf").join(name).join("model.gguf");
    [file, fixture(name)].map(|path| path.to_str().expect("a plain path").to_owned())
}

#[test]
fn a_gguf_file_runs_as_the_checkpoint_that_it_was_made_from() {
    for name in ["llama2", "qwen2_tied"] {
        let traces = both(name).map(|model| {
            let args = ["run", "-m", &model, "--token-ids", "3,1,4,1,5", "--dtype", "f32", "--device", "cpu"];
            json(&[&args[..], &["--positions", "all", "-k", "3"]].concat())
        });
        let [file, checkpoint] = &traces;
        assert_eq!(file["model"]["family"], checkpoint["model"]["family"], "{name}");
        assert_eq!(file["final"], checkpoint["final"], "{name}");
        assert_eq!(file["readouts"], checkpoint["readouts"], "{name}");
        let notes = file["notes"].to_string();
        says(&notes, &["the model is read from the GGUF file model.gguf", "made of the file's metadata"]);
    }
}

#[test]
fn a_gguf_file_is_inspected_as_the_checkpoint_that_it_was_made_from() {
    let facts = both("llama2").map(|model| json(&["inspect", &model]));
    for key in ["family", "n_layers", "d_model", "tied", "parameters", "needed_bytes", "points"] {
        assert!(!facts[0][key].is_null(), "{key} is missing");
        assert_eq!(facts[0][key], facts[1][key], "{key}");
    }
    let [file, checkpoint] = both("llama2");
    let [table, original] = [ok(&["inspect", &file]), ok(&["inspect", &checkpoint])];
    let lines = |text: &str| -> Vec<String> {
        text.lines()
            .filter(|line| !line.starts_with("model ") && !line.starts_with("stored "))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(lines(&table), lines(&original));
    says(&table, &["stored", "in 1 file"]);
    // The folder that holds the one file is the model as well.
    let folder = file.strip_suffix("/model.gguf").expect("a file in a folder");
    let alone = tempfile::tempdir().expect("a folder");
    std::fs::copy(format!("{folder}/model.gguf"), alone.path().join("any-Q8_0.gguf")).expect("a copy");
    let found = ok(&["inspect", alone.path().to_str().expect("a plain path")]);
    assert_eq!(lines(&found), lines(&original));
}

#[test]
fn a_gguf_file_that_cannot_be_read_is_refused_by_name() {
    let [file, _] = both("llama2");
    let bytes = std::fs::read(&file).expect("a fixture");
    let folder = tempfile::tempdir().expect("a folder");
    let broken = folder.path().join("broken.gguf");
    std::fs::write(&broken, &bytes[..bytes.len() / 2]).expect("half of a file");
    let outcome = run(&["run", "-m", broken.to_str().expect("a plain path"), "--token-ids", "1"]);
    assert_eq!(outcome.code, 1);
    says(&outcome.stderr, &["error: ", "broken.gguf"]);
    // Without a vocabulary, texts have no tokens.
    let outcome = run(&["run", "-m", &file, "hello"]);
    assert_eq!(outcome.code, 1);
    says(&outcome.stderr, &["--token-ids"]);
}
