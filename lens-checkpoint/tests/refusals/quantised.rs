//! Quantised weights whose parts do not fit each other, or hold what is no number: each is refused by name.

use lens_checkpoint::{Checkpoint, StoredDtype};
use serde_json::json;

use crate::{
    assert_says,
    copy::{Copy, Tensor, Tensors},
};

const FILE: &str = "model.safetensors";
const Q: &str = "model.layers.0.self_attn.q_proj";

fn broken(fixture: &str, change: impl FnOnce(&mut Tensors)) -> Copy {
    Copy::of(&format!("../quantised/{fixture}")).with_tensors(FILE, change)
}

/// A tensor with its first dimension cut by one.
fn cut(tensor: &mut Tensor) {
    let bytes = tensor.bytes.len() / tensor.shape[0] * (tensor.shape[0] - 1);
    tensor.bytes.truncate(bytes);
    tensor.shape[0] -= 1;
}

#[test]
fn parts_that_do_not_fit_each_other_are_refused() {
    for (fixture, part) in [
        ("gptq", "qweight"),
        ("gptq", "qzeros"),
        ("gptq", "scales"),
        ("gptq", "g_idx"),
        ("gptq_8", "scales"),
        ("awq", "qzeros"),
        ("awq", "scales"),
        ("fp8", "weight_scale_inv"),
        ("packed", "weight_scale"),
        ("packed", "weight_zero_point"),
        ("packed", "weight_packed"),
        ("int8", "weight_scale"),
        ("float8_block", "weight_scale"),
        ("nf4", "weight.absmax"),
        ("nf4", "weight.nested_absmax"),
        ("nf4", "weight.nested_quant_map"),
        ("nf4", "weight.quant_map"),
        ("nf4", "weight"),
        ("llm_int8", "SCB"),
        ("mlx", "scales"),
        ("mlx", "biases"),
    ] {
        let name = format!("{Q}.{part}");
        let said = broken(fixture, |tensors| cut(tensors.get_mut(&name).unwrap())).refusal();
        // The list of groups says how many inputs there are.
        let why = if part == "g_idx" { "config.json implies" } else { "a part of a quantised weight" };
        assert_says(&said, &[Q, why]);
        // Without a list of groups they lie one after the other, unless config.json says that they do not.
        if part != "weight" {
            let said = broken(fixture, |tensors| drop(tensors.remove(&name))).refusal();
            let named = said.contains(Q) || said.contains("by the names of its tensors");
            assert!(named, "{fixture} without {part}: {said}");
        }
    }
    for end in ["blocks", "scales"] {
        let name = format!("model.layers.0.mlp.experts.down_proj_{end}");
        let said = broken("mxfp4", |tensors| cut(tensors.get_mut(&name).unwrap())).refusal();
        assert_says(&said, &["down_proj_", "a part of a quantised weight"]);
        let said = broken("mxfp4", |tensors| drop(tensors.remove(&name))).refusal();
        assert_says(&said, &["down_proj"]);
    }
}

#[test]
fn parts_of_another_type_are_refused() {
    for (fixture, part, dtype) in [
        ("gptq", "qweight", "F32"),
        ("gptq", "scales", "I16"),
        ("awq", "qzeros", "F32"),
        ("packed", "weight_packed", "F32"),
        ("nf4", "weight", "I8"),
        ("nf4", "weight.quant_map", "I32"),
        ("llm_int8", "weight", "U8"),
        ("mlx", "weight", "F32"),
        ("fp8", "weight", "U8"),
        ("fp8", "weight", "BOOL"),
    ] {
        let name = format!("{Q}.{part}");
        let copy = broken(fixture, |tensors| tensors.get_mut(&name).unwrap().dtype = dtype.to_owned());
        assert_says(&copy.refusal(), &[&name, "a part of a quantised weight", "should be"]);
    }
}

