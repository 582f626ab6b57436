//! A weight that is NaN never leads to a finite answer, and the error names the first place that is not finite.

use lens_core::{
    AttentionInput, Backend, BackendError, Forward, Lens, LensError, NonFinite, Plan, Point, PointSet,
    Reading, Site, TokenId,
};
use lens_models::{Decoder, LoadOptions, StoredDtype};
use lens_tests::{Copied, Golden, Stored, checkpoint_names};

/// Lengths at which libtorch takes different ways through attention.
const LENGTHS: [usize; 3] = [1, 4, 12];

fn load(copied: &Copied, dtype: Option<StoredDtype>) -> Decoder {
    Decoder::load(copied.open(), &LoadOptions::default().with_dtype(dtype)).expect("a checkpoint loads")
}

/// The layer that a tensor's name says.
fn layer(name: &str) -> Option<u16> {
    name.split('.').find_map(|part| part.parse().ok())
}

/// The element of a tensor to break: in the first token's row of what has a row for each token.
fn element(tensor: &Stored, n_vocab: usize, first: TokenId) -> usize {
    let numel: usize = tensor.shape.iter().product();
    match *tensor.shape.as_slice() {
        [rows, width] if layer(&tensor.name).is_none() => {
            // Learned positions may begin at row 2.
            let row = if rows == n_vocab { first.index() } else { 2 };
            (row * width + width / 2).min(numel - 1)
        }
        _ => numel / 2,
    }
}

/// Whether some sequences have nothing to do with the element: experts that no token chooses, positions beyond, the parts
/// of a multimodal model that read no text, and what checkpoints store beside weights (masks, frequencies and decays).
fn may_not_matter(tensor: &Stored, n_vocab: usize) -> bool {
    let is_position = layer(&tensor.name).is_none() && tensor.shape.len() == 2 && tensor.shape[0] != n_vocab;
    let is_mask = tensor.shape.len() == 4 || tensor.name.ends_with("masked_bias");
    let parts = ["expert", "block_sparse_moe", "vision", "multi_modal", "inv_freq", "_decay", "slope_rate"];
    is_position || is_mask || parts.iter().any(|part| tensor.name.contains(part))
}

/// Whether the place that an error names is where the broken tensor first shows. Where branches are not `summands` of the
/// stream, what stands after the first sum has no point of its own.
fn is_first(tensor: &Stored, what: NonFinite, point: Point, summands: bool) -> bool {
    let name = tensor.name.as_str();
    let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    let Some(layer) = layer(name) else {
        if has(&["per_layer"]) {
            // The tokens' vectors for blocks, which these read at their ends.
            return what == NonFinite::Activation
                && matches!(point, Point::Block { site: Site::ResidPost, .. });
        }
        // The embedding, or what only the readout uses.
        return point == Point::Embed && what == NonFinite::Activation || what == NonFinite::Logit;
    };
    let at = |site| what == NonFinite::Activation && point == Point::block(layer, site);
    if point.layer() != Some(layer) {
        return false;
    }
    if has(&["q_proj", "q_norm", "q_layernorm"]) && !has(&["qkv"]) {
        return what == NonFinite::Attention(AttentionInput::Queries);
    }
    if has(&["k_proj", "k_norm", "k_layernorm"]) && !has(&["qk"]) {
        return what == NonFinite::Attention(AttentionInput::Keys);
    }
    if has(&["v_proj"]) && !has(&["qkv"]) {
        return what == NonFinite::Attention(AttentionInput::Values);
    }
    if has(&["query_key_value", "qkv", "c_attn", "input_layernorm", "ln_1"]) {
        let later = at(Site::MlpOut) || !summands && has(&["ln_1"]) && at(Site::ResidPost);
        return matches!(what, NonFinite::Attention(_) | NonFinite::StateSpace) || later;
    }
    if has(&["sinks"]) {
        return at(Site::Z);
    }
    if has(&["mlp", "fc", "ffn", "expert", "moe"]) && !has(&["layernorm", "norm"]) {
        return at(Site::MlpOut) || at(Site::ResidPost);
    }
    true
}

