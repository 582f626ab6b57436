//! A resolved spec in words.

mod mixers;

use std::{fmt::Write, sync::Arc};

use lens_checkpoint::{
    DecoderSpec,
    spec::{
        Activation, AttentionSpec, Cut, EmbedScale, ExpertSpec, ExpertsSpec, GateFunction, GateNorm,
        GateScope, GatedSpec, Gating, Groups, LayerSpec, LinearSpec, Mamba2Spec, Mask, MixerSpec, MlpSpec,
        NormSpec, Pairing, Param, PlainSpec, Position, PositionRows, QkScope, Rope, RopeScaling, RoutingSpec,
        Scores, Sharing, Wiring,
    },
};
use lens_core::NormKind;

/// Names and values, one pair a line.
pub(crate) fn describe(spec: &DecoderSpec) -> Vec<(&'static str, String)> {
    let per_layer = |what: fn(&LayerSpec) -> String| by_layer((0..).zip(spec.layers.iter().map(what)));
    let untied = match (spec.is_tied(), spec.tied_and_stored) {
        (true, None) => "tied to the embedding".to_owned(),
        (false, None) => "an unembedding of its own".to_owned(),
        (true, Some(name)) => {
            format!("tied to the embedding by the config; {name} is stored too, and not read")
        }
        (false, Some(name)) => format!("{name} is read, although the config ties it to the embedding"),
    };
    let mut facts = vec![
        ("layers", spec.layers.len().to_string()),
        ("d_model", spec.d_model.to_string()),
        ("blocks", per_layer(wiring)),
        ("attention", per_layer(|layer| mixer(&layer.mixer))),
        ("positions", positions(spec)),
        ("mask", of_mixers(spec, |mixer| seen(mixer).map(mask))),
        ("mlp", per_layer(|layer| mlp(&layer.mlp))),
        ("norms", per_layer(norms)),
        ("biases", per_layer(biases)),
        ("embedding", embedding(spec)),
        ("vocabulary", format!("{} rows, {untied}", spec.n_vocab())),
        ("readout", readout(spec)),
        ("context", spec.context.map_or_else(|| "not said".to_owned(), |n| format!("{n} tokens"))),
    ];
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// What is particular about mixers, of the layers that have it.
fn of_mixers(spec: &DecoderSpec, what: impl Fn(&MixerSpec) -> Option<String>) -> String {
    by_layer((0..).zip(&spec.layers).filter_map(|(i, layer)| Some((i, what(&layer.mixer)?))))
}

/// Which earlier positions a mixer that attends sees.
fn seen(mixer: &MixerSpec) -> Option<Mask> {
    match mixer {
        MixerSpec::Attention(attn) => Some(attn.mask),
        MixerSpec::LatentAttention(_) => Some(Mask::Causal),
        MixerSpec::SideBySide(both) => Some(both.attention.mask),
        MixerSpec::GatedDelta(_)
        | MixerSpec::ShortConvolution(_)
        | MixerSpec::Mamba(_)
        | MixerSpec::Mamba2(_)
        | MixerSpec::Lightning(_)
        | MixerSpec::Absent => None,
    }
}

/// One value if all layers agree; else each value with the layers that have it.
fn by_layer(values: impl Iterator<Item = (usize, String)>) -> String {
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for (layer, value) in values {
        match groups.iter_mut().find(|(known, _)| *known == value) {
            Some((_, layers)) => layers.push(layer),
            None => groups.push((value, vec![layer])),
        }
    }
    if let [(value, _)] = groups.as_mut_slice() {
        return std::mem::take(value);
    }
    let layers = |layers: &[usize]| if layers.len() == 1 { "layer" } else { "layers" };
    let groups = groups
        .into_iter()
        .map(|(value, indices)| format!("{value} ({} {})", layers(&indices), ranges(&indices)));
    groups.collect::<Vec<_>>().join("; ")
}

/// Ascending indices as `0..=3,5`.
pub(crate) fn ranges(indices: &[usize]) -> String {
    let runs = indices.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [one] => one.to_string(),
        [one, other] => format!("{one},{other}"),
        [first, .., last] => format!("{first}..={last}"),
        [] => String::new(),
    });
    runs.collect::<Vec<_>>().join(",")
}

