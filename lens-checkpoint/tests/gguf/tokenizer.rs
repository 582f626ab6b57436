//! Vocabularies that are broken or not known.

use super::{
    Checkpoint, fixtures, open,
    writer::{File, Meta},
};

fn texts(texts: &[&str]) -> Meta {
    Meta::Texts(texts.iter().map(|text| (*text).to_owned()).collect())
}

/// A vocabulary of byte pairs for the tiny model.
fn with_bpe(pre: &str) -> File {
    File::llama()
        .set("tokenizer.ggml.model", Meta::Text("gpt2".to_owned()))
        .set("tokenizer.ggml.pre", Meta::Text(pre.to_owned()))
        .set("tokenizer.ggml.tokens", texts(&["a", "b", "Ġ", "ab", "<s>", "Ġab"]))
        .set("tokenizer.ggml.token_type", Meta::Ints(vec![1, 1, 1, 1, 3, 1]))
        .set("tokenizer.ggml.merges", texts(&["a b", "Ġ ab"]))
        .set("tokenizer.ggml.bos_token_id", Meta::U32(4))
}

/// SentencePiece's vocabulary for it.
fn with_pieces() -> File {
    File::llama()
        .set("tokenizer.ggml.model", Meta::Text("llama".to_owned()))
        .set("tokenizer.ggml.tokens", texts(&["<unk>", "<s>", "▁", "a", "▁a", "<0x62>"]))
        .set("tokenizer.ggml.scores", Meta::Floats(vec![0.0, 0.0, -3.0, -2.0, -1.0, 0.0]))
        .set("tokenizer.ggml.token_type", Meta::Ints(vec![2, 3, 1, 1, 1, 6]))
        .set("tokenizer.ggml.bos_token_id", Meta::U32(1))
        .set("tokenizer.ggml.unknown_token_id", Meta::U32(0))
}

fn made(file: &File) -> (tempfile::TempDir, Checkpoint) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.gguf");
    std::fs::write(&path, file.bytes()).unwrap();
    let checkpoint = open(&path);
    (folder, checkpoint)
}

fn ids(file: &File, text: &str) -> Vec<u32> {
    let (_folder, checkpoint) = made(file);
    let tokenizer = checkpoint.tokenizer().unwrap().unwrap();
    tokenizer.encode(text, true).unwrap().into_iter().map(|id| id.0).collect()
}

fn error(file: &File) -> String {
    let (_folder, checkpoint) = made(file);
    checkpoint.tokenizer().unwrap_err().to_string()
}

#[test]
fn texts_become_the_tokens_of_the_file() {
    assert_eq!(ids(&with_bpe("gpt-2"), "ab ab<s>b"), [3, 5, 4, 1]);
    // Llama 3's begin with their first token, unless the file says otherwise.
    assert_eq!(ids(&with_bpe("llama-bpe"), "ab"), [4, 3]);
    let silent = with_bpe("llama-bpe").set("tokenizer.ggml.add_bos_token", Meta::Bool(false));
    assert_eq!(ids(&silent, "ab"), [3]);
    assert_eq!(ids(&with_pieces(), "a ab"), [1, 4, 4, 5]);
    let no_space = with_pieces().set("tokenizer.ggml.add_space_prefix", Meta::Bool(false));
    assert_eq!(ids(&no_space, "a a"), [1, 3, 4]);
}

#[test]
fn a_vocabulary_that_is_broken_or_not_known_is_refused_by_name() {
    for (says, file) in [
        (
            "of the kind \"rwkv\"",
            with_bpe("gpt-2").set("tokenizer.ggml.model", Meta::Text("rwkv".to_owned())),
        ),
        ("as \"new-bpe\" does", with_bpe("new-bpe")),
        ("Convert the model again", with_bpe("gpt-2").without("tokenizer.ggml.pre")),
        ("no merges", with_bpe("gpt-2").without("tokenizer.ggml.merges")),
        ("\"ab\" is no pair", with_bpe("gpt-2").set("tokenizer.ggml.merges", texts(&["ab"]))),
        ("needs the token \"ba\"", with_bpe("gpt-2").set("tokenizer.ggml.merges", texts(&["b a"]))),
        (
            "token_type is a list of 1",
            with_bpe("gpt-2").set("tokenizer.ggml.token_type", Meta::Ints(vec![1])),
        ),
        ("no scores", with_pieces().without("tokenizer.ggml.scores")),
        ("scores is a list of 2", with_pieces().set("tokenizer.ggml.scores", Meta::Floats(vec![0.0; 2]))),
        (
            "\"<unk>\" is not a number",
            with_pieces().set("tokenizer.ggml.scores", Meta::Floats(vec![f32::NAN; 6])),
        ),
        ("has no tokens", with_pieces().without("tokenizer.ggml.tokens")),
        ("has no such token", with_pieces().set("tokenizer.ggml.bos_token_id", Meta::U32(60))),
    ] {
        let error = error(&file);
        assert!(error.contains(says), "{says:?} is not in: {error}");
    }
}

#[test]
fn the_chat_template_is_that_of_the_file() {
    let template = "{% for m in messages %}{{ bos_token }}{{ m.content }}{% endfor %}";
    let file = with_pieces().set("tokenizer.chat_template", Meta::Text(template.to_owned()));
    let (_folder, checkpoint) = made(&file);
    let chat = checkpoint.chat_template().unwrap();
    let rendered = chat.render(&[lens_checkpoint::Message::new("user", "a")], false).unwrap();
    assert_eq!(rendered.text, "<s>a");
    assert!(open(&fixtures().join("qwen3")).chat_template().is_err());
}
