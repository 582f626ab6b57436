//! DBRX.

use std::sync::Arc;

use super::{
    Family,
    parts::{Ends, Sizes, decoder},
    routed::{few_enough, plausible_experts},
    shape::Epsilon,
};
use crate::{
    config::{Config, ConfigError, RopeQuery},
    spec::{
        Activation, Cut, Divisor, ExpertsSpec, GatedSpec, Gating, LayerSpec, LinearSpec, MlpSpec, NormSpec,
        Param, Position, RoutingSpec, Scores,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["dbrx"],
    models: "DBRX",
    particulars: "query, key and value in one matrix, clipped; layer norms without biases; experts in stacked rows",
    resolve: |config, names, family| {
        let sizes = Sizes::read(config, Epsilon::Fixed(1e-5))?;
        let attention = config.object("attn_config")?;
        let n_kv_heads = match &attention {
            Some(attention) => attention.size_or("kv_n_heads", 1)?,
            None => 1,
        };
        if !sizes.n_heads.is_multiple_of(n_kv_heads) {
            let what = format!("{} attention heads cannot share {n_kv_heads} key-value heads", sizes.n_heads);
            return Err(ConfigError::Inconsistent { what });
        }
        // Every class has the key, and only that of the whole model means something by it.
        if let Some(attention) = &attention {
            attention.pass_over(&["tie_word_embeddings"]);
        }
        config.pass_over_number("num_key_value_heads", n_kv_heads as f64);
        let clip = attention.as_ref().map(|attention| attention.positive("clip_qkv")).transpose()?.flatten();
        let theta =
            attention.as_ref().map_or(Ok(1e4), |attention| attention.rope_base_or("rope_theta", 1e4))?;
        let rope = Arc::new(config.rope(&RopeQuery::new(sizes.d_head, theta))?);
        let experts = Experts::read(config, &sizes)?;
        let norm = |name: &str| NormSpec::layer(name, sizes.d_model, sizes.eps, false);
        let layers = (0..sizes.n_layers).map(|i| {
            let name = |part: &str| format!("transformer.blocks.{i}.{part}");
            let width = sizes.n_heads * sizes.d_head;
            let qkv = LinearSpec::new(
                &name("norm_attn_norm.attn.Wqkv"),
                width + 2 * n_kv_heads * sizes.d_head,
                sizes.d_model,
                false,
            );
            let [q, k, v] = sizes.blocks(&qkv, n_kv_heads);
            let o = LinearSpec::new(&name("norm_attn_norm.attn.out_proj"), sizes.d_model, width, false);
            let mut attn = sizes.attention([q, k, v, o]);
            (attn.n_kv_heads, attn.clip) = (n_kv_heads, clip);
            attn.position = Position::Rotary(Arc::clone(&rope));
            LayerSpec::pre_norm(
                norm(&name("norm_attn_norm.norm_1")),
                attn,
                norm(&name("norm_attn_norm.norm_2")),
                experts.of(&name("ffn"), sizes.d_model),
            )
        });
        let ends = Ends {
            embed: "transformer.wte.weight".to_owned(),
            norm: "transformer.norm_f".to_owned(),
            unembed: &["lm_head.weight"],
            tied_by_default: false,
            context: config.size("max_seq_len")?,
        };
        let mut spec = decoder(config, names, family, &sizes, &ends, layers.collect())?;
        spec.readout.norm = Some(norm(&ends.norm));
        Ok(spec)
    },
};

/// What the experts of all layers have in common.
struct Experts {
    n: usize,
    per_token: usize,
    d_mlp: usize,
    activation: Activation,
    /// The `p` of the norm that the weights are divided by.
    norm: Option<f64>,
}

impl Experts {
    fn read(config: &Config<'_>, sizes: &Sizes) -> Result<Self, ConfigError> {
        let section = config
            .object("ffn_config")?
            .ok_or_else(|| ConfigError::Missing { key: config.name("ffn_config") })?;
        let n = plausible_experts(section.size_or("moe_num_experts", 4)?, sizes.n_layers)?;
        let per_token = section.size_or("moe_top_k", 1)?;
        few_enough(per_token, n)?;
        let key = "moe_normalize_expert_weights";
        let norm = if section.has(key) { section.positive(key)? } else { Some(1.0) };
        let activation = match section.object("ffn_act_fn")? {
            Some(function) => function.activation("name", Activation::Silu)?,
            None => Activation::Silu,
        };
        section.pass_over(&[
            "moe_jitter_eps",
            "moe_loss_weight",
            "uniform_expert_assignment",
            "tie_word_embeddings",
        ]);
        section.pass_over_number("hidden_size", sizes.d_model as f64);
        let d_mlp = section.size_or("ffn_hidden_size", 3584)?;
        Ok(Self { n, per_token, d_mlp, activation, norm })
    }

    fn of(&self, block: &str, d_model: usize) -> MlpSpec {
        let rows = |part: &str, e: usize| {
            Param::whole(format!("{block}.experts.mlp.{part}"), [self.n * self.d_mlp, d_model])
                .cut(Cut::Rows(e * self.d_mlp..(e + 1) * self.d_mlp))
        };
        let linear = |weight: Param| LinearSpec { weight, bias: None };
        let expert = |e: usize| {
            let down = rows("w2", e).cut(Cut::Transpose);
            let linears = [rows("w1", e), rows("v1", e), down].map(linear);
            GatedSpec::new(Gating::Plain(self.activation), linears).into()
        };
        let router = LinearSpec::new(&format!("{block}.router.layer"), self.n, d_model, false);
        let mut routing = RoutingSpec::new(router, self.per_token, Scores::Softmax);
        routing.divisor = self.norm.map(Divisor::Norm);
        MlpSpec::Experts(Box::new(ExpertsSpec {
            routing,
            experts: (0..self.n).map(expert).collect(),
            latent: None,
            shared: None,
        }))
    }
}
