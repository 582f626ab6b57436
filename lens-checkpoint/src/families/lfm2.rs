//! LFM2: gated short convolutions, and attention in some layers.

use serde_json::{Map, Value};

use super::{
    Family, TensorNames, kinds,
    shape::{Defaults, Epsilon, Shape, written_by},
};
use crate::{
    config::{Config, ConfigError},
    spec::{
        Activation, Cut, DecoderSpec, LayerSpec, LinearSpec, MlpSpec, NormSpec, Param, Position, QkNorm,
        QkScope, ShortConvolutionSpec, Wiring,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["lfm2"],
    models: "LFM2 350M to 2.6B",
    particulars: "gated short convolutions in place of attention in most layers; norms on query and key heads",
    resolve: |config, names, family| Ok(hybrid(config, names, family, width_of_mlp)?.1),
};

/// Short convolutions with attention in some layers; `width` makes of what the config names the width of the MLP.
pub(super) fn hybrid(
    config: &Config<'_>,
    names: &TensorNames,
    family: &str,
    width: fn(&Config<'_>, usize) -> Result<usize, ConfigError>,
) -> Result<(Shape, DecoderSpec), ConfigError> {
    let keys = usual_names(config)?;
    let config = &config.standing_for(None, &keys);
    let defaults = Defaults {
        n_heads: Some(32),
        n_kv_heads: Some(8),
        n_vocab: Some(65_536),
        theta: Some(1e6),
        eps: Epsilon::Key("norm_eps", 1e-5),
        ..Defaults::default()
    };
    let mut shape = Shape::read_with(config, names, family, &defaults)?;
    silu(config, &shape)?;
    (shape.qkv_bias, shape.o_bias, shape.mlp_bias) = (false, false, false);
    shape.tied_by_default = true;
    shape.d_mlp = width(config, shape.d_mlp)?;
    let attends = attends(config, shape.n_layers)?;
    let convolution = Convolution::read(config, 3)?;
    pass_over_training(config, &shape);

    let mut spec = shape.decoder(config, names)?;
    spec.readout.norm = Some(norm(&shape, &format!("{}embedding_norm", shape.prefix), shape.d_model));
    attention(&shape, &mut spec);
    for (i, layer) in spec.layers.iter_mut().enumerate() {
        around(&shape, i, layer);
        if !attends[i] {
            layer.mixer = convolution.of_layer(&shape, i).into();
        }
    }
    Ok((shape, spec))
}

/// Refuses another nonlinearity than the one that the classes have.
pub(super) fn silu(config: &Config<'_>, shape: &Shape) -> Result<(), ConfigError> {
    if shape.activation == Activation::Silu {
        return Ok(());
    }
    Err(ConfigError::Unsupported {
        key: config.name("hidden_act"),
        value: config.text("hidden_act")?.unwrap_or_default().to_owned(),
        supported: "silu: LFM has no other",
    })
}

/// The keys under their usual names: LFM2's first files have others for three of them.
fn usual_names(config: &Config<'_>) -> Result<Map<String, Value>, ConfigError> {
    let mut keys = config.keys().clone();
    let mut rename = |own: &str, usual: &str| {
        if let Some(value) = config.keys().get(own) {
            keys.insert(usual.to_owned(), value.clone());
            config.pass_over(&[own]);
        }
    };
    rename("block_ff_dim", "intermediate_size");
    rename("tie_embedding", "tie_word_embeddings");
    // From version 5 on, transformers passes this one over.
    if written_by(config)? < 5 {
        rename("theta", "rope_theta");
    }
    Ok(keys)
}

/// The width of the MLP: what the config names, or what the reference makes of that.
fn width_of_mlp(config: &Config<'_>, named: usize) -> Result<usize, ConfigError> {
    let of = config.size_or("block_multiple_of", 256)?;
    let factor = match config.has("block_ffn_dim_multiplier") {
        true => config.positive("block_ffn_dim_multiplier")?,
        false => Some(1.0),
    };
    if !config.flag("block_auto_adjust_ff_dim")?.unwrap_or(!config.has("block_auto_adjust_ff_dim")) {
        return Ok(named);
    }
    // As Python rounds: towards zero, after each step.
    let width = config.made_size(2.0 * named as f64 / 3.0, "two thirds of the width of the MLP")?;
    let Some(factor) = factor else { return Ok(width) };
    let width =
        config.made_size(factor * width as f64, "block_ffn_dim_multiplier times the width of the MLP")?;
    // Both are far below 2⁶³.
    Ok(width.next_multiple_of(of))
}

/// Which layers attend: `layer_types` says it, or else a list of indices; without either all do.
fn attends(config: &Config<'_>, n_layers: usize) -> Result<Vec<bool>, ConfigError> {
    let indices = config.numbers("full_attn_idxs")?;
    let known = [("full_attention", true), ("conv", false)];
    let said = kinds::of_layers(config, "layer_types", n_layers, &known, "full_attention, conv")?;
    let is_one = |i: usize| indices.as_ref().is_none_or(|indices| indices.contains(&(i as f64)));
    Ok(said.unwrap_or_else(|| (0..n_layers).map(is_one).collect()))
}

/// What the convolutions of all layers have in common.
pub(super) struct Convolution {
    kernel: usize,
    bias: bool,
}

impl Convolution {
    /// Those of a config that says nothing of how many positions they reach over have this many.
    pub(super) fn read(config: &Config<'_>, kernel: usize) -> Result<Self, ConfigError> {
        let kernel = config.size_or("conv_L_cache", kernel)?;
        Ok(Self { kernel, bias: config.flag("conv_bias")?.unwrap_or(false) })
    }

    pub(super) fn of_layer(&self, shape: &Shape, i: usize) -> ShortConvolutionSpec {
        let (channels, bias) = (shape.d_model, self.bias);
        let name = |part: &str| shape.name(i, &format!("conv.{part}"));
        let input = LinearSpec::new(&name("in_proj"), 3 * channels, shape.d_model, bias);
        let part = |third: usize| input.part(&Cut::Rows(third * channels..(third + 1) * channels));
        ShortConvolutionSpec {
            channels,
            kernel: self.kernel,
            gate_in: part(0),
            gate_out: part(1),
            value: part(2),
            filter: Param::whole(name("conv.weight"), [channels, 1, self.kernel]),
            filter_bias: bias.then(|| Param::whole(name("conv.bias"), [channels])),
            output: LinearSpec::new(&name("out_proj"), shape.d_model, channels, bias),
        }
    }
}

pub(super) fn norm(shape: &Shape, name: &str, width: usize) -> NormSpec {
    (shape.norm)(name, width, shape.eps)
}

/// LFM2's names and norms in the layers that attend.
fn attention(shape: &Shape, spec: &mut DecoderSpec) {
    for (i, attn) in spec.attentions_mut() {
        let head = |part: &str| norm(shape, &shape.name(i, part), shape.d_head);
        attn.qk_norm = Some(QkNorm {
            q: head("self_attn.q_layernorm"),
            k: head("self_attn.k_layernorm"),
            scope: QkScope::Head,
        });
        let width = shape.n_heads * shape.d_head;
        attn.o = LinearSpec::new(&shape.name(i, "self_attn.out_proj"), shape.d_model, width, false);
    }
}

/// LFM2's names of what stands around the mixer: its norms and the MLP.
pub(super) fn around(shape: &Shape, i: usize, layer: &mut LayerSpec) {
    layer.attn_norm = Some(shape.layer_norm(i, "operator_norm"));
    layer.wiring = Wiring::Sequential { mlp_norm: Some(shape.layer_norm(i, "ffn_norm")) };
    let linear = |part: &str, d_out: usize, d_in: usize| {
        LinearSpec::new(&shape.name(i, &format!("feed_forward.{part}")), d_out, d_in, false)
    };
    let mut mlp = shape.gated(&shape.name(i, "feed_forward"), shape.d_mlp);
    mlp.gate = linear("w1", shape.d_mlp, shape.d_model);
    mlp.up = linear("w3", shape.d_mlp, shape.d_model);
    mlp.down = linear("w2", shape.d_model, shape.d_mlp);
    layer.mlp = MlpSpec::Gated(mlp);
}

/// Keys of the training code that say again what other keys say, or how weights were drawn.
fn pass_over_training(config: &Config<'_>, shape: &Shape) {
    for key in ["block_dim", "conv_dim", "conv_dim_out"] {
        config.pass_over_number(key, shape.d_model as f64);
    }
    config.pass_over_number("num_heads", shape.n_heads as f64);
    config.pass_over_number("block_norm_eps", shape.eps);
    if let Some(Position::Rotary(rope)) = shape.positions.first() {
        config.pass_over_number("theta", rope.theta);
    }
    config.pass_over(&[
        "block_mlp_init_scale",
        "block_out_init_scale",
        "block_use_xavier_init",
        "conv_use_xavier_init",
    ]);
    for key in ["block_use_swiglu", "use_pos_enc"] {
        if config.keys().get(key) == Some(&Value::Bool(true)) {
            config.pass_over(&[key]);
        }
    }
}
