//! Several lenses from one forward pass of the toy model, beside a restatement in float64.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{collections::BTreeSet, num::NonZeroUsize};

use lens_core::{
    Backend, BackendError, Generate, Lens, LensChoice, LensError, LensKind, LensMap, LensSet, LensTrace,
    NonFinite, NormMode, Plan, Point, Provenance, Question, Reading, Site, Statistic, StatisticSet, TokenId,
    TokenText, TokenTexts, TraceContext, Translator, toy::ToyBackend,
};

mod support;
use support::{Distribution, Reference};

const LAYERS: u16 = 3;
const WIDTH: usize = 8;
const VOCAB: usize = 40;
const SEED: u64 = 11;

fn toy() -> ToyBackend {
    ToyBackend::new(LAYERS, WIDTH, VOCAB, SEED)
}

fn tokens() -> Vec<TokenId> {
    [3, 14, 15, 9, 2, 6].map(TokenId).to_vec()
}

/// Numbers without a pattern, from -`size` to `size`.
fn values(n: usize, seed: u32, size: f32) -> Vec<f32> {
    (0..n as u32).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 * size - size).collect()
}

fn tuned_map(layer: u16) -> LensMap {
    let seed = u32::from(layer);
    LensMap::new(WIDTH, values(WIDTH * WIDTH, seed, 0.4), Some(values(WIDTH, seed + 50, 0.5)), true).unwrap()
}

fn jacobian_map(layer: u16) -> LensMap {
    LensMap::new(WIDTH, values(WIDTH * WIDTH, 100 + u32::from(layer), 0.8), None, false).unwrap()
}

fn tuned(layers: impl IntoIterator<Item = u16>) -> LensChoice {
    let maps = layers.into_iter().map(|layer| (layer, tuned_map(layer)));
    LensChoice::Translated(Translator::tuned(WIDTH, maps, Provenance::default()).unwrap().into())
}

fn jacobian() -> LensChoice {
    let maps = (0..LAYERS).map(|layer| (layer, jacobian_map(layer)));
    let provenance = Provenance::default().with_source(Some("J.safetensors".to_owned()));
    LensChoice::Translated(Translator::jacobian(WIDTH, Site::ResidPost, maps, provenance).unwrap().into())
}

fn plan(lenses: impl IntoIterator<Item = LensChoice>) -> Plan {
    let question = Question::default()
        .with_top_k(NonZeroUsize::new(4).unwrap())
        .with_targets(vec![TokenId(7)])
        .with_statistics(StatisticSet::all());
    let plan = Plan::default().with_positions("all".parse().unwrap()).with_question(question);
    plan.with_lenses(LensSet::new(lenses).unwrap())
}

fn read(plan: &Plan) -> Result<Reading, LensError> {
    Lens::new(&mut toy()).read(&tokens(), plan)
}

/// What a lens makes of a vector, in float64: the formulas of the contract.
fn translated(kind: LensKind, point: Point, x: &[f64]) -> Vec<f64> {
    let layer = point.layer().unwrap();
    let map = match kind {
        LensKind::Tuned => tuned_map(layer),
        _ => jacobian_map(layer),
    };
    let product = |i: usize| -> f64 {
        map.weight()[i * WIDTH..][..WIDTH].iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum()
    };
    (0..WIDTH)
        .map(|i| match kind {
            LensKind::Logit => x[i],
            LensKind::Tuned => x[i] + product(i) + f64::from(map.bias().unwrap()[i]),
            _ => product(i),
        })
        .collect()
}

fn near(got: f64, right: f64, size: f64, what: &str) {
    assert!((got - right).abs() <= 1e-4 * (1.0 + size), "{what}: {got}, in float64 {right}");
}

