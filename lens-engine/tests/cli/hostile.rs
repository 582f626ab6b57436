//! Foreign texts never steer the terminal.

use crate::support::{Model, Outcome, fixture, lens, run, says};

const HOSTILE: [&str; 10] = [
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "\u{202e}txt.exe",
    "a\nerror: forged",
    "\r over",
    "\u{9b}2J",
    "\u{7f}",
    "\u{200b}",
    "\u{2066}x\u{2069}",
    "\0",
    "\u{feff}",
];

/// Fails when a text holds a character that acts on a terminal.
fn assert_inert(what: &str, text: &str) {
    let acts = |c: char| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}' | '\u{feff}')
    };
    assert!(!text.contains(acts), "{what} acts on the terminal: {text:?}");
}

fn inert(args: &[&str]) -> Outcome {
    let outcome = run(args);
    assert_inert("stdout", &outcome.stdout);
    assert_inert("stderr", &outcome.stderr);
    outcome
}

/// A model in which every token is hostile.
fn hostile_model() -> Model {
    let words: Vec<String> = (0..101).map(|id| format!("{}{id}", HOSTILE[id % HOSTILE.len()])).collect();
    Model::with_words(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn hostile_tokens_are_made_visible() {
    let model = hostile_model();
    let outcome =
        inert(&["run", "-m", model.path(), "--token-ids", "0,1,2,3,4", "--positions", "all", "-k", "50"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    says(&outcome.stdout, &["‹U+202E›", "␛[2J", "⏎"]);
    // The BOS token of the config is hostile too, and a note names it.
    says(&inert(&["run", "-m", model.path(), "x"]).stderr, &["note: ", "‹U+202E›"]);
    let target = inert(&["run", "-m", model.path(), "x", "--target", "w w"]);
    assert_eq!(target.code, 1);

    let mut command =
        lens(&["run", "-m", model.path(), "--token-ids", "0,1,2", "--color", "always", "-k", "50"]);
    let colored: Outcome = command.env("TERM", "xterm-256color").assert().into();
    assert!(colored.stdout.contains("\u{1b}["), "no colours");
    // What is left without the colours must be inert.
    let mut pieces = colored.stdout.split("\u{1b}[");
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (parameters, rest) = piece.split_once('m').expect("every sequence sets a colour");
        assert!(parameters.bytes().all(|b| b.is_ascii_digit() || b == b';'), "{parameters:?}");
        plain.push_str(rest);
    }
    assert_inert("coloured stdout", &plain);
}

#[test]
fn hostile_names_are_made_visible() {
    let argument = "\u{1b}[2J\u{202e}";
    assert_eq!(inert(&["run", "a", &format!("--{argument}")]).code, 2);
    assert_eq!(inert(&["run", "a", "--components", argument]).code, 2);
    assert_eq!(inert(&["run", "a", "--layers", argument]).code, 2);
    assert_eq!(inert(&["run", "a", "--target", argument]).code, 1);
    assert_eq!(inert(&["inspect", &format!("./{argument}")]).code, 1);
    assert_eq!(inert(&["inspect", argument]).code, 1);
    assert_eq!(inert(&["run", "--prompt-file", argument]).code, 1);

    let model =
        Model::new().with_config("\"model_type\": \"llama\"", "\"model_type\": \"\\u001b[2J\\u202e\"");
    let outcome = inert(&["inspect", model.path()]);
    assert_eq!(outcome.code, 1);
    says(&outcome.stderr, &["model_type"]);

    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("a\u{1b}[2J\nb\u{202e}");
    std::fs::create_dir(&folder).unwrap();
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(fixture("llama2").join(file), folder.join(file)).unwrap();
    }
    let folder = folder.to_str().unwrap();
    for args in [&["inspect", folder][..], &["check", folder], &["run", "-m", folder, "--token-ids", "1"]] {
        assert_eq!(inert(args).code, 0);
    }
    assert_eq!(inert(&["run", "-m", folder, "text"]).code, 1);
}

#[test]
fn hostile_tensor_names_are_made_visible() {
    let model = Model::new();
    let weights = model.weights();
    let renamed: Vec<u8> = {
        let text = b"model.norm.weight";
        let at = weights.windows(text.len()).position(|window| window == text).unwrap();
        let mut weights = weights.clone();
        // As long as the name, so that the header's length stays true.
        weights[at..at + text.len()].copy_from_slice(b"a\\u001b[2J\\u202eb");
        weights
    };
    let model = model.with("model.safetensors", renamed);
    assert_eq!(inert(&["inspect", model.path()]).code, 1);
}

#[test]
fn json_keeps_the_exact_text() {
    let model = hostile_model();
    let stdout = run(&["run", "-m", model.path(), "--token-ids", "0,1", "--format", "json"]).stdout;
    let trace: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(trace["tokens"][0]["text"], format!("{}0", HOSTILE[0]));
    assert!(!stdout.trim_end().contains(|c: char| c < ' '), "raw control characters in JSON");
}