/// Breaks a tensor and runs the model on prefixes of a sequence.
fn sweep(name: &str, dtype: Option<StoredDtype>) -> usize {
    let (copied, tokens) = (Copied::of(name), Golden::of(name).tokens);
    let read = |model: &mut Decoder, n: usize| -> Result<Reading, LensError> {
        Lens::new(model).read(&tokens[..n], &Plan::default())
    };
    let mut model = load(&copied, dtype);
    let (n_layers, n_vocab) = (model.info().n_layers, model.info().n_vocab);
    let summands = (0..n_layers).any(|layer| model.info().has(Point::block(layer, Site::AttnOut)));
    let lengths: Vec<usize> = LENGTHS.into_iter().filter(|n| *n <= tokens.len()).collect();
    let clean: Vec<Reading> =
        lengths.iter().map(|n| read(&mut model, *n).expect("a sound fixture")).collect();
    drop(model);
    let mut broken = 0;
    for tensor in &copied.tensors {
        if layer(&tensor.name).is_some_and(|layer| ![0, n_layers / 2, n_layers - 1].contains(&layer)) {
            continue;
        }
        let index = element(tensor, n_vocab, tokens[0]);
        let before = copied.change(tensor, |values| values[index] = f32::NAN);
        let mut model = load(&copied, dtype);
        for (n, clean) in lengths.iter().zip(&clean) {
            let place = format!("{name}, {dtype:?}: NaN in {} and {n} tokens", tensor.name);
            match read(&mut model, *n) {
                Ok(reading) => {
                    assert!(may_not_matter(tensor, n_vocab) && reading == *clean, "{place}: a finite answer");
                }
                Err(LensError::Backend(BackendError::NonFinite { what, point, position })) => {
                    assert!(is_first(tensor, what, point, summands), "{place}: named {what:?} at {point}");
                    if !may_not_matter(tensor, n_vocab) && what != NonFinite::Logit {
                        assert_eq!(position, 0, "{place}");
                    }
                    broken += 1;
                }
                Err(other) => panic!("{place}: {other}"),
            }
        }
        drop(model);
        copied.put_back(tensor, &before);
    }
    broken
}

/// One of two halves of the fixtures, which run beside each other.
fn sweep_half(half: usize) {
    for name in checkpoint_names().into_iter().skip(half).step_by(2) {
        assert!(sweep(&name, Some(StoredDtype::F32)) > 20, "{name}: hardly anything was broken");
    }
}

#[test]
fn a_nan_in_any_weight_is_an_error_that_names_the_first_place() {
    sweep_half(0);
}

#[test]
fn a_nan_in_any_weight_of_the_other_fixtures_is_as_well() {
    sweep_half(1);
}

#[test]
fn a_nan_in_any_weight_is_an_error_in_the_dtype_that_is_stored() {
    for name in ["llama_f16", "llama31", "gpt2", "gemma2", "qwen3_moe", "falcon_7b", "mpt", "opt_post_norm"] {
        if checkpoint_names().iter().any(|known| known == name) {
            assert!(sweep(name, None) > 20, "{name}: hardly anything was broken");
        }
    }
}

/// Steps of a continuation, and positions that nobody reads, are looked at as well.
#[test]
fn a_nan_in_a_later_step_is_named_by_its_position() {
    for name in ["llama2", "gpt2", "gemma2", "mpt"] {
        let (copied, tokens) = (Copied::of(name), Golden::of(name).tokens);
        let n_vocab = load(&copied, None).info().n_vocab;
        let other = TokenId((0..n_vocab as u32).find(|id| !tokens.contains(&TokenId(*id))).unwrap());
        let embedding = copied.tensors.iter().find(|tensor| {
            layer(&tensor.name).is_none()
                && tensor.shape.first() == Some(&n_vocab)
                && !tensor.name.contains("head")
        });
        let embedding = embedding.expect("a model has an embedding");
        let width = embedding.shape[1];
        drop(copied.change(embedding, |values| values[other.index() * width] = f32::NAN));
        let mut model = load(&copied, Some(StoredDtype::F32));
        let nothing = PointSet::default();
        let mut step = |tokens: &[TokenId], past: usize| {
            model.forward(&Forward::new(tokens, &nothing, &[]).with_past(past).with_total(9).with_room(9))
        };
        step(&tokens[..4], 0).unwrap();
        let error = step(&[other], 4).unwrap_err();
        let says = |error: &BackendError, at: usize| matches!(error, BackendError::NonFinite { point: Point::Embed, position, .. } if *position == at);
        assert!(says(&error, 4), "{name}: {error}");
        step(&tokens[..4], 0).unwrap();
        let error = step(&[tokens[4], tokens[5], other, tokens[6]], 4).unwrap_err();
        assert!(says(&error, 6), "{name}: {error}");
    }
}

/// Queries and keys may be finite and their product not: the fused attention would drop what becomes of it.
#[test]
fn scores_that_overflow_are_never_a_finite_answer() {
    for name in ["llama2", "gpt_neo", "opt"] {
        let (copied, tokens) = (Copied::of(name), Golden::of(name).tokens);
        for tensor in &copied.tensors {
            let is = |part: &str| layer(&tensor.name) == Some(0) && tensor.name.contains(part);
            if (is("q_proj") || is("k_proj")) && tensor.name.ends_with("weight") {
                drop(copied.change(tensor, |values| {
                    values.fill(0.0);
                    values[0] = 1e25;
                }));
            }
        }
        let mut model = load(&copied, Some(StoredDtype::F32));
        for n in LENGTHS.into_iter().filter(|n| *n <= tokens.len()) {
            let error = Lens::new(&mut model).read(&tokens[..n], &Plan::default()).expect_err(name);
            let z = Point::block(0, Site::Z);
            assert!(
                matches!(error, LensError::Backend(BackendError::NonFinite { point, .. }) if point == z),
                "{name}, {n} tokens: {error}"
            );
        }
    }
}
