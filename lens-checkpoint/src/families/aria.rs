//! Aria's text model.

use super::{
    Family, TensorNames,
    routed::{few_enough, plausible_experts, router, ungated},
    shape::{Shape, plausible},
};
use crate::{
    config::{Config, ConfigError},
    spec::{
        Activation, Cut, DecoderSpec, ExpertsSpec, GatedSpec, Gating, LinearSpec, MlpSpec, Param,
        RoutingSpec, Scores,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["aria_text"],
    models: "Aria (the text part)",
    particulars: "Llama with experts in stacks of transposed matrices; a softmax over those that were chosen; beside them \
                  some that see every token",
    resolve,
};

fn resolve(config: &Config<'_>, names: &TensorNames, family: &str) -> Result<DecoderSpec, ConfigError> {
    let shape = Shape::read(config, names, family)?;
    let mut spec = shape.decoder(config, names)?;
    let n = plausible_experts(config.size_or("moe_num_experts", 8)?, shape.n_layers)?;
    let per_token = config.size_or("moe_topk", 2)?;
    few_enough(per_token, n)?;
    let shared =
        plausible(config.count("moe_num_shared_experts")?.unwrap_or(2), n.max(64), "shared experts")?;
    let (d, d_mlp) = (shape.d_model, shape.d_mlp);
    for (i, layer) in spec.layers.iter_mut().enumerate() {
        let block = shape.name(i, "mlp");
        // As files have them, and as version 5 of transformers holds them in memory.
        let own = |stored: &str, held: &str| match names.has(&format!("{block}.experts.{held}")) {
            true => format!("{block}.experts.{held}"),
            false => format!("{block}.experts.{stored}.weight"),
        };
        let (input, output) = (own("fc1", "gate_up_proj"), own("fc2", "down_proj"));
        let map = |name: &str, shape: [usize; 3], e: usize| LinearSpec {
            weight: Param::whole(name, shape).cut(Cut::Index(e)).cut(Cut::Transpose),
            bias: None,
        };
        let expert = |e: usize| {
            let gate_up = map(&input, [n, d, 2 * d_mlp], e);
            let [gate, up] = [0..d_mlp, d_mlp..2 * d_mlp].map(|rows| gate_up.part(&Cut::Rows(rows)));
            // Whatever the nonlinearity of the others is.
            let gating = Gating::Plain(Activation::Silu);
            GatedSpec::new(gating, [gate, up, map(&output, [n, d_mlp, d], e)]).into()
        };
        layer.mlp = MlpSpec::Experts(Box::new(ExpertsSpec {
            routing: RoutingSpec::new(router(names, &block, n, d), per_token, Scores::SoftmaxOfChosen),
            experts: (0..n).map(expert).collect(),
            latent: None,
            shared: (shared > 0).then(|| ungated(names, &shape, &block, shared * d_mlp)),
        }));
    }
    Ok(spec)
}
