//! Files that are broken, lie, or are not understood.

use std::{fs, path::PathBuf};

use super::{
    Checkpoint, find, fixtures,
    writer::{File, Meta},
};

/// What is wrong with a file, if anything is.
fn said(bytes: &[u8]) -> Result<Checkpoint, String> {
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("m.gguf");
    fs::write(&path, bytes).unwrap();
    let files = find(&path).map_err(|error| error.to_string())?;
    Checkpoint::open(&files).map_err(|error| {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        text
    })
}

#[test]
fn the_file_is_sound_unless_it_is_changed() {
    let checkpoint = said(&File::llama().bytes()).unwrap();
    assert_eq!(checkpoint.outline().spec.layers.len(), 1);
    assert!(checkpoint.tokenizer().unwrap().is_none());
}

#[test]
fn each_fault_is_refused_for_its_own_reason() {
    let file = File::llama;
    let set = |key: &str, value: Meta| File::llama().set(key, value);
    type Parts = (String, Vec<u64>, u32, Vec<u8>);
    let q = |change: &dyn Fn(&mut Parts)| File::llama().tensor("blk.0.attn_q.weight", change);
    for (says, file) in [
        ("GGUF version is 1", File { version: 1, ..file() }),
        ("it is big-endian", File { version: 3 << 24, ..file() }),
        ("has no general.architecture", file().without("general.architecture")),
        ("its architecture is \"mamba\"", set("general.architecture", Meta::Text("mamba".to_owned()))),
        ("general.type is \"adapter\"", set("general.type", Meta::Text("adapter".to_owned()))),
        ("has no llama.block_count", file().without("llama.block_count")),
        ("llama.block_count is \"x\"", set("llama.block_count", Meta::Text("x".to_owned()))),
        ("positive integer", set("llama.block_count", Meta::U32(u32::MAX))),
        ("lacks tensors", set("llama.block_count", Meta::U32(2))),
        ("no attention.layer_norm_rms_epsilon", file().without("llama.attention.layer_norm_rms_epsilon")),
        ("llama.new_thing", set("llama.new_thing", Meta::U32(3))),
        ("rope.scaling.type is \"spiral\"", set("llama.rope.scaling.type", Meta::Text("spiral".to_owned()))),
        ("rope.scaling.attn_factor without", set("llama.rope.scaling.attn_factor", Meta::F32(2.0))),
        ("rotates 1 of 2", set("llama.rope.dimension_count", Meta::U32(1))),
        ("differs from layer to layer", set("llama.feed_forward_length", Meta::Ints(vec![8, 9]))),
        ("alignment is 7", set("general.alignment", Meta::U32(7))),
        ("alignment is 0", set("general.alignment", Meta::U32(0))),
        ("of type IQ1_M, which is not read here", q(&|tensor| tensor.2 = 29)),
        ("of type 77, which is not read here", q(&|tensor| tensor.2 = 77)),
        ("rows of 4 values, and Q8_0 has blocks of 32", q(&|tensor| tensor.2 = 8)),
        ("has 5 dimensions", q(&|tensor| tensor.1 = vec![1; 5])),
        ("reaches beyond the file", q(&|tensor| tensor.1 = vec![1 << 40, 1 << 40])),
        ("two tensors blk.0.attn_k.weight", q(&|tensor| tensor.0 = "blk.0.attn_k.weight".to_owned())),
        ("does not use", file().tensor("output.weight", |tensor| tensor.0 = "blk.0.ssm_a".to_owned())),
        ("too short", file().tensor("blk.0.ffn_down.weight", |tensor| tensor.1 = vec![8, 1 << 20])),
        ("overlap", q(&|tensor| tensor.1 = vec![4, 8])),
        ("4, 2", q(&|tensor| tensor.1 = vec![2, 4])),
        ("has no values", q(&|tensor| tensor.1 = vec![4, 0])),
        ("3 rows, which 2 heads cannot share", q(&|tensor| tensor.1 = vec![4, 3])),
    ] {
        let error = said(&file.bytes()).unwrap_err();
        assert!(error.contains(says), "{says:?} is not in: {error}");
    }
}

#[test]
fn a_value_that_is_no_number_is_refused_where_it_is_read() {
    let file = File::llama()
        .tensor("blk.0.attn_q.weight", |tensor| tensor.3[..4].copy_from_slice(&f32::NAN.to_le_bytes()));
    let checkpoint = said(&file.bytes()).unwrap();
    let name = "model.layers.0.self_attn.q_proj.weight";
    let error = checkpoint.values(checkpoint.outline().tensors.get(name).unwrap()).unwrap_err().to_string();
    assert!(error.contains(name) && error.contains("not finite"), "{error}");
}

#[test]
fn no_file_that_is_cut_off_or_flipped_panics_or_asks_for_memory() {
    let whole = fs::read(fixtures().join("mixed/model.gguf")).unwrap();
    for end in (0..whole.len()).step_by(331) {
        assert!(said(&whole[..end]).is_err(), "cut off at {end}");
    }
    // The header: counts, lengths, types and offsets, each with its highest bits set.
    let mut refused = 0;
    for at in (0..2600).step_by(5) {
        for flip in [0x80, 0x01] {
            let mut bytes = whole.clone();
            bytes[at] ^= flip;
            refused += usize::from(said(&bytes).is_err());
        }
    }
    assert!(refused > 520, "{refused} of 1040");
}