#[test]
fn every_lens_equals_its_formula_in_float64() {
    let reference = Reference::new(LAYERS, WIDTH, VOCAB, SEED);
    let states = reference.run(&tokens());
    for norm in [NormMode::Recomputed, NormMode::FinalScale, NormMode::None] {
        let mut plan = plan([LensChoice::Logit, tuned(0..LAYERS), jacobian()]);
        plan.question.norm = norm;
        let reading = read(&plan).unwrap();
        assert_eq!(reading.points.len(), 1 + 4 * 3 + 3 + 3);
        let mut seen = BTreeSet::new();
        for (index, state) in states.iter().enumerate() {
            let last = &state.last().unwrap().1;
            let finally = Distribution::new(reference.logits(last, NormMode::Recomputed, last));
            for (lens, point, readout) in reading.all_at(index) {
                let kind = plan.lenses.iter().nth(lens).unwrap().1.kind();
                seen.insert((kind, point.component()));
                let x = &state.iter().find(|(other, _)| *other == point).unwrap().1;
                let x = if kind == LensKind::Logit { x.clone() } else { translated(kind, point, x) };
                let right = Distribution::new(reference.logits(&x, norm, last));
                let what = format!("{kind} at {point}, position {index}, norm {}", norm.name());
                near(readout.log_sum_exp, right.log_sum_exp, right.size, &what);
                for score in readout.top.iter().chain([&readout.targets[0].score]).chain(&readout.tracked) {
                    near(score.logit.into(), right.logits[score.id.index()], right.size, &what);
                }
                near(readout.get(Statistic::KlToFinal).unwrap(), right.kl_of(&finally), right.size, &what);
                let length = x.iter().map(|x| x * x).sum::<f64>().sqrt();
                near(readout.get(Statistic::Norm).unwrap(), length, length, &what);
            }
        }
        let of = |kind| seen.iter().filter(|(other, _)| *other == kind).count();
        assert_eq!([of(LensKind::Logit), of(LensKind::Tuned), of(LensKind::Jacobian)], [5, 1, 1]);
    }
}

/// Everything but the tracked tokens, which other lenses may add to.
fn without_tracked(reading: &Reading, lens: usize) -> Vec<lens_core::Readout> {
    let of = |index| reading.all_at(index).filter(move |(other, ..)| *other == lens);
    (0..reading.positions.len())
        .flat_map(of)
        .map(|(_, _, readout)| {
            let mut readout = readout.clone();
            readout.tracked.clear();
            readout
        })
        .collect()
}

#[test]
fn lenses_do_not_change_each_other() {
    let all = read(&plan([LensChoice::Logit, tuned(0..LAYERS), jacobian()])).unwrap();
    for (lens, alone) in [LensChoice::Logit, tuned(0..LAYERS), jacobian()].into_iter().enumerate() {
        let alone = read(&plan([alone])).unwrap();
        assert!(without_tracked(&alone, 0) == without_tracked(&all, lens));
        assert!(alone.finals == all.finals);
        assert_eq!(alone.at(1).count(), all.all_at(1).filter(|(other, ..)| *other == lens).count());
    }
}

#[test]
fn a_small_budget_and_a_continuation_read_the_same() {
    let mut plan = plan([tuned(0..LAYERS), LensChoice::Logit, jacobian()]);
    let whole = read(&plan).unwrap();
    plan.memory_budget = Some(1);
    let stepped = read(&plan).unwrap();
    assert!(stepped.readouts == whole.readouts && stepped.finals == whole.finals);
    let ask = Generate::greedy(NonZeroUsize::new(3).unwrap());
    let generated = Lens::new(&mut toy()).generate(&tokens(), &plan, &ask, |_| None).unwrap();
    let again = Lens::new(&mut toy()).read(&generated.tokens, &plan).unwrap();
    let n = generated.reading.positions.len();
    assert!(generated.reading.readouts == again.readouts[..n * again.points.len()]);
}

