//! Llama 4.

use serde_json::{Map, Value};

use super::{
    Family, TensorNames,
    routed::{EXPERTS, Stored, counts, router, ungated},
    shape::{Defaults, Epsilon, Rotation, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::{
        Cut, ExpertsSpec, GatedSpec, Gating, LinearSpec, MlpSpec, NormSpec, Param, Position, QkNorm, QkScope,
        QueryGrowth, RoutingSpec, Scores, Weighted,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["llama4_text"],
    models: "Llama 4 (the text part)",
    particulars: "interleaved RoPE in chunks; every fourth layer without positions, sees everything and has queries that grow; \
                  experts by sigmoids that scale their input, beside a shared one",
    resolve: |config, names, family| {
        let keys = without_empty_list(config);
        let config = &config.standing_for(None, &keys);
        let defaults = Defaults {
            d_head: Some(128),
            theta: Some(5e5),
            eps: Epsilon::rms(1e-5),
            rotation: Rotation::Interleaved,
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.mlp_bias = false;
        let rotates = rotates(config, shape.n_layers)?;
        let chunk = config.size_unless_null("attention_chunk_size", 8192)?;
        shape.masks = config.chunked_masks(shape.n_layers, chunk, |i| rotates[i])?;
        for (position, _) in shape.positions.iter_mut().zip(&rotates).filter(|(_, rotates)| !**rotates) {
            *position = Position::None;
        }
        let dense_width = config.size_or("intermediate_size_mlp", 16_384)?;
        let sparse = sparse_layers(config, shape.n_layers)?;
        let (n, per_token) = counts(config, shape.n_layers, EXPERTS)?;
        let mut spec = shape.decoder(config, names)?;
        let on_by_default =
            |key| -> Result<bool, ConfigError> { Ok(config.flag(key)?.unwrap_or(!config.has(key))) };
        let normed = on_by_default("use_qk_norm")?;
        let growth = growth(config, on_by_default("attn_temperature_tuning")?)?;
        for (i, attn) in spec.attentions_mut() {
            if rotates[i] {
                let norm = || NormSpec::bare_rms(shape.eps);
                attn.qk_norm = normed.then(|| QkNorm { q: norm(), k: norm(), scope: QkScope::RotatedHead });
            } else {
                attn.growth = growth;
            }
        }
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            let block = shape.name(i, "feed_forward");
            layer.mlp = match sparse[i] {
                true => experts(names, &shape, &block, n, per_token),
                false => MlpSpec::Gated(shape.gated(&block, dense_width)),
            };
        }
        Ok(spec)
    },
};

/// The keys without an empty `no_rope_layers`, which stands for the class's own list.
fn without_empty_list(config: &Config<'_>) -> Map<String, Value> {
    let mut keys = config.keys().clone();
    if keys.get("no_rope_layers").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        config.pass_over(&["no_rope_layers"]);
        keys.remove("no_rope_layers");
    }
    keys
}

/// Which layers rotate: the list says 1 where one does.
fn rotates(config: &Config<'_>, n_layers: usize) -> Result<Vec<bool>, ConfigError> {
    let interval = config.size_or("no_rope_layer_interval", 4)?;
    let rotates: Vec<bool> = match config.numbers("no_rope_layers")? {
        Some(list) => list.iter().map(|flag| *flag != 0.0).collect(),
        None => (0..n_layers).map(|i| !(i + 1).is_multiple_of(interval)).collect(),
    };
    if rotates.len() < n_layers {
        let what = format!("no_rope_layers has {} entries for {n_layers} layers", rotates.len());
        return Err(ConfigError::Inconsistent { what });
    }
    Ok(rotates)
}

/// Which layers have experts: those of a list, or every few.
fn sparse_layers(config: &Config<'_>, n_layers: usize) -> Result<Vec<bool>, ConfigError> {
    let step = config.size_or("interleave_moe_layer_step", 1)?;
    let list = config.numbers("moe_layers")?;
    let is_sparse = |i: usize| match &list {
        Some(list) => list.contains(&(i as f64)),
        None => (i + 1).is_multiple_of(step),
    };
    Ok((0..n_layers).map(is_sparse).collect())
}

/// How the queries of layers without positions grow, if they do.
fn growth(config: &Config<'_>, they_do: bool) -> Result<Option<QueryGrowth>, ConfigError> {
    let slope = config.positive_or("attn_scale", 0.1)?;
    let growth = QueryGrowth { slope, every: config.size_or("floor_scale", 8192)?, shift: 1 };
    Ok(they_do.then_some(growth))
}

/// The experts under `block`: stacked and stored `[experts, in, out]`, or stored singly.
fn experts(names: &TensorNames, shape: &Shape, block: &str, n: usize, per_token: usize) -> MlpSpec {
    let (d_model, d_mlp) = (shape.d_model, shape.d_mlp);
    let single = names.has(&format!("{block}.experts.0.gate_proj.weight"));
    let stack = |part: &str, shape: [usize; 3], e: usize| LinearSpec {
        weight: Param::whole(format!("{block}.experts.{part}"), shape).cut(Cut::Index(e)).cut(Cut::Transpose),
        bias: None,
    };
    let expert = |e: usize| {
        let gate_up = stack("gate_up_proj", [n, d_model, 2 * d_mlp], e);
        let [gate, up] = [0..d_mlp, d_mlp..2 * d_mlp].map(|rows| gate_up.part(&Cut::Rows(rows)));
        let down = stack("down_proj", [n, d_mlp, d_model], e);
        GatedSpec::new(Gating::Plain(shape.activation), [gate, up, down]).into()
    };
    let mut routing = RoutingSpec::new(router(names, block, n, d_model), per_token, Scores::Sigmoid);
    routing.weighted = Weighted::Input;
    MlpSpec::Experts(Box::new(ExpertsSpec {
        routing,
        experts: match single {
            true => Stored::new(shape, block, n, d_mlp).experts(names),
            false => (0..n).map(expert).collect(),
        },
        latent: None,
        shared: Some(ungated(names, shape, block, d_mlp)),
    }))
}
