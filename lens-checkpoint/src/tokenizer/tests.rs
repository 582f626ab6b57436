//! Small tokenizers of every kind with files beside them, against what transformers 4.57 makes of both
//! (tests/fixtures/make_side_files.py).

use std::collections::BTreeMap;

use lens_core::{TokenId, TokenTexts};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Settings, SideFiles, Tokenizer, TokenizerError};

#[derive(Deserialize)]
struct Case {
    name: String,
    files: BTreeMap<String, Value>,
    /// Texts with their ids, with and without the special tokens around them.
    answers: Vec<(String, Vec<TokenId>, Vec<TokenId>)>,
}

#[derive(Deserialize)]
struct Cases {
    models: Vec<Value>,
    cases: Vec<Case>,
}

fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/tokenizer/side_files.json");
    let Cases { models, mut cases } = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for case in &mut cases {
        // Many have one vocabulary, which is stored once.
        let model = &mut case.files.get_mut("tokenizer.json").unwrap()["model"];
        *model = models[model.as_u64().unwrap() as usize].clone();
    }
    cases
}

fn files(case: &BTreeMap<String, Value>) -> SideFiles {
    let file = |name: &str| case.get(name).cloned().unwrap_or_default();
    SideFiles {
        tokenizer_config: file("tokenizer_config.json"),
        special_tokens_map: file("special_tokens_map.json"),
        added_tokens: file("added_tokens.json"),
        config: file("config.json"),
        lacks_tokenizer_json: false,
    }
}

fn load(case: &BTreeMap<String, Value>) -> Result<Tokenizer, TokenizerError> {
    Tokenizer::load(case["tokenizer.json"].to_string().as_bytes(), Some(&Settings::of(&files(case))?))
}

fn case(name: &str) -> BTreeMap<String, Value> {
    cases().into_iter().find(|case| case.name == name).expect("the case is committed").files
}

fn notes(name: &str) -> String {
    load(&case(name)).unwrap().notes().join("\n")
}

