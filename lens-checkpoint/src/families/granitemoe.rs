//! Granite with experts.

use super::{
    Family, TensorNames,
    granite::scaled,
    routed::{EXPERTS, counts},
    shape::Shape,
};
use crate::{
    config::{Config, ConfigError},
    spec::{
        Cut, DecoderSpec, ExpertsSpec, GatedSpec, Gating, LinearSpec, MlpSpec, Param, RoutingSpec, Scores,
        SharedExpert,
    },
};

pub(super) const FAMILY: Family = Family {
    model_types: &["granitemoe", "granitemoeshared"],
    models: "Granite 3 1B-A400M and 3B-A800M",
    particulars: "Granite's multipliers; the largest logits choose, and a softmax over those weighs; optionally a shared expert",
    resolve: |config, names, family| {
        let mut shape = Shape::read(config, names, family)?;
        shape.mlp_bias = false;
        shape.scale = config.positive_or("attention_multiplier", 1.0)?;
        let mut spec = scaled(config, names, &shape)?;
        spec.readout.post.scale = 1.0 / config.positive_or("logits_scaling", 1.0)? as f32;
        let shared = match family {
            "granitemoeshared" => config.count("shared_intermediate_size")?.filter(|width| *width > 0),
            _ => None,
        };
        put_experts(config, names, &shape, shared, &mut spec)?;
        Ok(spec)
    },
};

/// Puts experts into every layer, beside a shared one of this width.
pub(super) fn put_experts(
    config: &Config<'_>,
    names: &TensorNames,
    shape: &Shape,
    shared: Option<usize>,
    spec: &mut DecoderSpec,
) -> Result<(), ConfigError> {
    let (n, per_token) = counts(config, shape.n_layers, EXPERTS)?;
    let gating = Gating::Plain(shape.activation);
    let (d_model, d_mlp) = (shape.d_model, shape.d_mlp);
    for (i, layer) in spec.layers.iter_mut().enumerate() {
        let block = shape.name(i, "block_sparse_moe");
        // As transformers saves it, and as version 5 holds it in memory.
        let own = |name: &str, held: &str| match names.has(&format!("{block}.{held}")) {
            true => format!("{block}.{held}"),
            false => format!("{block}.{name}.weight"),
        };
        let (input, output) =
            (own("input_linear", "experts.gate_up_proj"), own("output_linear", "experts.down_proj"));
        let map = |name: &str, shape: [usize; 3], e: usize| LinearSpec {
            weight: Param::whole(name, shape).cut(Cut::Index(e)),
            bias: None,
        };
        let expert = |e: usize| {
            let gate_up = map(&input, [n, 2 * d_mlp, d_model], e);
            gated(gating, &gate_up, d_mlp, map(&output, [n, d_model, d_mlp], e)).into()
        };
        let router = ["router.layer", "router"].map(|router| format!("{block}.{router}"));
        let router =
            router.iter().find(|router| names.has(&format!("{router}.weight"))).unwrap_or(&router[0]);
        layer.mlp = MlpSpec::Experts(Box::new(ExpertsSpec {
            routing: RoutingSpec::new(
                LinearSpec::new(router, n, d_model, false),
                per_token,
                Scores::SoftmaxOfChosen,
            ),
            experts: (0..n).map(expert).collect(),
            latent: None,
            shared: shared.map(|width| SharedExpert { mlp: shared_mlp(shape, i, width).into(), gate: None }),
        }));
    }
    Ok(())
}

/// The MLP of layer `i` that sees every token.
pub(super) fn shared_mlp(shape: &Shape, i: usize, width: usize) -> GatedSpec {
    let linear = |part: &str, d_out, d_in| {
        LinearSpec::new(&shape.name(i, &format!("shared_mlp.{part}")), d_out, d_in, false)
    };
    let gate_up = linear("input_linear", 2 * width, shape.d_model);
    let down = linear("output_linear", shape.d_model, width);
    gated(Gating::Plain(shape.activation), &gate_up, width, down)
}

/// A gated MLP whose gate and up projections are one map, the gate first.
fn gated(gating: Gating, gate_up: &LinearSpec, width: usize, down: LinearSpec) -> GatedSpec {
    let [gate, up] = [0..width, width..2 * width].map(|rows| gate_up.part(&Cut::Rows(rows)));
    GatedSpec::new(gating, [gate, up, down])
}
