//! The pipeline on the toy model beside a second implementation of it in float64.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::num::NonZeroUsize;

use std::ops::ControlFlow;

use lens_core::{
    Backend, BackendError, CheckReport, ComponentSelection, Generate, Lens, LensError, LensTrace, NonFinite,
    NormMode, Outcome, Plan, Point, Question, SelectionError, Site, Statistic, StatisticSet, StepBudget,
    TokenId, TraceContext, check_backend, important_layers, toy::ToyBackend,
};
use proptest::prelude::*;

mod support;
use support::{Counted, Fault, Reference, Tampered, assert_equals_reference, assert_same};

fn tokens(ids: &[u32]) -> Vec<TokenId> {
    ids.iter().copied().map(TokenId).collect()
}

/// Every position, component and statistic.
fn everything(norm: NormMode) -> Plan {
    Plan::default()
        .with_positions("all".parse().unwrap())
        .with_components("embed,resid_pre,attn_out,resid_mid,mlp_out,resid_post".parse().unwrap())
        .with_question(
            Question::default()
                .with_top_k(NonZeroUsize::new(4).unwrap())
                .with_targets(tokens(&[0, 1]))
                .with_statistics(StatisticSet::all())
                .with_norm(norm),
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn readings_equal_a_float64_model(
        n_layers in 1u16..5,
        half_width in 1usize..9,
        n_vocab in 2usize..60,
        seed in any::<u32>(),
        ids in prop::collection::vec(any::<prop::sample::Index>(), 1..9),
        norm in prop::sample::select(vec![NormMode::Recomputed, NormMode::FinalScale, NormMode::None]),
    ) {
        let (d, seed) = (2 * half_width, u64::from(seed));
        let sequence: Vec<TokenId> = ids.iter().map(|id| TokenId(id.index(n_vocab) as u32)).collect();
        let plan = everything(norm);
        let mut toy = ToyBackend::new(n_layers, d, n_vocab, seed);
        let reading = Lens::new(&mut toy).read(&sequence, &plan).unwrap();
        assert_equals_reference(&reading, &Reference::new(n_layers, d, n_vocab, seed), &sequence, &plan);
    }

    #[test]
    fn a_tiny_memory_budget_changes_no_reading(
        n_layers in 1u16..4,
        seed in any::<u32>(),
        ids in prop::collection::vec(0u32..30, 1..12),
        budget in 0usize..4000,
        positions in prop::sample::select(vec!["all", "last", "0", "..-1,last"]),
    ) {
        let mut toy = ToyBackend::new(n_layers, 8, 30, seed.into());
        let sequence = tokens(&ids);
        let mut plan = everything(NormMode::Recomputed);
        plan.positions = positions.parse().unwrap();
        let whole = Lens::new(&mut toy).read(&sequence, &plan).unwrap();
        plan.memory_budget = Some(budget);
        let mut steps = Vec::new();
        let stepped = Lens::new(&mut toy)
            .with_progress(|progress| steps.push(progress.done))
            .read(&sequence, &plan)
            .unwrap();
        prop_assert_eq!(steps.last().copied(), whole.positions.last().map(|last| last + 1));
        if budget < 4 * 8 * (1 + usize::from(n_layers)) {
            prop_assert_eq!(steps.len(), whole.positions.len(), "a budget for nothing is a step for each position read");
        }
        assert_same(&whole, &stepped);
    }
}

/// A forward pass reads all weights, however short its step: only positions that are read make steps short.
#[test]
fn steps_are_as_long_as_what_is_read_allows() {
    let sequence = tokens(&(0..600).map(|i| i % 40).collect::<Vec<_>>());
    let ends = |positions: &str, memory_budget| {
        let mut toy = ToyBackend::new(2, 8, 40, 3);
        let plan =
            Plan::default().with_positions(positions.parse().unwrap()).with_memory_budget(memory_budget);
        let mut ends = Vec::new();
        Lens::new(&mut toy)
            .with_progress(|progress| ends.push(progress.done))
            .read(&sequence, &plan)
            .unwrap();
        ends
    };
    assert_eq!(ends("last", Some(1)), [512, 600]);
    assert_eq!(ends("0,1,2,-1", Some(1)), [1, 2, 514, 600]);
    assert_eq!(ends("0,550", None), [512, 551], "what comes after the last position read is not run");
    assert_eq!(ends("all", None), [512, 600]);
    assert_eq!(ends("all", Some(1)).len(), 600);
}

/// A position sees no later one, so those after the last one read change nothing; the token that comes next does.
#[test]
fn tokens_after_the_last_position_read_are_not_run() {
    let sequence = tokens(&(0..40).collect::<Vec<_>>());
    let plan = |positions: &str| everything(NormMode::Recomputed).with_positions(positions.parse().unwrap());
    let mut counted = Counted::new(ToyBackend::new(2, 8, 40, 3));
    let part = Lens::new(&mut counted).read(&sequence, &plan("3,7")).unwrap();
    let ran: Vec<_> = counted.forwards.iter().map(|ran| (ran.past, ran.n, ran.total)).collect();
    assert_eq!(ran, [(0, 8, 40)], "the length that position embeddings may depend on is that of the prompt");
    assert!(part.self_check.is_some_and(|check| check.passed && check.position == 7));
    let whole = Lens::new(&mut counted).read(&sequence, &plan("3,7,39")).unwrap();
    assert_eq!(part.finals, whole.finals[..2]);
    assert_eq!(part.readouts, whole.readouts[..2 * whole.points.len()]);
    assert!(part.finals[1].readout.get(Statistic::CrossEntropy).is_some());
}

/// Without a budget of the plan's own, steps are those that suit the backend.
#[test]
fn a_backend_says_how_long_its_steps_are() {
    let sequence = tokens(&(0..600).map(|i| i % 40).collect::<Vec<_>>());
    let mut counted = Counted::new(ToyBackend::new(2, 8, 40, 3));
    let mut ends = |positions: &str, budget: StepBudget, asked: Option<usize>| {
        let plan = Plan::default().with_positions(positions.parse().unwrap()).with_memory_budget(asked);
        counted.budget = budget;
        counted.forwards.clear();
        Lens::new(&mut counted).read(&sequence, &plan).unwrap();
        counted.forwards.iter().map(|ran| ran.past + ran.n).collect::<Vec<_>>()
    };
    let large = StepBudget::default().with_longest(4096).with_captured(1 << 30);
    assert_eq!(ends("last", large, None), [600]);
    assert_eq!(ends("all", large, None), [600]);
    let small = large.with_captured(1).with_fewest(256);
    assert_eq!(ends("all", small, None), [256, 512, 600], "no step is too short for the backend");
    assert_eq!(ends("-3..", small, Some(1)), [598, 599, 600], "but what the plan says is done");
}

/// What was read before stands as if the run had gone on.
#[test]
fn a_run_that_is_ended_between_steps_keeps_what_was_read() {
    let sequence = tokens(&(0..40).collect::<Vec<_>>());
    // A step for each position.
    let plan =
        everything(NormMode::Recomputed).with_positions("all".parse().unwrap()).with_memory_budget(Some(1));
    let whole = Lens::new(&mut ToyBackend::new(2, 8, 40, 3)).read(&sequence, &plan).unwrap();
    for end in [1, 7, 40] {
        let mut seen = Vec::new();
        let part = Lens::new(&mut ToyBackend::new(2, 8, 40, 3))
            .with_steps(|reading, progress| {
                seen.push(reading.finals.len());
                if progress.done == end { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            })
            .read(&sequence, &plan)
            .unwrap();
        assert_eq!(seen, (1..=end).collect::<Vec<_>>());
        assert_eq!(part.positions, whole.positions[..end]);
        assert_eq!(part.finals, whole.finals[..end]);
        assert_eq!(part.readouts, whole.readouts[..end * part.points.len()]);
        assert!(part.self_check.is_some_and(|check| check.passed));
    }
}

#[test]
fn every_norm_mode_equals_float64_on_one_longer_sequence() {
    let sequence = tokens(&[3, 14, 15, 9, 2, 6, 5, 35, 8, 9, 7, 9, 3, 2, 3]);
    for norm in [NormMode::Recomputed, NormMode::FinalScale, NormMode::None] {
        let plan = everything(norm);
        let reading = Lens::new(&mut ToyBackend::new(6, 24, 100, 11)).read(&sequence, &plan).unwrap();
        assert_equals_reference(&reading, &Reference::new(6, 24, 100, 11), &sequence, &plan);
        assert_eq!(reading.norm, norm);
    }
}

#[test]
fn equal_logits_come_in_the_order_of_their_ids() {
    // Every row of the unembedding appears twice: token v and token v + 20 always tie.
    let mut twins = Tampered::new(2, 8, 20, 5, Fault::TwinRows);
    let mut plan = everything(NormMode::Recomputed);
    plan.question.top_k = NonZeroUsize::new(40).unwrap();
    plan.question.targets = tokens(&[4, 24]);
    let reading = Lens::new(&mut twins).read(&tokens(&[1, 2, 3]), &plan).unwrap();
    for readout in reading.readouts.iter().chain(reading.finals.iter().map(|last| &last.readout)) {
        assert_eq!(readout.top.len(), 40);
        for pair in readout.top.chunks(2) {
            assert_eq!((pair[0].id.0 + 20, pair[0].logit), (pair[1].id.0, pair[1].logit));
        }
        let [a, b] = readout.targets.as_slice() else { panic!("two targets were asked for") };
        assert_eq!((a.rank, a.score.logit), (b.rank, b.score.logit), "a rank counts strictly larger logits");
        assert_eq!(a.rank % 2, 1);
    }
}

#[test]
fn the_last_resid_post_is_the_final_readout() {
    let mut toy = ToyBackend::new(3, 16, 50, 7);
    let reading = Lens::new(&mut toy).read(&tokens(&[3, 14, 15]), &everything(NormMode::Recomputed)).unwrap();
    for (index, last) in reading.finals.iter().enumerate() {
        let (point, readout) = reading.at(index).last().unwrap();
        assert_eq!(point, Point::block(2, Site::ResidPost));
        assert_eq!(readout.top, last.readout.top);
        assert_eq!(
            (
                readout.statistics.whole(Statistic::RankOfFinal),
                readout.get(Statistic::KlToFinal).map(f64::abs)
            ),
            (Some(1), Some(0.0))
        );
    }
}

#[test]
fn important_layers_are_those_with_a_token_above_the_threshold() {
    let mut toy = ToyBackend::new(4, 16, 50, 7);
    let reading = Lens::new(&mut toy).read(&tokens(&[3, 14]), &Plan::default()).unwrap();
    let best = |layer: u16| {
        let of_layer = reading.at(0).filter(|(point, _)| {
            point.layer() == Some(layer)
                && matches!(point, Point::Block { site: Site::AttnOut | Site::MlpOut | Site::ResidPost, .. })
        });
        of_layer.map(|(_, readout)| readout.top[0].prob).fold(0.0, f32::max)
    };
    let mut bests: Vec<f32> = (0..4).map(best).collect();
    bests.sort_by(f32::total_cmp);
    // Exactly at the threshold is not above it.
    let important = important_layers(reading.at(0), bests[1]);
    let expected: Vec<u16> = (0..4).filter(|layer| best(*layer) > bests[1]).collect();
    assert_eq!(important.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_trace_names_the_layers_that_move_the_prediction_most() {
    let mut toy = ToyBackend::new(6, 16, 50, 7);
    let tokens = tokens(&[3, 14, 9]);
    let plan = Plan::default().with_positions("all".parse().unwrap());
    let reading = Lens::new(&mut toy).read(&tokens, &plan).unwrap();
    let info = toy.info().clone();
    let trace = LensTrace::new(&reading, &TraceContext::new(("test", "0"), &info, &tokens, &()));
    for last in &trace.finals {
        let here = trace.readouts.iter().filter(|readout| readout.position == last.position);
        let stream = here.filter(|readout| matches!(readout.component.name(), "embed" | "resid_post"));
        let distances: Vec<f64> = stream.map(|readout| readout.get(Statistic::KlToFinal).unwrap()).collect();
        assert_eq!(distances.len(), 7);
        let moves: Vec<f64> = distances.windows(2).map(|pair| (pair[1] - pair[0]).abs()).collect();
        let even = moves.iter().sum::<f64>() / 6.0;
        let expected: Vec<u16> = (0..6).filter(|layer| moves[usize::from(*layer)] > 2.0 * even).collect();
        assert_eq!(last.important_by_movement.as_ref(), Some(&expected));
        assert_eq!(trace.important_by_movement(last.position), Some(expected));
    }
}

#[test]
fn more_tokens_than_the_vocabulary_means_all_of_it() {
    let mut plan = everything(NormMode::Recomputed);
    plan.question.top_k = NonZeroUsize::new(10_000).unwrap();
    let reading = Lens::new(&mut ToyBackend::new(2, 8, 13, 1)).read(&tokens(&[5, 12]), &plan).unwrap();
    assert!(reading.readouts.iter().all(|readout| readout.top.len() == 13));
    let sum: f64 = reading.readouts[0].top.iter().map(|score| f64::from(score.prob)).sum();
    assert!((sum - 1.0).abs() < 1e-5, "the whole vocabulary has probability {sum}");
}

#[test]
fn a_prompt_of_one_token_has_one_position_and_no_next_token() {
    let reading = Lens::new(&mut ToyBackend::new(2, 8, 13, 1)).read(&tokens(&[5]), &Plan::default()).unwrap();
    assert_eq!(reading.positions, [0]);
    assert_eq!(reading.points.len(), 1 + 2 * 4);
    assert!(reading.readouts.iter().all(|readout| readout.get(Statistic::CrossEntropy).is_none()));
    assert!(reading.self_check.is_some_and(|check| check.passed));
}

#[test]
fn a_model_without_blocks_reads_its_embedding() {
    let sequence = tokens(&[5, 3]);
    let mut plan = everything(NormMode::Recomputed);
    let mut toy = ToyBackend::new(0, 8, 13, 1);
    let reading = Lens::new(&mut toy).read(&sequence, &plan).unwrap();
    assert_eq!(reading.points, [Point::Embed]);
    assert_equals_reference(&reading, &Reference::new(0, 8, 13, 1), &sequence, &plan);
    assert_eq!(reading.finals[0].decided_at, None);
    plan.components = "resid_post".parse().unwrap();
    let nothing = Lens::new(&mut toy).read(&sequence, &plan).unwrap();
    assert!(nothing.readouts.is_empty());
    assert_eq!(nothing.finals, reading.finals);
    plan.layers = "0".parse().unwrap();
    let error = Lens::new(&mut toy).read(&sequence, &plan).unwrap_err();
    assert!(matches!(error, LensError::Selection(SelectionError::OutOfRange { index: 0, n: 0, .. })));
}

#[test]
fn fewer_layers_and_components_are_a_part_of_all_of_them() {
    let (mut toy, sequence) = (ToyBackend::new(4, 8, 30, 2), tokens(&[1, 2, 3]));
    let all = Lens::new(&mut toy).read(&sequence, &everything(NormMode::Recomputed)).unwrap();
    let mut plan = everything(NormMode::Recomputed);
    plan.layers = "1,-1".parse().unwrap();
    plan.components = "mlp_out".parse().unwrap();
    plan.positions = "1".parse().unwrap();
    let some = Lens::new(&mut toy).read(&sequence, &plan).unwrap();
    assert_eq!(some.points, [Point::block(1, Site::MlpOut), Point::block(3, Site::MlpOut)]);
    assert_eq!(some.finals[0].decided_at, all.finals[1].decided_at, "decided_at looks at every layer");
    for (point, readout) in some.at(0) {
        let (_, same) = all.at(1).find(|(other, _)| *other == point).unwrap();
        assert_eq!(
            readout.top.iter().map(|s| s.id).collect::<Vec<_>>(),
            same.top.iter().map(|s| s.id).collect::<Vec<_>>()
        );
    }
}

#[test]
fn statistics_that_were_not_asked_for_are_not_there() {
    let mut plan = everything(NormMode::Recomputed);
    plan.question.statistics = StatisticSet::EMPTY;
    let reading = Lens::new(&mut ToyBackend::new(2, 8, 13, 1)).read(&tokens(&[5, 3]), &plan).unwrap();
    for readout in &reading.readouts {
        assert_eq!(
            (
                readout.get(Statistic::Entropy),
                readout.get(Statistic::KlToFinal),
                readout.statistics.whole(Statistic::RankOfFinal)
            ),
            (None, None, None)
        );
        assert_eq!((readout.get(Statistic::JsToFinal), readout.get(Statistic::TvToFinal)), (None, None));
        assert_eq!(readout.targets.len(), 2);
    }
}

#[test]
fn what_cannot_be_read_is_refused_before_the_model_runs() {
    let mut toy = ToyBackend::new(2, 8, 13, 1);
    let mut read = |ids: &[u32], plan: &Plan| Lens::new(&mut toy).read(&tokens(ids), plan).unwrap_err();
    let plan = Plan::default();
    assert!(matches!(read(&[], &plan), LensError::NoTokens));
    let unknown = |error: LensError, id| matches!(error, LensError::Backend(BackendError::UnknownToken { token, n_vocab: 13 }) if token == TokenId(id));
    assert!(unknown(read(&[1, 13], &plan), 13));
    let target = Plan::default().with_question(Question::default().with_targets(tokens(&[2, u32::MAX])));
    assert!(unknown(read(&[1], &target), u32::MAX));
    let out_of_range = |error: LensError, noun: &str| matches!(&error, LensError::Selection(SelectionError::OutOfRange { noun: n, .. }) if *n == noun);
    assert!(out_of_range(read(&[1], &Plan::default().with_layers("2".parse().unwrap())), "layer"));
    assert!(out_of_range(read(&[1], &Plan::default().with_positions("1".parse().unwrap())), "position"));
    assert!(out_of_range(read(&[1], &Plan::default().with_positions("-2".parse().unwrap())), "position"));
    assert_eq!("z".parse::<ComponentSelection>(), Err(SelectionError::NotReadable));
}

#[test]
fn a_broken_embedding_is_named_where_it_enters_and_earlier_positions_still_read() {
    for broken in [f32::NAN, f32::INFINITY] {
        let mut toy = ToyBackend::new(3, 8, 13, 1);
        toy.set_embedding(TokenId(7), 2, broken);
        let sequence = tokens(&[1, 2, 7, 3]);
        let mut plan = everything(NormMode::Recomputed);
        for budget in [None, Some(0)] {
            plan.memory_budget = budget;
            plan.positions = "all".parse().unwrap();
            let error = Lens::new(&mut toy).read(&sequence, &plan).unwrap_err();
            assert!(
                matches!(
                    error,
                    LensError::Backend(BackendError::NonFinite {
                        what: NonFinite::Activation,
                        point: Point::Embed,
                        position: 2
                    })
                ),
                "{error}"
            );
            assert!(error.to_string().contains("at embed, position 2"), "{error}");
            plan.positions = "..2".parse().unwrap();
            let reading = Lens::new(&mut toy).read(&sequence, &plan).unwrap();
            assert_eq!(reading.positions, [0, 1]);
            assert!(reading.self_check.is_some_and(|check| check.passed));
        }
    }
}

#[test]
fn the_check_passes_on_the_toy() {
    for (n_layers, seed) in [(0, 1), (1, 2), (3, 3), (8, 4)] {
        let mut toy = ToyBackend::new(n_layers, 16, 40, seed);
        let report = check_backend(&mut toy, &tokens(&[3, 1, 4, 1, 5, 9])).unwrap();
        assert!(report.passed(), "{report:#?}");
    }
}

#[test]
fn the_check_names_the_claim_that_a_broken_backend_breaks() {
    const FINITE: &str = "every activation is finite";
    const MID: &str = "resid_mid = resid_pre + attn_out";
    const POST: &str = "resid_post = resid_mid + mlp_out";
    const PRE: &str = "resid_pre is embed or the resid_post before it";
    const CACHE: &str = "two steps with a cache equal one step";
    const CAUSAL: &str = "another last token leaves earlier positions alone";
    const OWN: &str = "the last resid_post reads as the model's own logits";
    let cases: [(Fault, &[&str]); 8] = [
        (Fault::None, &[]),
        (Fault::Shift(Site::ResidMid, 0.01), &[MID, POST]),
        (Fault::Shift(Site::ResidPre, 0.01), &[MID, PRE]),
        (Fault::Shift(Site::AttnOut, 0.01), &[MID]),
        // A step sees other last tokens than the whole sequence does, so this shows there as well.
        (Fault::LeaksTheLastToken, &[CACHE, CAUSAL]),
        (Fault::ForgetsTheCache, &[CACHE]),
        (Fault::CountsATokenTwice, &[CACHE]),
        (Fault::OtherPlainLogits, &[OWN]),
    ];
    for (fault, expected) in cases {
        let mut backend = Tampered::new(3, 16, 40, 9, fault);
        let report = check_backend(&mut backend, &tokens(&[3, 1, 4, 1, 5, 9])).unwrap();
        let broken: Vec<&str> =
            report.findings.iter().filter(|f| f.outcome == Outcome::Failed).map(|f| f.claim).collect();
        assert_eq!(broken, expected, "{fault:?}: {report:#?}");
        assert_eq!(report.passed(), expected.is_empty());
    }
    let mut toy = ToyBackend::new(2, 8, 13, 1);
    toy.set_embedding(TokenId(3), 0, f32::NAN);
    assert!(check_backend(&mut toy, &tokens(&[1])).is_err(), "one token shows neither a cache nor causality");
    assert!(check_backend(&mut toy, &[]).is_err());
    // Whatever else the check says of such a model, it must not pass it.
    match check_backend(&mut toy, &tokens(&[1, 3])) {
        Ok(report) => assert!(
            report.findings.iter().any(|f| f.claim == FINITE && f.outcome == Outcome::Failed),
            "{report:#?}"
        ),
        Err(error) => assert!(matches!(error, BackendError::NonFinite { position: 1, .. }), "{error}"),
    }
}

#[test]
fn the_self_check_fails_when_the_plain_product_disagrees() {
    let mut backend = Tampered::new(2, 8, 13, 1, Fault::OtherPlainLogits);
    let reading = Lens::new(&mut backend).read(&tokens(&[1, 2]), &Plan::default()).unwrap();
    let check = reading.self_check.unwrap();
    assert!(!check.passed, "{check:?}");
    assert_eq!(check.position, 1);
    assert_eq!(backend.info().n_layers, 2);
}

/// However far rounding spreads in a model, its cache is told from a wrong one.
#[test]
fn sound_models_pass_the_check_and_wrong_caches_do_not() {
    let sequence = tokens(&[3, 1, 4, 1, 5, 9, 2, 6]);
    for seed in 0..120 {
        let n_layers = 1 + seed as u16 % 12;
        let check = |fault| {
            let mut backend = Tampered::new(n_layers, 16, 40, seed, fault);
            check_backend(&mut backend, &sequence).unwrap().passed()
        };
        assert!(check(Fault::None), "seed {seed}");
        for fault in [Fault::ForgetsTheCache, Fault::CountsATokenTwice, Fault::LeaksTheLastToken] {
            assert!(!check(fault), "seed {seed}: {fault:?}");
        }
    }
}

#[test]
fn what_was_not_compared_has_not_passed() {
    let outcome = |n_layers, n_vocab, claim: &str| {
        let mut toy = ToyBackend::new(n_layers, 8, n_vocab, 1);
        let report = check_backend(&mut toy, &tokens(&[0, 0, 0])).unwrap();
        let finding = report.findings.iter().find(|finding| finding.claim == claim).unwrap();
        finding.outcome
    };
    // A model without blocks has no sums; a vocabulary of one has no other token.
    assert_eq!(outcome(0, 9, "resid_mid = resid_pre + attn_out"), Outcome::Undecided);
    assert_eq!(outcome(2, 9, "resid_mid = resid_pre + attn_out"), Outcome::Passed);
    assert_eq!(outcome(2, 1, "another last token leaves earlier positions alone"), Outcome::Undecided);
    assert_eq!(outcome(2, 9, "another last token leaves earlier positions alone"), Outcome::Passed);
    assert!(!CheckReport::default().passed());
}

#[test]
fn a_number_that_is_not_finite_is_an_error_and_never_in_a_reading() {
    let read = |fault| {
        let mut backend = Tampered::new(2, 8, 13, 1, fault);
        Lens::new(&mut backend).read(&tokens(&[1, 2]), &Plan::default())
    };
    assert!(read(Fault::None).is_ok());
    for broken in [f32::NAN, f32::INFINITY] {
        let error = read(Fault::BrokenPlainLogit(broken)).unwrap_err();
        assert!(
            matches!(
                error,
                LensError::Backend(BackendError::NonFinite { what: NonFinite::Logit, position: 1, .. })
            ),
            "{error}"
        );
    }
    let message = read(Fault::BrokenDivergence).unwrap_err().to_string();
    assert!(message.contains("kl_to_final is NaN or infinite at L1.resid_post, position 1"), "{message}");
}

#[test]
fn results_that_could_not_be_kept_are_refused_with_their_size() {
    let mut toy = ToyBackend::new(2, 8, 1000, 1);
    let sequence = tokens(&[1, 2, 3, 4]);
    let question = |top_k: usize| Question::default().with_top_k(top_k.try_into().unwrap());
    let plan = |top_k, result_budget| {
        Plan::default()
            .with_positions("all".parse().unwrap())
            .with_question(question(top_k))
            .with_result_budget(result_budget)
    };
    let mut read = |plan: &Plan| Lens::new(&mut toy).read(&sequence, plan);
    let error = read(&plan(1000, Some(1 << 20))).unwrap_err();
    assert!(
        matches!(error, LensError::TooMuch { readouts: 40, kept: 1000, allowed: 0x10_0000, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("results may take 1.05 MB"), "{error}");
    // More than the vocabulary is the vocabulary.
    assert!(read(&plan(usize::MAX, None)).is_ok());
    assert!(read(&plan(10, Some(1 << 20))).is_ok());
    let ask = Generate::greedy(NonZeroUsize::MAX);
    let error = Lens::new(&mut toy).generate(&sequence, &Plan::default(), &ask, |_| None).unwrap_err();
    assert!(matches!(error, LensError::TooMuch { bytes: usize::MAX, .. }), "{error}");
    // A model that ends by itself is asked for no more than it can write.
    let ask = ask.with_max_length(Some(8));
    let generated = Lens::new(&mut toy).generate(&sequence, &Plan::default(), &ask, |_| None).unwrap();
    assert_eq!(generated.tokens.len(), 9);
}

#[test]
fn the_embedding_is_read_with_all_layers_or_by_name() {
    let mut toy = ToyBackend::new(3, 8, 13, 1);
    let mut has_embed = |layers: &str, components: &str| {
        let plan =
            Plan::default().with_layers(layers.parse().unwrap()).with_components(components.parse().unwrap());
        Lens::new(&mut toy).read(&tokens(&[1, 2]), &plan).unwrap().points.contains(&Point::Embed)
    };
    assert!(has_embed("all", "all") && has_embed("0..3", "all") && has_embed("last", "embed,mlp_out"));
    assert!(!has_embed("last", "all") && !has_embed("0..2", "all") && !has_embed("all", "mlp_out"));
}
