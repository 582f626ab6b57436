//! Results: on stdout, in files, through pipes.

use std::{
    io::Read,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::support::{Model, Outcome, fixture, lens, ok, program, run, says};

fn json(args: &[&str]) -> Value {
    let text = ok(&[args, &["--format", "json"]].concat());
    assert!(text.ends_with('\n') && text.lines().count() == 1, "not one line of JSON");
    serde_json::from_str(&text).expect("JSON")
}

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().expect("an object").keys().map(String::as_str).collect()
}

fn has(value: &Value, names: &[&str]) {
    for name in names {
        assert!(keys(value).contains(name), "{name} is not among {:?}", keys(value));
    }
}

#[test]
fn json_has_the_fields_of_the_schema() {
    let model = Model::new();
    let args = ["run", "-m", model.path(), "--token-ids", "1,2,3", "--target", "7", "--distances", "-k", "4"];
    let trace = json(&args);
    let top = ["schema", "generator", "model", "lens", "prompt", "tokens", "readouts", "final", "self_check"];
    has(&trace, &top);
    assert_eq!(trace["schema"], "lens-trace/1");
    assert_eq!(trace["generator"]["name"], "lens");
    assert_eq!(trace["lens"], serde_json::json!({"kind": "logit", "norm": "recomputed"}));
    has(&trace["model"], &["id", "revision", "family", "n_layers", "d_model", "n_vocab", "dtype", "device"]);
    assert_eq!(trace["tokens"][0], serde_json::json!({"id": 1, "text": "<id 1>", "generated": false}));
    let readouts = trace["readouts"].as_array().expect("readouts");
    assert_eq!(readouts.len(), 1 + 2 * 4);
    assert_eq!((&readouts[0]["layer"], &readouts[0]["component"]), (&Value::Null, &"embed".into()));
    let statistics = ["layer", "component", "position", "top", "entropy", "kl_to_final", "rank_of_final"];
    has(&readouts[1], &statistics);
    has(&readouts[1], &["js_to_final", "tv_to_final"]);
    has(&readouts[1]["targets"][0], &["id", "text", "logit", "prob", "rank"]);
    assert_eq!(readouts[1]["top"].as_array().map(Vec::len), Some(4));
    has(&trace["final"][0], &["position", "top", "entropy", "decided_at"]);
    assert_eq!(trace["self_check"]["passed"], true);
}

#[test]
fn more_than_the_vocabulary_is_the_vocabulary() {
    let trace = json(&["run", "-m", Model::new().path(), "--token-ids", "1", "-k", "5000"]);
    assert_eq!(trace["readouts"][0]["top"].as_array().map(Vec::len), Some(101));
    let table = run(&["run", "-m", Model::new().path(), "--token-ids", "1", "-k", "5000"]);
    assert_eq!(table.code, 0);
    says(&table.stderr, &["note: ", "50 predictions"]);
}

#[test]
fn selections_take_both_ends() {
    let model = Model::new();
    let args = ["run", "-m", model.path(), "--token-ids", "1,2,3", "--components", "block_output"];
    let trace = json(&[&args[..], &["--layers", "-1", "--positions", "-3..=-2"]].concat());
    let places: Vec<_> = trace["readouts"]
        .as_array()
        .expect("readouts")
        .iter()
        .map(|r| (&r["layer"], &r["position"]))
        .collect();
    assert_eq!(places, [(&1.into(), &0.into()), (&1.into(), &1.into())]);
}