fn wiring(layer: &LayerSpec) -> String {
    if matches!(layer.mixer, MixerSpec::Absent) {
        return "an MLP alone".to_owned();
    }
    if matches!(layer.mlp, MlpSpec::Absent) {
        return "a mixer alone".to_owned();
    }
    let wiring = match &layer.wiring {
        Wiring::Sequential { .. } => "attention, then MLP",
        Wiring::Parallel { .. } => "attention and MLP side by side",
        Wiring::PostNorm { .. } => "attention, then MLP, a norm after each sum",
        Wiring::NormedResidual { .. } => "attention, then MLP, each added to the normed stream",
    };
    let mut text = match (layer.multiplier, layer.mlp_factor()) {
        (Some(attn), Some(mlp)) if attn == mlp => format!("{wiring}, each times {}", number(attn)),
        (None, None) => wiring.to_owned(),
        (attn, mlp) => {
            let [attn, mlp] = [attn, mlp].map(|factor| number(factor.unwrap_or(1.0)));
            format!("{wiring}, times {attn} and {mlp}")
        }
    };
    if let Wiring::NormedResidual { stream, .. } = &layer.wiring
        && *stream != [1.0; 2]
    {
        let _ = write!(text, ", which is times {} and {}", number(stream[0]), number(stream[1]));
    }
    if let Some(end) = &layer.end {
        if end.branch.is_some() {
            text.push_str(", then the token's vector for the block through a gate");
        }
        text.push_str(", and all of it times a learned number");
    }
    text
}

fn mixer(mixer: &MixerSpec) -> String {
    match mixer {
        MixerSpec::Attention(attn) => attention(attn),
        MixerSpec::LatentAttention(attn) => mixers::latent(attn),
        MixerSpec::GatedDelta(delta) => mixers::gated_delta(delta),
        MixerSpec::Mamba(mamba) => format!(
            "mamba, {} channels, state of {}, filter over {} positions",
            mamba.channels, mamba.d_state, mamba.filter.kernel
        ),
        MixerSpec::Mamba2(mamba) => mamba2(mamba),
        MixerSpec::SideBySide(both) => {
            format!("{}; beside it {}", attention(&both.attention), mamba2(&both.mamba2))
        }
        MixerSpec::Absent => "none".to_owned(),
        MixerSpec::Lightning(lightning) => {
            format!("lightning attention, {} heads, d_head {}, gated", lightning.n_heads, lightning.d_head)
        }
        MixerSpec::ShortConvolution(convolution) => {
            format!("short convolution over {} positions, gated", convolution.kernel)
        }
    }
}

fn mamba2(mamba: &Mamba2Spec) -> String {
    let norm = match &mamba.gate_norm {
        GateNorm::Without => "no norm",
        GateNorm::AfterGate(_) => "a norm after the gate",
        GateNorm::BeforeGate(_) => "a norm before the gate",
    };
    format!(
        "mamba2, {} heads in {} groups, d_head {}, state of {}, filter over {} positions, {norm}",
        mamba.n_heads, mamba.n_groups, mamba.d_head, mamba.d_state, mamba.filter.kernel
    )
}

fn attention(attn: &AttentionSpec) -> String {
    let mut text = match attn.n_kv_heads {
        n if n == attn.n_heads => format!("{} heads", attn.n_heads),
        n => format!("{} heads on {n} key-value heads", attn.n_heads),
    };
    let _ = write!(text, ", d_head {}", attn.d_head);
    if attn.d_value != attn.d_head {
        let _ = write!(text, ", values of {}", attn.d_value);
    }
    let _ = write!(text, ", scale {}", number(attn.scale));
    if let Some(norm) = &attn.qk_norm {
        text.push_str(match norm.scope {
            QkScope::Head => ", queries and keys normed per head",
            QkScope::RotatedHead => ", queries and keys normed per head after they rotate",
            QkScope::AllHeads => ", queries and keys normed over all heads",
        });
    }
    if let Some(growth) = attn.growth {
        let _ = write!(text, ", queries grow from position {} on", growth.every.saturating_sub(growth.shift));
    }
    if let Some(clip) = attn.clip {
        let _ = write!(text, ", clipped to {}", number(clip));
    }
    if let Some(cap) = attn.softcap {
        let _ = write!(text, ", soft cap {}", number(cap));
    }
    if attn.v_norm.is_some() {
        text.push_str(", values normed per head");
    }
    if attn.differential.is_some() {
        text.push_str(", half of the heads subtracted from the others");
    }
    if let Sharing::Borrows { from } = attn.sharing {
        let _ = write!(text, ", keys and values of layer {from}");
    }
    if attn.sinks.is_some() {
        text.push_str(", sinks");
    }
    if let Some(factor) = attn.value_factor {
        let _ = write!(text, ", values times {}", number(factor));
    }
    if let Some(gate) = &attn.gate {
        text.push_str(match (gate.function, gate.scope) {
            (GateFunction::Sigmoid, GateScope::Value) => ", gated",
            (GateFunction::Sigmoid, GateScope::Head) => ", gated by head",
            (GateFunction::Softplus, GateScope::Value) => ", gated by softplus",
            (GateFunction::Softplus, GateScope::Head) => ", gated by softplus by head",
        });
    }
    if attn.z_norm.is_some() {
        text.push_str(", a norm on what all heads weigh");
    }
    text
}

