//! Weights that are not what config.json implies, or not whole.

use lens_checkpoint::{
    Checkpoint, CheckpointError,
    source::{Silent, SourceOptions, locate},
};
use serde_json::{Value, json};

use crate::{
    assert_says,
    copy::{Copy, Tensor, with_header},
    fixtures,
};

const FILE: &str = "model.safetensors";
const UP: &str = "model.layers.0.mlp.up_proj.weight";

#[test]
fn every_fixture_opens_and_means_the_same_in_every_spelling() {
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let folder = entry.unwrap().path();
        let mut files =
            locate(folder.to_str().unwrap(), &SourceOptions::from_lookup(|_| None), &mut Silent).unwrap();
        let usual = Checkpoint::open(&files).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        assert!(usual.outline().parameters() > 0 && usual.outline().assumed_family.is_none());
        for spelling in ["config.v5.json", "config.old.json"] {
            files.config = folder.join(spelling);
            if files.config.exists() {
                let other =
                    Checkpoint::open(&files).unwrap_or_else(|error| panic!("{folder:?} {spelling}: {error}"));
                assert_eq!(other.outline().spec, usual.outline().spec, "{folder:?} {spelling}");
            }
        }
    }
}

#[test]
fn a_missing_tensor_is_named() {
    let copy = Copy::of("llama2").with_tensors(FILE, |tensors| drop(tensors.remove(UP)));
    assert_says(&copy.refusal(), &["lacks tensors", "config.json implies for llama", UP]);
}

#[test]
fn of_many_missing_tensors_a_few_are_named_and_the_rest_counted() {
    let copy = Copy::of("llama2")
        .with_tensors(FILE, |tensors| tensors.retain(|name, _| !name.starts_with("model.layers.0.")));
    assert_says(&copy.refusal(), &["lacks tensors", "model.layers.0.input_layernorm.weight", "and 3 more"]);
}

#[test]
fn a_tensor_that_nobody_uses_is_named() {
    let bias = Tensor { dtype: "F32".to_owned(), shape: vec![2], bytes: vec![0; 8] };
    let name = "model.layers.0.self_attn.q_proj.bias";
    let copy =
        Copy::of("llama2").with_tensors(FILE, |tensors| drop(tensors.insert(name.to_owned(), bias.clone())));
    assert_says(
        &copy.refusal(),
        &["holds tensors that llama does not use", name, "refused rather than approximated"],
    );

    let buffer = "model.layers.0.self_attn.rotary_emb.inv_freq";
    let copy = Copy::of("llama2").with_tensors(FILE, |tensors| drop(tensors.insert(buffer.to_owned(), bias)));
    copy.open().expect("a buffer of old checkpoints may be left over");
}

#[test]
fn a_tensor_of_another_shape_is_named_with_both_shapes() {
    let mut shapes = (Vec::new(), Vec::new());
    let copy = Copy::of("llama2").with_tensors(FILE, |tensors| {
        let tensor = tensors.get_mut(UP).unwrap();
        shapes.1.clone_from(&tensor.shape);
        tensor.shape.reverse();
        shapes.0.clone_from(&tensor.shape);
    });
    let (stored, implied) = (format!("{:?}", shapes.0), format!("{:?}", shapes.1));
    assert_says(&copy.refusal(), &[UP, "stored as", &stored, "config.json implies", &implied]);
}

#[test]
fn an_embedding_with_more_rows_than_the_config_says_is_refused() {
    let copy = Copy::of("llama2").with_config(|config| {
        let n = config["vocab_size"].as_u64().unwrap();
        config["vocab_size"] = json!(n - 1);
    });
    assert_says(&copy.refusal(), &["model.embed_tokens.weight", "stored as", "config.json implies"]);
}

#[test]
fn quantised_tensors_are_refused_by_their_type() {
    for (dtype, width) in [("I8", 1), ("U8", 1), ("F8_E4M3", 1), ("F8_E5M2", 1), ("F64", 8), ("I32", 4)] {
        let copy = Copy::of("llama2").with_tensors(FILE, |tensors| {
            let tensor = tensors.get_mut(UP).unwrap();
            tensor.dtype = dtype.to_owned();
            tensor.bytes = vec![0; tensor.shape.iter().product::<usize>() * width];
        });
        assert_says(&copy.refusal(), &[UP, dtype, "f32, bf16 or f16", "convert"]);
    }
}

