//! A resolved spec in words.

use std::fmt::Write;

use lens_core::NormKind;
use lens_models::{
    DecoderSpec,
    spec::{Activation, LayerSpec, LinearSpec, Mask, NormSpec, Rope, RopeScaling},
};

/// Names and values, one pair a line.
pub(crate) fn describe(spec: &DecoderSpec) -> Vec<(&'static str, String)> {
    let per_layer = |what: fn(&LayerSpec) -> String| by_layer(spec.layers.iter().map(what));
    let untied = if spec.is_tied() { "tied to the embedding" } else { "an unembedding of its own" };
    vec![
        ("layers", spec.layers.len().to_string()),
        ("d_model", spec.d_model.to_string()),
        ("attention", per_layer(attention)),
        ("positions", per_layer(|layer| rope(&layer.attn.rope))),
        ("mask", per_layer(|layer| mask(layer.attn.mask))),
        ("mlp", per_layer(mlp)),
        ("norms", per_layer(|layer| norm(&layer.attn_norm))),
        ("biases", per_layer(biases)),
        ("vocabulary", format!("{} rows, {untied}", spec.readout.unembed.shape[0])),
        ("readout", readout(spec)),
        ("context", spec.context.map_or_else(|| "not said".to_owned(), |n| format!("{n} tokens"))),
    ]
}

/// One value if all layers agree; else each value with the layers that have it.
fn by_layer(values: impl Iterator<Item = String>) -> String {
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    for (layer, value) in values.enumerate() {
        match groups.iter_mut().find(|(known, _)| *known == value) {
            Some((_, layers)) => layers.push(layer),
            None => groups.push((value, vec![layer])),
        }
    }
    if let [(value, _)] = groups.as_mut_slice() {
        return std::mem::take(value);
    }
    let groups = groups.into_iter().map(|(value, layers)| format!("{value} in {}", ranges(&layers)));
    groups.collect::<Vec<_>>().join("; ")
}

/// Ascending indices as `0..=3,5`.
fn ranges(indices: &[usize]) -> String {
    let runs = indices.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [one] => one.to_string(),
        [one, other] => format!("{one},{other}"),
        [first, .., last] => format!("{first}..={last}"),
        [] => String::new(),
    });
    runs.collect::<Vec<_>>().join(",")
}

fn attention(layer: &LayerSpec) -> String {
    let attn = &layer.attn;
    let heads = match attn.n_kv_heads {
        n if n == attn.n_heads => format!("{} heads", attn.n_heads),
        n => format!("{} heads on {n} key-value heads", attn.n_heads),
    };
    format!("{heads}, d_head {}, scale {}", attn.d_head, number(attn.scale))
}

fn rope(rope: &Rope) -> String {
    let mut text = format!("RoPE on {} dimensions, theta {}", rope.dims, number(rope.theta));
    match rope.scaling {
        RopeScaling::Default => {}
        RopeScaling::Linear { factor } => {
            let _ = write!(text, ", linear, factor {}", number(factor));
        }
        RopeScaling::Dynamic { factor, .. } => {
            let _ = write!(text, ", dynamic, factor {}", number(factor));
        }
        RopeScaling::Llama3 { factor, original, .. } => {
            let _ = write!(text, ", llama3, factor {} over {original}", number(factor));
        }
        RopeScaling::Yarn { factor, original, .. } => {
            let _ = write!(text, ", yarn, factor {} over {original}", number(factor));
        }
    }
    text
}

fn mask(mask: Mask) -> String {
    match mask {
        Mask::Causal => "causal".to_owned(),
        Mask::Sliding { window } => format!("window of {window}"),
    }
}

fn mlp(layer: &LayerSpec) -> String {
    let activation = match layer.mlp.activation {
        Activation::Silu => "silu",
        Activation::Gelu => "gelu",
        Activation::GeluTanh => "gelu_tanh",
        Activation::Relu => "relu",
    };
    format!("gated, {activation}, d_mlp {}", layer.mlp.up.weight.shape[0])
}

fn norm(norm: &NormSpec) -> String {
    let kind = match norm.kind {
        NormKind::Rms => "RMS",
        NormKind::Layer => "layer norm",
    };
    format!("{kind}, eps {}", number(norm.eps))
}

fn biases(layer: &LayerSpec) -> String {
    let linears: [(&str, &LinearSpec); 7] = [
        ("q", &layer.attn.q),
        ("k", &layer.attn.k),
        ("v", &layer.attn.v),
        ("o", &layer.attn.o),
        ("gate", &layer.mlp.gate),
        ("up", &layer.mlp.up),
        ("down", &layer.mlp.down),
    ];
    let names: Vec<&str> =
        linears.into_iter().filter(|(_, linear)| linear.bias.is_some()).map(|(name, _)| name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn readout(spec: &DecoderSpec) -> String {
    let mut text = format!("final norm {}", norm(&spec.readout.norm));
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
        let values = |text: &str| by_layer(text.chars().map(String::from));
        assert_eq!(values("aaa"), "a");
        assert_eq!(values("aaabba"), "a in 0..=2,5; b in 3,4");
    }

    #[test]
    fn numbers_look_written() {
        assert_eq!(number(10000.0), "10000");
        assert_eq!(number(1e-5), "1e-5");
        assert_eq!(number(0.125), "0.125");
        assert_eq!(number(8f64.powf(-0.5)), "0.353553");
    }
}