fn positions(spec: &DecoderSpec) -> String {
    if let Some(table) = &spec.embed.positions {
        return match table.rows {
            PositionRows::Learned(_) => format!("{} learned", table.n),
            PositionRows::Sines(_) => format!("{} as sines and cosines", table.n),
        };
    }
    let of_rope = |rope: Option<&Arc<Rope>>| rope.map_or_else(|| "none".to_owned(), |rope| rotary(rope));
    let of_attention = |attn: &AttentionSpec| match &attn.position {
        Position::Alibi(_) => "ALiBi".to_owned(),
        Position::None | Position::Rotary(_) => of_rope(attn.rope()),
    };
    of_mixers(spec, |mixer| match mixer {
        MixerSpec::Attention(attn) => Some(of_attention(attn)),
        MixerSpec::LatentAttention(attn) => Some(of_rope(attn.rope.as_ref())),
        MixerSpec::SideBySide(both) => Some(of_attention(&both.attention)),
        MixerSpec::GatedDelta(_)
        | MixerSpec::ShortConvolution(_)
        | MixerSpec::Mamba(_)
        | MixerSpec::Mamba2(_)
        | MixerSpec::Lightning(_)
        | MixerSpec::Absent => None,
    })
}

fn rotary(rope: &Rope) -> String {
    let mut text = format!("RoPE on {} dimensions, theta {}", rope.width(), number(rope.theta));
    text.push_str(match rope.pairing {
        Pairing::HalfSplit => "",
        Pairing::HalfSplitBackwards => ", backwards",
        Pairing::Interleaved => ", interleaved",
    });
    let scaling = match &rope.scaling {
        RopeScaling::Default => return text,
        RopeScaling::Proportional { pairs, factor } => {
            format!("proportional: {} of them turn, factor {}", 2 * pairs, number(*factor))
        }
        RopeScaling::Linear { factor } => format!("linear, factor {}", number(*factor)),
        RopeScaling::Dynamic { factor, .. } => format!("dynamic, factor {}", number(*factor)),
        RopeScaling::Llama3 { factor, original, .. } => {
            format!("llama3, factor {} over {original}", number(*factor))
        }
        RopeScaling::Yarn { factor, original, .. } => {
            format!("yarn, factor {} over {original}", number(*factor))
        }
        RopeScaling::LongRope { original, .. } => format!("longrope over {original}"),
    };
    format!("{text}, {scaling}")
}

fn mask(mask: Mask) -> String {
    match mask {
        Mask::Causal => "causal".to_owned(),
        Mask::Sliding { window } => format!("window of {window}"),
        Mask::Chunked { chunk } => format!("chunks of {chunk}"),
    }
}

fn mlp(mlp: &MlpSpec) -> String {
    match mlp {
        MlpSpec::Gated(gated) => self::gated(gated),
        MlpSpec::Absent => "none".to_owned(),
        MlpSpec::Plain(plain) => self::plain(plain),
        MlpSpec::Xielu(xielu) => format!("xIELU, d_mlp {}", width(&xielu.down)),
        MlpSpec::Experts(experts) => self::experts(experts),
        MlpSpec::Beside(both) => {
            format!("{}; beside it {}", self::gated(&both.dense), self::experts(&both.experts))
        }
    }
}

fn experts(experts: &ExpertsSpec) -> String {
    let each = experts.experts.first().map(expert).unwrap_or_default();
    let (chosen, n) = (experts.routing.per_token, experts.experts.len());
    let mut text = format!("{chosen} of {n} experts{}, each {each}", routing(&experts.routing));
    if let Some(latent) = &experts.latent {
        let _ = write!(text, ", in a space of {}", shape(&latent.down.weight).first().unwrap_or(&0));
    }
    if let Some(shared) = &experts.shared {
        let _ = write!(text, ", and a shared one, {}", expert(&shared.mlp));
    }
    text
}

/// How experts are chosen, where it is not by a softmax.
fn routing(routing: &RoutingSpec) -> String {
    let mut text = match routing.scores {
        Scores::Softmax | Scores::SoftmaxOfChosen => String::new(),
        Scores::Sigmoid | Scores::SigmoidOfChosen => " by sigmoids".to_owned(),
        Scores::SparseMixer { .. } => " by sparsemixer".to_owned(),
    };
    if let Some(Groups { n, chosen, .. }) = routing.groups {
        let _ = write!(text, " in {chosen} of {n} groups");
    }
    text
}

