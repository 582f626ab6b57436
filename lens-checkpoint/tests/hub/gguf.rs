//! GGUF files of the hub, and what tokenizers are made of.

use lens_checkpoint::source::{Silent, SourceError, headers, locate};

use crate::server::{ID, Model, Server};
use crate::{Bench, read};

/// A file with one tensor of `n` floats.
fn gguf(n: u64) -> Vec<u8> {
    let mut bytes = b"GGUF".to_vec();
    bytes.extend(3u32.to_le_bytes());
    bytes.extend(1u64.to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    bytes.extend(1u64.to_le_bytes());
    bytes.extend(b"x");
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(n.to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(0u64.to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(32) + 4 * n as usize, 0);
    bytes
}

#[test]
fn only_the_file_that_is_named_is_fetched() {
    let (small, large) = (gguf(8), gguf(16));
    let model = Model::of(&[
        ("config.json", b"{}"),
        ("q4.gguf", &small),
        ("more/q8-00001-of-00002.gguf", &large),
        ("more/q8-00002-of-00002.gguf", &small),
    ]);
    let served = model.clone();
    let server = Server::start("127.0.0.1", move |ask| served.answer(ask));
    let bench = Bench::new(&server);
    let error = bench.fail();
    assert!(
        matches!(&error, SourceError::SeveralGguf { there, .. } if there.contains("q4.gguf")),
        "{error:?}"
    );
    let error = locate(&format!("{ID}:q5.gguf"), &bench.options, &mut Silent).unwrap_err();
    assert!(matches!(error, SourceError::NoSuchGguf { .. }), "{error:?}");
    let files = locate(&format!("{ID}:q4.gguf"), &bench.options, &mut Silent).unwrap();
    assert_eq!((files.id.as_str(), files.weights.len()), (ID, 1));
    assert_eq!(read(&files.weights[0]), small);
    let files = locate(&format!("{ID}:more/q8-00002-of-00002.gguf"), &bench.options, &mut Silent).unwrap();
    assert_eq!(files.weights.iter().map(|path| read(path)).collect::<Vec<_>>(), [large, small]);
    assert!(server.gets("config.json").is_empty() && server.gets("q4.gguf").len() == 1);
    // Offline, from the cache.
    let mut options = bench.options.clone();
    options.offline = true;
    let again = locate(&format!("{ID}:q4.gguf"), &options, &mut Silent).unwrap();
    assert!(again.weights[0].ends_with("q4.gguf"));
}

#[test]
fn a_header_comes_without_the_tensors() {
    let whole = gguf(3 << 20);
    let model = Model::of(&[("m.gguf", &whole)]);
    let served = model.clone();
    let server = Server::start("127.0.0.1", move |ask| served.answer(ask));
    let found = headers(ID, &Bench::new(&server).options, &mut Silent).unwrap();
    assert_eq!(found.shards[0].file_size, whole.len() as u64);
    assert_eq!(found.shards[0].bytes, &whole[..4 << 20]);
    assert!(server.gets("m.gguf").iter().all(|ask| ask.header("range").is_some()));
}

#[test]
fn a_vocabulary_is_fetched_where_there_is_no_tokenizer_json() {
    for has_json in [false, true] {
        let single = Model::single();
        let mut files = vec![
            ("config.json", single.content("config.json")),
            ("model.safetensors", single.content("model.safetensors")),
            ("tokenizer.model", b"pieces"),
            ("vocab.json", b"{}"),
        ];
        files.extend(has_json.then_some(("tokenizer.json", &b"{}"[..])));
        let model = Model::of(&files);
        let server = Server::start("127.0.0.1", move |ask| model.answer(ask));
        let files = Bench::new(&server).locate().unwrap();
        assert_eq!(files.tokenizer_model.is_some(), !has_json);
        assert_eq!(files.vocab.is_some(), !has_json);
        assert_eq!(server.gets("tokenizer.model").len(), usize::from(!has_json));
    }
}