#[test]
fn a_missing_shard_is_named() {
    let shard = "model-00002-of-00003.safetensors";
    let copy = Copy::of("llama_sharded").without_file(shard);
    assert_says(&copy.refusal(), &[shard, "incomplete", "model.safetensors.index.json"]);
}

#[test]
fn a_tensor_in_two_shards_is_named_with_its_second_file() {
    let twin = Tensor { dtype: "BF16".to_owned(), shape: vec![1], bytes: vec![0; 2] };
    let mut copy = Copy::of("llama_sharded");
    for shard in ["model-00001-of-00003.safetensors", "model-00003-of-00003.safetensors"] {
        let insert =
            |tensors: &mut crate::copy::Tensors| drop(tensors.insert("twin".to_owned(), twin.clone()));
        copy = copy.with_tensors(shard, insert);
    }
    assert_says(&copy.refusal(), &["model-00003-of-00003.safetensors", "\"twin\"", "another shard"]);
}

#[test]
fn a_shard_too_few_in_the_index_is_missed_by_its_tensors() {
    let copy = Copy::of("llama_sharded").with_bytes("model.safetensors.index.json", |bytes| {
        let mut index: Value = serde_json::from_slice(bytes).unwrap();
        let map = index["weight_map"].as_object_mut().unwrap();
        map.retain(|_, shard| shard != "model-00002-of-00003.safetensors");
        *bytes = index.to_string().into_bytes();
    });
    assert_says(&copy.refusal(), &["lacks tensors", "llama"]);
}