#[test]
fn shapes_that_a_tensor_only_says_are_compared_with_what_is_there() {
    let absurd = 1_u64 << 40;
    for shape in [[absurd, absurd], [32, 33], [31, 32], [32, 0], [u64::MAX, 32]] {
        let copy = broken("packed", |tensors| {
            let tensor = tensors.get_mut(&format!("{Q}.weight_shape")).unwrap();
            tensor.bytes = shape.into_iter().flat_map(u64::to_le_bytes).collect();
        });
        assert_says(&copy.refusal(), &[Q, "a part of a quantised weight"]);
    }
    let state = format!("{Q}.weight.quant_state.bitsandbytes__nf4");
    let sound = json!({"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [32, 32],
                       "nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.01});
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut said = sound.clone();
        change(&mut said);
        let bytes = said.to_string().into_bytes();
        broken("nf4", |tensors| {
            let tensor = tensors.get_mut(&state).unwrap();
            (tensor.shape, tensor.bytes) = (vec![bytes.len()], bytes);
        })
    };
    with(&|_| ()).open().unwrap();
    for change in [
        (|said| said["shape"] = json!([1_u64 << 40, 1_u64 << 40])) as fn(&mut serde_json::Value),
        |said| said["shape"] = json!([]),
        |said| said["shape"] = json!([32, 31]),
        |said| said["blocksize"] = json!(0),
        |said| said["blocksize"] = json!(32),
        |said| said["dtype"] = json!("int8"),
        |said| said["nested_blocksize"] = json!(0),
        |said| said["nested_offset"] = json!(null),
        |said| *said = json!([1]),
    ] {
        assert_says(&with(&change).refusal(), &[Q, "a part of a quantised weight"]);
    }
}

/// What is said when a weight is made.
fn said_of(checkpoint: &Checkpoint, name: &str) -> String {
    let made = checkpoint.outline().tensors.get(name).unwrap().made.clone().unwrap();
    let mut out = vec![0; made.shape().iter().product::<usize>() * 4];
    checkpoint.write(&made, None, StoredDtype::F32, &mut out).unwrap_err().to_string()
}

#[test]
fn values_that_are_no_numbers_are_refused_when_they_are_made() {
    let nan = |end: &[u8]| end.to_vec();
    let cases: [(&str, &str, Vec<u8>); 8] = [
        ("gptq", "scales", nan(&[0x00, 0x7e])),
        ("awq", "scales", nan(&[0x00, 0x7c])),
        ("fp8", "weight_scale_inv", f32::NAN.to_le_bytes().to_vec()),
        ("fp8", "weight", nan(&[0x7f])),
        ("packed", "weight_scale", nan(&[0xc0, 0x7f])),
        ("nf4", "weight.nested_absmax", f32::INFINITY.to_le_bytes().to_vec()),
        ("llm_int8", "SCB", f32::NAN.to_le_bytes().to_vec()),
        ("mlx", "biases", nan(&[0xc0, 0x7f])),
    ];
    for (fixture, part, bytes) in cases {
        let copy = broken(fixture, |tensors| {
            let tensor = tensors.get_mut(&format!("{Q}.{part}")).unwrap();
            tensor.bytes[..bytes.len()].copy_from_slice(&bytes);
        });
        let said = said_of(&copy.open().unwrap(), &format!("{Q}.weight"));
        assert_says(&said, &[Q, "row 0"]);
    }
    let copy = broken("mxfp4", |tensors| {
        tensors.get_mut("model.layers.0.mlp.experts.down_proj_scales").unwrap().bytes[40] = 255;
    });
    assert_says(
        &said_of(&copy.open().unwrap(), "model.layers.0.mlp.experts.down_proj"),
        &["not finite", "row 1"],
    );
    for group in [2_i32, -1, i32::MIN] {
        let copy = broken("gptq", |tensors| {
            let tensor = tensors.get_mut(&format!("{Q}.g_idx")).unwrap();
            tensor.bytes[4..8].copy_from_slice(&group.to_le_bytes());
        });
        let said = said_of(&copy.open().unwrap(), &format!("{Q}.weight"));
        assert_says(&said, &["input 1", &format!("group {group} of 2"), "g_idx"]);
    }
}
