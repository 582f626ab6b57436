//! Conversations: files of messages, answers that begin, variables of templates, and commands that read conversations.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Model, lens, ok, refused, run, says};

const WORDS: [&str; 10] =
    ["<s>", "</s>", "user", "system", "assistant", "hello", "be", "brief", "thinking", "not"];

/// Every message between its role and an end, a prompt for the answer, and a variable.
const TEMPLATE: &str = "{% for m in messages %}{% if m.role not in ['system', 'user', 'assistant'] %}\
    {{ raise_exception('Nobody is called ' ~ m.role) }}{% endif %}\
    {{ m.role }} {{ m.content }} </s> {% endfor %}\
    {% if enable_thinking is defined %}[{{ enable_thinking }}{% if enable_thinking is string %} text{% endif %}] {% endif %}\
    {% if add_generation_prompt %}assistant {% endif %}";

fn model() -> Model {
    Model::with_words(&WORDS).with("chat_template.jinja", TEMPLATE)
}

/// A folder of files of messages.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn put(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).expect("a writable folder");
        path.to_str().expect("a UTF-8 name").to_owned()
    }
}

fn with<'a>(first: &[&'a str], args: &[&'a str]) -> Vec<&'a str> {
    [first, args].concat()
}

/// What a run reads and notes.
fn read(model: &Model, args: &[&str]) -> (String, Vec<String>) {
    let args = with(&["run", "-m", model.path(), "--format", "json"], args);
    let trace: Value = serde_json::from_str(&ok(&args)).expect("JSON");
    let notes = trace["notes"].as_array().into_iter().flatten();
    let notes = notes.map(|note| note.as_str().expect("a text").to_owned()).collect();
    (trace["prompt"].as_str().expect("a prompt").to_owned(), notes)
}

fn prompt(model: &Model, args: &[&str]) -> String {
    read(model, args).0
}

#[test]
fn a_file_of_messages_is_a_conversation_of_several_turns() {
    let (model, files) = (model(), Files::new());
    let turns = json!([
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": "hello  hello\n"},
        {"role": "user", "content": "not"},
    ]);
    let expected =
        "system be brief </s> user hello </s> assistant hello  hello\n </s> user not </s> assistant ";
    let list = files.put("list.json", &turns.to_string());
    assert_eq!(prompt(&model, &["--messages", &list]), expected);
    let marked =
        files.put("object.json", &format!("\u{feff}{}\n", json!({"messages": turns, "tools": null})));
    assert_eq!(prompt(&model, &["--messages", &marked]), expected);

    let args = ["run", "-m", model.path(), "--format", "json", "--messages", "-"];
    let output = lens(&args).write_stdin(turns.to_string()).assert().success();
    let trace: Value = serde_json::from_slice(&output.get_output().stdout).expect("JSON");
    assert_eq!(trace["prompt"], expected);
    let roles: Vec<_> = trace["roles"].as_array().expect("roles").iter().map(|role| &role["role"]).collect();
    for role in ["system", "user", "assistant"] {
        assert!(roles.contains(&&Value::from(role)), "{role} is not in {roles:?}");
    }

    let short = files.put("short.json", r#"[{"role": "user", "content": "hello"}]"#);
    let system = prompt(&model, &["--messages", &short, "--system", "be brief"]);
    assert_eq!(system, "system be brief </s> user hello </s> assistant ");
}

#[test]
fn what_is_no_conversation_is_refused_with_the_file_and_the_reason() {
    let (model, files) = (model(), Files::new());
    for (text, code, parts) in [
        ("[{\"role\": \"user\"", 1, &["EOF", "line 1"][..]),
        ("[]", 1, &["there are none in it"]),
        ("{\"messages\": []}", 1, &["there are none in it"]),
        ("", 1, &["EOF"]),
        ("\"hello\"", 1, &["invalid type"]),
        ("[{\"role\": \"user\", \"content\": null}]", 1, &["null", "string"]),
        ("[{\"role\": \"user\", \"text\": \"a\"}]", 1, &["unknown field `text`", "`content`"]),
        ("[{\"content\": \"a\"}]", 1, &["missing field `role`"]),
        ("{\"messages\": [], \"functions\": []}", 1, &["unknown field `functions`"]),
        (
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"tools\": {}}",
            1,
            &["its tools are not a list"],
        ),
    ] {
        let path = files.put("wrong.json", text);
        let says_what = refused(&["run", "-m", model.path(), "--messages", &path], code);
        says(&says_what, &with(&["cannot read messages from", "wrong.json"], parts));
    }
    let unknown = files.put("unknown.json", r#"[{"role": "narrator", "content": "hello"}]"#);
    let refusal = refused(&["run", "-m", model.path(), "--messages", &unknown], 1);
    says(&refusal, &["the chat template refuses these messages", "Nobody is called narrator"]);
    says(
        &refused(&["run", "-m", model.path(), "--messages", "/nonexistent.json"], 1),
        &["cannot read messages from /nonexistent.json", "No such file"],
    );
    let hello = files.put("hello.json", r#"[{"role": "user", "content": "hello"}]"#);
    says(&refused(&["run", "--messages", &hello], 1), &["has no chat template", "--messages"]);
    assert_eq!(run(&["run", "hello", "-m", model.path(), "--messages", &hello]).code, 2);
    assert_eq!(run(&["run", "--token-ids", "1,2", "--messages", &hello]).code, 2);
}

#[test]
fn an_answer_that_begins_is_the_end_of_the_prompt_in_the_place_of_a_generation_prompt() {
    let (model, files) = (model(), Files::new());
    assert_eq!(prompt(&model, &["--chat", "hello"]), "user hello </s> assistant ");
    let begun = prompt(&model, &["--chat", "hello", "--prefill", "be brief"]);
    assert_eq!(begun, "user hello </s> assistant be brief");
    let system = ["hello", "--system", "be", "--prefill", "be brief"];
    assert_eq!(prompt(&model, &system), "system be </s> user hello </s> assistant be brief");

    // A conversation that ends with the assistant: a new answer, or one that goes on after it.
    let ended = r#"[{"role": "user", "content": "hello"}, {"role": "assistant", "content": "not"}]"#;
    let path = files.put("ended.json", ended);
    assert_eq!(prompt(&model, &["--messages", &path]), "user hello </s> assistant not </s> assistant ");
    let twice = prompt(&model, &["--messages", &path, "--prefill", "be"]);
    assert_eq!(twice, "user hello </s> assistant not </s> assistant be");

    // A template without a generation prompt begins an answer as well, and says so where it does not.
    let bare = Model::with_words(&WORDS)
        .with("chat_template.jinja", "{% for m in messages %}{{ m.role }} {{ m.content }} </s> {% endfor %}");
    let (text, notes) = read(&bare, &["--chat", "hello"]);
    assert_eq!(text, "user hello </s> ");
    assert!(notes.iter().any(|note| note.contains("no generation prompt")), "{notes:?}");
    let (text, notes) = read(&bare, &["--chat", "hello", "--prefill", "be"]);
    assert_eq!(text, "user hello </s> assistant be");
    assert!(!notes.iter().any(|note| note.contains("no generation prompt")), "{notes:?}");

    // Where a template leaves the answer out, there is no end to go on from.
    let first = Model::with_words(&WORDS).with("chat_template.jinja", "{{ messages[0].content }}");
    let lost = refused(&["run", "-m", first.path(), "--chat", "hello", "--prefill", "be"], 1);
    says(&lost, &["the last message, of assistant, cannot go on"]);
    let alone = refused(&["run", "-m", model.path(), "hello", "--prefill", "be"], 2);
    says(&alone, &["--prefill is how an answer begins", "it needs --chat, --system or messages"]);
}

#[test]
fn variables_are_values_where_they_read_as_json_and_texts_elsewhere() {
    let model = model();
    for (written, shown) in [
        ("false", "[False] "),
        ("true", "[True] "),
        ("3", "[3] "),
        ("1.5", "[1.5] "),
        ("null", "[None] "),
        ("later", "[later text] "),
        ("\"false\"", "[false text] "),
        ("a=b", "[a=b text] "),
        ("", "[ text] "),
        ("[1, \"a\"]", "[[1, 'a']] "),
    ] {
        let variable = format!("enable_thinking={written}");
        let (text, notes) = read(&model, &["--chat", "hello", "--template-var", &variable]);
        assert_eq!(text, format!("user hello </s> {shown}assistant "), "{written}");
        assert!(!notes.iter().any(|note| note.contains("never reads")), "{notes:?}");
    }
    let several = ["--chat", "hello", "--template-var", "enable_thinking=1", "--template-var", "colour=red"];
    let (text, notes) = read(&model, &several);
    assert_eq!(text, "user hello </s> [1] assistant ");
    let says_so = |note: &String| note.contains("never reads the variable colour: it changes nothing");
    assert!(notes.iter().any(says_so), "{notes:?}");
    let told = run(&with(&["run", "-m", model.path()], &several));
    says(&told.stderr, &["note: the chat template never reads the variable colour"]);

    let args = |variable| ["run", "-m", model.path(), "--chat", "hello", "--template-var", variable];
    says(&refused(&args("messages=1"), 1), &["messages is nothing that can be set"]);
    says(&refused(&args("x"), 2), &["NAME=VALUE"]);
    says(&refused(&args("1x=1"), 2), &["is not the name of a variable"]);
    let alone = refused(&["run", "-m", model.path(), "hello", "--template-var", "x=1"], 2);
    says(&alone, &["--template-var is for the chat template", "it needs --chat"]);
}

/// The conversations that transformers rendered with the templates of the fixtures.
fn rendered_elsewhere() -> (PathBuf, Value) {
    let chat = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/chat");
    let text = std::fs::read_to_string(chat.join("extras.json")).expect("a fixture");
    (chat, serde_json::from_str(&text).expect("JSON"))
}

#[test]
fn prompts_are_those_of_transformers_to_the_letter() {
    let (chat, file) = rendered_elsewhere();
    let template = std::fs::read_to_string(chat.join("qwen3/chat_template.jinja")).expect("a fixture");
    let model = Model::with_words(&WORDS).with("chat_template.jinja", template);
    let files = Files::new();
    let (asked, expected) = (file["asked"].as_array().expect("cases"), &file["expected"]["qwen3"]);
    let mut compared = 0;
    for (case, expected) in asked.iter().zip(expected.as_array().expect("answers")) {
        let mut messages = case["messages"].as_array().expect("messages").clone();
        let goes_on = case["goes_on"] == true;
        if goes_on && messages.last().is_some_and(|last| last["role"] != "assistant") {
            continue;
        }
        let begun = goes_on.then(|| messages.pop().expect("a message"));
        let path = files.put("case.json", &json!({"messages": messages, "tools": case["tools"]}).to_string());
        let variables = case["variables"].as_object().expect("variables").iter();
        let variables: Vec<String> = variables.map(|(name, value)| format!("{name}={value}")).collect();
        let mut args = vec!["--messages", path.as_str()];
        if let Some(begun) = &begun {
            args.extend(["--prefill", begun["content"].as_str().expect("a text")]);
        }
        variables.iter().for_each(|variable| args.extend(["--template-var", variable.as_str()]));
        assert_eq!(Value::from(prompt(&model, &args)), expected["text"], "{}", case["name"]);
        compared += 1;
    }
    assert!(compared > 9, "{compared} are hardly all");
}

/// What a command that writes JSON read, by the field that has it.
fn traced(args: &[&str]) -> Value {
    serde_json::from_str(&ok(&with(args, &["--format", "json"]))).expect("JSON")
}

#[test]
fn patching_reads_conversations_as_a_run_does() {
    let (model, files) = (model(), Files::new());
    let base = ["patch", "-m", model.path(), "--sites", "resid_post", "--target", "5", "--versus", "6"];
    let pair = ["--clean", "hello", "--corrupted", "brief"];
    let chat = ["--chat", "--prefill", "be", "--template-var", "enable_thinking=false"];
    let asked = |args: &[&str]| prompt(&model, &with(args, &chat));
    let found = traced(&with(&with(&base, &pair), &chat));
    // A message that goes on has its mark, and nothing of the template after it.
    assert_eq!(found["source"]["prompt"], "user hello </s> assistant be");
    assert_eq!(found["source"]["prompt"], Value::from(asked(&["hello"])));
    assert_eq!(found["changed"]["prompt"], Value::from(asked(&["brief"])));
    assert_eq!(found["self_check"]["passed"], true);

    let turns = |said: &str| {
        json!([{"role": "user", "content": said}, {"role": "assistant", "content": "not"},
        {"role": "user", "content": "hello"}])
    };
    let clean = files.put("clean.json", &turns("be").to_string());
    let corrupted = files.put("corrupted.json", &turns("brief").to_string());
    let by_file = ["--clean-messages", clean.as_str(), "--corrupted-messages", &corrupted];
    let found = traced(&with(&base, &by_file));
    let text = "user be </s> assistant not </s> user hello </s> assistant ";
    assert_eq!(found["source"]["prompt"], text);
    assert_eq!(found["changed"]["prompt"], text.replace("be", "brief"));

    let ablated = ["patch", "-m", model.path(), "--target", "5", "--ablate", "zero", "--messages", &clean];
    assert_eq!(traced(&ablated)["changed"]["prompt"], text);
    let prompts = files.put(
        "prompts.jsonl",
        "{\"messages\": [{\"role\": \"user\", \"content\": \"be\"}]}\n{\"text\": \"brief\"}\n{\"token_ids\": [1, 2]}\n",
    );
    let mean = ["patch", "-m", model.path(), "--target", "5", "hello", "--system", "be", "--ablate", "mean"];
    let found = traced(&with(&mean, &["--prompts", &prompts]));
    assert_eq!(found["changed"]["prompt"], "system be </s> user hello </s> assistant ");
    says(&found["notes"].to_string(), &["over all positions of 3 prompts"]);
    let scope = ["patch", "-m", model.path(), "hello", "--chat", "--patchscope", "--target-prompt", "be be"];
    let found = traced(&with(&scope, &["--target", "5", "--sites", "resid_post"]));
    assert_eq!(found["source"]["prompt"], "user hello </s> assistant ");
    assert_eq!(found["changed"]["prompt"], "be be");
}

#[test]
fn patching_says_what_of_a_conversation_it_cannot_follow() {
    let (model, files) = (model(), Files::new());
    let patch = ["patch", "-m", model.path()];
    let pair = ["--clean", "hello", "--corrupted", "brief"];
    let alone = refused(&with(&with(&patch, &pair), &["--prefill", "be"]), 2);
    says(&alone, &["--prefill is how an answer begins", "it needs --chat"]);
    let ids = ["--clean-ids", "1,2", "--corrupted", "hello", "--chat"];
    says(&refused(&with(&patch, &ids), 2), &["token ids are read as they are", "--chat"]);
    let stdin = ["--clean-messages", "-", "--corrupted-messages", "-"];
    says(&refused(&with(&patch, &stdin), 2), &["cannot both be read from stdin"]);
    let tool = |name: &str| {
        let messages = json!([{"role": "user", "content": "hello"}]);
        let tools = json!([{"type": "function", "function": {"name": name}}]);
        files.put(&format!("{name}.json"), &json!({"messages": messages, "tools": tools}).to_string())
    };
    let (one, other) = (tool("one"), tool("other"));
    let tools = ["--clean-messages", one.as_str(), "--corrupted-messages", &other];
    says(
        &refused(&with(&patch, &tools), 1),
        &["one.json", "other.json", "tell the model of different tools"],
    );
    let both = with(&pair, &["--clean-messages", &one]);
    assert_eq!(run(&with(&patch, &both)).code, 2);
    // The demo model knows no conversation.
    let demo = ["patch", "--chat", "--clean", "a", "--corrupted", "b"];
    says(&refused(&demo, 1), &["has no chat template"]);
}

#[test]
fn attributions_read_conversations_and_comparisons_of_models_read_texts_alone() {
    let (model, files) = (model(), Files::new());
    let hello = files.put("hello.json", r#"[{"role": "user", "content": "hello"}]"#);
    let args = ["attribute", "-m", model.path(), "--messages", &hello, "--prefill", "be", "--target", "5"];
    assert_eq!(traced(&args)["prompt"], "user hello </s> assistant be");

    let talk = files.put("talk.jsonl", "{\"messages\": [{\"role\": \"user\", \"content\": \"hello\"}]}\n");
    let diff = refused(&["diff", model.path(), model.path(), "--corpus", &talk], 1);
    says(&diff, &["record 0 of the text is a conversation", "name the field that holds a text"]);
}
