//! Continuations equal those of transformers, and a cache changes neither tokens nor readouts.

use std::num::NonZeroUsize;

use lens_core::{Generate, Lens, Plan, Reading, Selection, TokenId};
use lens_tests::{Golden, checkpoint_names, decoder};

/// What a float32 readout may differ when its sequence was run token by token.
const TOLERANCE: f32 = 1e-5;

fn greedy(n: usize) -> Generate {
    Generate::greedy(NonZeroUsize::new(n).expect("a continuation has tokens"))
}

/// The oracle runs every prefix anew, without a cache, in float64.
#[test]
fn greedy_continuations_equal_transformers() {
    for name in checkpoint_names() {
        let golden = Golden::of(&name);
        let expected: Vec<TokenId> = golden.ints("greedy").iter().map(|id| TokenId(*id as u32)).collect();
        let mut model = decoder(&name);
        let prompt = &golden.tokens[..6];
        let generated = Lens::new(&mut model)
            .generate(prompt, &Plan::default(), &greedy(expected.len()), |_| None)
            .unwrap();
        assert_eq!(generated.tokens[6..], expected, "{name}");
        assert!(
            generated.reading.self_check.is_some_and(|check| check.passed),
            "{name}: {:?}",
            generated.reading.self_check
        );
    }
}

/// Windows shorter than the text slide over the cache; RoPE that depends on the length crosses its border.
#[test]
fn cached_readouts_equal_uncached_ones() {
    for name in checkpoint_names() {
        let golden = Golden::of(&name);
        let mut model = decoder(&name);
        let plan = Plan::default().with_positions(Selection::all());
        let n = golden.tokens.len();
        let (prompt, n) = (&golden.tokens[..2], n - 2);
        let generated = Lens::new(&mut model).generate(prompt, &plan, &greedy(n), |_| None).unwrap();
        for (index, position) in generated.reading.positions.iter().enumerate().skip(1) {
            // As the model saw it at that step: without the tokens that came later.
            let seen = &generated.tokens[..=*position];
            let anew =
                Lens::new(&mut model).read(seen, &Plan::default().with_positions(Selection::last())).unwrap();
            assert_close(&name, &generated.reading, index, &anew);
        }
    }
}

fn assert_close(name: &str, cached: &Reading, index: usize, anew: &Reading) {
    let position = cached.positions[index];
    for ((point, one), (_, other)) in cached.at(index).zip(anew.at(0)) {
        assert_eq!(one.top1(), other.top1(), "{name}: {point}, position {position}");
        for (one, other) in one.top.iter().zip(&other.top) {
            let scale = one.logit.abs().max(1.0);
            let difference = (one.logit - other.logit).abs() / scale;
            assert!(
                difference <= TOLERANCE && (one.prob - other.prob).abs() <= TOLERANCE,
                "{name}: {point}, position {position}: {one:?} cached, {other:?} anew"
            );
        }
    }
    assert_eq!(cached.finals[index].decided_at, anew.finals[0].decided_at, "{name}, position {position}");
}
