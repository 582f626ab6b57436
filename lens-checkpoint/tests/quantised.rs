//! Quantised checkpoints: every weight is, bit for bit, what the library that wrote the format makes of it.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::path::{Path, PathBuf};

use lens_checkpoint::{
    Checkpoint, Outline, StoredDtype,
    directions::Directions,
    host::{ReadoutWeights, Weights},
    source::{Silent, SourceOptions, headers, locate},
};
use lens_core::{DirectionNorm, Selection};

/// The folder of a fixture, or of its twin.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/quantised").join(name)
}

fn open(folder: &Path) -> Checkpoint {
    let files = locate(folder.to_str().unwrap(), &SourceOptions::from_lookup(|_| None), &mut Silent).unwrap();
    Checkpoint::open(&files).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
}

/// The names of all fixtures.
fn names() -> Vec<String> {
    let entries = std::fs::read_dir(folder("")).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    assert!(names.len() > 10, "hardly any fixture was found");
    names
}

/// A tensor's values, in float32.
fn values(checkpoint: &Checkpoint, name: &str) -> Vec<u32> {
    let tensor = checkpoint.outline().tensors.get(name).unwrap_or_else(|| panic!("no {name}"));
    let mut bytes = vec![0; tensor.shape.iter().product::<usize>() * 4];
    match &tensor.made {
        Some(made) => checkpoint.write(made, None, StoredDtype::F32, &mut bytes).unwrap(),
        None => {
            let spec = checkpoint.outline().spec.tensors();
            let spec = spec.into_iter().find(|spec| spec.name == name).unwrap();
            let param = lens_checkpoint::spec::Param::whole(name, spec.shape.clone());
            let view = Weights::of(checkpoint).view(&param).unwrap();
            let view = if tensor.shape.len() == 1 { view } else { view.into_matrix().unwrap() };
            return view.to_vec().unwrap().into_iter().map(f32::to_bits).collect();
        }
    }
    bytes.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect()
}

#[test]
fn every_weight_is_that_of_the_library() {
    for name in names() {
        let (quantised, twin) = (open(&folder(&name)), open(&folder(&name).join("twin")));
        let (outline, plain) = (quantised.outline(), twin.outline());
        assert_eq!(outline.spec, plain.spec, "{name}");
        let mut made = 0;
        for (tensor, stored) in outline.tensors.iter() {
            let (ours, theirs) = (values(&quantised, tensor), values(&twin, tensor));
            let first = ours.iter().zip(&theirs).position(|(a, b)| a != b);
            if let Some(at) = first {
                let [a, b] = [ours[at], theirs[at]].map(f32::from_bits);
                panic!("{name}: {tensor} has {a:e} in place {at}, and should have {b:e}");
            }
            assert_eq!(ours.len(), theirs.len(), "{name}: {tensor}");
            made += usize::from(stored.made.is_some());
        }
        let quantisation = outline.quantisation.as_ref().unwrap();
        assert!(made > 1 && quantisation.tensors == made, "{name}: {quantisation:?}");
        let note = outline.notes.join(" ");
        assert!(
            note.contains(&format!("{made} tensors are quantised ({}", quantisation.method)),
            "{name}: {note}"
        );
        assert!(outline.stored_bytes() < plain.stored_bytes(), "{name}");
        assert_eq!(outline.parameters(), plain.parameters(), "{name}");
    }
}

#[test]
fn headers_alone_say_what_is_quantised() {
    for name in names() {
        let options = SourceOptions::from_lookup(|_| None);
        let headers = headers(folder(&name).to_str().unwrap(), &options, &mut Silent).unwrap();
        let outline = Outline::of_headers(&headers).unwrap_or_else(|error| panic!("{name}: {error}"));
        let whole = open(&folder(&name));
        let whole = whole.outline();
        assert_eq!(outline.parameters(), whole.parameters(), "{name}");
        let [ours, theirs] =
            [&outline, whole].map(|outline| outline.quantisation.as_ref().map(|q| (&q.method, q.tensors)));
        assert_eq!(ours, theirs, "{name}");
    }
}

#[test]
fn directions_of_quantised_weights_are_those_of_the_twin() {
    for name in ["gptq", "packed", "nf4", "mlx", "mxfp4"] {
        let (quantised, twin) = (open(&folder(name)), open(&folder(name).join("twin")));
        let read = |checkpoint: &Checkpoint| {
            let all = Selection::all();
            let mut out = Vec::new();
            let neurons = Directions::of_neurons(checkpoint, &all, &all).unwrap();
            neurons.read(0..neurons.len(), &mut out).unwrap();
            let token = [lens_core::TokenId(3)];
            let heads = Directions::of_heads(checkpoint, &all, &all, &token).unwrap();
            heads.read(0..heads.len(), &mut out).unwrap();
            out
        };
        let (ours, theirs) = (read(&quantised), read(&twin));
        assert!(!ours.is_empty());
        assert_eq!(ours, theirs, "{name}");
        let readout = ReadoutWeights::of(&quantised, None).unwrap();
        readout.directions(DirectionNorm::default()).unwrap();
    }
}
