//! The model's own directions: which there are, what they are called, and what is left out.

use lens_checkpoint::directions::{Directions, DirectionsError};
use lens_core::{DirectionNorm, TokenId};

use super::{checkpoint, decode, read, selection};

fn names(directions: &Directions<'_>) -> Vec<String> {
    read(directions).0.iter().map(ToString::to_string).collect()
}

fn says(directions: &Directions<'_>, words: &[&str]) {
    let notes = directions.notes().join("\n");
    words.iter().for_each(|word| assert!(notes.contains(word), "{word:?} is not in: {notes}"));
}

#[test]
fn neurons_are_counted_layer_by_layer() {
    let llama = checkpoint("llama2");
    let all = Directions::of_neurons(&llama, &selection("all"), &selection("all")).unwrap();
    assert_eq!(all.len(), 2 * 37);
    let some = Directions::of_neurons(&llama, &selection("-1"), &selection("0..2,36")).unwrap();
    assert_eq!(names(&some), ["L1.n0", "L1.n1", "L1.n36"]);
    assert!(some.notes().is_empty());
}

#[test]
fn experts_have_neurons_of_their_own() {
    let model = checkpoint("qwen2_moe");
    let routed = |layer: &usize| model.outline().spec.layers[*layer].mlp.params().len() > 3;
    let layer = (0..model.outline().spec.layers.len()).find(routed).unwrap();
    let some = Directions::of_neurons(&model, &selection(&layer.to_string()), &selection("3")).unwrap();
    let names = names(&some);
    assert_eq!(names[0], format!("L{layer}.e0.n3"));
    assert_eq!(*names.last().unwrap(), format!("L{layer}.shared.n3"));
    says(&some, &["scaled by its router", &format!("layer {layer}")]);
}

#[test]
fn what_cannot_be_part_of_a_direction_is_said() {
    let all = selection("all");
    let gemma = checkpoint("gemma2");
    let neurons = Directions::of_neurons(&gemma, &all, &all).unwrap();
    says(&neurons, &["layers 0, 1 put a norm", "model.layers.0.post_feedforward_layernorm.weight"]);
    let heads = Directions::of_heads(&gemma, &all, &all, &[TokenId(4)]).unwrap();
    says(&heads, &["model.layers.0.post_attention_layernorm.weight", "every other position, is left out"]);
    let gpt2 = checkpoint("gpt2");
    says(&Directions::of_neurons(&gpt2, &all, &all).unwrap(), &["bias of the down projection"]);
    says(
        &Directions::of_heads(&gpt2, &all, &all, &[TokenId(4)]).unwrap(),
        &["learned positions", "biases of values and output"],
    );
    says(&Directions::of_embedding(&gpt2, &[], &all).unwrap(), &["learned positions"]);
    let opt = checkpoint("opt_post_norm");
    says(&Directions::of_neurons(&opt, &all, &all).unwrap(), &["norm the stream itself"]);
    let olmo = checkpoint("olmo");
    says(&Directions::of_heads(&olmo, &all, &all, &[TokenId(4)]).unwrap(), &["clamp the values"]);
}

#[test]
fn layers_without_attention_are_passed_over() {
    let model = checkpoint("lfm2");
    let all = selection("all");
    let heads = Directions::of_heads(&model, &all, &selection("0"), &[TokenId(4), TokenId(5)]).unwrap();
    says(&heads, &["no attention"]);
    let names = read(&heads).0;
    assert_eq!(names[0].token(), Some(TokenId(4)));
    assert_eq!(names[1].token(), Some(TokenId(5)));
    let without = (0..model.outline().spec.layers.len())
        .find(|i| model.outline().spec.layers[*i].attention().is_none())
        .unwrap();
    let error =
        Directions::of_heads(&model, &selection(&without.to_string()), &all, &[TokenId(4)]).unwrap_err();
    assert!(matches!(error, DirectionsError::Nothing { .. }), "{error}");
}

#[test]
fn what_does_not_exist_is_refused() {
    let (model, all) = (checkpoint("llama2"), selection("all"));
    let outside = |result: Result<Directions<'_>, DirectionsError>| result.unwrap_err().to_string();
    for error in [
        outside(Directions::of_neurons(&model, &selection("2"), &all)),
        outside(Directions::of_neurons(&model, &all, &selection("37"))),
        outside(Directions::of_neurons(&model, &all, &selection("5..5"))),
        outside(Directions::of_heads(&model, &all, &selection("3"), &[TokenId(1)])),
        outside(Directions::of_heads(&model, &all, &all, &[TokenId(101)])),
        outside(Directions::of_heads(&model, &all, &all, &[])),
        outside(Directions::of_embedding(&model, &[TokenId(101)], &all)),
        outside(Directions::of_embedding(&model, &[], &selection("101"))),
    ] {
        assert!(!error.is_empty() && !error.contains("--"), "{error}");
    }
}

#[test]
fn the_rows_of_the_unembedding_say_their_own_tokens() {
    let (model, all) = (checkpoint("llama_tied_bias"), selection("all"));
    let embedding = Directions::of_embedding(&model, &[], &all).unwrap();
    let decoded = decode(&model, &embedding, DirectionNorm::None, 1);
    assert_eq!(decoded.len(), model.outline().spec.n_vocab());
    // A row is nearer to itself than to others where all are about as long.
    let own = decoded
        .iter()
        .zip(0..)
        .filter(|((_, said), id)| said.as_ref().unwrap().ends.top[0].0 == TokenId(*id));
    assert!(own.count() > decoded.len() / 2);
}
