//! Generation on the toy model: what is sampled is what is read, and a cache changes nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{num::NonZeroUsize, ops::ControlFlow};

use lens_core::{
    Generate, Generated, Lens, LensError, Plan, Sampling, Selection, Statistic, StepReading, Stopped,
    TokenId, toy::ToyBackend,
};
use proptest::prelude::*;

mod support;
use support::Counted;

fn tokens(ids: &[u32]) -> Vec<TokenId> {
    ids.iter().copied().map(TokenId).collect()
}

fn greedy(n: usize) -> Generate {
    Generate::greedy(NonZeroUsize::new(n).unwrap())
}

fn generate(toy: &mut ToyBackend, prompt: &[TokenId], plan: &Plan, ask: &Generate) -> Generated {
    Lens::new(toy).generate(prompt, plan, ask, |_| None).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The same sequence, read in one piece, has the same readouts, and its top-1 tokens are the continuation.
    #[test]
    fn a_continuation_reads_as_one_sequence(
        n_layers in 0u16..4,
        n_vocab in 2usize..40,
        seed in any::<u32>(),
        ids in prop::collection::vec(any::<prop::sample::Index>(), 1..9),
        n in 1usize..7,
        all in any::<bool>(),
        budget in prop::sample::select(vec![None, Some(1), Some(2000)]),
    ) {
        let prompt: Vec<TokenId> = ids.iter().map(|id| TokenId(id.index(n_vocab) as u32)).collect();
        let positions = if all { Selection::all() } else { Selection::last() };
        let plan = Plan::default().with_positions(positions).with_memory_budget(budget);
        let mut toy = ToyBackend::new(n_layers, 8, n_vocab, u64::from(seed));
        let generated = generate(&mut toy, &prompt, &plan, &greedy(n));
        let written = &generated.tokens[prompt.len()..];
        prop_assert_eq!(written.len(), n);
        prop_assert_eq!(generated.continuation.stopped, Stopped::Length);
        prop_assert!(generated.reading.self_check.is_some_and(|check| check.passed));

        let first = if all { 0 } else { prompt.len() - 1 };
        let read: Vec<usize> = (first..generated.tokens.len() - 1).collect();
        prop_assert_eq!(&generated.reading.positions, &read);

        let whole = Lens::new(&mut toy)
            .read(&generated.tokens, &Plan::default().with_positions(Selection::all()))
            .unwrap();
        for (index, position) in read.into_iter().enumerate() {
            prop_assert_eq!(&generated.reading.finals[index], &whole.finals[position]);
            let one: Vec<_> = generated.reading.at(index).collect();
            let other: Vec<_> = whole.at(position).collect();
            prop_assert_eq!(one, other);
            if position + 1 >= prompt.len() {
                let next = generated.tokens[position + 1];
                prop_assert_eq!(generated.reading.finals[index].readout.top1(), Some(next));
            }
        }
    }
}

#[test]
fn every_step_is_seen_when_it_is_read() {
    let mut toy = ToyBackend::new(2, 8, 30, 5);
    let mut seen = Vec::new();
    let each = |step: &StepReading<'_>| {
        let last = step.reading.finals.last().unwrap();
        assert_eq!(last.position, step.sampled.position);
        assert_eq!(last.readout.top[0], step.sampled.token);
        seen.push(step.sampled);
        None
    };
    let generated =
        Lens::new(&mut toy).generate(&tokens(&[3, 1]), &Plan::default(), &greedy(5), each).unwrap();
    assert_eq!(seen, generated.continuation.steps);
    assert_eq!(seen.len(), 5);
}

#[test]
fn whoever_looks_on_can_end_it() {
    let mut toy = ToyBackend::new(2, 8, 30, 5);
    let each = |step: &StepReading<'_>| (step.step == 2).then_some(Stopped::Interrupted);
    let generated = Lens::new(&mut toy).generate(&tokens(&[3]), &Plan::default(), &greedy(9), each).unwrap();
    assert_eq!(generated.continuation.steps.len(), 3);
    assert_eq!(generated.continuation.stopped, Stopped::Interrupted);
    assert_eq!(generated.reading.finals.len(), 3);
}

#[test]
fn a_token_that_ends_texts_is_the_last_one() {
    let mut toy = ToyBackend::new(2, 8, 30, 5);
    let free = generate(&mut toy, &tokens(&[3]), &Plan::default(), &greedy(4));
    let third = free.tokens[3];
    let first = free.tokens.iter().skip(1).position(|token| *token == third).unwrap();
    let ask = greedy(4).with_end_of_text(vec![third]);
    let ended = generate(&mut toy, &tokens(&[3]), &Plan::default(), &ask);
    assert_eq!(ended.continuation.stopped, Stopped::EndOfText);
    assert_eq!(ended.tokens, free.tokens[..=first + 1]);
}

