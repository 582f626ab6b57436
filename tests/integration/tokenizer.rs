//! Token ids equal those of the Python tokenizers library, and tokens say exactly their bytes.

use lens_core::TokenId;
use lens_models::Tokenizer;
use serde_json::Value;

#[test]
fn ids_and_bytes_equal_the_tokenizers_librarys() {
    let mut texts = 0;
    for folder in std::fs::read_dir(lens_tests::fixtures().join("tokenizer")).unwrap() {
        let folder = folder.unwrap().path();
        if !folder.is_dir() {
            continue;
        }
        let tokenizer = Tokenizer::from_file(&folder.join("tokenizer.json")).unwrap();
        let expected: Value =
            serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
        for case in expected.as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            let place = || format!("{}: {text:?}", folder.display());
            let ids = |key: &str| -> Vec<TokenId> { serde_json::from_value(case[key].clone()).unwrap() };
            texts += 1;
            assert_eq!(tokenizer.encode(text, true).unwrap(), ids("ids"), "{}", place());
            let plain = tokenizer.encode(text, false).unwrap();
            assert_eq!(plain, ids("ids_without_special"), "{}", place());
            if text.contains('<') {
                continue; // text around a special token has rules of its own for spaces
            }
            let bytes: Vec<u8> = plain.iter().flat_map(|id| tokenizer.bytes(*id).unwrap()).collect();
            let said = String::from_utf8_lossy(&bytes).into_owned();
            // The text as the tokenizer normalises it. SentencePiece puts a space in front, and takes one away
            // again when it decodes.
            let decoded = case["decoded"].as_str().unwrap();
            assert!(said == decoded || said == format!(" {decoded}"), "{}: its tokens say {said:?}", place());
        }
        assert_eq!(tokenizer.bytes(TokenId(u32::MAX)), None);
    }
    assert!(texts > 20, "only {texts} texts were compared");
}