#[test]
fn ids_are_those_of_transformers_with_all_files() {
    let mut wrong = Vec::new();
    for case in cases() {
        let tokenizer = load(&case.files).unwrap();
        for (text, with, without) in &case.answers {
            for (special, expected) in [(true, with), (false, without)] {
                let ids = tokenizer.encode(text, special).unwrap();
                if ids != *expected {
                    wrong.push(format!("{}, {text:?}, {special}: {ids:?} for {expected:?}", case.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_token_is_named_by_what_it_says_in_every_kind_of_tokenizer() {
    for case in cases() {
        let tokenizer = load(&case.files).unwrap();
        let mut by_text: BTreeMap<Vec<u8>, Vec<TokenId>> = BTreeMap::new();
        for id in tokenizer.ids() {
            by_text.entry(tokenizer.bytes(id).unwrap()).or_default().push(id);
        }
        for (bytes, ids) in by_text {
            let Ok(text) = String::from_utf8(bytes) else { continue };
            let named = tokenizer.named(&text).unwrap().expect("a token says it");
            let mut all = [vec![named.best], named.others].concat();
            all.sort_unstable();
            assert_eq!(all, ids, "{}: {text:?}", case.name);
        }
        assert_eq!(tokenizer.named("no token says this").unwrap(), None);
    }
}

#[test]
fn targets_mean_the_token_without_a_space_where_the_tokenizer_would_put_one() {
    for name in ["llama2", "metaspace_always", "metaspace_first", "gemma", "unigram"] {
        let case = case(name);
        let tokenizer = load(&case).unwrap();
        let spelt = |token: &str| tokenizer.inner.token_to_id(token).map(TokenId);
        let named = |text: &str| tokenizer.named(text).unwrap().map(|named| named.best);
        assert_eq!(named("cat"), spelt("cat"), "{name}");
        assert_eq!(named(" cat"), spelt("▁cat"), "{name}");
        assert_eq!(named(" "), spelt("▁"), "{name}");
        if name != "unigram" {
            assert_eq!(named("\n"), spelt("<0x0A>"), "{name}");
            // The letter and its byte say the same: the letter is meant.
            assert_eq!(named("."), spelt("."), "{name}");
        }
    }
}

#[test]
fn what_was_done_is_said() {
    assert!(notes("trained").contains("truncation to 2 tokens and padding"));
    assert!(
        notes("decoder_adds").contains("were added from the files beside it"),
        "{}",
        notes("decoder_adds")
    );
    assert!(notes("decoder_adds").contains("\"<a>\" (<id "));
    let moved = notes("decoder_ids_conflict");
    assert!(moved.contains("other ids than the vocabulary") && moved.contains("\"<b>\" is <id "), "{moved}");
    assert!(notes("decoder_changes_flags").contains("follows tokenizer_config.json"));
    let bos = notes("bos_of_llama");
    assert!(bos.contains("begun with <s> (<id 1>)") && bos.contains("add_bos_token = true"), "{bos}");
    assert!(notes("llama2_no_bos").contains("texts are as they are"));
    let ignored = notes("bos_key_not_read");
    assert!(ignored.contains("add_bos_token = true, which transformers does not read"), "{ignored}");
    assert!(notes("byte_level_prefix_space_dropped").contains("no space is put before the first word"));
    assert!(notes("split_special").contains("split_special_tokens"));
    assert!(notes("word_piece_cased").contains("lower case"));
    assert_eq!(notes("byte_level"), "");
    assert_eq!(notes("llama2"), "");
}

#[test]
fn a_class_that_is_not_known_is_said() {
    let mut case = case("bos_template");
    case.insert("tokenizer_config.json".to_owned(), json!({"tokenizer_class": "OtherTokenizer"}));
    let tokenizer = load(&case).unwrap();
    assert!(tokenizer.notes()[0].contains("OtherTokenizer"), "{:?}", tokenizer.notes());
}

#[test]
fn a_class_without_the_token_that_it_asks_for_is_said() {
    let mut case = case("bos_template");
    let config = json!({"tokenizer_class": "LlamaTokenizer", "bos_token": null});
    case.insert("tokenizer_config.json".to_owned(), config);
    let tokenizer = load(&case).unwrap();
    assert!(tokenizer.notes().join("\n").contains("asks for a bos_token"), "{:?}", tokenizer.notes());
    assert_eq!(tokenizer.encode("a", true).unwrap().first(), Some(&TokenId(1)));
}

#[test]
fn a_token_that_only_the_class_knows_is_not_put_before_texts() {
    let mut case = case("gpt2_default_tokens");
    let config = json!({"tokenizer_class": "GPTNeoXTokenizer", "add_bos_token": true});
    case.insert("tokenizer_config.json".to_owned(), config);
    let tokenizer = load(&case).unwrap();
    assert!(
        tokenizer.notes().join("\n").contains("a token that the vocabulary lacks"),
        "{:?}",
        tokenizer.notes()
    );
    assert_eq!(tokenizer.encode("the", true).unwrap(), tokenizer.encode("the", false).unwrap());
    case.remove("tokenizer_config.json");
    let alone = load(&case).unwrap();
    assert_eq!((alone.notes(), alone.len()), (&[][..], tokenizer.len() - 1));
}

#[test]
fn the_end_of_a_text_is_the_one_that_a_file_names() {
    let end = |name| load(&case(name)).unwrap().eos();
    let tokenizer = load(&case("end_is_a_plain_token")).unwrap();
    assert_eq!(&*tokenizer.text(tokenizer.eos().unwrap()).text, "cat");
    assert_eq!(end("decoder_beats_map"), Some(TokenId(2)));
    assert_eq!(end("byte_level"), None);
}

#[test]
fn files_of_another_form_are_refused_with_the_place() {
    let cases = [
        ("tokenizer_config.json", json!([]), "JSON object"),
        ("tokenizer_config.json", json!({"bos_token": 5}), "\"bos_token\""),
        ("tokenizer_config.json", json!({"bos_token": {"lstrip": true}}), "\"content\""),
        (
            "tokenizer_config.json",
            json!({"add_bos_token": "yes"}),
            "\"add_bos_token\" should be true or false",
        ),
        ("tokenizer_config.json", json!({"added_tokens_decoder": []}), "\"added_tokens_decoder\""),
        ("tokenizer_config.json", json!({"added_tokens_decoder": {"x": "y"}}), "\"added_tokens_decoder\""),
        ("tokenizer_config.json", json!({"added_tokens_decoder": {"5": "y"}}), "with their flags"),
        ("tokenizer_config.json", json!({"extra_special_tokens": 3}), "\"extra_special_tokens\""),
        ("special_tokens_map.json", json!({"additional_special_tokens": 3}), "a list"),
        ("added_tokens.json", json!({"<a>": -1}), "\"<a>\" should be a token id"),
    ];
    for (file, content, words) in cases {
        let mut files = case("byte_level");
        files.insert("tokenizer_config.json".to_owned(), json!({}));
        files.insert(file.to_owned(), content);
        let error = load(&files).unwrap_err().to_string();
        assert!(error.starts_with(file) && error.contains(words), "{error}");
    }
}

/// A tokenizer with other parts.
fn changed(name: &str, parts: &[(&str, Value)]) -> Result<Tokenizer, TokenizerError> {
    let mut json = case(name)["tokenizer.json"].clone();
    for (key, part) in parts {
        json[*key] = part.clone();
    }
    Tokenizer::from_json(json.to_string().as_bytes())
}

#[test]
fn a_tokenizer_that_makes_too_much_of_a_text_is_refused() {
    let replace =
        |pattern: Value, content: &str| json!({"type": "Replace", "pattern": pattern, "content": content});
    let sequence = |part: Value, n: usize| json!({"type": "Sequence", "normalizers": vec![part; n]});
    let bombs = [
        sequence(replace(json!({"String": "h"}), "hh"), 40),
        sequence(replace(json!({"Regex": "h"}), "hh"), 40),
        sequence(replace(json!({"Regex": ""}), "hh"), 40),
        replace(json!({"String": "h"}), &"h".repeat(1 << 23)),
        sequence(json!({"type": "Prepend", "prepend": "h".repeat(1 << 16)}), 100),
        sequence(json!({"type": "Sequence", "normalizers": [replace(json!({"String": "e"}), "eeee")]}), 40),
    ];
    for bomb in bombs {
        let tokenizer = changed("byte_level", &[("normalizer", bomb)]).unwrap();
        let errors = [
            tokenizer.encode("the", true).unwrap_err(),
            tokenizer.encode_with_ranges("the", true).unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, TokenizerError::TooLong { .. }), "{error}");
            assert!(error.to_string().contains("made to do harm"), "{error}");
        }
    }
    let steps: Vec<Value> = vec![
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
        40
    ];
    let bytes =
        changed("byte_level", &[("pre_tokenizer", json!({"type": "Sequence", "pretokenizers": steps}))]);
    assert!(matches!(bytes.unwrap().encode("é", true), Err(TokenizerError::TooLong { .. })));
}

#[test]
fn many_replacements_that_change_little_are_no_bomb() {
    let steps: Vec<Value> = (0..60)
        .map(|i| json!({"type": "Replace", "pattern": {"String": format!("{i}!")}, "content": "…………"}))
        .collect();
    let normalizer = json!({"type": "Sequence", "normalizers": steps});
    let tokenizer = changed("byte_level", &[("normalizer", normalizer)]).unwrap();
    assert!(!tokenizer.encode(&"the cat 7! ".repeat(2000), true).unwrap().is_empty());
}

#[test]
fn a_post_processing_of_absurd_size_is_refused() {
    let template = |single: Vec<Value>, ids: usize| {
        json!({
            "type": "TemplateProcessing", "single": single, "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": vec![1; ids], "tokens": vec!["<s>"; ids]}},
        })
    };
    let text = json!({"Sequence": {"id": "A", "type_id": 0}});
    let bos = json!({"SpecialToken": {"id": "<s>", "type_id": 0}});
    let twice = template(vec![text.clone(), text.clone()], 1);
    let bombs = [
        (json!({"type": "Sequence", "processors": vec![twice; 40]}), "repeats a text"),
        (template([vec![bos; 1000], vec![text]].concat(), 1000), "1000000 tokens around a text"),
    ];
    for (bomb, words) in bombs {
        let error = changed("byte_level", &[("post_processor", bomb)]).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_text_beyond_reason_is_refused_with_its_size() {
    let tokenizer = load(&case("byte_level")).unwrap();
    let error = tokenizer.encode(&"a".repeat((16 << 20) + 1), true).unwrap_err().to_string();
    assert!(error.contains("16777217") && error.contains("give a shorter text"), "{error}");
}

#[test]
fn a_broken_tokenizer_is_an_error_and_not_a_panic() {
    for json in ["", "{}", "[1]", "version https://git-lfs.github.com/spec/v1"] {
        assert!(Tokenizer::from_json(json.as_bytes()).is_err(), "{json:?} was accepted");
    }
}
