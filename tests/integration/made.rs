//! Checkpoints that `cargo xtask make-checkpoint` writes, read by those who will use them.

use std::{collections::BTreeSet, env, path::Path, process::Command};

use lens_core::TokenId;
use lens_models::{Checkpoint, StoredDtype, source};

/// Runs the chore as its users do, and opens what it wrote.
fn make(dir: &Path, options: &[&str]) -> Checkpoint {
    let mut chore = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    chore.current_dir(env!("CARGO_MANIFEST_DIR"));
    chore.args(["xtask", "make-checkpoint", "tiny"]).arg(dir).args(options);
    let output = chore.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let options = source::SourceOptions::from_lookup(|_| None);
    let dir = dir.to_str().expect("a temporary folder's name is text");
    let files = source::locate(dir, &options, &mut source::Silent).expect("the chore wrote a checkpoint");
    Checkpoint::open(&files).expect("what the chore wrote is whole")
}

#[test]
fn every_tensor_is_accounted_for_by_config_and_headers() {
    let root = tempfile::tempdir().unwrap();
    let made = [("bf16", StoredDtype::Bf16), ("f16", StoredDtype::F16), ("f32", StoredDtype::F32)].map(
        |(name, stored)| {
            let checkpoint = make(&root.path().join(name), &["--dtype", name]);
            assert_eq!(checkpoint.outline().stored_dtypes(), [stored]);
            checkpoint.outline().parameters()
        },
    );
    assert!(made[0] > 0 && made.iter().all(|parameters| *parameters == made[0]), "{made:?}");
}

#[test]
fn shards_hold_the_same_numbers_as_one_file() {
    let root = tempfile::tempdir().unwrap();
    let (dir_of_one, dir_of_many) = (root.path().join("one"), root.path().join("many"));
    let (one, many) = (make(&dir_of_one, &[]), make(&dir_of_many, &["--shards", "50000"]));
    assert!(dir_of_many.join("model.safetensors.index.json").exists());
    assert!(!dir_of_many.join("model.safetensors").exists());
    for (name, tensor) in one.outline().tensors.iter() {
        let other = many.outline().tensors.get(name).unwrap();
        assert!(one.values(tensor).unwrap() == many.values(other).unwrap(), "{name} differs");
    }
}

#[test]
fn the_tokenizer_encodes_every_text_and_has_a_word_for_every_id() {
    let root = tempfile::tempdir().unwrap();
    let checkpoint = make(&root.path().join("tiny"), &[]);
    let tokenizer = checkpoint.tokenizer().unwrap().unwrap();
    assert!(tokenizer.len() <= checkpoint.outline().spec.n_vocab());
    let words: BTreeSet<_> =
        (0..tokenizer.len() as u32).map(|id| tokenizer.bytes(TokenId(id)).unwrap()).collect();
    assert_eq!(words.len(), tokenizer.len());

    let text = "The cat said \"早上好\" \\ and\n\u{0} left 🐈.";
    let tokens = tokenizer.encode(text, true).unwrap();
    assert_eq!(checkpoint.outline().bos_token_ids(), [tokens[0].0], "no token begins the text");
    let bytes: Vec<u8> = tokens[1..].iter().flat_map(|id| tokenizer.bytes(*id).unwrap()).collect();
    assert_eq!(String::from_utf8(bytes).unwrap(), text);
    assert!(tokens.len() < text.len(), "nothing was merged");
}
