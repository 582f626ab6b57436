//! Files of vectors: every layout, either orientation.

use lens_checkpoint::{
    Checkpoint,
    directions::{Choice, DirectionFile, DirectionFileError},
};
use safetensors::{Dtype, tensor::TensorView};

use super::{checkpoint, fixtures, read, selection};

/// Names, values and notes of what is chosen in a file of the fixtures or a path.
pub(super) fn vectors(
    path: &std::path::Path,
    model: &Checkpoint,
    choice: &Choice,
) -> Result<(Vec<String>, Vec<f32>, String), DirectionFileError> {
    let mut file = DirectionFile::open(path)?;
    let directions = file.directions(model.outline(), choice)?;
    let (names, values) = read(&directions);
    Ok((names.iter().map(ToString::to_string).collect(), values, directions.notes().join("\n")))
}

/// A safetensors file of float32 tensors.
pub(super) fn written(tensors: &[(&str, &[usize], &[f32])]) -> (tempfile::TempDir, std::path::PathBuf) {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, _, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap())
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.safetensors");
    std::fs::write(&path, safetensors::serialize(views, None).unwrap()).unwrap();
    (folder, path)
}

#[test]
fn every_layout_of_an_autoencoder_has_the_same_rows() {
    let model = checkpoint("llama2");
    let folder = fixtures().join("directions");
    let of = |name: &str| vectors(&folder.join(name), &model, &Choice::all()).unwrap();
    let (names, expected, notes) = of("saelens");
    assert_eq!(names, (0..6).map(|row| format!("W_dec[{row}]")).collect::<Vec<_>>());
    assert!(notes.contains("trained on llama-2, at blocks.1.hook_resid_pre"), "{notes}");
    assert!(notes.contains("W_dec [6, 24] is read, and not W_enc [24, 6], b_dec [24]"), "{notes}");
    for name in [
        "sparsify",
        "gemma_scope",
        "gemma_scope/params.npz",
        "packed.npz",
        "W_dec.npy",
        "columns.npy",
        "dictionary_learning",
        "dictionary_learning/ae.pt",
        "strided.pt",
    ] {
        let (names, values, notes) = of(name);
        assert_eq!((names.len(), &values), (6, &expected), "{name}");
        assert_eq!(notes.contains("in memory"), name == "packed.npz", "{notes}");
    }
}

#[test]
fn a_file_of_torch_is_read_as_the_tables_that_it_holds() {
    let model = checkpoint("llama2");
    let folder = fixtures().join("directions");
    let of = |name: &str| vectors(&folder.join(name), &model, &Choice::all()).unwrap();
    let (names, _, notes) = of("dictionary_learning");
    assert_eq!(names[5], "decoder.weight[5]");
    assert!(notes.contains("trained on llama-2, at resid_post_layer_1"), "{notes}");
    assert!(notes.contains("and not encoder.weight [6, 24]") && notes.contains("k []"), "{notes}");
    assert_eq!(of("strided.pt").0[0], "model.W_dec[0]");
    let named = Choice::all().with_tensors(vec!["k".to_owned()]);
    let error = vectors(&folder.join("dictionary_learning/ae.pt"), &model, &named).unwrap_err().to_string();
    assert!(error.contains('k') && error.contains("d_model = 24"), "{error}");
    let mut file = DirectionFile::open(&folder.join("dictionary_learning")).unwrap();
    let directions = file.directions(model.outline(), &Choice::all()).unwrap();
    assert_eq!(read(&directions).0[0].layer(), Some(1));
}

#[test]
fn the_layer_of_an_autoencoder_comes_from_its_config() {
    let model = checkpoint("llama2");
    let mut file = DirectionFile::open(&fixtures().join("directions/saelens")).unwrap();
    let directions = file.directions(model.outline(), &Choice::all().with_rows(selection("1,-1"))).unwrap();
    let (names, _) = read(&directions);
    assert_eq!((names[0].layer(), names[1].row), (Some(1), 5));
}

#[test]
fn directions_of_layers_come_in_the_order_of_their_numbers() {
    let model = checkpoint("llama2");
    let (one, two) = ([1.0; 24], [2.0; 24]);
    let (_folder, path) =
        written(&[("direction.10", &[24], &two), ("direction.9", &[24], &one), ("x", &[3], &[0.0; 3])]);
    let (names, values, _) = vectors(&path, &model, &Choice::all()).unwrap();
    assert_eq!(names, ["direction.9[0]", "direction.10[0]"]);
    assert_eq!(values, [one, two].concat());
}

#[test]
fn a_square_is_read_by_rows_and_says_so() {
    let model = checkpoint("llama2");
    let square: Vec<f32> = (0..24 * 24).map(|i| i as f32).collect();
    let (_folder, path) = written(&[("probe", &[24, 24], &square)]);
    let (_, values, notes) = vectors(&path, &model, &Choice::all()).unwrap();
    assert!(values == square && notes.contains("its rows are read, not its columns"), "{notes}");
    let (_, values, notes) = vectors(&path, &model, &Choice::all().with_transpose(true)).unwrap();
    assert_eq!((values[1], notes.as_str()), (24.0, ""));
}

#[test]
fn leading_axes_are_counted_through() {
    let model = checkpoint("llama2");
    let all: Vec<f32> = (0..2 * 3 * 24).map(|i| i as f32).collect();
    let (_folder, path) = written(&[("v", &[2, 3, 24], &all)]);
    let (names, values, _) = vectors(&path, &model, &Choice::all().with_rows(selection("4"))).unwrap();
    assert_eq!((names[0].as_str(), values[0]), ("v[4]", 96.0));
}

#[test]
fn a_tensor_is_found_by_its_name() {
    let model = checkpoint("llama2");
    let path = fixtures().join("directions/saelens");
    let choice = |name: &str| Choice::all().with_tensors(vec![name.to_owned()]);
    let (names, _, notes) = vectors(&path, &model, &choice("W_enc")).unwrap();
    assert_eq!(names.len(), 6, "the columns of {notes}");
    assert_eq!(vectors(&path, &model, &choice("b_dec")).unwrap().0, ["b_dec[0]"]);
    let error = vectors(&path, &model, &choice("W_dek")).unwrap_err().to_string();
    assert!(error.contains("did you mean \"W_dec\"") && error.contains("W_dec [6, 24]"), "{error}");
    let error = vectors(&path, &model, &choice("b_enc")).unwrap_err().to_string();
    assert!(error.contains("[6]") && error.contains("d_model = 24"), "{error}");
}
