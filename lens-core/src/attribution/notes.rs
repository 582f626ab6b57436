//! What a reader of contributions has to know.

use super::walk::LayerFacts;
use crate::backend::ModelInfo;

/// Sentences about a model's contributions; `cap` is its soft cap on logits.
pub(super) fn of(facts: &[LayerFacts], cap: Option<f32>, info: &ModelInfo) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(cap) = cap {
        notes.push(format!("contributions are those of the logit before the model's soft cap of {cap}"));
    }
    let mut say = |is: fn(&LayerFacts) -> bool, sentence: &dyn Fn(&str) -> String| {
        let layers: Vec<u16> = facts.iter().filter(|facts| is(facts)).map(|facts| facts.layer).collect();
        if let Some(layers) = in_layers(&layers, info.n_layers) {
            notes.push(sentence(&layers));
        }
    };
    say(|facts| facts.normed_stream, &|layers| {
        format!(
            "{layers}, norms stand on the stream itself, and branches are not summands of it: each is led through the \
             norms after it, with their statistics at this position"
        )
    });
    say(|facts| facts.scaled_stream, &|layers| {
        format!(
            "{layers}, the stream is multiplied by a number after the branches were added: each is led through that \
             factor, and mlp_out is all that the block adds after attention"
        )
    });
    say(|facts| facts.normed_heads, &|layers| {
        format!(
            "{layers}, a norm stands between the heads and the stream: heads are led through it with its statistics at \
             this position; attn_out is exact as a whole"
        )
    });
    say(|facts| facts.normed_neurons, &|layers| {
        format!(
            "{layers}, a norm stands between the neurons and the stream: neurons are led through it with its statistics \
             at this position; mlp_out is exact as a whole"
        )
    });
    say(|facts| facts.headless, &|layers| {
        format!("{layers}, the mixer has no heads: attn_out stands as a whole")
    });
    say(|facts| facts.no_mixer, &|layers| {
        format!("{layers}, the block is an MLP alone: there is no attn_out")
    });
    say(|facts| facts.no_mlp, &|layers| format!("{layers}, the block is a mixer alone: there is no mlp_out"));
    notes
}

/// Ascending layers as the beginning of a sentence: `in layers 0 to 3 and 7`; nothing where there are none.
fn in_layers(layers: &[u16], n_layers: u16) -> Option<String> {
    if layers.len() == usize::from(n_layers) && n_layers > 0 {
        return Some("in every layer".to_owned());
    }
    let runs = layers.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [first, .., last] => format!("{first} to {last}"),
        [only] => only.to_string(),
        [] => String::new(),
    });
    let runs: Vec<String> = runs.collect();
    match layers {
        [] => None,
        [only] => Some(format!("in layer {only}")),
        _ => Some(format!("in layers {}", runs.join(", "))),
    }
}
