//! Files that are broken, hostile, or for another model.

use std::path::Path;

use lens_checkpoint::directions::{Choice, DirectionFile};
use lens_core::{DirectionNorm, NotDecoded};

use super::{
    checkpoint, decode,
    files::{vectors, written},
    fixtures, selection,
};

/// What is said of a file with this content.
fn refusal(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    match vectors(&path, &checkpoint("llama2"), &Choice::all()) {
        Ok((names, ..)) => panic!("{name} was read: {names:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_cut_of_a_file_is_refused() {
    let folder = fixtures().join("directions");
    for name in [
        "W_dec.npy",
        "packed.npz",
        "gemma_scope/params.npz",
        "saelens/sae_weights.safetensors",
        "dictionary_learning/ae.pt",
        "strided.pt",
    ] {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        for end in (0..bytes.len()).step_by(7) {
            assert!(!refusal("cut", &bytes[..end]).is_empty(), "{end} bytes of {name}");
        }
    }
}

#[test]
fn a_flipped_byte_is_an_error_or_other_numbers_but_never_a_crash() {
    let folder = fixtures().join("directions");
    let model = checkpoint("llama2");
    for name in ["W_dec.npy", "packed.npz", "gemma_scope/params.npz", "strided.pt"] {
        let bytes = std::fs::read(folder.join(name)).unwrap();
        for at in (0..bytes.len()).step_by(3) {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x5a;
            let here = tempfile::tempdir().unwrap();
            let path = here.path().join("v");
            std::fs::write(&path, bytes).unwrap();
            if let Ok((names, values, _)) = vectors(&path, &model, &Choice::all()) {
                assert_eq!(values.len(), names.len() * 24, "byte {at} of {name}");
            }
        }
    }
}

#[test]
fn what_is_no_file_of_vectors_is_named() {
    assert!(refusal("empty", b"").contains("neither safetensors"));
    assert!(refusal("text", b"hello there, this is text").contains("neither safetensors"));
    assert!(refusal("v.gguf", b"GGUF\x03\0\0\0").contains("v.gguf"));
    for path in ["/nonexistent", "/dev/zero"] {
        let error = DirectionFile::open(Path::new(path)).unwrap_err().to_string();
        assert!(error.contains(path), "{error}");
    }
    let empty = tempfile::tempdir().unwrap();
    let error = DirectionFile::open(empty.path()).unwrap_err().to_string();
    assert!(error.contains("sae_weights.safetensors, sae.safetensors, params.npz, ae.pt"), "{error}");
}

#[test]
fn a_pickle_that_is_none_is_refused() {
    // A zip with one stored, empty entry archive/data.pkl, as torch.save writes it.
    let name = b"archive/data.pkl";
    let mut zip = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    zip.extend((name.len() as u16).to_le_bytes());
    zip.extend([0, 0]);
    zip.extend(name);
    let central = zip.len() as u32;
    zip.extend(b"PK\x01\x02\x14\0\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    zip.extend((name.len() as u16).to_le_bytes());
    zip.extend([0; 16]);
    zip.extend(name);
    let size = zip.len() as u32 - central;
    zip.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    zip.extend(size.to_le_bytes());
    zip.extend(central.to_le_bytes());
    zip.extend([0, 0]);
    assert!(refusal("ae.pt", &zip).contains("ae.pt cannot be read"));
}

#[test]
fn vectors_of_another_width_are_refused_with_their_shapes() {
    let model = checkpoint("llama2");
    let (_folder, path) = written(&[("W_dec", &[3, 7], &[0.0; 21])]);
    let error = vectors(&path, &model, &Choice::all()).unwrap_err().to_string();
    assert!(error.contains("[3, 7]") && error.contains("d_model = 24"), "{error}");
    let (_folder, path) = written(&[("a", &[3, 7], &[0.0; 21]), ("b", &[5], &[0.0; 5])]);
    let error = vectors(&path, &model, &Choice::all()).unwrap_err().to_string();
    assert!(error.contains("a [3, 7], b [5]"), "{error}");
    let (_folder, path) = written(&[("a", &[24], &[0.0; 24]), ("b", &[24], &[0.0; 24])]);
    let error = vectors(&path, &model, &Choice::all()).unwrap_err().to_string();
    assert!(error.contains("name one of a [24], b [24]"), "{error}");
    let (_folder, path) = written(&[("a", &[2, 24], &[0.0; 48])]);
    let error = vectors(&path, &model, &Choice::all().with_transpose(true)).unwrap_err().to_string();
    assert!(error.contains("columns"), "{error}");
}

#[test]
fn nothing_to_read_is_said() {
    let model = checkpoint("llama2");
    let (_folder, path) = written(&[("W_dec", &[0, 24], &[])]);
    assert!(vectors(&path, &model, &Choice::all()).unwrap_err().to_string().contains("row"));
    let (_folder, path) = written(&[("W_dec", &[2, 24], &[0.0; 48])]);
    for rows in ["2", "1..1", "0..3"] {
        let error = vectors(&path, &model, &Choice::all().with_rows(selection(rows))).unwrap_err();
        assert!(error.to_string().contains("row"), "{rows}: {error}");
    }
}

#[test]
fn a_row_that_is_not_finite_is_known_by_its_place() {
    let model = checkpoint("llama2");
    let mut values = [1.0f32; 3 * 24];
    values[24 + 5] = f32::NAN;
    values[2 * 24] = f32::INFINITY;
    let (_folder, path) = written(&[("W_dec", &[3, 24], &values)]);
    let mut file = DirectionFile::open(&path).unwrap();
    let directions = file.directions(model.outline(), &Choice::all()).unwrap();
    let decoded = decode(&model, &directions, DirectionNorm::Folded, 2);
    assert!(decoded[0].1.is_ok());
    assert_eq!(decoded[1], ("W_dec[1]".to_owned(), Err(NotDecoded::Vector)));
    assert_eq!(decoded[2].1, Err(NotDecoded::Vector));
}
