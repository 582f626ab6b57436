//! Lara Mini: gated delta nets, windows that rotate, and full attention without positions, with experts in every layer.

use super::{
    Family, TensorNames,
    delta::{Maps, Own, Sizes, only_silu},
    qwen::head_norms,
    routed::{EXPERTS, Stored, counts},
    shape::{Defaults, Shape},
};
use crate::{
    config::{Config, ConfigError},
    spec::{
        Cut, ExpertsSpec, GatedDeltaSpec, LinearSpec, Mask, MlpSpec, NormSpec, Position, RoutingSpec, Scores,
        SharedExpert,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["lara_mini"],
    models: "Lara 4 Mini",
    particulars: "gated delta nets, windows with RoPE and full attention without in a pattern of five layers; experts beside one \
                  that sees every token",
    resolve: |config, names, family| {
        let defaults = Defaults {
            n_kv_heads: Some(4),
            d_head: Some(128),
            mlp_key: Some("moe_intermediate_size"),
            ..Defaults::default()
        };
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        shape.norm = |name, d, eps| NormSpec::rms(name, d, eps).rounded_last();
        (shape.mlp_bias, shape.tied_by_default) = (false, true);
        only_silu(config, &shape)?;
        // No MLP is dense.
        config.pass_over(&["intermediate_size"]);
        let kinds = kinds(config, shape.n_layers)?;
        let window = config.size_or("sliding_window", 512)?;
        for (i, kind) in kinds.iter().enumerate() {
            match kind {
                Kind::Sliding => shape.masks[i] = Mask::Sliding { window },
                Kind::Full => shape.positions[i] = Position::None,
                Kind::Delta => {}
            }
        }
        let sizes = Sizes { n_key_heads: 8, n_heads: 16, ..Sizes::QWEN }.read(config)?;
        let mut spec = shape.decoder(config, names)?;
        head_norms(&shape, &mut spec);
        let experts = Experts::read(config, &shape)?;
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            layer.mlp = experts.of_layer(names, &shape, i);
            if matches!(kinds[i], Kind::Delta) {
                layer.mixer = delta(&sizes, &shape, names, i).into();
            }
        }
        Ok(spec)
    },
};

/// What a layer has for positions to meet.
#[derive(Clone, Copy)]
enum Kind {
    Delta,
    Sliding,
    Full,
}

/// The kinds that `layer_types` name, or else the pattern of five that was published.
fn kinds(config: &Config<'_>, n_layers: usize) -> Result<Vec<Kind>, ConfigError> {
    const PATTERN: [Kind; 5] = [Kind::Delta, Kind::Sliding, Kind::Delta, Kind::Full, Kind::Sliding];
    let Some(kinds) = config.texts("layer_types")? else {
        return Ok(PATTERN.into_iter().cycle().take(n_layers).collect());
    };
    if kinds.len() != n_layers {
        let what = format!("layer_types has {} entries for {n_layers} layers", kinds.len());
        return Err(ConfigError::Inconsistent { what });
    }
    kinds
        .into_iter()
        .map(|kind| match kind {
            "linear_attention" => Ok(Kind::Delta),
            "sliding_attention" => Ok(Kind::Sliding),
            "full_attention" => Ok(Kind::Full),
            other => Err(ConfigError::Unsupported {
                key: config.name("layer_types"),
                value: other.to_owned(),
                supported: "linear_attention, sliding_attention, full_attention",
            }),
        })
        .collect()
}

/// The gated delta net of a layer. The published files have all of its maps in one, as `[q; k; v; gate; strength; decay]`.
fn delta(sizes: &Sizes, shape: &Shape, names: &TensorNames, i: usize) -> GatedDeltaSpec {
    let prefix = shape.name(i, "linear_attn");
    let has = |part: &str| names.has(&format!("{prefix}.{part}.weight"));
    let own =
        |norm| Own { norm, eps: shape.eps, output: "out_proj", strength_factor: 1.0, is_rounded_last: true };
    if has("in_proj_qkv") {
        let norm = if has("norm") { "norm" } else { "out_norm" };
        return sizes.spec(&prefix, shape.d_model, sizes.separate(&prefix, shape.d_model), own(norm));
    }
    let (channels, values, heads) = (sizes.channels(), sizes.n_heads * sizes.d_value, sizes.n_heads);
    let all = channels + values + 2 * heads;
    let all = LinearSpec::new(&format!("{prefix}.in_proj"), all, shape.d_model, false);
    let part = |start: usize, n: usize| all.part(&Cut::Rows(start..start + n));
    let maps = Maps {
        qkv: sizes.blocks(&all),
        gate: part(channels, values),
        strength: part(channels + values, heads),
        decay: part(channels + values + heads, heads),
    };
    sizes.spec(&prefix, shape.d_model, maps, own("out_norm"))
}

/// The experts of all layers.
struct Experts {
    n: usize,
    per_token: usize,
    d_mlp: usize,
    d_shared: usize,
    renormalise: bool,
}

impl Experts {
    fn read(config: &Config<'_>, shape: &Shape) -> Result<Self, ConfigError> {
        let (n, per_token) = counts(config, shape.n_layers, EXPERTS)?;
        let flag = config.flag("norm_topk_prob")?;
        Ok(Self {
            n,
            per_token,
            d_mlp: config.required_size("moe_intermediate_size")?,
            d_shared: config.size_or("shared_expert_intermediate_size", 512)?,
            renormalise: flag.unwrap_or(!config.has("norm_topk_prob")),
        })
    }

    fn of_layer(&self, names: &TensorNames, shape: &Shape, i: usize) -> MlpSpec {
        let block = shape.name(i, "mlp");
        let router = LinearSpec::new(&format!("{block}.gate"), self.n, shape.d_model, false);
        let mut routing = RoutingSpec::new(router, self.per_token, Scores::Softmax);
        routing.wide_logits = true;
        let mlp = shape.gated(&format!("{block}.shared_expert"), self.d_shared);
        MlpSpec::Experts(Box::new(ExpertsSpec {
            routing: if self.renormalise { routing.renormalised(0.0) } else { routing },
            experts: Stored::new(shape, &block, self.n, self.d_mlp).experts(names),
            latent: None,
            shared: Some(SharedExpert { mlp: mlp.into(), gate: None }),
        }))
    }
}