#[test]
fn a_lens_that_does_not_fit_is_refused_and_what_it_lacks_is_said() {
    let refused = |plan: &Plan| read(plan).unwrap_err().to_string();
    let wide = LensMap::new(4, vec![0.0; 16], None, true).unwrap();
    let other = Translator::tuned(4, [(0, wide)], Provenance::default()).unwrap();
    let message = refused(&plan([LensChoice::Logit, LensChoice::Translated(other.into())]));
    assert!(
        message.contains("lens tuned does not fit") && message.contains("stream of 4 values"),
        "{message}"
    );
    let message = refused(&plan([tuned(0..5)]));
    assert!(message.contains("a map for L3.resid_pre, which this model of 3 blocks lacks"), "{message}");

    let mut some = plan([LensChoice::Logit, tuned([0, 1])]);
    some.components = "resid_pre,mlp_out".parse().unwrap();
    let reading = read(&some).unwrap();
    assert_eq!(
        reading.notes,
        ["the lens tuned has no map for resid_pre of layer 2; mlp_out of layers 0 to 2"]
    );
    assert_eq!(some.notes(toy().info()).unwrap(), reading.notes);
    assert_eq!(reading.all_at(0).filter(|(lens, ..)| *lens == 1).count(), 2);
    some.components = "mlp_out".parse().unwrap();
    let message = refused(&some);
    assert!(
        message.contains("the lens tuned has no map for any")
            && message.ends_with("resid_pre of layers 0 to 1")
    );
    assert!(read(&plan([LensChoice::Logit])).unwrap().notes.is_empty());
}

