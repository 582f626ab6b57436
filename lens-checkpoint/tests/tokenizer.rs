//! Tokenizers: ids as the Python library gives them, tokens that say exactly their bytes, and files and texts
//! on which the tokenizers crate panics.

use std::{
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use lens_checkpoint::{Tokenizer, TokenizerError, tokenizer};
use lens_core::{TokenId, TokenTexts};
use serde::Deserialize;
use serde_json::{Value, json};

const FIXTURES: [&str; 3] = ["byte_fallback", "byte_level", "byte_level_bos"];

/// A text, and what the Python library makes of it.
#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<TokenId>,
    ids_without_special: Vec<TokenId>,
    decoded_with_special: String,
}

#[test]
fn ids_are_those_of_the_python_library() {
    for name in FIXTURES {
        let tokenizer = load(name);
        for case in cases(name) {
            assert_eq!(tokenizer.encode(&case.text, true).unwrap(), case.ids, "{name}: {:?}", case.text);
            let plain = tokenizer.encode(&case.text, false).unwrap();
            assert_eq!(plain, case.ids_without_special, "{name}: {:?}", case.text);
        }
    }
}

#[test]
fn the_bytes_of_all_tokens_are_what_the_python_library_decodes() {
    for name in FIXTURES {
        let tokenizer = load(name);
        for case in cases(name) {
            let said = String::from_utf8(bytes(&tokenizer, &case.ids)).unwrap();
            assert_eq!(said, case.decoded_with_special, "{name}: {:?}", case.text);
        }
    }
}

#[test]
fn the_bytes_of_all_tokens_are_the_text() {
    for (name, starts_with_a_space) in
        [("byte_fallback", true), ("byte_level", false), ("byte_level_bos", false)]
    {
        let tokenizer = load(name);
        let texts = [
            "The capital of France is",
            "  two  spaces ",
            "tab\tand\nnewline\r\n",
            "法国的首都是",
            "日本の首都は東京です。",
            "서울은",
            "𠀀 rare",
            "a🙂b🌧️c👩\u{200d}👩\u{200d}👧",
            "zażółć gęślą jaźń Ω ʘ",
            "שלום مرحبا हिन्दी ไทย",
            "\u{202e}evil\0\u{1b}[31m",
            "<0xE4> is no byte here",
        ];
        for text in texts {
            let said = bytes(&tokenizer, &tokenizer.encode(text, false).unwrap());
            let expected = if starts_with_a_space { format!(" {text}") } else { text.to_owned() };
            assert_eq!(String::from_utf8(said).unwrap(), expected, "{name}");
        }
        assert_eq!(tokenizer.encode("", false).unwrap(), []);
    }
}

#[test]
fn a_character_may_be_several_tokens_and_a_token_part_of_a_character() {
    for name in FIXTURES {
        let tokenizer = load(name);
        let ids = tokenizer.encode("𠀀", false).unwrap();
        let parts: Vec<Vec<u8>> = ids.iter().map(|id| tokenizer.bytes(*id).unwrap()).collect();
        assert!(parts.iter().any(|part| std::str::from_utf8(part).is_err()), "{name}: {parts:x?}");
        assert!(parts.concat().ends_with("𠀀".as_bytes()), "{name}: {parts:x?}");
    }
}

#[test]
fn whether_a_token_is_put_in_front_is_known() {
    let adds = |name, id| load(name).adds(TokenId(id)).unwrap();
    assert!(adds("byte_fallback", 1), "<s> stands in front");
    assert!(!adds("byte_fallback", 2), "</s> does not");
    assert!(adds("byte_level_bos", 0));
    assert!(!adds("byte_level", 0), "GPT-2 puts nothing in front");
    assert!(!adds("byte_level", u32::MAX));
}

#[test]
fn a_byte_token_is_its_byte() {
    let tokenizer = load("byte_fallback");
    for byte in [0x00, 0x0A, 0x41, 0x7F, 0x80, 0xE4, 0xFF] {
        let id = id_of("byte_fallback", &format!("<0x{byte:02X}>"));
        assert_eq!(tokenizer.bytes(id), Some(vec![byte]));
    }
    let space = id_of("byte_level", "Ġ");
    assert_eq!(load("byte_level").bytes(space), Some(b" ".to_vec()));
}

#[test]
fn an_added_token_is_its_name_and_an_unknown_id_is_nothing() {
    for (name, id, token) in
        [("byte_fallback", 1, "<s>"), ("byte_fallback", 0, "<unk>"), ("byte_level_bos", 1, "<|end|>")]
    {
        assert_eq!(load(name).bytes(TokenId(id)), Some(token.as_bytes().to_vec()), "{name}");
    }
    for name in FIXTURES {
        let tokenizer = load(name);
        for id in [tokenizer.len() as u32, 1 << 20, u32::MAX] {
            assert_eq!(tokenizer.bytes(TokenId(id)), None, "{name}");
            assert!(
                tokenizer.text(TokenId(id)).text.contains(&id.to_string()),
                "{name}: an id is shown all the same"
            );
        }
    }
}

