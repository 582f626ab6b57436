//! OLMo Hybrid: gated delta nets with norms before each branch, and OLMo 3's attention with norms after them.

use super::{
    Family, TensorNames,
    delta::{Maps, Own, Sizes, attends, only_silu},
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::{
        FilterSpec, GatedDeltaSpec, LayerSpec, LinearSpec, MixerSpec, NormSpec, Position, QkNorm, QkScope,
        Wiring,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["olmo_hybrid"],
    models: "OLMo Hybrid",
    particulars: "gated delta nets whose strength reaches two in three layers of four, norms before them and after the others",
    resolve: |config, names, family| {
        let turns = rotates(config)?;
        let rotation = if turns { Rotation::Whole } else { Rotation::Own };
        let defaults = Defaults {
            n_heads: Some(30),
            n_vocab: Some(100_352),
            eps: Epsilon::rms(1e-6),
            rotation,
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.norm = |name, d, eps| NormSpec::rms(name, d, eps).rounded_last();
        shape.mlp_bias = false;
        if !turns {
            shape.positions = vec![Position::None; shape.n_layers];
        }
        only_silu(config, &shape)?;
        let attends = attends(config, shape.n_layers, || Ok(one_in_four(shape.n_layers)))?;
        let sizes = sizes(config, &shape)?;
        let flag = config.flag("linear_allow_neg_eigval")?;
        let doubled = flag.unwrap_or(!config.has("linear_allow_neg_eigval"));
        // How weights were drawn.
        config.pass_over(&[
            "linear_a_log_min",
            "linear_a_log_max",
            "linear_dt_min",
            "linear_dt_max",
            "linear_dt_init_floor",
        ]);
        let mut spec = shape.decoder(config, names)?;
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            if attends[i] {
                after(&shape, names, i, layer);
            } else {
                before(&shape, names, i, layer);
                layer.mixer = delta(&sizes, &shape, names, i, doubled).into();
            }
        }
        Ok(spec)
    },
};

/// Whether attention rotates: published files say that it does not by a base that is null.
fn rotates(config: &Config<'_>) -> Result<bool, ConfigError> {
    let Some(rope) = config.object("rope_parameters")? else { return Ok(true) };
    let is_null = rope.keys().get("rope_theta").is_some_and(serde_json::Value::is_null);
    if is_null {
        rope.pass_over(&["rope_theta", "rope_type", "type"]);
    }
    Ok(!is_null)
}

/// Every fourth layer attends; the last one, if there are fewer.
fn one_in_four(n_layers: usize) -> Vec<bool> {
    (0..n_layers).map(|i| i % 4 == 3 || (n_layers < 4 && i + 1 == n_layers)).collect()
}

/// Sizes that are arithmetic where the config is silent or says null.
fn sizes(config: &Config<'_>, shape: &Shape) -> Result<Sizes, ConfigError> {
    let n_key_heads = config.size("linear_num_key_heads")?.unwrap_or(shape.n_heads);
    let d_key = match config.size("linear_key_head_dim")? {
        Some(d_key) => d_key,
        None => (0.75 * shape.d_model as f64 / n_key_heads as f64) as usize,
    };
    let sizes = Sizes {
        n_key_heads,
        n_heads: config.size("linear_num_value_heads")?.unwrap_or(shape.n_heads),
        d_key,
        d_value: config.size("linear_value_head_dim")?.unwrap_or(2 * d_key),
        kernel: config.size_or("linear_conv_kernel_dim", 4)?,
    };
    if d_key == 0 {
        let what = format!("linear_key_head_dim is absent, and {n_key_heads} heads of keys leave no width");
        return Err(ConfigError::Inconsistent { what });
    }
    sizes.check()?;
    Ok(sizes)
}

/// The first of `parts` under which layer `i` has a norm on disk; the published files and transformers differ.
fn stored<'p>(names: &TensorNames, shape: &Shape, i: usize, parts: [&'p str; 2]) -> &'p str {
    let is_there = |part: &&&str| names.has(&format!("{}.weight", shape.name(i, part)));
    parts.iter().find(is_there).copied().unwrap_or(parts[0])
}

/// Norms before the branches.
fn before(shape: &Shape, names: &TensorNames, i: usize, layer: &mut LayerSpec) {
    let norm = |parts| shape.layer_norm(i, stored(names, shape, i, parts));
    layer.attn_norm = Some(norm(["attention_layer_norm", "input_layernorm"]));
    let mlp_norm = Some(norm(["feedforward_layer_norm", "post_attention_layernorm"]));
    layer.wiring = Wiring::Sequential { mlp_norm };
}

/// Norms after the branches, and on all query and key heads together.
fn after(shape: &Shape, names: &TensorNames, i: usize, layer: &mut LayerSpec) {
    let norm = |parts| shape.layer_norm(i, stored(names, shape, i, parts));
    layer.attn_norm = None;
    layer.attn_post_norm = Some(norm(["post_attention_layernorm", "feedforward_layer_norm"]));
    layer.wiring = Wiring::Sequential { mlp_norm: None };
    layer.mlp_post_norm = Some(norm(["post_feedforward_layernorm", "post_feedforward_layer_norm"]));
    if let MixerSpec::Attention(attn) = &mut layer.mixer {
        let heads = |part: &str, n: usize| (shape.norm)(&shape.name(i, part), n * shape.d_head, shape.eps);
        attn.qk_norm = Some(QkNorm {
            q: heads("self_attn.q_norm", shape.n_heads),
            k: heads("self_attn.k_norm", shape.n_kv_heads),
            scope: QkScope::AllHeads,
        });
    }
}

fn delta(sizes: &Sizes, shape: &Shape, names: &TensorNames, i: usize, doubled: bool) -> GatedDeltaSpec {
    let prefix = shape.name(i, "linear_attn");
    let linear =
        |part: &str, d_out: usize| LinearSpec::new(&format!("{prefix}.{part}"), d_out, shape.d_model, false);
    let (keys, values) = (sizes.n_key_heads * sizes.d_key, sizes.n_heads * sizes.d_value);
    let maps = Maps {
        qkv: [linear("q_proj", keys), linear("k_proj", keys), linear("v_proj", values)],
        gate: linear("g_proj", values),
        strength: linear("b_proj", sizes.n_heads),
        decay: linear("a_proj", sizes.n_heads),
    };
    let strength_factor = if doubled { 2.0 } else { 1.0 };
    let own = Own { norm: "o_norm", eps: 1e-5, output: "o_proj", strength_factor, is_rounded_last: false };
    let mut delta = sizes.spec(&prefix, shape.d_model, maps, own);
    let name = |part: &str| format!("{prefix}.{part}.weight");
    if !names.has(&name("conv1d")) {
        // Together they cover all channels; transformers cuts them into thirds when it saves a model.
        let parts = ["q_conv1d", "k_conv1d", "v_conv1d"];
        let stored: Vec<usize> = parts.iter().filter_map(|part| names.rows(&name(part))).collect();
        let widths = match *stored {
            [q, k, v] if q.saturating_add(k).saturating_add(v) == sizes.channels() => [q, k, v],
            _ => [keys, keys, values],
        };
        let filter = |(part, width): (&str, usize)| {
            FilterSpec::new(&format!("{prefix}.{part}"), width, sizes.kernel, false)
        };
        delta.filters = parts.into_iter().zip(widths).map(filter).collect();
    }
    delta
}
