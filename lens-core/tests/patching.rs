//! Patching, ablation and patchscopes on the toy, beside its own arithmetic in float64.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::{ops::ControlFlow, sync::Arc};

use lens_core::{
    Backend, Point, Site, TokenId,
    patch::{
        AblationRequest, Ask, Cell, Direction, GridColumns, Metric, Pair, PatchContext, PatchError,
        PatchPrompt, PatchRequest, PatchSites, PatchTrace, Patched, PatchscopeRequest, Per, Places, Prompt,
        Replacement, SCHEMA, ablate, patch, patchscope,
    },
    toy::ToyBackend,
};
use support::{Counted, Distribution, Reference};

const SHAPE: (u16, usize, usize, u64) = (3, 16, 50, 7);
const CLEAN: [u32; 5] = [3, 14, 15, 9, 2];
const CORRUPTED: [u32; 5] = [3, 14, 26, 9, 40];
const TARGET: TokenId = TokenId(9);
const VERSUS: TokenId = TokenId(4);

fn toy() -> ToyBackend {
    let (n_layers, d, n_vocab, seed) = SHAPE;
    ToyBackend::new(n_layers, d, n_vocab, seed)
}

fn reference() -> Reference {
    let (n_layers, d, n_vocab, seed) = SHAPE;
    Reference::new(n_layers, d, n_vocab, seed)
}

fn ids(tokens: &[u32]) -> Vec<TokenId> {
    tokens.iter().copied().map(TokenId).collect()
}