#[test]
fn a_prompt_is_the_same_from_everywhere() {
    let model = Model::with_words(&["one", "two"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "one two\n").unwrap();
    let args = ["run", "-m", model.path(), "--format", "json"];
    let direct = ok(&[&args[..], &["one two"]].concat());
    assert_eq!(ok(&[&args[..], &["--prompt-file", file.path().to_str().unwrap()]].concat()), direct);
    let stdin: Outcome = lens(&args).arg("-").write_stdin("one two\r\n").assert().into();
    assert_eq!((stdin.code, &stdin.stdout), (0, &direct));
    // The config names a token that begins sequences, and this tokenizer knows nothing of it.
    says(&stdin.stderr, &["note: ", "id 1"]);
    assert_eq!(run(&["run", "-m", model.path(), "--token-ids", "0,1"]).stderr, "");
}

#[test]
fn a_prompt_beyond_the_context_is_a_note() {
    let ids: Vec<String> = (0..70).map(|id| id.to_string()).collect();
    let outcome =
        run(&["run", "-m", Model::new().path(), "--token-ids", &ids.join(","), "--positions", "all"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    says(&outcome.stderr, &["note: ", "70 tokens", "64"]);
    says(&outcome.stderr, &["70 positions", "--format json"]);
    assert_eq!(outcome.stdout.matches("self-check").count(), 70);
}

#[test]
fn a_small_budget_and_one_thread_change_nothing() {
    let model = Model::new();
    let args = [
        "run",
        "-m",
        model.path(),
        "--token-ids",
        "1,2,3,4,5",
        "--positions",
        "all",
        "--dtype",
        "f32",
        "-k",
        "1",
    ];
    let (one, other) =
        (json(&args), json(&[&args[..], &["--memory-budget", "1KiB", "--threads", "1"]].concat()));
    for (a, b) in one["readouts"].as_array().unwrap().iter().zip(other["readouts"].as_array().unwrap()) {
        let prob = |readout: &Value| readout["top"][0]["prob"].as_f64().unwrap();
        assert!((prob(a) - prob(b)).abs() < 1e-5, "{a} and {b}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    // Seven tokens: three are left over where products share rows out by fours.
    let tokens = ["--token-ids", "1,2,3,4,5,6,7", "--positions", "all", "--components", "all,heads"];
    let on = |model: &str, dtype: &str, threads: &str| {
        json(&[&["run", "-m", model, "--dtype", dtype, "--threads", threads], &tokens[..]].concat())
    };
    for (dtype, threads) in [("f32", &["1", "2", "3", "5"][..]), ("bf16", &["3"])] {
        let one = on("demo", dtype, "1");
        for threads in threads {
            let other = on("demo", dtype, threads);
            // Digits are written so that they mean the very number.
            for part in ["readouts", "final"] {
                assert_eq!(one[part], other[part], "{dtype} on {threads} threads");
            }
        }
    }
    // Matrices of 24 and 37 columns, which are no multiple of sixteen; a map of a lens has 24, too.
    let odd = fixture("llama2");
    let lens = format!("tuned={}", odd.join("../../lenses/llama2/tuned").display());
    let odd = odd.display().to_string();
    for dtype in ["f32", "bf16"] {
        let [one, other] = ["1", "3"].map(|threads| {
            let read = ["--dtype", dtype, "--threads", threads, "--lens", "logit", "--lens", &lens];
            json(&[&["run", "-m", &odd][..], &read, &tokens[..]].concat())["readouts"].clone()
        });
        assert_eq!(one, other, "{dtype}");
    }
}

#[test]
fn files_are_whole_and_alone() {
    let model = Model::new();
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("new/deep");
    let args = ["run", "-m", model.path(), "--format", "json", "-o", out.to_str().unwrap(), "--token-ids"];
    let stdout = ok(&[&args[..], &["1,2"]].concat());
    assert_eq!(std::fs::read_to_string(out.join("trace.json")).unwrap(), stdout);
    let other = ok(&[&args[..], &["3"]].concat());
    assert_eq!(std::fs::read_to_string(out.join("trace.json")).unwrap(), other);
    // Three files of JSON, two tables, the heatmaps, the page and the list of these files; no temporary file stayed.
    assert_eq!(std::fs::read_dir(&out).unwrap().count(), 8);

    let failed = root.path().join("failed");
    let args =
        ["run", "-m", model.path(), "--token-ids", "1", "-o", failed.to_str().unwrap(), "--layers", "9"];
    assert_eq!(run(&args).code, 1);
    assert!(!failed.exists(), "a failed run left its folder behind");

    let file = root.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    for place in [file.clone(), file.join("below")] {
        let outcome = run(&["run", "-m", model.path(), "--token-ids", "1", "-o", place.to_str().unwrap()]);
        assert_eq!((outcome.code, outcome.stdout.as_str()), (1, ""), "{}", outcome.stderr);
        says(&outcome.stderr, &["file"]);
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
}

#[test]
fn a_closed_pipe_is_success() {
    let mut command = Command::new(program());
    command.args(["run", "The capital of France is", "--positions", "all", "-k", "100", "--format", "json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut [0; 16]).unwrap();
    drop(stdout);
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_a_failure() {
    let mut command = Command::new(program());
    command.arg("families").stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    says(&String::from_utf8_lossy(&output.stderr), &["cannot write to stdout", "because: "]);
}

#[test]
fn inspect_reads_headers_alone() {
    let sharded = fixture("llama_sharded");
    let facts = json(&["inspect", sharded.to_str().unwrap()]);
    let names =
        ["family", "n_layers", "d_model", "tied", "parameters", "needed_bytes", "stored_dtypes", "shards"];
    has(&facts, &names);
    assert_eq!(facts["shards"].as_array().map(Vec::len), Some(3));
    assert_eq!(facts["needed_bytes"]["f32"].as_u64(), facts["parameters"].as_u64().map(|n| 4 * n));
    assert_eq!(facts["points"], 13);
    assert_eq!(ok(&["inspect"]), ok(&["inspect", "demo"]));
    let table = ok(&["inspect", sharded.to_str().unwrap()]);
    says(&table, &["family      llama", "in 3 files", "attn_out"]);
}

#[test]
fn inspect_says_what_is_quantised() {
    let folder = fixture("../quantised/gptq");
    let facts = json(&["inspect", folder.to_str().unwrap()]);
    assert_eq!(facts["quantisation"], serde_json::json!({"method": "gptq", "bits": [4], "tensors": 7}));
    let table = ok(&["inspect", folder.to_str().unwrap()]);
    says(&table, &["quantised", "7 tensors (gptq, 4 bits), each dequantised"]);
    let facts = json(&["inspect"]);
    assert!(facts["quantisation"].is_null());
}

#[test]
fn families_have_three_forms() {
    let list = json(&["families"]);
    has(&list[0], &["model_types", "models", "particulars", "mechanisms"]);
    let mechanisms = &list[0]["mechanisms"];
    has(mechanisms, &["mixers", "attention", "masks", "positions", "wiring", "norms", "mlps"]);
    assert_eq!(mechanisms["mixers"], serde_json::json!(["attention"]));
    let markdown = ok(&["families", "--format", "markdown"]);
    assert_eq!(markdown.lines().count(), 2 + list.as_array().unwrap().len());
    let table = ok(&["families"]);
    says(&table, &["model_type", "qwen2", "mixers: attention", "mlps: gated"]);
    assert!(table.lines().all(|line| line.chars().count() <= 80), "wider than 80 columns");
}

#[test]
fn the_docs_carry_the_table_of_families_and_the_readme_their_number() {
    const BEGIN: &str = "<!-- families: from `lens families --format markdown` -->\n";
    const END: &str = "\n<!-- /families -->";
    let page = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    let table = ok(&["families", "--format", "markdown"]);
    let path = page("docs/families.md");
    let text = std::fs::read_to_string(&path).expect("a page of the project");
    let (before, rest) = text.split_once(BEGIN).expect("where the table begins");
    let (old, after) = rest.split_once(END).expect("where the table ends");
    // LENS_BLESS=1 writes the table instead of comparing it.
    if std::env::var_os("LENS_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}\n{table}{END}{after}")).expect("a writable page");
    } else {
        assert!(
            old.trim() == table.trim(),
            "{} has another table: run this with LENS_BLESS=1",
            path.display()
        );
    }
    let n = table.lines().count() - 2;
    let readme = std::fs::read_to_string(page("README.md")).expect("a page of the project");
    assert!(
        readme.contains(&format!("\n{n} families of decoders")),
        "README.md does not speak of {n} families"
    );
}

#[test]
fn an_assumed_family_is_said_everywhere() {
    let model = Model::new().with_config("\"model_type\": \"llama\"", "\"model_type\": \"newllama\"");
    let args = ["run", "-m", model.path(), "--token-ids", "1,2,3"];
    let refusal = run(&args);
    assert_eq!(refusal.code, 1);
    says(&refusal.stderr, &["newllama", "--assume-family llama"]);

    let args = [&args[..], &["--assume-family", "llama"]].concat();
    let trace = json(&args);
    assert_eq!(trace["model"]["family"], "llama");
    assert_eq!(trace["model"]["family_assumed"], true);
    let outcome = run(&args);
    says(&outcome.stdout, &["llama (assumed)"]);
    says(&outcome.stderr, &["note: ", "newllama", "read as llama"]);
    says(&ok(&["inspect", model.path(), "--assume-family", "llama"]), &["llama (assumed)"]);
    says(&ok(&["check", model.path(), "--assume-family", "llama"]), &["llama (assumed)"]);

    let known = json(&["run", "-m", Model::new().path(), "--token-ids", "1", "--assume-family", "llama"]);
    assert_eq!(known["model"]["family_assumed"], Value::Null);
    let typo = run(&["inspect", model.path(), "--assume-family", "lama"]);
    assert_eq!(typo.code, 1);
    says(&typo.stderr, &["lama", "did you mean \"llama\""]);
    let demo = run(&["run", "a", "--assume-family", "llama"]);
    assert_eq!(demo.code, 1);
}

#[test]
fn files_that_disagree_about_the_first_token_are_a_note() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lens-checkpoint/demo");
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        std::fs::copy(demo.join(file), folder.path().join(file)).unwrap();
    }
    let path = folder.path().to_str().unwrap();
    assert!(!run(&["run", "-m", path, "The cat"]).stderr.contains("add_bos_token"));
    std::fs::write(folder.path().join("tokenizer_config.json"), r#"{"add_bos_token": false}"#).unwrap();
    let outcome = run(&["run", "-m", path, "The cat"]);
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    assert!(
        outcome.stderr.contains("add_bos_token = false") && outcome.stderr.contains("texts are as they are"),
        "{}",
        outcome.stderr
    );
}

/// The demo model with other files beside it.
fn demo_with(files: &[(&str, Value)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a writable folder");
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../lens-checkpoint/demo");
    for file in ["config.json", "model.safetensors", "tokenizer.json"] {
        std::fs::copy(demo.join(file), folder.path().join(file)).expect("a writable folder");
    }
    for (file, content) in files {
        std::fs::write(folder.path().join(file), content.to_string()).expect("a writable folder");
    }
    folder
}

#[test]
fn a_conversation_without_a_first_token_is_not_blamed_on_the_tokenizer() {
    let config = serde_json::json!({
        "tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<|bos|>", "eos_token": "<|eos|>",
        "chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}",
    });
    let folder = demo_with(&[("tokenizer_config.json", config)]);
    let path = folder.path().to_str().unwrap();
    let chat = run(&["run", "-m", path, "--chat", "The cat"]);
    assert_eq!(chat.code, 0, "{}", chat.stderr);
    says(
        &chat.stderr,
        &["the chat template does not write it, and the tokenizer adds it to plain texts only"],
    );
    assert!(!run(&["run", "-m", path, "The cat"]).stderr.contains("note: "));
    let twice = run(&["run", "-m", path, "<|bos|>The cat"]);
    says(&twice.stderr, &["begins with <|bos|> (<id 0>) 2 times: the tokenizer adds one"]);
}

#[test]
fn a_continuation_ends_at_the_tokenizers_own_end_too() {
    let written = |eos: &str| {
        let config = serde_json::json!({"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": eos});
        let folder = demo_with(&[("tokenizer_config.json", config)]);
        let args = ["run", "-m", folder.path().to_str().unwrap(), "The capital of France is", "-n", "6"];
        let outcome = run(&args);
        let tokens = json(&args)["tokens"].clone();
        (tokens.as_array().unwrap().iter().filter(|token| token["generated"] == true).count(), outcome.stderr)
    };
    let (all, stderr) = written("<|eos|>");
    assert!(!stderr.contains("the continuation ends at"), "{stderr}");
    let (few, stderr) = written(".");
    assert!(few < all, "{few} of {all}");
    says(&stderr, &["the continuation ends at . (<id ", "the tokenizer's files name as the end of a text"]);
}

#[test]
fn a_file_beside_the_tokenizer_that_has_no_end_is_refused() {
    for file in ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "special_tokens_map.json"]
    {
        let folder = demo_with(&[]);
        let path = folder.path().join(file);
        drop(std::fs::remove_file(&path));
        std::os::unix::fs::symlink("/dev/zero", &path).unwrap();
        let outcome = run(&["run", "-m", folder.path().to_str().unwrap(), "--chat", "The cat"]);
        assert_eq!(outcome.code, 1, "{}", outcome.stderr);
        says(&outcome.stderr, &[file, "no end"]);
    }
}