#[test]
fn the_last_position_still_predicts_and_then_there_is_no_room() {
    let mut toy = ToyBackend::new(1, 8, 30, 5);
    let ask = greedy(9).with_max_length(Some(4));
    let generated = generate(&mut toy, &tokens(&[3, 4]), &Plan::default(), &ask);
    assert_eq!(generated.continuation.stopped, Stopped::Context);
    // Positions 1, 2 and 3 were read; what the last of them predicts has no position itself.
    assert_eq!(generated.reading.positions, [1, 2, 3]);
    assert_eq!(generated.tokens.len(), 5);
}

#[test]
fn a_sampled_token_carries_its_probability_before_the_temperature() {
    let mut toy = ToyBackend::new(2, 8, 30, 5);
    let sampling = Sampling::default().with_temperature(3.0).with_seed(11);
    let ask = greedy(6).with_sampling(sampling);
    let plan = Plan::default()
        .with_question(lens_core::Question::default().with_top_k(NonZeroUsize::new(30).unwrap()));
    let one = generate(&mut toy, &tokens(&[3]), &plan, &ask);
    for (step, last) in one.continuation.steps.iter().zip(&one.reading.finals) {
        assert!(last.readout.top.contains(&step.token), "{step:?}");
        let surprise = last.readout.get(Statistic::CrossEntropy).unwrap();
        assert!((surprise + f64::from(step.token.prob.ln())).abs() < 1e-5, "{step:?}");
    }
    assert_eq!(one, generate(&mut toy, &tokens(&[3]), &plan, &ask), "the seed did not decide");
    let other = ask.with_sampling(sampling.with_seed(12));
    assert_ne!(one.tokens, generate(&mut toy, &tokens(&[3]), &plan, &other).tokens);
}

/// The readout that is shown is the one that a token is chosen from: the vocabulary is passed by once a token.
#[test]
fn a_token_is_sampled_from_the_readout_that_is_shown() {
    let sampled = Sampling::default().with_temperature(1.3).with_top_p(0.9).with_seed(3);
    let few = sampled.with_top_k(NonZeroUsize::new(4));
    for sampling in [Sampling::default(), sampled, few] {
        let plan = Plan::default().with_question(
            lens_core::Question::default().with_targets(vec![TokenId(4)]).with_versus(Some(TokenId(5))),
        );
        let mut counted = Counted::new(ToyBackend::new(2, 8, 30, 5));
        let generated = Lens::new(&mut counted)
            .generate(&tokens(&[3, 1]), &plan, &greedy(6).with_sampling(sampling), |_| None)
            .unwrap();
        let columns = generated.reading.points.len();
        assert_eq!(*counted.reads.borrow(), vec![columns; 6], "{sampling:?}");
        // What is known of the tokens afterwards is what was read while they were chosen.
        let all = plan.with_positions(Selection::all());
        let whole = Lens::new(&mut counted).read(&generated.tokens, &all).unwrap();
        assert_eq!(generated.reading.finals, whole.finals[1..7], "{sampling:?}");
        assert_eq!(generated.reading.readouts, whole.readouts[columns..7 * columns], "{sampling:?}");
    }
}

/// A backend that cannot choose while it reads chooses before.
#[test]
fn a_backend_may_choose_before_it_reads() {
    let sampling = Sampling::default().with_temperature(2.0).with_top_k(NonZeroUsize::new(7)).with_seed(9);
    let ask = greedy(8).with_sampling(sampling);
    let once = generate(&mut ToyBackend::new(2, 8, 30, 5), &tokens(&[3]), &Plan::default(), &ask);
    let mut counted = Counted::new(ToyBackend::new(2, 8, 30, 5));
    counted.chooses_first = true;
    let twice = Lens::new(&mut counted).generate(&tokens(&[3]), &Plan::default(), &ask, |_| None).unwrap();
    assert_eq!(counted.reads.borrow().len(), 16);
    assert_eq!(once, twice);
}

#[test]
fn sampling_without_sense_is_refused() {
    let mut toy = ToyBackend::new(1, 8, 30, 5);
    let ask = greedy(1).with_sampling(Sampling::default().with_top_p(0.0));
    let error = Lens::new(&mut toy).generate(&tokens(&[3]), &Plan::default(), &ask, |_| None).unwrap_err();
    assert!(matches!(error, LensError::Sampling(_)), "{error}");
}

#[test]
fn a_prompt_that_is_ended_between_steps_is_a_continuation_without_steps() {
    let prompt = tokens(&(0..20).collect::<Vec<_>>());
    let plan = Plan::default().with_positions(Selection::all()).with_memory_budget(Some(1));
    for end in [5, 20] {
        let generated =
            Lens::new(&mut ToyBackend::new(2, 8, 40, 3))
                .with_steps(|_, progress| {
                    if progress.done == end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })
                .generate(&prompt, &plan, &greedy(3), |_| panic!("a step was made"))
                .unwrap();
        assert_eq!(generated.tokens, prompt);
        assert_eq!(
            (generated.continuation.steps.len(), generated.continuation.stopped),
            (0, Stopped::Interrupted)
        );
        // The last position is read with the first token alone.
        assert_eq!(generated.reading.positions.len(), end.min(prompt.len() - 1));
    }
}
