//! Every layout is read as the formula says.

use lens_core::{LensKind, LensMap, Point, Site};

use super::{D, jacobian, lens, maps, matrix, path, refused, tuned, vector};

#[test]
fn a_tuned_lens_of_either_generation_is_read() {
    for (name, first) in [("tuned", 0), ("tuned_old", 0), ("tuned_older", 0), ("tuned_oldest", 1)] {
        let lens = lens(name);
        // What belongs to the output of block i in an old file belongs to the input of block i + 1.
        assert_eq!(maps(&lens), (LensKind::Tuned, tuned(first..3, |layer| layer, D)), "{name}");
        assert_eq!(lens.made_for.n_layers, Some(3), "{name}");
    }
    assert_eq!(maps(&lens("tuned_deep")).1, tuned(0..40, |layer| layer, 1));
}

#[test]
fn what_a_tuned_lens_says_of_itself_is_kept() {
    let lens = lens("tuned");
    let provenance = lens.translator.provenance();
    assert_eq!(provenance.base_model.as_deref(), Some("owner/model"));
    assert_eq!(provenance.base_revision.as_deref(), Some("main"));
    assert_eq!(lens.made_for.unembed_hash.as_deref(), Some("abc"));
    assert_eq!(lens.notes, [""; 0]);
    let old = super::lens("tuned_old");
    assert_eq!(old.made_for.n_vocab, Some(5));
    assert_eq!(old.translator.provenance().base_model.as_deref(), Some("owner/old"));
    assert!(old.notes[0].contains("layer_norm and unembedding of its own"), "{:?}", old.notes);
}

#[test]
fn a_part_of_a_folder_stands_for_the_folder() {
    for part in ["tuned/params.pt", "tuned/config.json"] {
        assert_eq!(maps(&lens(part)), maps(&lens("tuned")), "{part}");
    }
    assert_eq!(maps(&lens("mlx")), maps(&lens("mlx/lens.safetensors")));
}

#[test]
fn a_jacobian_lens_is_read_from_every_layout() {
    let right = (LensKind::Jacobian, jacobian([0, 1, 3], Site::ResidPost));
    for name in [
        "jlens.pt",
        "jlens_protocol_5.pt",
        "jlens_f32.pt",
        "jlens_bf16.pt",
        "jlens_f64.pt",
        "jlens_views.pt",
        "jlens_block_output.pt",
        "jspace.pt",
        "mlx",
        "gguf.safetensors",
        "gguf_product.safetensors",
    ] {
        assert_eq!(maps(&lens(name)), right, "{name}");
    }
    assert_eq!(maps(&lens("jlens_one.pt")).1, jacobian([0], Site::ResidPost));
}

#[test]
fn a_capture_point_is_a_site() {
    assert_eq!(maps(&lens("jlens_attn_out.pt")).1, jacobian([0, 1, 3], Site::AttnOut));
    assert_eq!(maps(&lens("jlens_mlp_out.pt")).1, jacobian([0, 1, 3], Site::MlpOut));
    let message = refused("refused_attn_in.pt");
    assert!(message.contains("capture_point is \"attn_in\"") && message.contains("mlp_out"), "{message}");
    let message = refused("refused_streams.pt");
    assert!(message.contains("stream_reduce is \"mean\""), "{message}");
}

#[test]
fn what_a_jacobian_lens_says_of_itself_is_kept() {
    let lens = lens("jlens_attn_out.pt");
    let provenance = lens.translator.provenance();
    assert_eq!(provenance.base_model.as_deref(), Some("owner/model"));
    let detail = |key: &str| provenance.details.get(key).map(String::as_str);
    assert_eq!(detail("n_prompts"), Some("300"));
    assert_eq!(detail("provenance.capture_point"), Some("attn_out"));
    assert_eq!(detail("provenance.converged"), Some("true"));
    assert_eq!(detail("provenance.loss"), Some("0.5"));
    assert_eq!(provenance.sha256.as_deref().map(str::len), Some(64));
    let jspace = super::lens("jspace.pt");
    assert_eq!(jspace.made_for.n_layers, Some(4));
    assert_eq!(jspace.translator.provenance().base_model.as_deref(), Some("owner/model"));
    assert_eq!(super::lens("mlx").translator.provenance().base_model.as_deref(), Some("owner/model"));
    assert_eq!(super::lens("gguf.safetensors").made_for.n_layers, Some(4));
}

#[test]
fn a_tuned_lens_of_mlxterp_belongs_to_outputs_and_does_not_add_the_vector() {
    let map = |which| LensMap::new(D, matrix(which, D), Some(vector(which, D)), false).unwrap();
    let right = (0..3).map(|layer| (Point::block(layer, Site::ResidPost), map(layer))).collect();
    assert_eq!(maps(&lens("mlxterp.npz")), (LensKind::Tuned, right));
    assert!(refused("refused_compressed.npz").contains("compressed"));
}

#[test]
fn a_lens_that_is_something_else_is_refused_by_name() {
    for (name, part) in [
        ("refused_extra_layers", "extra_layers is not 0"),
        ("refused_own_unembedding", "reuse_unembedding is false"),
        ("refused_other_type", "lens_type is \"mlp_tuned_lens\""),
        ("refused_fewer", "blocks 0 to 2, and params.pt has [0, 1]"),
        ("refused_width", "weight of translator 0 is [3, 3], and config.json says [4, 4]"),
        ("refused_layers.pt", "of the blocks [0, 1], and holds matrices of [0, 1, 3]"),
        ("refused_d_model.pt", "d_model = 4"),
        ("refused_no_J.pt", "matrices of a Jacobian lens (J)"),
        ("refused_band.safetensors", "of the positions \"late\" alone"),
        ("hostile", "the folder has neither params.pt"),
        ("no_such_file", "cannot read"),
        ("mlxterp.json", "is JSON"),
    ] {
        let message = refused(name);
        assert!(message.contains(part), "{name}: {message}");
        assert!(message.contains(&path(name).display().to_string()), "{name} is not named: {message}");
    }
}
