use std::fs;

use super::*;

fn order(shape: &str) -> Order {
    Order { shape: find(shape).unwrap(), dtype: Dtype::Bf16, seed: 0, shards: 5_000_000_000, force: false }
}

/// Names and contents of a folder's files.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

fn parameters(shape: &Shape) -> u64 {
    shape.tensors().iter().map(tensor::Tensor::numel).sum()
}

#[test]
fn shapes_have_as_many_parameters_as_the_models_they_are_named_after() {
    for (name, expected) in [
        ("qwen2.5-0.5b", 494_032_768),
        ("qwen2.5-7b", 7_615_616_512),
        ("llama-3.1-8b", 8_030_261_248),
        ("llama-3.2-1b", 1_235_814_400),
        ("llama-2-7b", 6_738_415_616),
    ] {
        assert_eq!(parameters(find(name).unwrap()), expected, "{name}");
    }
}

#[test]
fn the_seed_decides_every_byte() {
    let root = tempfile::tempdir().unwrap();
    let made = |name: &str, seed| {
        let dir = root.path().join(name);
        make(&Order { seed, ..order("tiny") }, &dir).unwrap();
        contents(&dir)
    };
    let first = made("a", 3);
    assert!(first == made("b", 3));
    assert!(first != made("c", 4));
}

#[test]
fn what_is_there_is_replaced_only_by_force_and_only_if_it_is_a_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("tiny");
    let forced = Order { force: true, seed: 1, ..order("tiny") };
    make(&order("tiny"), &dir).unwrap();
    let first = contents(&dir);

    let error = make(&order("tiny"), &dir).unwrap_err().to_string();
    assert!(error.contains("--force"), "{error}");
    assert!(contents(&dir) == first);

    make(&forced, &dir).unwrap();
    let second = contents(&dir);
    assert!(second != first);

    fs::write(dir.join("thesis.txt"), "mine").unwrap();
    let error = make(&forced, &dir).unwrap_err().to_string();
    assert!(error.contains("thesis.txt"), "{error}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1, "something was left");
    assert_eq!(contents(&dir).len(), second.len() + 1);
}

#[test]
fn debris_of_an_interrupted_run_does_not_matter_and_a_run_under_way_does() {
    let root = tempfile::tempdir().unwrap();
    let (dir, staging) = (root.path().join("tiny"), root.path().join("tiny.tmp"));
    let running = folder::Folder::prepare(&dir, false, 0).unwrap();
    let error = make(&order("tiny"), &dir).unwrap_err().to_string();
    assert!(error.contains("another run"), "{error}");
    drop(running);

    fs::create_dir(&staging).unwrap();
    fs::write(staging.join("model-00001-of-00009.safetensors"), "half").unwrap();
    make(&order("tiny"), &dir).unwrap();
    assert!(!dir.join("model-00001-of-00009.safetensors").exists() && !dir.join("lock").exists());
}

#[test]
fn a_checkpoint_without_room_is_not_begun() {
    let root = tempfile::tempdir().unwrap();
    let error = folder::Folder::prepare(&root.path().join("a/b"), false, u64::MAX).err().unwrap().to_string();
    assert!(error.contains("not enough room"), "{error}");
    assert!(!root.path().join("a/b.tmp").exists());
}
