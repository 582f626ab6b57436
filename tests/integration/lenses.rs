//! Lenses in the files of other tools read as their formulas say in float64: see `fixtures/make_lens_readouts.py`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;

use lens_core::{Backend, Lens, LensChoice, LensSet, Plan, Question, TokenId};
use lens_models::lenses::{for_model, open};
use lens_tests::{Golden, checkpoint, decoder, fixtures};

/// What a log-probability may differ from the restatement in float64.
const TOLERANCE: f64 = 1e-4;

/// The lens files of a family, each with the name of its goldens.
const FILES: [(&str, &str); 4] = [
    ("tuned", "tuned"),
    ("block_output.pt", "block_output"),
    ("attn_out.pt", "attn_out"),
    ("mlp_out.pt", "mlp_out"),
];

fn choice(family: &str, file: &str) -> LensChoice {
    let lens = open(&fixtures().join("lenses").join(family).join(file)).unwrap();
    LensChoice::Translated(for_model(lens, &checkpoint(family, None)).unwrap().translator)
}

#[test]
fn every_lens_equals_its_formula_at_every_point() {
    for family in ["llama2", "gpt2", "gemma2", "granite", "gpt_neox"] {
        let golden = Golden::read(&fixtures().join("lenses").join(family).join("golden.safetensors"));
        let mut model = decoder(family);
        let (n_vocab, n_layers) = (model.info().n_vocab, usize::from(model.info().n_layers));
        let lenses: Vec<LensChoice> =
            std::iter::once(LensChoice::Logit).chain(FILES.map(|(file, _)| choice(family, file))).collect();
        let plan = Plan::default()
            .with_positions("all".parse().unwrap())
            .with_question(Question::default().with_top_k(n_vocab.try_into().unwrap()))
            .with_lenses(LensSet::new(lenses).unwrap());
        let reading = Lens::new(&mut model).read(&golden.tokens, &plan).unwrap();
        assert!(reading.self_check.is_some_and(|check| check.passed));
        let mut seen = BTreeSet::new();
        for (index, position) in reading.positions.iter().enumerate() {
            for (lens, point, readout) in reading.all_at(index).filter(|(lens, ..)| *lens > 0) {
                let name = format!("{}/{point}", FILES[lens - 1].1);
                let right = &golden.floats(&name).1[position * n_vocab..][..n_vocab];
                for top in &readout.top {
                    let got = f64::from(top.logit) - readout.log_sum_exp;
                    let right = f64::from(right[top.id.index()]);
                    assert!(
                        (got - right).abs() <= TOLERANCE,
                        "{family}: {name} at position {position}, {:?}: {got}, in float64 {right}",
                        top.id
                    );
                }
                seen.insert(name);
            }
        }
        // Every block's input for the tuned lens, and its output, attention and MLP for the Jacobian ones.
        assert_eq!(seen.len(), 4 * n_layers, "{family}: {seen:?}");
    }
}

#[test]
fn a_lens_of_another_family_is_refused() {
    let lens = || open(&fixtures().join("lenses/files/tuned")).unwrap();
    let message = for_model(lens(), &checkpoint("gpt2", None)).unwrap_err().to_string();
    assert!(message.contains("does not fit this model") && message.contains("stream of 3"), "{message}");
    // gemma2 and llama2 have one shape here: the name of the model is what tells them apart.
    let plan = Plan::default().with_lenses(LensSet::new([choice("llama2", "tuned")]).unwrap());
    let mut model = decoder("gemma2");
    let notes = Lens::new(&mut model).read(&[TokenId(3)], &plan).unwrap().notes;
    assert!(notes.iter().any(|note| note.contains("was made for \"llama2\"")), "{notes:?}");
}