fn gated(mlp: &GatedSpec) -> String {
    let gating = match mlp.gating {
        Gating::Plain(activation) | Gating::Scaled { activation, .. } => name(activation),
        Gating::ClampedSwiglu { .. } => "clamped swiglu",
    };
    let norm = if mlp.norm.is_some() { ", normed" } else { "" };
    format!("gated, {gating}, d_mlp {}{norm}", width(&mlp.down))
}

fn plain(mlp: &PlainSpec) -> String {
    format!("{}, d_mlp {}", name(mlp.activation), width(&mlp.down))
}

fn expert(expert: &ExpertSpec) -> String {
    match expert {
        ExpertSpec::Gated(mlp) => gated(mlp),
        ExpertSpec::Plain(mlp) => plain(mlp),
    }
}

fn name(activation: Activation) -> &'static str {
    match activation {
        Activation::Silu => "silu",
        Activation::Gelu => "gelu",
        Activation::GeluTanh => "gelu_tanh",
        Activation::QuickGelu => "quick_gelu",
        Activation::Relu => "relu",
        Activation::ReluSquared => "relu squared",
    }
}

/// What goes into a linear map.
fn width(linear: &LinearSpec) -> usize {
    shape(&linear.weight).last().copied().unwrap_or(0)
}

/// The shape of a parameter after its cuts.
fn shape(param: &Param) -> Vec<usize> {
    let mut shape = param.tensors.first().map_or_else(Vec::new, |tensor| tensor.shape.clone());
    if param.tensors.len() > 1 {
        shape.insert(0, param.tensors.len());
    }
    for cut in &param.cuts {
        let n = shape.len();
        match cut {
            Cut::Transpose if n >= 2 => shape.swap(n - 2, n - 1),
            Cut::Index(_) if n >= 1 => drop(shape.remove(0)),
            Cut::Rows(rows) if n >= 1 => shape[0] = rows.len(),
            Cut::Heads { groups, slots, take } if n >= 1 => {
                shape[0] = shape[0] / (groups * slots) * groups * take.len();
            }
            Cut::Every { step, .. } if n >= 1 => shape[0] /= step,
            _ => {}
        }
    }
    shape
}

fn norms(layer: &LayerSpec) -> String {
    let (mlp_norm, behind) = match &layer.wiring {
        Wiring::Sequential { mlp_norm } | Wiring::Parallel { mlp_norm } => (mlp_norm.as_ref(), None),
        Wiring::NormedResidual { mlp_norm, .. } => (Some(mlp_norm), None),
        Wiring::PostNorm { attn_norm, .. } => (None, Some(attn_norm)),
    };
    let before = layer.attn_norm.as_ref().or(mlp_norm);
    let after = layer.attn_post_norm.as_ref().or(layer.mlp_post_norm.as_ref());
    let place = [(before, "before"), (after, "after")].into_iter().filter(|(norm, _)| norm.is_some());
    let places = place.map(|(_, place)| place).collect::<Vec<_>>().join(" and ");
    match (before.or(after), behind) {
        (Some(norm), _) => format!("{}, {places} each branch", self::norm(norm)),
        (None, Some(norm)) => format!("{}, after each sum", self::norm(norm)),
        (None, None) => "none".to_owned(),
    }
}

fn norm(norm: &NormSpec) -> String {
    let kind = match norm.kind {
        NormKind::Rms => "RMS norm",
        NormKind::Layer => "layer norm",
    };
    let weight = if norm.weight.is_none() { " without weights" } else { "" };
    format!("{kind}{weight}, eps {}", number(norm.eps))
}