#[test]
fn a_lens_of_another_model_is_said() {
    let of = |base: &str| {
        let provenance = Provenance::default().with_base_model(Some(base.to_owned()));
        let lens = Translator::tuned(WIDTH, [(0, tuned_map(0))], provenance).unwrap();
        read(&plan([LensChoice::Translated(lens.into())])).unwrap().notes
    };
    assert!(of("someone/Toy").is_empty());
    assert_eq!(
        of("someone/else"),
        [r#"the lens tuned was made for "someone/else", and this model is "toy""#]
    );
}

#[test]
fn a_translation_that_overflows_names_the_lens_and_the_point() {
    let huge = LensMap::new(WIDTH, vec![3e38; WIDTH * WIDTH], None, true).unwrap();
    let lens = Translator::tuned(WIDTH, [(0, tuned_map(0)), (1, huge)], Provenance::default()).unwrap();
    let error = read(&plan([LensChoice::Logit, LensChoice::Translated(lens.into())])).unwrap_err();
    let LensError::Backend(BackendError::NonFiniteTranslation { lens, what, point, position }) = &error
    else {
        panic!("{error}");
    };
    assert_eq!((&**lens, *what, *position), ("tuned", NonFinite::Activation, 0));
    assert_eq!(*point, Point::block(1, Site::ResidPre));
    assert!(error.to_string().contains("L1.resid_pre, position 0, after the lens tuned"), "{error}");
}

struct Ids;

impl TokenTexts for Ids {
    fn text(&self, id: TokenId) -> TokenText {
        TokenText::unnamed(id)
    }
}

fn trace(plan: &Plan) -> LensTrace {
    let (toy, tokens) = (toy(), tokens());
    let context = TraceContext::new(("lens", "0"), toy.info(), &tokens, &Ids).with_threshold(0.0);
    LensTrace::new(&read(plan).unwrap(), &context)
}

#[test]
fn a_trace_names_its_lenses_where_there_is_another_than_the_plain_one() {
    let plain = serde_json::to_string(&trace(&plan([LensChoice::Logit]))).unwrap();
    assert!(!plain.contains(r#""lenses""#) && !plain.contains(r#""lens":""#), "{plain}");
    for (lenses, names) in [
        (vec![jacobian()], vec!["jacobian"]),
        (vec![LensChoice::Logit, tuned(0..2), tuned(1..3)], vec!["logit", "tuned", "tuned-2"]),
    ] {
        let trace = trace(&plan(lenses));
        assert_eq!(trace.lens_names(), names);
        assert_eq!(trace.lens.kind, names[0]);
        assert!(trace.readouts.iter().all(|readout| names.contains(&readout.lens.as_deref().unwrap())));
        let json = serde_json::to_string(&trace).unwrap();
        assert_eq!(LensTrace::from_json(json.as_bytes()).unwrap(), trace);
    }
    let source = &trace(&plan([jacobian()])).lenses[0].provenance.source;
    assert_eq!(source.as_deref(), Some("J.safetensors"));
}

#[test]
fn one_lens_of_a_trace_is_that_lens_alone() {
    let all = trace(&plan([LensChoice::Logit, tuned(0..LAYERS), jacobian()]));
    let plain = all.of_lens(None).unwrap();
    assert_eq!(plain.readouts.len(), 6 * (1 + 4 * 3));
    assert_eq!(plain.finals, all.finals);
    let other = all.of_lens(Some("jacobian")).unwrap();
    assert_eq!((&*other.lens.kind, other.readouts.len()), ("jacobian", 6 * 3));
    assert_eq!(other.finals[0].important_layers, [0, 1, 2]);
    assert!(all.of_lens(Some("tuned")).unwrap().finals[0].important_layers.is_empty());
    // Nothing but three layers was read with that lens: they alone are judged, and anew.
    assert_ne!(plain.finals[0].important_by_movement, None);
    assert_eq!(other.finals[0].important_by_movement, other.important_by_movement(other.finals[0].position));
    other.validate().unwrap();
    let message = all.of_lens(Some("tunde")).unwrap_err().to_string();
    assert_eq!(message, r#"this trace has no lens "tunde" (it has: logit, tuned, jacobian)"#);
    let single = trace(&plan([LensChoice::Logit]));
    assert_eq!(*single.of_lens(Some("logit")).unwrap(), single);
}

#[test]
fn a_trace_that_mixes_lenses_up_is_refused() {
    let refused = |change: &dyn Fn(&mut LensTrace)| {
        let mut trace = trace(&plan([LensChoice::Logit, tuned(0..LAYERS)]));
        change(&mut trace);
        trace.validate().unwrap_err().to_string()
    };
    let has = |message: String, words: &str| assert!(message.contains(words), "{message}");
    has(refused(&|trace| trace.readouts[2].lens = None), "readouts[2].lens: the trace has several lenses");
    has(
        refused(&|trace| trace.readouts[2].lens = Some("x".into())),
        r#"readouts[2].lens: "x" is not a lens"#,
    );
    has(refused(&|trace| trace.lenses[1].name = "logit".into()), "lenses[1].name: a second lens");
    has(refused(&|trace| trace.lens.kind = "tuned".to_owned()), "lens.kind: \"tuned\" is not the first");
    let twice = |trace: &mut LensTrace| {
        let again = trace.readouts[0].top[0].clone();
        trace.readouts[0].tracked.push(again);
    };
    has(refused(&twice), "the readout has the token");
}

/// Every token that is top-1 anywhere at a position has its probability in every readout of the position.
#[test]
fn no_trajectory_has_a_hole() {
    let mut plan = plan([LensChoice::Logit, tuned(0..LAYERS)]);
    plan.question.top_k = NonZeroUsize::MIN;
    let trace = trace(&plan);
    for last in &trace.finals {
        let here = || trace.readouts.iter().filter(|readout| readout.position == last.position);
        let firsts: BTreeSet<TokenId> =
            here().map(|readout| readout.top[0].id).chain([last.top[0].id]).collect();
        assert!(firsts.len() > 3, "a position with nothing to track shows nothing");
        for readout in here() {
            for id in firsts.iter().chain([&TokenId(7)]) {
                assert!(readout.score(*id).is_some(), "{id} in {readout:?}");
            }
        }
    }
    plan.question.tracked = 2;
    let few = read(&plan).unwrap();
    for (index, last) in few.finals.iter().enumerate() {
        for (_, _, readout) in few.all_at(index) {
            assert!(readout.tracked.len() <= 2);
            let top1 = last.readout.top1().unwrap();
            let scores = readout.top.iter().chain(&readout.tracked);
            assert!(scores.chain([&readout.targets[0].score]).any(|score| score.id == top1));
        }
    }
}

/// A trace of the plain lens at block outputs, a tuned one at block inputs and a Jacobian one at block outputs.
fn three() -> LensTrace {
    let plan = plan([LensChoice::Logit, tuned(0..LAYERS), jacobian()]);
    let plan = plan.with_components("resid_pre,resid_post".parse().unwrap());
    let tokens = tokens();
    LensTrace::new(&read(&plan).unwrap(), &TraceContext::new(("test", "0"), toy().info(), &tokens, &()))
}

#[test]
fn every_row_says_how_far_it_can_be_trusted() {
    let trace = three();
    // 3 resid_pre and 3 resid_post of the plain lens, 3 of the tuned one, 3 of the Jacobian one.
    assert_eq!(trace.faithfulness.len(), 12);
    for row in &trace.faithfulness {
        let here: Vec<_> = trace
            .readouts
            .iter()
            .filter(|r| (&r.lens, r.layer, r.component) == (&row.lens, row.layer, row.component))
            .collect();
        assert_eq!(row.positions, tokens().len());
        let last = |position| trace.finals.iter().find(|last| last.position == position).unwrap();
        let same = here.iter().filter(|r| r.top[0].id == last(r.position).top[0].id).count();
        near(row.agreement, same as f64 / here.len() as f64, 0.0, "agreement");
        let mut kl: Vec<f64> = here.iter().map(|r| r.get(Statistic::KlToFinal).unwrap()).collect();
        kl.sort_by(f64::total_cmp);
        near(row.kl_to_final.unwrap(), (kl[2] + kl[3]) / 2.0, 1.0, "the median of six");
        let mut ratio: Vec<f64> = here
            .iter()
            .map(|r| r.get(Statistic::Norm).unwrap() / last(r.position).get(Statistic::Norm).unwrap())
            .collect();
        ratio.sort_by(f64::total_cmp);
        near(row.norm_ratio.unwrap(), (ratio[2] + ratio[3]) / 2.0, 1.0, "the median ratio");
        assert_eq!(row.trusted, row.kl_to_final.unwrap() <= 1.5 || row.agreement >= 0.5);
    }
    let row = |lens: &str, layer, site| {
        let is = |row: &&lens_core::FaithfulnessTrace| {
            row.lens.as_deref() == Some(lens)
                && (row.layer, row.component) == (Some(layer), lens_core::Component::Site(site))
        };
        trace.faithfulness.iter().find(is).unwrap()
    };
    // The plain lens reads the last output as the model does.
    let last = row("logit", LAYERS - 1, Site::ResidPost);
    assert_eq!((last.agreement, last.trusted), (1.0, true));
    assert!(last.kl_to_final.unwrap().abs() < 1e-5);
    near(last.norm_ratio.unwrap(), 1.0, 1.0, "its own length");
    // The tuned lens at the input of block 1, and the others at the output of block 0, read one state.
    let (a, b) = (row("tuned", 1, Site::ResidPre), row("jacobian", 0, Site::ResidPost));
    let together = |position: usize| {
        let top = |lens: &str, layer, site| {
            let is = |r: &&lens_core::ReadoutTrace| {
                r.lens.as_deref() == Some(lens)
                    && r.position == position
                    && (r.layer, r.component) == (Some(layer), lens_core::Component::Site(site))
            };
            trace.readouts.iter().find(is).unwrap().top[0].id
        };
        let first = top("logit", 0, Site::ResidPost);
        first == top("tuned", 1, Site::ResidPre) && first == top("jacobian", 0, Site::ResidPost)
    };
    let share = (0..6).filter(|position| together(*position)).count() as f64 / 6.0;
    assert_eq!((a.between_lenses, b.between_lenses), (Some(share), Some(share)));
}

#[test]
fn the_verdict_on_a_lens_stays_when_it_is_shown_alone() {
    let trace = three();
    let rows = |name: &str| {
        trace.faithfulness.iter().filter(|row| row.lens.as_deref() == Some(name)).cloned().collect::<Vec<_>>()
    };
    for name in ["logit", "tuned", "jacobian"] {
        assert_eq!(trace.of_lens(Some(name)).unwrap().faithfulness, rows(name));
    }
    let json = serde_json::to_string(&trace).unwrap();
    assert_eq!(LensTrace::from_json(json.as_bytes()).unwrap(), trace);
    assert!(LensTrace::from_json(json.replacen("\"agreement\":", "\"agreement\":7", 1).as_bytes()).is_err());
    let plain = plan([LensChoice::Logit]);
    let tokens = tokens();
    let plain =
        LensTrace::new(&read(&plain).unwrap(), &TraceContext::new(("t", "0"), toy().info(), &tokens, &()));
    assert!(plain.faithfulness.is_empty() && !plain.rows_faithfulness().is_empty());
}