#[test]
fn added_tokens_of_either_spelling_say_their_text() {
    // In the byte alphabet, é would be the byte E9: an added token is no such spelling.
    for (name, added, text) in [
        ("byte_level", "éé", "éé"),
        ("byte_level", "a b", "a b"),
        ("byte_fallback", "▁▁▁", "   "),
        ("byte_fallback", "éé", "éé"),
    ] {
        let mut json = json(name);
        let id = load(name).len();
        let token = json!({
            "id": id, "content": added, "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": false,
        });
        json["added_tokens"].as_array_mut().unwrap().push(token);
        let tokenizer = Tokenizer::from_json(json.to_string().as_bytes()).unwrap();
        assert_eq!(tokenizer.bytes(TokenId(id as u32)), Some(text.as_bytes().to_vec()), "{name}: {added}");
    }
}

#[test]
fn merges_that_contradict_the_vocabulary_are_an_error_and_no_panic() {
    let mut json = json("byte_level");
    // The crate cuts the prefix off a token that is shorter.
    json["model"]["continuing_subword_prefix"] = json!("##########");
    let (result, panics) = caught_panics(|| Tokenizer::from_json(json.to_string().as_bytes()));
    let error = result.unwrap_err();
    assert!(matches!(error, TokenizerError::Broken { .. }), "{error}");
    assert!(error.to_string().contains("tokenizer.json cannot be used"), "{error}");
    assert_eq!(panics, 1, "the panic happens where it can be told from our own");

    json["model"]["continuing_subword_prefix"] = Value::Null;
    json["model"]["merges"] = json!([["no", "such token"]]);
    let error = Tokenizer::from_json(json.to_string().as_bytes()).unwrap_err().to_string();
    assert!(
        error.contains("tokenizer.json cannot be used") && error.contains("out of vocabulary"),
        "{error}"
    );
}

#[test]
fn a_text_that_exhausts_a_pattern_is_an_error_and_no_panic() {
    let mut json = json("byte_level");
    json["pre_tokenizer"] = json!({
        "type": "Split", "pattern": {"Regex": "(a|a)*$"}, "behavior": "Isolated", "invert": false,
    });
    let tokenizer = Tokenizer::from_json(json.to_string().as_bytes()).unwrap();
    let (result, panics) = caught_panics(|| tokenizer.encode(&format!("{}b", "a".repeat(40)), true));
    let error = result.unwrap_err();
    assert!(matches!(error, TokenizerError::Encode { .. }), "{error}");
    assert!(error.to_string().contains("cannot encode the text"), "{error}");
    assert_eq!(panics, 1, "the panic happens where it can be told from our own");
}

#[test]
fn files_that_are_no_tokenizers_are_errors() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("tokenizer.json");
    let error = Tokenizer::from_file(&path).unwrap_err();
    assert!(
        error.to_string().contains("cannot read") && error.to_string().contains("tokenizer.json"),
        "{error}"
    );
    let lfs = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
    for (content, words) in [
        ("", "EOF"),
        ("{}", "missing"),
        ("[]", "cannot be used"),
        ("\u{feff}{}", "cannot be used"),
        (&"[".repeat(100_000), "invalid type: sequence"),
        (&format!("{{\"model\":{}", "[".repeat(100_000)), "recursion limit"),
        (lfs, "git lfs pull"),
    ] {
        std::fs::write(&path, content).unwrap();
        let error = Tokenizer::from_file(&path).unwrap_err().to_string();
        assert!(error.contains("tokenizer.json cannot be used") && error.contains(words), "{error}");
    }
}

/// Runs `work`, and counts the panics on the tokenizer's own thread meanwhile; they print nothing.
fn caught_panics<T>(work: impl FnOnce() -> T) -> (T, usize) {
    static HOOK: Mutex<()> = Mutex::new(());
    static CAUGHT: AtomicUsize = AtomicUsize::new(0);
    // There is one hook for all tests of this file.
    let _alone = HOOK.lock().unwrap_or_else(PoisonError::into_inner);
    let usual = std::panic::take_hook();
    CAUGHT.store(0, Ordering::SeqCst);
    std::panic::set_hook(Box::new(move |info| {
        if std::thread::current().name() == Some(tokenizer::THREAD) {
            CAUGHT.fetch_add(1, Ordering::SeqCst);
        } else {
            usual(info);
        }
    }));
    let result = work();
    drop(std::panic::take_hook());
    (result, CAUGHT.load(Ordering::SeqCst))
}

/// What the tokens say, one after the other.
fn bytes(tokenizer: &Tokenizer, ids: &[TokenId]) -> Vec<u8> {
    ids.iter().flat_map(|id| tokenizer.bytes(*id).expect("the id is of the vocabulary")).collect()
}

/// The id of a token of the vocabulary.
fn id_of(name: &str, token: &str) -> TokenId {
    let id = json(name)["model"]["vocab"][token].as_u64();
    TokenId(id.expect("the token is of the vocabulary") as u32)
}

fn load(name: &str) -> Tokenizer {
    Tokenizer::from_file(&folder(name).join("tokenizer.json")).expect("the file is a tokenizer")
}

fn json(name: &str) -> Value {
    read(name, "tokenizer.json")
}

fn cases(name: &str) -> Vec<Case> {
    read(name, "expected.json")
}

fn read<T: serde::de::DeserializeOwned>(name: &str, file: &str) -> T {
    let bytes = std::fs::read(folder(name).join(file)).expect("the fixture is committed");
    serde_json::from_slice(&bytes).expect("the fixture is of this form")
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/tokenizer").join(name)
}