fn biases(layer: &LayerSpec) -> String {
    let mut linears = match &layer.mixer {
        MixerSpec::Attention(AttentionSpec { q, k, v, o, .. }) => {
            vec![("q", q), ("k", k), ("v", v), ("o", o)]
        }
        MixerSpec::LatentAttention(attn) => mixers::linears_of_latent(attn),
        MixerSpec::GatedDelta(delta) => {
            vec![("q", &delta.q), ("k", &delta.k), ("v", &delta.v), ("o", &delta.o)]
        }
        MixerSpec::SideBySide(both) => {
            let AttentionSpec { q, k, v, o, .. } = &both.attention;
            let mamba = [("state space in", &both.mamba2.filtered), ("state space out", &both.mamba2.output)];
            [("q", q), ("k", k), ("v", v), ("o", o)].into_iter().chain(mamba).collect()
        }
        MixerSpec::Mamba(mamba) => vec![("state space in", &mamba.value), ("state space out", &mamba.output)],
        MixerSpec::Mamba2(mamba) => {
            vec![("state space in", &mamba.filtered), ("state space out", &mamba.output)]
        }
        MixerSpec::Lightning(lightning) => {
            vec![("q", &lightning.q), ("k", &lightning.k), ("v", &lightning.v), ("o", &lightning.o)]
        }
        MixerSpec::Absent => Vec::new(),
        MixerSpec::ShortConvolution(mixer) => vec![("convolution in", &mixer.value), ("out", &mixer.output)],
    };
    linears.extend(match &layer.mlp {
        MlpSpec::Gated(mlp) => linears_of(mlp),
        MlpSpec::Plain(plain) => vec![("up", &plain.up), ("down", &plain.down)],
        MlpSpec::Absent => Vec::new(),
        MlpSpec::Xielu(xielu) => vec![("up", &xielu.up), ("down", &xielu.down)],
        MlpSpec::Experts(experts) => {
            let first = match experts.experts.first() {
                Some(ExpertSpec::Gated(mlp)) => linears_of(mlp),
                Some(ExpertSpec::Plain(mlp)) => vec![("up", &mlp.up), ("down", &mlp.down)],
                None => Vec::new(),
            };
            std::iter::once(("router", &experts.routing.router)).chain(first).collect()
        }
        MlpSpec::Beside(both) => linears_of(&both.dense),
    });
    let biased = linears.into_iter().filter(|(_, linear)| linear.bias.is_some());
    let names: Vec<&str> = biased.map(|(name, _)| name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn linears_of(mlp: &GatedSpec) -> Vec<(&'static str, &LinearSpec)> {
    vec![("gate", &mlp.gate), ("up", &mlp.up), ("down", &mlp.down)]
}

fn embedding(spec: &DecoderSpec) -> String {
    let embed = &spec.embed;
    let mut facts = Vec::new();
    if let Some(EmbedScale::Factor(factor) | EmbedScale::RoundedFactor(factor)) = embed.scale {
        facts.push(format!("times {}", number(factor)));
    }
    if embed.project.is_some() {
        facts.push(format!("projected from {}", embed.tokens.shape[1]));
    }
    facts.extend(embed.norm.as_ref().map(norm));
    if let Some(per_layer) = &embed.per_layer {
        facts.push(format!("a vector of {} for each block", per_layer.d_vector));
    }
    facts.join("; ")
}

fn readout(spec: &DecoderSpec) -> String {
    let mut text = match &spec.readout.norm {
        Some(norm) => format!("final {}", self::norm(norm)),
        None => "no final norm".to_owned(),
    };
    if spec.readout.project.is_some() {
        let _ = write!(text, "; projected to {}", spec.readout.unembed.shape[1]);
    }
    if spec.readout.bias.is_some() {
        text.push_str("; bias");
    }
    if spec.readout.post.scale != 1.0 {
        let _ = write!(text, "; logits times {}", spec.readout.post.scale);
    }
    if let Some(cap) = spec.readout.post.softcap {
        let _ = write!(text, "; soft cap {cap}");
    }
    text
}

/// A number as a person would write it.
fn number(value: f64) -> String {
    match value.abs() {
        size if size != 0.0 && !(1e-3..1e9).contains(&size) => format!("{value:e}"),
        _ => {
            let text = format!("{value:.6}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_that_differ_are_named() {
        let values = |text: &str| by_layer(text.chars().map(String::from).enumerate());
        assert_eq!((values("aaa"), values("ab")), ("a".into(), "a (layer 0); b (layer 1)".into()));
        assert_eq!(values("aaabba"), "a (layers 0..=2,5); b (layers 3,4)");
    }

    #[test]
    fn numbers_look_written() {
        assert_eq!(number(10000.0), "10000");
        assert_eq!(number(1e-5), "1e-5");
        assert_eq!(number(0.125), "0.125");
        assert_eq!(number(8f64.powf(-0.5)), "0.353553");
    }

    #[test]
    fn cuts_change_the_shape() {
        let param = Param::whole("w", [4, 6]).cut(Cut::Transpose).cut(Cut::Rows(0..2));
        assert_eq!(shape(&param), [2, 4]);
        assert_eq!(shape(&Param::whole("w", [8, 6, 5]).cut(Cut::Index(1)).cut(Cut::Transpose)), [5, 6]);
        let heads = Cut::Heads { groups: 2, slots: 3, take: 0..1 };
        assert_eq!(shape(&Param::whole("w", [24, 5]).cut(heads)), [8, 5]);
    }
}