fn go_on(_: usize, _: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn ask(metric: Metric) -> Ask {
    Ask::default().with_target(Some(TARGET)).with_versus(Some(VERSUS)).with_metric(Some(metric))
}

/// The values of a run at every point, by position.
type States = Vec<Vec<(Point, Vec<f64>)>>;

fn at(states: &States, position: usize, point: Point) -> Vec<f64> {
    states[position].iter().find(|(known, _)| *known == point).unwrap().1.clone()
}

/// What a run answers at a position.
fn answer(reference: &Reference, states: &States, read: usize) -> Distribution {
    let last = at(states, read, Point::last(SHAPE.0));
    Distribution::new(reference.logits(&last, lens_core::NormMode::Recomputed, &last))
}

fn value(run: &Distribution, clean: &Distribution, metric: Metric) -> f64 {
    match metric {
        Metric::LogitDiff => run.logits[TARGET.index()] - run.logits[VERSUS.index()],
        Metric::Logit => run.logits[TARGET.index()],
        Metric::Prob => run.prob(TARGET.index()),
        Metric::Kl => run.kl_of(clean),
    }
}

/// The run of `tokens` with what `new` says in the place of a cell's activation.
fn changed(
    reference: &Reference,
    tokens: &[TokenId],
    cell: &Cell,
    pairs: &[Pair],
    new: &dyn Fn(Point, usize) -> Vec<f64>,
) -> States {
    let (point, head) = match cell.point {
        Point::Block { layer, site: Site::Head(head) } => (Point::block(layer, Site::Z), Some(head)),
        point => (point, None),
    };
    let all = cell.at.as_ref().map_or(pairs, std::slice::from_ref);
    let edit = |here: Point, position: usize, x: &mut Vec<f64>| {
        let Some(pair) = all.iter().find(|pair| here == point && pair.to == position) else { return };
        let new = new(point, pair.from);
        match head {
            None => *x = new,
            Some(head) => {
                let own = usize::from(head) * x.len() / 2..(usize::from(head) + 1) * x.len() / 2;
                x[own.clone()].copy_from_slice(&new[own]);
            }
        }
    };
    reference.run_edited(tokens, &edit)
}

fn everything() -> PatchSites {
    "resid_pre,z,attn_out,resid_mid,mlp_out,resid_post,heads".parse().unwrap()
}

#[test]
fn every_cell_is_a_run_with_that_activation() {
    let reference = reference();
    let (clean, corrupted) = (ids(&CLEAN), ids(&CORRUPTED));
    let states = [&clean, &corrupted].map(|tokens| reference.run_edited(tokens, &|_, _, _| {}));
    let answers = states.each_ref().map(|states| answer(&reference, states, 4));
    for direction in [Direction::Denoise, Direction::Noise] {
        let (run, from) = if direction == Direction::Denoise { (&corrupted, 0) } else { (&clean, 1) };
        for metric in Metric::ALL {
            for per in [Per::Position, Per::Layer] {
                let request = PatchRequest::new(Prompt::new(&clean), Prompt::new(&corrupted))
                    .with_direction(direction)
                    .with_places(Places::new(everything()).with_per(Some(per)))
                    .with_ask(ask(metric));
                let patched = patch(&mut toy(), &request, &mut go_on).unwrap();
                let per_layer = if per == Per::Position { 5 } else { 1 };
                assert_eq!(patched.cells.len(), 3 * 8 * per_layer);
                assert!(patched.check.passed, "{:?}", patched.check);
                let [one, zero] = answers.each_ref().map(|run| value(run, &answers[0], metric));
                for done in &patched.cells {
                    let cell = &done.cell;
                    let new = |point, position| at(&states[from], position, point);
                    let there = changed(&reference, run, cell, &patched.pairs, &new);
                    let expected = value(&answer(&reference, &there, 4), &answers[0], metric);
                    let got = done.outcome.value(metric).unwrap();
                    assert!(
                        (got - expected).abs() < 1e-4,
                        "{direction} {metric} {cell}: {got}, not {expected}"
                    );
                    let share = patched.share(&done.outcome).unwrap();
                    let expected = (expected - zero) / (one - zero);
                    assert!(
                        (share - expected).abs() < 1e-3,
                        "{direction} {metric} {cell}: {share}, not {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn an_inner_position_is_read_as_if_nothing_came_after_it() {
    let reference = reference();
    let (clean, corrupted) = (ids(&CLEAN), ids(&CORRUPTED));
    let states = reference.run_edited(&clean, &|_, _, _| {});
    let expected_clean = answer(&reference, &states, 3);
    let request = PatchRequest::new(Prompt::new(&clean).with_read(3), Prompt::new(&corrupted).with_read(3))
        .with_ask(ask(Metric::Kl));
    let patched = patch(&mut toy(), &request, &mut go_on).unwrap();
    assert_eq!(patched.pairs.len(), 4);
    for done in &patched.cells {
        let new = |point, position| at(&states, position, point);
        let there = changed(&reference, &corrupted, &done.cell, &patched.pairs, &new);
        let expected = answer(&reference, &there, 3).kl_of(&expected_clean);
        assert!((done.outcome.kl - expected).abs() < 1e-4, "{}: {}", done.cell, done.outcome.kl);
    }
}

#[test]
fn positions_of_other_numbers_correspond_as_their_pairs_say() {
    let reference = reference();
    let (clean, corrupted) = (ids(&[8, 3, 14, 15, 9, 2]), ids(&CORRUPTED));
    let states = reference.run_edited(&clean, &|_, _, _| {});
    let pairs: Vec<Pair> = (0..5).map(|to| Pair { to, from: to + 1 }).collect();
    let places = Places::new("attn_out,resid_pre".parse().unwrap()).with_pairs(Some(pairs.clone()));
    let request = PatchRequest::new(Prompt::new(&clean), Prompt::new(&corrupted))
        .with_places(places)
        .with_ask(ask(Metric::Logit));
    let patched = patch(&mut toy(), &request, &mut go_on).unwrap();
    for done in &patched.cells {
        let new = |point, position| at(&states, position, point);
        let there = changed(&reference, &corrupted, &done.cell, &pairs, &new);
        let expected = answer(&reference, &there, 4).logits[TARGET.index()];
        let got = done.outcome.value(Metric::Logit).unwrap();
        assert!((got - expected).abs() < 1e-4, "{}: {got}, not {expected}", done.cell);
    }
}

#[test]
fn ablations_are_runs_with_zeros_means_and_others() {
    let reference = reference();
    let tokens = ids(&CLEAN);
    let others = [ids(&[7, 8, 30, 31, 32, 33]), ids(&[1, 2])];
    let own = reference.run_edited(&tokens, &|_, _, _| {});
    let of_others = others.each_ref().map(|tokens| reference.run_edited(tokens, &|_, _, _| {}));
    let mean = |runs: &[&States], point: Point| {
        let rows: Vec<Vec<f64>> =
            runs.iter().flat_map(|run| (0..run.len()).map(|position| at(run, position, point))).collect();
        let n = rows.len() as f64;
        (0..SHAPE.1).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / n).collect::<Vec<f64>>()
    };
    for (with, what) in [
        (Replacement::Zero, 0),
        (Replacement::Mean, 1),
        (Replacement::MeanOf(&others), 2),
        (Replacement::Resample(&others[0]), 3),
    ] {
        let new = |point, position: usize| match what {
            0 => vec![0.0; SHAPE.1],
            1 => mean(&[&own], point),
            2 => mean(&of_others.each_ref(), point),
            _ => at(&of_others[0], position, point),
        };
        for per in [Per::Position, Per::Layer] {
            let places = Places::new("attn_out,mlp_out,heads,z".parse().unwrap()).with_per(Some(per));
            let request = AblationRequest::new(Prompt::new(&tokens), with)
                .with_places(places)
                .with_ask(ask(Metric::LogitDiff));
            let patched = ablate(&mut toy(), &request, &mut go_on).unwrap();
            let unchanged = answer(&reference, &own, 4);
            for done in &patched.cells {
                let there = changed(&reference, &tokens, &done.cell, &patched.pairs, &new);
                let run = answer(&reference, &there, 4);
                let of = |run| value(run, &unchanged, Metric::LogitDiff);
                let (got, expected) = (patched.share(&done.outcome).unwrap(), of(&run) - of(&unchanged));
                assert!((got - expected).abs() < 1e-4, "{what} {}: {got}, not {expected}", done.cell);
                assert!((done.outcome.kl - run.kl_of(&unchanged)).abs() < 1e-4, "{what} {}", done.cell);
            }
        }
    }
}

#[test]
fn a_patchscope_puts_any_layer_into_any_layer() {
    let reference = reference();
    let (source, target) = (ids(&CLEAN), ids(&[40, 41, 42, 43]));
    let states = reference.run_edited(&source, &|_, _, _| {});
    for site in [Site::ResidPost, Site::ResidPre] {
        let request = PatchscopeRequest::new(Prompt::new(&source), Prompt::new(&target))
            .with_source_positions(vec![1, 4])
            .with_target_position(2)
            .with_site(site);
        let patched = patchscope(&mut toy(), &request, &mut go_on).unwrap();
        assert_eq!(patched.cells.len(), 2 * 3 * 3);
        for done in &patched.cells {
            let from = Point::block(done.cell.source_layer.unwrap(), site);
            let pair = done.cell.at.unwrap();
            let edit = |here: Point, position: usize, x: &mut Vec<f64>| {
                if here == done.cell.point && position == 2 {
                    *x = at(&states, pair.from, from);
                }
            };
            let run = answer(&reference, &reference.run_edited(&target, &edit), 3);
            let top = done.outcome.top;
            assert_eq!(top.id.index(), run.sorted()[0], "{}", done.cell);
            assert!((f64::from(top.prob) - run.prob(top.id.index())).abs() < 1e-4, "{}", done.cell);
        }
    }
}

/// One clean and one corrupted pass, whatever the number of cells; and the cells begin where they are changed.
#[test]
fn every_prompt_is_run_once() {
    let (clean, corrupted) = (ids(&CLEAN), ids(&CORRUPTED));
    let mut model = Counted::new(toy());
    let request = PatchRequest::new(Prompt::new(&clean), Prompt::new(&corrupted))
        .with_places(Places::new(everything()));
    let patched = patch(&mut model, &request, &mut go_on).unwrap();
    assert_eq!(model.forwards.len(), 2, "{:?}", model.forwards);
    assert!(model.forwards.iter().all(|ran| (ran.past, ran.n) == (0, 5)));
    // Every pass begins at one block; a state after a block is the input of the next, so that the last block has two.
    assert_eq!(model.branches.len(), patched.passes);
    assert!(patched.passes <= 2 + 3, "{:?}", model.branches);
    let runs: usize = model.branches.iter().map(|(_, _, runs)| runs).sum();
    assert_eq!(runs, patched.cells.len() + 2);

    // Steps of few tokens: fewer cells in each pass, which begins at the first position that is changed.
    let mut model = Counted::new(toy());
    model.budget = model.budget.with_longest(5);
    let narrow = patch(&mut model, &request, &mut go_on).unwrap();
    assert!(model.branches.iter().any(|(_, from, _)| *from == 4) && narrow.passes > patched.passes);
    for (one, other) in patched.cells.iter().zip(&narrow.cells) {
        assert_eq!(one.cell, other.cell);
        let [one, other] = [one, other].map(|done| done.outcome.value(patched.metric).unwrap());
        assert!((one - other).abs() < 1e-5, "{one} {other}");
    }
}

/// Without branches every cell is a run of the whole sequence, with the same results.
#[test]
fn a_backend_without_branches_gives_the_same() {
    let (clean, corrupted) = (ids(&CLEAN), ids(&CORRUPTED));
    let request = PatchRequest::new(Prompt::new(&clean), Prompt::new(&corrupted))
        .with_places(Places::new(everything()));
    let with = patch(&mut Counted::new(toy()), &request, &mut go_on).unwrap();
    let mut model = Counted::new(toy());
    model.has_branches = false;
    let without = patch(&mut model, &request, &mut go_on).unwrap();
    assert_eq!(model.forwards.len(), 2 + without.cells.len() + 2);
    for (one, other) in with.cells.iter().zip(&without.cells) {
        assert_eq!(one.cell, other.cell);
        let [one, other] = [one, other].map(|done| done.outcome.value(with.metric).unwrap());
        assert!((one - other).abs() < 1e-5, "{one} {other}");
    }
}

#[test]
fn edits_that_were_set_before_are_set_again() {
    let (clean, corrupted) = (ids(&CLEAN), ids(&CORRUPTED));
    let mut model = toy();
    let own = Arc::new(lens_core::Edits::default());
    model.set_edits(Some(Arc::clone(&own))).unwrap();
    let request = PatchRequest::new(Prompt::new(&clean), Prompt::new(&corrupted));
    patch(&mut model, &request, &mut go_on).unwrap();
    assert!(model.set_edits(None).unwrap().is_some_and(|edits| Arc::ptr_eq(&edits, &own)));
}

fn refused(request: &PatchRequest<'_>) -> String {
    patch(&mut toy(), request, &mut go_on).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_changed_is_refused_by_name() {
    let (clean, corrupted) = (ids(&CLEAN), ids(&CORRUPTED));
    let request = || PatchRequest::new(Prompt::new(&clean), Prompt::new(&corrupted));
    let places = |sites: &str| Places::new(sites.parse().unwrap());
    let layers = |layers: &str| places("mlp_out").with_layers(layers.parse().unwrap());
    let pairs = |pairs: &[(usize, usize)]| {
        let pairs = pairs.iter().map(|(to, from)| Pair { to: *to, from: *from }).collect();
        places("mlp_out").with_pairs(Some(pairs))
    };
    for (request, says) in [
        (request().with_places(layers("3")), "there is no layer 3"),
        (request().with_places(places("head.2")), "no head 2: its heads are 0 to 1"),
        (request().with_places(pairs(&[(5, 0)])), "no position 5: the prompt has 5 tokens"),
        (request().with_places(pairs(&[(0, 5)])), "no position 5"),
        (request().with_places(pairs(&[(1, 0), (1, 2)])), "position 1 is to be changed twice"),
        (request().with_places(pairs(&[])), "there is no place to change"),
        (request().with_ask(Ask::default().with_target(Some(TokenId(50)))), "token id 50 is outside"),
        (
            request().with_ask(Ask::default().with_target(Some(TARGET)).with_versus(Some(TARGET))),
            "the same, 9",
        ),
        (PatchRequest::new(Prompt::new(&clean), Prompt::new(&clean)), "answered by the same token"),
        (PatchRequest::new(Prompt::new(&[]), Prompt::new(&clean)), "no tokens"),
        (
            PatchRequest::new(Prompt::new(&clean).with_read(2), Prompt::new(&corrupted).with_read(2))
                .with_places(pairs(&[(3, 3)])),
            "position 3 comes after position 2, which is read",
        ),
    ] {
        let message = refused(&request);
        assert!(message.contains(says), "{message:?} does not say {says:?}");
    }
}

#[test]
fn a_value_that_is_not_finite_names_its_cell() {
    let (clean, corrupted) = (ids(&CLEAN), ids(&CORRUPTED));
    let mut model = Counted::new(toy());
    model.breaks_at = Some(Point::block(1, Site::MlpOut));
    let places = Places::new("attn_out,mlp_out".parse().unwrap());
    let request = PatchRequest::new(Prompt::new(&clean), Prompt::new(&corrupted)).with_places(places);
    let error = patch(&mut model, &request, &mut go_on).unwrap_err();
    let PatchError::Cell { cell, .. } = &error else { panic!("{error}") };
    assert_eq!(cell.point, Point::block(1, Site::MlpOut));
    assert!(error.to_string().starts_with("L1.mlp_out at position 0: "), "{error}");
}

#[test]
fn a_watcher_may_end_it() {
    let (clean, corrupted) = (ids(&CLEAN), ids(&CORRUPTED));
    let request = PatchRequest::new(Prompt::new(&clean), Prompt::new(&corrupted));
    let mut seen = Vec::new();
    let mut watch = |done, total| {
        seen.push((done, total));
        ControlFlow::Break(())
    };
    let error = patch(&mut toy(), &request, &mut watch).unwrap_err();
    assert!(matches!(error, PatchError::Stopped { done, total: 45 } if done < 45), "{error}");
    assert_eq!(seen.len(), 1);
}

#[test]
fn the_tokens_are_the_prompts_own_answers() {
    let (clean, corrupted) = (ids(&CLEAN), ids(&CORRUPTED));
    let reference = reference();
    let top = |tokens: &[TokenId]| {
        let states = reference.run_edited(tokens, &|_, _, _| {});
        Some(TokenId(answer(&reference, &states, 4).sorted()[0] as u32))
    };
    let request = PatchRequest::new(Prompt::new(&clean), Prompt::new(&corrupted));
    let patched: Patched = patch(&mut toy(), &request, &mut go_on).unwrap();
    assert_eq!((patched.target, patched.versus), (top(&clean), top(&corrupted)));
    assert_eq!(patched.notes.len(), 2, "{:?}", patched.notes);
}

/// Sweeps of every kind, with their prompts.
fn sweeps() -> Vec<Patched> {
    let (clean, corrupted) = (ids(&CLEAN), ids(&CORRUPTED));
    let request = |per| {
        PatchRequest::new(Prompt::new(&clean), Prompt::new(&corrupted))
            .with_places(Places::new(everything()).with_per(Some(per)))
    };
    let of = |per| patch(&mut toy(), &request(per), &mut go_on).unwrap();
    let ablation = AblationRequest::new(Prompt::new(&clean), Replacement::Resample(&corrupted));
    let scope = PatchscopeRequest::new(Prompt::new(&clean), Prompt::new(&corrupted));
    vec![
        of(Per::Position),
        of(Per::Layer),
        ablate(&mut toy(), &ablation, &mut go_on).unwrap(),
        patchscope(&mut toy(), &scope, &mut go_on).unwrap(),
    ]
}

#[test]
fn the_json_keeps_to_its_schema_and_reads_back() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/lens-patching-1.schema.json");
    let schema: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let (clean, corrupted) = (ids(&CLEAN), ids(&CORRUPTED));
    let model = toy();
    for patched in sweeps() {
        let prompt = |tokens| PatchPrompt::new(tokens, None);
        let context = PatchContext::new(("test", "0"), model.info(), &(), prompt(&corrupted))
            .with_source(Some(prompt(&clean)));
        let trace = PatchTrace::new(&patched, &context);
        assert_eq!(trace.schema, SCHEMA);
        let json = serde_json::to_value(&trace).unwrap();
        let faults: Vec<String> =
            validator.iter_errors(&json).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{faults:?}");
        let text = serde_json::to_string(&trace).unwrap();
        assert_eq!(serde_json::from_str::<PatchTrace>(&text).unwrap(), trace);
        // Every cell has one place.
        let places: usize = trace.grids.iter().flat_map(|grid| &grid.kl).flatten().flatten().count();
        assert_eq!(places, patched.cells.len());
        // A schema that takes anything would prove nothing.
        for (name, value) in [("metric", "loss"), ("schema", "lens-patching/2")] {
            let mut broken = json.clone();
            broken[name] = value.into();
            assert!(!validator.is_valid(&broken), "{name}");
        }
        let mut broken = json;
        broken["grids"][0]["site"] = "attn".into();
        assert!(!validator.is_valid(&broken));
    }
}

#[test]
fn heads_are_one_grid_at_all_positions_and_one_each_by_position() {
    let (clean, corrupted) = (ids(&CLEAN), ids(&CORRUPTED));
    let model = toy();
    let grids = |patched: &Patched| {
        let context = PatchContext::new(("test", "0"), model.info(), &(), PatchPrompt::new(&corrupted, None))
            .with_source(Some(PatchPrompt::new(&clean, None)));
        let grids = PatchTrace::new(patched, &context).grids;
        grids
            .iter()
            .map(|grid| (grid.site.clone(), grid.columns, grid.kl.len(), grid.kl[0].len()))
            .collect::<Vec<_>>()
    };
    let [by_position, by_layer, ..] = &*sweeps() else { panic!("four sweeps") };
    let found = grids(by_position);
    assert_eq!(found.len(), 8);
    assert_eq!(found[7], ("head.1".to_owned(), GridColumns::Positions, 3, 5));
    let found = grids(by_layer);
    assert_eq!(found.len(), 7);
    assert_eq!(found[0], ("resid_pre".to_owned(), GridColumns::All, 3, 1));
    assert_eq!(found[6], ("heads".to_owned(), GridColumns::Heads, 3, 2));
}
