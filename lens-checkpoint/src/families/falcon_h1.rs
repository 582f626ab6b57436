//! Falcon-H1: attention and Mamba-2 side by side in every block.

use super::{
    Family,
    bamba::{around, final_norm},
    shape::{Defaults, Epsilon, Shape, written_by},
    state_space::{StateSpace, pass_over_training},
};
use crate::{
    config::{Config, ConfigError},
    spec::{
        EmbedScale, GateNorm, Gating, LayerSpec, Mamba2Factors, Mamba2Spec, MixerSpec, MlpSpec, NormSpec,
        SideBySideSpec,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["falcon_h1"],
    models: "Falcon-H1 0.5B to 34B",
    particulars: "attention and a Mamba-2 mixer side by side in every block, whose sum is attn_out; a factor on almost \
                  every value",
    resolve: |config, names, family| {
        // Version 4 writes its own default; 5 has the common one.
        let theta = if written_by(config)? < 5 { 1e5 } else { 1e4 };
        let defaults = Defaults {
            n_heads: Some(32),
            n_kv_heads: Some(8),
            n_vocab: Some(128_000),
            eps: Epsilon::rms(1e-5),
            theta: Some(theta),
            ..Defaults::default()
        };
        let shape = Shape::read_with(config, names, family, &defaults)?;
        let channels = config.size_unless_null("mamba_d_ssm", 1024)?;
        let mut mixers = StateSpace::read(config, shape.d_model, shape.eps, channels)?;
        mixers.out_bias = config.flag("projectors_bias")?.unwrap_or(false);
        pass_over_training(config);
        // Words of the authors' own code for what the family always does.
        config.pass_over(&["mamba_use_mlp", "mlp_expansion_factor"]);
        let factors = Factors::read(config)?;
        let norm = Norm::read(config)?;

        let mut spec = shape.decoder(config, names)?;
        spec.readout.norm = Some(final_norm(&shape));
        spec.embed.scale = Some(EmbedScale::Factor(factor(config, "embedding_multiplier")?));
        spec.readout.post.scale = factor(config, "lm_head_multiplier")? as f32;
        for (i, layer) in spec.layers.iter_mut().enumerate() {
            around(&shape, i, layer);
            let mut mamba2 = mixers.mixer(&shape.name(i, "mamba"));
            mamba2.factors = Some(factors.state_space);
            norm.apply(&mut mamba2);
            factors.apply(layer, mamba2);
        }
        Ok(spec)
    },
};

/// A factor that is one where the config does not say.
fn factor(config: &Config<'_>, key: &'static str) -> Result<f64, ConfigError> {
    config.refuse_null(key, "a finite number")?;
    Ok(config.number(key)?.unwrap_or(1.0))
}

/// A list of `N` factors, each one where the config does not say.
fn factors<const N: usize>(config: &Config<'_>, key: &'static str) -> Result<[f64; N], ConfigError> {
    let Some(list) = config.numbers(key)? else { return Ok([1.0; N]) };
    let n = list.len();
    list.try_into()
        .map_err(|_| ConfigError::Inconsistent { what: format!("{key} has {n} factors for {N} values") })
}

/// The factors of a block.
struct Factors {
    key: f64,
    attention: [f64; 2],
    state_space: Mamba2Factors,
    state_space_out: f64,
    mlp: [f64; 2],
}

impl Factors {
    fn read(config: &Config<'_>) -> Result<Self, ConfigError> {
        let [gate, value, b, c, step] = factors(config, "ssm_multipliers")?;
        let input = factor(config, "ssm_in_multiplier")?;
        Ok(Self {
            key: factor(config, "key_multiplier")?,
            attention: [
                factor(config, "attention_in_multiplier")?,
                factor(config, "attention_out_multiplier")?,
            ],
            state_space: Mamba2Factors { input, gate, value, b, c, step },
            state_space_out: factor(config, "ssm_out_multiplier")?,
            mlp: factors(config, "mlp_multipliers")?,
        })
    }

    /// Puts `mamba2` beside the attention of a layer, with all factors.
    fn apply(&self, layer: &mut LayerSpec, mamba2: Mamba2Spec) {
        if let MlpSpec::Gated(mlp) = &mut layer.mlp
            && let Gating::Plain(activation) = mlp.gating
        {
            mlp.gating = Gating::Scaled { activation, factor: self.mlp[0] };
        }
        layer.mlp_multiplier = Some(self.mlp[1]);
        if let MixerSpec::Attention(attention) = &layer.mixer {
            let mut attention = attention.clone();
            // Keys turn and meet queries linearly: a factor on them is one on the scores.
            attention.scale *= self.key;
            layer.mixer = MixerSpec::SideBySide(Box::new(SideBySideSpec {
                attention,
                attention_in: self.attention[0],
                attention_out: self.attention[1],
                mamba2,
                mamba2_out: self.state_space_out,
            }));
        }
    }
}

/// Whether and where the state space has a norm.
struct Norm {
    is_there: bool,
    before_gate: bool,
}

impl Norm {
    fn read(config: &Config<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            is_there: config.flag("mamba_rms_norm")?.unwrap_or(false),
            before_gate: config.flag("mamba_norm_before_gate")?.unwrap_or(true),
        })
    }

    fn apply(&self, mamba2: &mut Mamba2Spec) {
        let norm: Option<NormSpec> = mamba2.gate_norm.norm().cloned();
        mamba2.gate_norm = match norm {
            Some(norm) if self.is_there && self.before_gate => GateNorm::BeforeGate(norm),
            Some(norm) if self.is_there => GateNorm::AfterGate(norm),
            _ => GateNorm::Without,
        };
    }
}
