//! A model of a GGUF file reads as a checkpoint of its values does, bit by bit.

use std::{collections::HashMap, path::Path};

use lens_core::{Lens, Plan, Question, Selection, StatisticSet, TokenId};
use lens_models::{
    Checkpoint, Decoder, LoadOptions, StoredDtype,
    source::{Silent, SourceOptions, locate},
};
use safetensors::{Dtype, tensor::TensorView};

fn open(path: &Path) -> Checkpoint {
    let path = path.to_str().expect("a path of the tests is text");
    let files = locate(path, &SourceOptions::from_lookup(|_| None), &mut Silent).expect("a sound fixture");
    Checkpoint::open(&files).expect("a sound fixture")
}

/// Writes the values of a checkpoint as float32 safetensors, with a config.
fn write_twin(of: &Checkpoint, config: &Path, folder: &Path) {
    let tensors: HashMap<String, (Vec<usize>, Vec<u8>)> = of
        .outline()
        .tensors
        .iter()
        .map(|(name, tensor)| {
            let values = of.values(tensor).expect("sound blocks");
            let values: Vec<u8> = match tensor.dtype.as_ref().expect("a type that decoders use") {
                StoredDtype::F32 => values.to_vec(),
                StoredDtype::F16 => widened(&values, |bytes| half::f16::from_le_bytes(bytes).to_f32()),
                StoredDtype::Bf16 => widened(&values, |bytes| half::bf16::from_le_bytes(bytes).to_f32()),
            };
            (name.to_owned(), (tensor.shape.clone(), values))
        })
        .collect();
    let views = tensors.iter().map(|(name, (shape, values))| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), values).expect("values fill the shape"))
    });
    safetensors::serialize_to_file(views, None, &folder.join("model.safetensors")).expect("it is written");
    std::fs::copy(config, folder.join("config.json")).expect("it is copied");
}

fn widened(bytes: &[u8], value: impl Fn([u8; 2]) -> f32) -> Vec<u8> {
    bytes.as_chunks().0.iter().flat_map(|bytes| value(*bytes).to_le_bytes()).collect()
}

fn readings(checkpoint: Checkpoint, dtype: StoredDtype) -> String {
    let options = LoadOptions::default().with_dtype(Some(dtype));
    let mut model = Decoder::load(checkpoint, &options).expect("it loads");
    let tokens: Vec<TokenId> = (1..20).map(|id| TokenId(id * 4 + 3)).collect();
    let question = Question::default()
        .with_top_k(5.try_into().expect("five is not zero"))
        .with_statistics(StatisticSet::all());
    let plan = Plan::default()
        .with_components("all".parse().expect("all are components"))
        .with_positions(Selection::all())
        .with_question(question);
    let reading = Lens::new(&mut model).read(&tokens, &plan).expect("it is read");
    format!("{:?}\n{:?}", reading.readouts, reading.finals)
}

#[test]
fn every_readout_is_that_of_the_dequantised_checkpoint() {
    for name in ["mixed", "split", "qwen3_moe", "phi3_long", "gpt2"] {
        let folder = lens_tests::fixtures().join("gguf").join(name);
        let twin = tempfile::tempdir().expect("a temporary folder");
        write_twin(&open(&folder), &folder.join("config.json"), twin.path());
        for dtype in [StoredDtype::F32, StoredDtype::Bf16] {
            let (made, stored) = (readings(open(&folder), dtype), readings(open(twin.path()), dtype));
            assert!(made == stored, "{name} in {dtype:?} differs");
        }
    }
}
