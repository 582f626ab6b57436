//! gpt-oss.

use serde_json::{Map, Value, json};

use super::{
    Family,
    routed::{EXPERTS, counts},
    shape::{Defaults, Epsilon, Shape},
};
use crate::config::{Config, ConfigError};
use crate::spec::{Cut, ExpertsSpec, GatedSpec, Gating, LinearSpec, MlpSpec, Param, RoutingSpec, Scores};

pub(super) const FAMILY: Family = Family {
    model_types: &["gpt_oss"],
    models: "gpt-oss, in MXFP4 as published or in bf16",
    particulars: "attention sinks, every other layer slides, experts with biases and a clamped SwiGLU, YaRN",
    resolve: |config, names, family| {
        let defaults =
            Defaults { d_head: Some(64), theta: Some(1.5e5), eps: Epsilon::rms(1e-5), ..Defaults::default() };
        let keys = with_scaling(config)?;
        let config = &keys.as_ref().map_or(*config, |keys| config.standing_for(None, keys));
        let mut shape = Shape::read_with(config, names, family, &defaults)?;
        let bias = config.flag("attention_bias")?.unwrap_or(true);
        (shape.qkv_bias, shape.o_bias) = (bias, bias);
        let window = config.size_or("sliding_window", 128)?;
        shape.masks = config.masks(shape.n_layers, Some(window), |i| i.is_multiple_of(2))?;
        let (d_model, d_mlp) = (shape.d_model, shape.d_mlp);
        let (n, per_token) = counts(config, shape.n_layers, EXPERTS)?;
        let gating = gating(config)?;
        let mut spec = shape.decoder(config, names)?;
        for (i, attn) in spec.attentions_mut() {
            attn.sinks = Some(Param::whole(shape.name(i, "self_attn.sinks"), [shape.n_heads]));
        }
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            let block = shape.name(i, "mlp");
            // Experts are stacked as [experts, in, out]; gate and up alternate among the outputs.
            let expert = |part: &str, d_out: usize, d_in: usize, e: usize| LinearSpec {
                weight: Param::whole(format!("{block}.experts.{part}"), [n, d_in, d_out])
                    .cut(Cut::Index(e))
                    .cut(Cut::Transpose),
                bias: Some(
                    Param::whole(format!("{block}.experts.{part}_bias"), [n, d_out]).cut(Cut::Index(e)),
                ),
            };
            let experts = (0..n)
                .map(|e| {
                    let gate_up = expert("gate_up_proj", 2 * d_mlp, d_model, e);
                    let [gate, up] = [0, 1].map(|start| gate_up.part(&Cut::Every { start, step: 2 }));
                    let down = expert("down_proj", d_model, d_mlp, e);
                    GatedSpec::new(gating, [gate, up, down]).into()
                })
                .collect();
            layer.mlp = MlpSpec::Experts(Box::new(ExpertsSpec {
                routing: RoutingSpec::new(
                    LinearSpec::new(&format!("{block}.router"), n, d_model, true),
                    per_token,
                    Scores::SoftmaxOfChosen,
                ),
                experts,
                latent: None,
                shared: None,
            }));
        }
        Ok(spec)
    },
};

/// The nonlinearity, with the numbers of the config; transformers 4 has those of the published models in its code.
fn gating(config: &Config<'_>) -> Result<Gating, ConfigError> {
    let number = |key: &'static str, published: f64| {
        let number = config.positive_or(key, published)?;
        if number != published {
            config.remark(&format!(
                "{key} is {number}, as config.json says; transformers 4 takes {published} whatever the file says"
            ));
        }
        Ok(number)
    };
    Ok(Gating::ClampedSwiglu { alpha: number("swiglu_alpha", 1.702)?, limit: number("swiglu_limit", 7.0)? })
}

/// The keys with the YaRN of the class, where the config is silent about scaling: null is none.
fn with_scaling(config: &Config<'_>) -> Result<Option<Map<String, Value>>, ConfigError> {
    if config.has("rope_scaling") || config.object("rope_parameters")?.is_some() {
        return Ok(None);
    }
    let scaling = json!({
        "rope_type": "yarn",
        "factor": 32.0,
        "beta_fast": 32.0,
        "beta_slow": 1.0,
        "truncate": false,
        "original_max_position_embeddings": 4096,
    });
    let mut keys = config.keys().clone();
    keys.insert("rope_scaling".to_owned(), scaling);
    Ok(Some(keys))
}
