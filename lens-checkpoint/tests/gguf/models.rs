//! Models: config, tensors and values.

use std::{fs, path::Path};

use lens_checkpoint::source::headers;
use sha2::{Digest, Sha256};

use super::{Checkpoint, Silent, SourceOptions, find, fixtures, open, values};

/// The names of the fixtures that a checkpoint fixture has as well.
fn names() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(fixtures())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| fixtures().join("../checkpoints").join(name).is_dir())
        .collect();
    names.sort();
    names
}

/// The checkpoint that a fixture was made from, with the config that says what the file can say.
fn twin(name: &str, folder: &Path) -> Checkpoint {
    let weights = fixtures().join("../checkpoints").join(name).join("model.safetensors");
    fs::copy(weights, folder.join("model.safetensors")).unwrap();
    fs::copy(fixtures().join(name).join("config.json"), folder.join("config.json")).unwrap();
    open(folder)
}

#[test]
fn a_file_is_the_checkpoint_that_it_was_made_from() {
    let names = names();
    assert!(names.len() >= 16, "{names:?}");
    for name in names {
        let folder = tempfile::tempdir().unwrap();
        let (made, twin) = (open(&fixtures().join(&name).join("model.gguf")), twin(&name, folder.path()));
        let (a, b) = (&made.outline().spec, &twin.outline().spec);
        assert_eq!((a.d_model, &a.family), (b.d_model, &b.family), "{name}");
        for (i, (a, b)) in a.layers.iter().zip(&b.layers).enumerate() {
            assert_eq!(a, b, "{name}: layer {i}");
        }
        assert_eq!(a, b, "{name}");
        for tensor in a.tensors() {
            let (got, expected) = (values(&made, &tensor.name), values(&twin, &tensor.name));
            assert_eq!(got.len(), expected.len(), "{name}: {}", tensor.name);
            // A norm that is stored one higher has lost what is below a rounding of that.
            let rounding =
                if name.starts_with("gemma") && tensor.name.ends_with("norm.weight") { 1.2e-7 } else { 0.0 };
            for (got, expected) in got.iter().zip(&expected) {
                assert!((got - expected).abs() <= rounding, "{name}: {}: {got} {expected}", tensor.name);
            }
        }
        let notes = made.outline().notes.join("\n");
        assert!(notes.contains("read from the GGUF file model.gguf (Tiny "), "{name}: {notes}");
    }
}

#[test]
fn what_a_file_does_not_say_is_noted() {
    let notes = open(&fixtures().join("gemma2")).outline().notes.join("\n");
    assert!(notes.contains("does not say query_pre_attn_scalar: 10 is taken"), "{notes}");
    let notes = open(&fixtures().join("llama31")).outline().notes.join("\n");
    assert!(!notes.contains("rope_freqs"), "Llama 3's factors are known: {notes}");
}

#[test]
fn dequantised_values_are_those_of_the_gguf_package_to_the_last_bit() {
    let folder = fixtures().join("mixed");
    let digests = fs::read(folder.join("digests.json")).unwrap();
    let digests: serde_json::Value = serde_json::from_slice(&digests).unwrap();
    for path in [
        folder.join("model.gguf"),
        fixtures().join("split/tiny-00002-of-00002.gguf"),
        fixtures().join("split"),
    ] {
        let made = open(&path);
        let mut n = 0;
        for tensor in made.outline().spec.tensors() {
            let expected = &digests[&tensor.name];
            let shape: Vec<usize> = serde_json::from_value(expected["shape"].clone()).unwrap();
            assert_eq!(tensor.shape, shape, "{}", tensor.name);
            let bytes: Vec<u8> =
                values(&made, &tensor.name).iter().flat_map(|value| value.to_le_bytes()).collect();
            let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(expected["sha256"], digest.as_str(), "{}", tensor.name);
            n += 1;
        }
        assert_eq!(n, digests.as_object().unwrap().len());
    }
}

#[test]
fn headers_alone_say_the_same() {
    for path in [fixtures().join("mixed/model.gguf"), fixtures().join("split")] {
        let options = SourceOptions::from_lookup(|_| None);
        let headers = headers(path.to_str().unwrap(), &options, &mut Silent).unwrap();
        let outline = lens_checkpoint::Outline::of_headers(&headers).unwrap();
        let whole = open(&path);
        assert_eq!(outline.spec, whole.outline().spec);
        assert_eq!(outline.parameters(), whole.outline().parameters());
        assert_eq!(outline.stored_bytes(), whole.outline().stored_bytes());
        assert!(outline.stored_bytes() < 2 * outline.parameters(), "quantised");
        let quantisation = outline.quantisation.unwrap();
        assert_eq!(quantisation.method, "GGUF: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, MXFP4");
        assert_eq!((quantisation.bits.as_slice(), quantisation.tensors), (&[4, 5, 8][..], 12));
    }
}

#[test]
fn a_folder_is_read_by_its_only_model() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |to: &str| fs::copy(fixtures().join("qwen3/model.gguf"), folder.path().join(to)).unwrap();
    copy("a.gguf");
    fs::write(folder.path().join("mmproj-a.gguf"), b"GGUF").unwrap();
    assert_eq!(open(folder.path()).outline().spec.family, "qwen3");
    copy("b.gguf");
    let error = find(folder.path()).unwrap_err().to_string();
    assert!(error.contains("a.gguf, b.gguf"), "{error}");
    let named = open(&folder.path().join("b.gguf"));
    assert!(named.outline().id.ends_with("b.gguf"));
    // Safetensors come first, and need their config.
    fs::write(folder.path().join("model.safetensors"), b"").unwrap();
    let error = find(folder.path()).unwrap_err().to_string();
    assert!(error.contains("config.json"), "{error}");
}

#[test]
fn a_missing_part_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let part = "tiny-00002-of-00002.gguf";
    fs::copy(fixtures().join("split").join(part), folder.path().join(part)).unwrap();
    let error = find(&folder.path().join(part)).unwrap_err().to_string();
    assert!(error.contains("tiny-00001-of-00002.gguf"), "{error}");
    // Another model's file under its name.
    let first = folder.path().join("tiny-00001-of-00002.gguf");
    fs::copy(fixtures().join("mixed/model.gguf"), first).unwrap();
    let error = Checkpoint::open(&find(folder.path()).unwrap()).unwrap_err().to_string();
    assert!(error.contains("does not say that it is a part"), "{error}");
}
