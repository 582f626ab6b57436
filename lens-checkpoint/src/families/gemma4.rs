//! Gemma 4: heads as wide as the kind of their layer has them, keys and values that blocks share, vectors of tokens for
//! blocks, and a number that multiplies the stream at the end of each block.

use std::sync::Arc;

use serde_json::Value;

use super::{
    Family, TensorNames,
    gemma::{GELU, gated, sandwich, scale_embedding},
    qwen::head_norms,
    routed::{Stored, few_enough, plausible_experts},
    shape::{Defaults, Rotation, Shape},
};
use crate::{
    config::{Config, ConfigError, RopeQuery},
    spec::{
        AttentionSpec, BesideSpec, DecoderSpec, EndSpec, ExpertsSpec, LayerSpec, LinearSpec, Mask, MlpSpec,
        NormSpec, Pairing, Param, PerLayerBranch, PerLayerEmbedding, Position, Rope, RopeScaling,
        RoutingSpec, Scores, Sharing, Wiring,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["gemma4_text", "gemma4_unified_text"],
    models: "Gemma 4 (the text part)",
    particulars: "heads as wide as the kind of their layer has them; norms on values; the last blocks share keys and values; \
                  vectors of tokens for blocks; experts beside a dense MLP; a block ends with a number that multiplies the \
                  stream, so that mlp_out is no point",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    match config.text("use_bidirectional_attention")? {
        // Pictures alone see both ways.
        None | Some("vision") => {}
        Some(other) => {
            return Err(ConfigError::Unsupported {
                key: config.name("use_bidirectional_attention"),
                value: other.to_owned(),
                supported: "null, vision",
            });
        }
    }
    let defaults = Defaults {
        n_heads: Some(8),
        n_kv_heads: Some(4),
        d_head: Some(256),
        n_vocab: Some(262_144),
        rotation: Rotation::Own,
        ..gated()
    };
    let mut shape = Shape::read_with(config, names, family, &defaults)?;
    shape.norm = |name, d, eps| NormSpec::rms(name, d, eps).rounded_last();
    config.pass_over_texts("hidden_activation", &GELU);
    (shape.mlp_bias, shape.tied_by_default, shape.scale) = (false, true, 1.0);
    let is_unified = family == "gemma4_unified_text";
    let window = config.size_or("sliding_window", if is_unified { 1024 } else { 512 })?;
    shape.masks = config.masks(shape.n_layers, Some(window), |i| !(i + 1).is_multiple_of(6))?;
    if let Some(last) = shape.masks.last_mut()
        && *last != Mask::Causal
    {
        config.remark("the last layer sees everything, whatever layer_types says of it");
        *last = Mask::Causal;
    }
    let heads = heads(config, &shape)?;
    shape.positions = rotations(config, &shape, &heads)?;
    let mut spec = shape.decoder(config, names)?;
    scale_embedding(&mut spec);
    sandwich(&shape, &mut spec);
    head_norms(&shape, &mut spec);
    let same = config.flag("attention_k_eq_v")?.unwrap_or(false);
    for ((i, attn), heads) in spec.attentions_mut().zip(&heads) {
        heads.widen(&shape, i, attn);
        if same && attn.mask == Mask::Causal {
            attn.v = attn.k.clone();
        }
        attn.v_norm = Some(NormSpec::bare_rms(shape.eps).rounded_last());
    }
    let borrowing = share(config, &shape, &mut spec)?;
    if let Some(first) = borrowing {
        spec.ignored.borrowing_from = Some(first);
        if config.flag("use_double_wide_mlp")?.unwrap_or(false) {
            for (i, layer) in spec.layers.iter_mut().enumerate().skip(first) {
                layer.mlp = MlpSpec::Gated(shape.gated(&shape.name(i, "mlp"), 2 * shape.d_mlp));
            }
        }
    } else {
        config.pass_over(&["use_double_wide_mlp"]);
    }
    put_experts(config, names, &shape, &mut spec, is_unified)?;
    put_vectors(config, &shape, &mut spec, is_unified)?;
    spec.readout.post.softcap = config.positive("final_logit_softcapping")?.map(|cap| cap as f32);
    Ok(spec)
}

/// The heads of one layer.
#[derive(Clone, Copy)]
struct Heads {
    n_kv: usize,
    width: usize,
}

impl Heads {
    /// Gives the attention of layer `i` these heads.
    fn widen(self, shape: &Shape, i: usize, attn: &mut AttentionSpec) {
        let Self { n_kv, width } = self;
        let d = shape.d_model;
        let linear = |part: &str, d_out, d_in, bias| {
            LinearSpec::new(&shape.name(i, &format!("self_attn.{part}")), d_out, d_in, bias)
        };
        (attn.n_kv_heads, attn.d_head, attn.d_value) = (n_kv, width, width);
        attn.q = linear("q_proj", attn.n_heads * width, d, shape.qkv_bias);
        attn.k = linear("k_proj", n_kv * width, d, shape.qkv_bias);
        attn.v = linear("v_proj", n_kv * width, d, shape.qkv_bias);
        attn.o = linear("o_proj", d, attn.n_heads * width, shape.o_bias);
        if let Some(norm) = &mut attn.qk_norm {
            norm.q = (shape.norm)(&shape.name(i, "self_attn.q_norm"), width, shape.eps);
            norm.k = (shape.norm)(&shape.name(i, "self_attn.k_norm"), width, shape.eps);
        }
    }
}

/// The heads of every layer: those that see everything have others, which files say by the kind of layer or, newer ones, by
/// its number.
fn heads(config: &Config<'_>, shape: &Shape) -> Result<Vec<Heads>, ConfigError> {
    let usual = Heads { n_kv: shape.n_kv_heads, width: shape.d_head };
    let mut heads = vec![usual; shape.n_layers];
    if let Some(by_layer) = config.get("per_layer_config") {
        let wrong = || ConfigError::Wrong {
            key: config.name("per_layer_config"),
            expected: "head_dim and num_key_value_heads by the numbers of layers",
            got: by_layer.to_string(),
        };
        for (layer, own) in by_layer.as_object().ok_or_else(wrong)? {
            let layer: usize = layer.parse().map_err(|_| wrong())?;
            let heads = heads.get_mut(layer).ok_or_else(wrong)?;
            for (key, value) in own.as_object().ok_or_else(wrong)? {
                let n = value.as_u64().filter(|n| (1..1 << 20).contains(n)).ok_or_else(wrong)? as usize;
                match key.as_str() {
                    "head_dim" => heads.width = n,
                    "num_key_value_heads" => heads.n_kv = n,
                    _ => return Err(wrong()),
                }
            }
        }
    } else {
        let width = config.size_or("global_head_dim", 512)?;
        let n_kv = match config.flag("attention_k_eq_v")?.unwrap_or(false) {
            true => config.size("num_global_key_value_heads")?.unwrap_or(usual.n_kv),
            false => {
                config.pass_over(&["num_global_key_value_heads"]);
                usual.n_kv
            }
        };
        let full = heads.iter_mut().zip(&shape.masks).filter(|(_, mask)| **mask == Mask::Causal);
        full.for_each(|(heads, _)| *heads = Heads { n_kv, width });
    }
    match heads.iter().find(|heads| !shape.n_heads.is_multiple_of(heads.n_kv)) {
        None => Ok(heads),
        Some(heads) => Err(ConfigError::Inconsistent {
            what: format!("{} attention heads cannot share {} key-value heads", shape.n_heads, heads.n_kv),
        }),
    }
}

/// Sliding layers rotate all of their heads, full ones a quarter of the pairs of theirs, with another base.
fn rotations(config: &Config<'_>, shape: &Shape, heads: &[Heads]) -> Result<Vec<Position>, ConfigError> {
    let said = config.object("rope_parameters")?.is_some();
    let mut known: Vec<(bool, usize, Arc<Rope>)> = Vec::new();
    let mut positions = Vec::with_capacity(heads.len());
    for (mask, Heads { width, .. }) in shape.masks.iter().zip(heads) {
        let is_full = *mask == Mask::Causal;
        if let Some((.., rope)) = known.iter().find(|(full, of, _)| (*full, of) == (is_full, width)) {
            positions.push(Position::Rotary(Arc::clone(rope)));
            continue;
        }
        let (kind, theta) = if is_full { ("full_attention", 1e6) } else { ("sliding_attention", 1e4) };
        let query = RopeQuery { layer_type: Some(kind), ..RopeQuery::new(*width, theta) };
        let nested = config.object("rope_parameters")?.is_some_and(|ropes| ropes.get(kind).is_some());
        let rope = match (said, nested) {
            (true, true) => config.rope(&query)?,
            (true, false) => return Err(ConfigError::Missing { key: format!("rope_parameters.{kind}") }),
            (false, _) => Rope {
                theta,
                dims: *width,
                pairing: Pairing::HalfSplit,
                scaling: match is_full {
                    true => RopeScaling::Proportional { pairs: width / 8, factor: 1.0 },
                    false => RopeScaling::Default,
                },
            },
        };
        if width % 2 != 0 {
            let what = format!("heads of {width}: their dimensions turn in pairs, so that they must be even");
            return Err(ConfigError::Inconsistent { what });
        }
        let rope = Arc::new(rope);
        known.push((is_full, *width, Arc::clone(&rope)));
        positions.push(Position::Rotary(rope));
    }
    Ok(positions)
}

/// Lets the last layers read the keys and values of the last layer of their kind that makes its own; the first of them.
fn share(config: &Config<'_>, shape: &Shape, spec: &mut DecoderSpec) -> Result<Option<usize>, ConfigError> {
    let n = config.count("num_kv_shared_layers")?.unwrap_or(0);
    if n == 0 {
        return Ok(None);
    }
    let nobody = || ConfigError::Inconsistent {
        what: format!(
            "the last {n} of {} layers share keys and values, and a kind of layer has none before them to share",
            shape.n_layers
        ),
    };
    let first = shape.n_layers.checked_sub(n).ok_or_else(nobody)?;
    for i in first..shape.n_layers {
        let is_alike = |layer: &usize| shape.masks[*layer] == shape.masks[i];
        let from = (0..first).rev().find(is_alike).ok_or_else(nobody)?;
        let lender = match &mut spec.layers[from].mixer {
            crate::spec::MixerSpec::Attention(lender) => {
                lender.sharing = Sharing::Lends;
                lender.clone()
            }
            _ => return Err(nobody()),
        };
        let Some((_, attn)) = spec.attentions_mut().find(|(layer, _)| *layer == i) else { continue };
        if (attn.n_kv_heads, attn.d_head) != (lender.n_kv_heads, lender.d_head) {
            let what = format!("layer {i} shares the keys of layer {from}, and its heads are not like those");
            return Err(ConfigError::Inconsistent { what });
        }
        (attn.k, attn.v, attn.sharing) = (lender.k, lender.v, Sharing::Borrows { from });
    }
    Ok(Some(first))
}

/// Experts beside the dense MLP of every layer, if there are any.
fn put_experts(
    config: &Config<'_>,
    names: &TensorNames,
    shape: &Shape,
    spec: &mut DecoderSpec,
    is_unified: bool,
) -> Result<(), ConfigError> {
    if is_unified || !config.flag("enable_moe_block")?.unwrap_or(false) {
        config.pass_over(&["num_experts", "top_k_experts", "moe_intermediate_size"]);
        return Ok(());
    }
    let n = plausible_experts(config.required_size("num_experts")?, shape.n_layers)?;
    let per_token = config.required_size("top_k_experts")?;
    few_enough(per_token, n)?;
    let d_mlp = config.required_size("moe_intermediate_size")?;
    for (i, layer) in spec.layers.iter_mut().enumerate() {
        let name = |part: &str| shape.name(i, part);
        let block = shape.name(i, "").trim_end_matches('.').to_owned();
        let norm = |part: &str| shape.layer_norm(i, part);
        let mut router_norm = NormSpec::bare_rms(shape.eps).rounded_last();
        router_norm.weight = Some(Param::whole(name("router.scale"), [shape.d_model]));
        let router = LinearSpec::new(&name("router.proj"), n, shape.d_model, false);
        let mut routing = RoutingSpec::new(router, per_token, Scores::Softmax).renormalised(0.0);
        routing.norm = Some(router_norm);
        routing.logit_factor = (shape.d_model as f64).powf(-0.5);
        routing.expert_factors = Some(Param::whole(name("router.per_expert_scale"), [n]));
        let MlpSpec::Gated(dense) = layer.mlp.clone() else { continue };
        layer.mlp = MlpSpec::Beside(Box::new(BesideSpec {
            dense,
            around_dense: [norm("pre_feedforward_layernorm"), norm("post_feedforward_layernorm_1")],
            experts: ExpertsSpec {
                routing,
                experts: Stored::new(shape, &block, n, d_mlp).experts(names),
                latent: None,
                shared: None,
            },
            around_experts: [norm("pre_feedforward_layernorm_2"), norm("post_feedforward_layernorm_2")],
        }));
        layer.wiring = Wiring::Sequential { mlp_norm: None };
    }
    Ok(())
}

/// The end of every block, and the vectors of tokens for blocks, if there are any.
fn put_vectors(
    config: &Config<'_>,
    shape: &Shape,
    spec: &mut DecoderSpec,
    is_unified: bool,
) -> Result<(), ConfigError> {
    let key = "hidden_size_per_layer_input";
    let width = match config.keys().get(key) {
        _ if is_unified => None,
        None => Some(256),
        Some(Value::Null) => config.size(key)?,
        Some(_) => config.count(key)?.filter(|width| *width > 0),
    };
    let (d, n) = (shape.d_model, shape.n_layers);
    if let Some(width) = width {
        let name = |part: &str| format!("{}{part}", shape.prefix);
        let rows = config.size_or("vocab_size_per_layer_input", 262_144)?;
        spec.embed.per_layer = Some(PerLayerEmbedding {
            tokens: Param::whole(name("embed_tokens_per_layer.weight"), [rows, n * width]),
            scale: (width as f64).sqrt(),
            project: LinearSpec::new(&name("per_layer_model_projection"), n * width, d, false),
            factor: (d as f64).powf(-0.5),
            norm: (shape.norm)(&name("per_layer_projection_norm"), width, shape.eps),
            d_vector: width,
        });
    } else {
        config.pass_over(&["vocab_size_per_layer_input"]);
    }
    let end = |i: usize, layer: &mut LayerSpec| {
        layer.end = Some(EndSpec {
            branch: width.map(|width| PerLayerBranch {
                activation: shape.activation,
                gate: LinearSpec::new(&shape.name(i, "per_layer_input_gate"), width, d, false),
                up: LinearSpec::new(&shape.name(i, "per_layer_projection"), d, width, false),
                norm: shape.layer_norm(i, "post_per_layer_input_norm"),
            }),
            factor: Param::whole(shape.name(i, "layer_scalar"), [1]),
        });
    };
    spec.layers.iter_mut().enumerate().for_each(|(i, layer)| end(i, layer));
    Ok(())
}