#[test]
fn a_broken_index_is_refused() {
    let index = "model.safetensors.index.json";
    for (content, words) in [
        ("", ["is not a weight index", "EOF"]),
        ("{}", ["is not a weight index", "weight_map"]),
        (r#"{"weight_map": {}}"#, ["names no weights", "empty"]),
        (
            r#"{"weight_map": {"a": "../../etc/x.safetensors"}}"#,
            ["../../etc/x.safetensors", "not a plain file name"],
        ),
    ] {
        let copy = Copy::of("llama_sharded").with_file(index, content.as_bytes());
        assert_says(&copy.refusal(), &words);
        assert_says(&copy.refusal(), &[index]);
    }
}

#[test]
fn a_truncated_file_says_how_many_bytes_are_missing() {
    let copy = Copy::of("llama2").with_bytes(FILE, |bytes| bytes.truncate(bytes.len() - 10));
    assert_says(&copy.refusal(), &[FILE, "10 bytes too short", "Download it again"]);
    let copy = Copy::of("llama2").with_bytes(FILE, |bytes| bytes.extend([0; 7]));
    assert_says(&copy.refusal(), &[FILE, "7 bytes too long", "Download it again"]);
    // Of several files the one is named, where it lies.
    let second = "model-00002-of-00003.safetensors";
    let copy = Copy::of("llama_sharded").with_bytes(second, |bytes| bytes.truncate(bytes.len() - 10));
    let path = copy.path(second).display().to_string();
    assert_says(&copy.refusal(), &[&path, "10 bytes too short", "Download it again"]);
    for length in [0, 5, 8, 100] {
        let copy = Copy::of("llama2").with_bytes(FILE, |bytes| bytes.truncate(length));
        assert_says(&copy.refusal(), &[FILE, "ends inside its header", "truncated", "Download"]);
    }
}

#[test]
fn a_header_with_a_key_twice_is_refused() {
    let entry = r#"{"dtype":"BF16","shape":[1],"data_offsets":[0,2]}"#;
    let file = with_header(&format!(r#"{{"a":{entry},"a":{entry}}}"#), &[0; 2]);
    assert_says(&Copy::of("llama2").with_file(FILE, &file).refusal(), &[FILE, "\"a\"", "appears twice"]);
}

#[test]
fn headers_that_lie_are_refused() {
    for (header, data, word) in [
        (r#"{"a":{"dtype":"BF16","shape":[3],"data_offsets":[0,4]}}"#, 4, "broken safetensors header"),
        (r#"{"a":{"dtype":"BF16","shape":[2],"data_offsets":[4,0]}}"#, 4, "broken safetensors header"),
        (r#"{"a":{"dtype":"BF16","shape":[-2],"data_offsets":[0,4]}}"#, 4, "broken safetensors header"),
        (r#"{"a":{"dtype":"Q4","shape":[2],"data_offsets":[0,4]}}"#, 4, "broken safetensors header"),
        (r#"{"a":{"dtype":"BF16","shape":[9223372036854775807,9],"data_offsets":[0,4]}}"#, 4, "header"),
        (r#"{"a":{"dtype":"BF16","shape":[9223372036854775808,0],"data_offsets":[0,0]}}"#, 0, "absurd shape"),
        (r#"{"a":{"dtype":"BF16","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,2]}}"#, 2, "absurd shape"),
        ("[1, 2, 3]", 0, "broken safetensors header"),
        ("", 0, "broken safetensors header"),
    ] {
        let copy = Copy::of("llama2").with_file(FILE, &with_header(header, &vec![0; data]));
        assert_says(&copy.refusal(), &[FILE, word, "Download"]);
    }
}

#[test]
fn a_git_lfs_pointer_is_recognised() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
    let copy = Copy::of("llama2").with_file(FILE, pointer.as_bytes());
    assert_says(&copy.refusal(), &[FILE, "git-lfs pointer", "git lfs pull"]);

    // Also where nobody looked at the file before.
    let sound = fixtures().join("llama2");
    let mut files =
        locate(sound.to_str().unwrap(), &SourceOptions::from_lookup(|_| None), &mut Silent).unwrap();
    files.weights = vec![copy.path(FILE)];
    let error = Checkpoint::open(&files).unwrap_err();
    assert!(matches!(error, CheckpointError::LfsPointer { .. }), "{error}");
    assert_says(&error.to_string(), &[FILE, "git-lfs pointer", "git lfs pull"]);
}

#[test]
fn pickled_weights_that_torch_did_not_save_are_refused() {
    let copy = Copy::of("llama2").without_file(FILE).with_file("pytorch_model.bin", b"\x80\x02}q\x00.");
    assert_says(&copy.refusal(), &["pytorch_model.bin is not read", "not a zip file"]);
}

#[test]
fn weights_in_other_formats_are_refused_with_the_way_to_convert_them() {
    for file in ["model.pt", "consolidated.00.pth", "weights.bin", "last.ckpt"] {
        let copy =
            Copy::of("llama2").without_file(FILE).with_file(file, b"").with_file("training_args.bin", b"");
        assert_says(&copy.refusal(), &[file, "runs code", "save_pretrained"]);
    }
    for file in ["tf_model.h5", "flax_model.msgpack"] {
        let copy = Copy::of("llama2").without_file(FILE).with_file(file, b"");
        assert_says(&copy.refusal(), &[file, "TensorFlow or Flax", "save_pretrained"]);
    }
}

#[test]
fn headers_and_configs_of_absurd_size_are_refused_before_they_are_read() {
    let entry = r#"{"dtype":"U8","shape":[0],"data_offsets":[0,0]}"#;
    let header = (0..(1 << 18) + 2).map(|i| format!("\"{i}\":{entry}")).collect::<Vec<_>>().join(",");
    let copy = Copy::of("llama2").with_file(FILE, &with_header(&format!("{{{header}}}"), &[]));
    assert_says(&copy.refusal(), &[FILE, "names more than 262144 tensors"]);

    let copy = Copy::of("llama2").with_file("config.json", &vec![b' '; (16 << 20) + 1]);
    assert_says(&copy.refusal(), &["cannot read", "config.json", "at most 16777216 are read"]);
}

#[test]
fn a_file_that_goes_away_is_named() {
    let copy = Copy::of("llama2");
    let mut files =
        locate(copy.path("").to_str().unwrap(), &SourceOptions::from_lookup(|_| None), &mut Silent).unwrap();
    files.weights = vec![copy.path("gone.safetensors")];
    let error = Checkpoint::open(&files).unwrap_err();
    assert_says(&crate::said(&error), &["cannot read", "gone.safetensors", "No such file"]);
}
