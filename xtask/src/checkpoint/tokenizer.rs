//! A byte-level BPE tokenizer of a given size, whose words are made up: every text can be encoded, and every id has a
//! word of its own.

use super::shape::Vocabulary;

/// tokenizer.json.
pub(super) fn json(vocabulary: &Vocabulary) -> String {
    let mut vocab: Vec<String> = byte_alphabet().map(|c| c.to_string()).collect();
    let mut merges = Vec::new();
    for (start, letter) in words().take(vocabulary.words - vocab.len()) {
        merges.push(format!("{start} {letter}"));
        vocab.push(format!("{start}{letter}"));
    }
    let vocab =
        vocab.iter().enumerate().map(|(id, word)| format!("{}: {id}", quoted(word))).collect::<Vec<_>>();
    let merges: Vec<String> = merges.iter().map(|merge| quoted(merge)).collect();
    let added = specials(vocabulary).map(|(id, token)| {
        format!(
            r#"{{"id": {id}, "content": {}, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}}"#,
            quoted(&token)
        )
    });
    format!(
        r#"{{
  "version": "1.0",
  "truncation": null,
  "padding": null,
  "added_tokens": [
    {added}
  ],
  "normalizer": null,
  "pre_tokenizer": {BYTE_LEVEL},
  "post_processor": {post_processor},
  "decoder": {BYTE_LEVEL},
  "model": {{
    "type": "BPE",
    "dropout": null,
    "unk_token": null,
    "continuing_subword_prefix": null,
    "end_of_word_suffix": null,
    "fuse_unk": false,
    "byte_fallback": false,
    "vocab": {{
      {vocab}
    }},
    "merges": [
      {merges}
    ]
  }}
}}
"#,
        added = added.collect::<Vec<_>>().join(",\n    "),
        post_processor = post_processor(vocabulary),
        vocab = vocab.join(",\n      "),
        merges = merges.join(",\n      "),
    )
}

/// tokenizer_config.json.
pub(super) fn config(vocabulary: &Vocabulary) -> String {
    let Vocabulary { begin, end, .. } = vocabulary;
    format!(
        r#"{{
  "tokenizer_class": "PreTrainedTokenizerFast",
  "bos_token": {},
  "eos_token": {},
  "clean_up_tokenization_spaces": false
}}
"#,
        quoted(begin),
        quoted(end)
    )
}

const BYTE_LEVEL: &str =
    r#"{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}"#;

fn post_processor(vocabulary: &Vocabulary) -> String {
    if !vocabulary.adds_begin {
        return BYTE_LEVEL.to_owned();
    }
    let begin = quoted(vocabulary.begin);
    let id = vocabulary.words;
    let text = |text: &str, segment: u8| {
        format!(
            r#"{{"SpecialToken": {{"id": {begin}, "type_id": {segment}}}}}, {{"Sequence": {{"id": "{text}", "type_id": {segment}}}}}"#
        )
    };
    let (a, b) = (text("A", 0), text("B", 1));
    format!(
        r#"{{"type": "Sequence", "processors": [{BYTE_LEVEL}, {{"type": "TemplateProcessing", "single": [{a}], "pair": [{a}, {b}], "special_tokens": {{{begin}: {{"id": {begin}, "ids": [{id}], "tokens": [{begin}]}}}}}}]}}"#
    )
}

/// The special tokens with their ids, which follow those of the words.
fn specials(vocabulary: &Vocabulary) -> impl Iterator<Item = (usize, String)> {
    let reserved = (0..vocabulary.reserved).map(|i| format!("<|reserved_special_token_{i}|>"));
    (vocabulary.words..)
        .zip([vocabulary.begin, vocabulary.end].map(str::to_owned).into_iter().chain(reserved))
}

/// GPT-2's alphabet: printable bytes are themselves, the others follow from U+0100 on (`bytes_to_unicode`).
fn byte_alphabet() -> impl Iterator<Item = char> {
    let mut others = '\u{100}'..;
    (0..=255u8).map(move |byte| match byte {
        b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF => char::from(byte),
        _ => others.next().expect("U+0100 to U+0143 are characters"),
    })
}

/// Words without end, short ones first: each is a letter, a space or an earlier word, and one more letter.
fn words() -> impl Iterator<Item = (String, char)> {
    let mut starts: Vec<String> = std::iter::once('Ġ').chain('a'..='z').map(String::from).collect();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = starts[at / 26].clone();
        let letter = char::from(b'a' + (at % 26) as u8);
        at += 1;
        starts.push(format!("{start}{letter}"));
        Some((start, letter))
    })
}

/// A JSON string; no word here has a control character.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
