//! Steering the toy model equals editing its activations by the formula in float64.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lens_core::{
    Backend, EditError, Edits, Forward, Generate, Intervention, Lens, Plan, Point, PointSet, Site,
    StepBudget, TokenId, VectorFiles, steer, toy::ToyBackend,
};

mod support;
use support::{Counted, Fault, Ran, Reference, Tampered};

const LAYERS: u16 = 3;
const D: usize = 8;
const VOCAB: usize = 20;
const SEED: u64 = 11;
const PROMPT: [u32; 4] = [3, 14, 15, 9];
const OTHER: [u32; 4] = [2, 7, 1, 8];
const FILE: [f32; D] = [0.5, -1.0, 2.0, 0.25, -0.75, 1.5, -0.125, 3.0];

/// What an edit does to the value at a point and a position.
type ByHand = dyn Fn(Point, usize, &mut Vec<f64>);

/// The only file holds one vector.
struct Files;

/// Texts are ids.
fn encode(text: &str) -> Result<Vec<TokenId>, String> {
    text.split(' ').map(|id| id.parse().map(TokenId).map_err(|_| format!("{id} is not an id"))).collect()
}

impl VectorFiles for Files {
    fn vector(
        &mut self,
        path: &str,
        _: Option<&str>,
        _: usize,
    ) -> Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>> {
        if path == "v" { Ok(FILE.to_vec()) } else { Err(format!("there is no file {path}").into()) }
    }
}

fn tokens(ids: &[u32]) -> Vec<TokenId> {
    ids.iter().copied().map(TokenId).collect()
}

fn toy() -> ToyBackend {
    ToyBackend::new(LAYERS, D, VOCAB, SEED)
}

fn prepared(toy: &mut ToyBackend, texts: &[&str]) -> Result<lens_core::Steering, EditError> {
    let interventions: Vec<Intervention> = texts.iter().map(|text| text.parse().unwrap()).collect();
    steer(toy, &interventions, &tokens(&PROMPT), &encode, &mut Files)
}

/// Everything that the toy has at every point of the prompt, `[points][pos][d]`.
fn captured(toy: &mut ToyBackend) -> Vec<(Point, Vec<Vec<f32>>)> {
    let points: PointSet = (0..LAYERS)
        .flat_map(|layer| Site::ALL.map(|site| Point::block(layer, site)))
        .chain([Point::Embed])
        .collect();
    let (prompt, rows) = (tokens(&PROMPT), Vec::from_iter(0..PROMPT.len()));
    let n = prompt.len();
    let step = Forward::new(&prompt, &points, &rows).with_total(n).with_room(n);
    let hidden = toy.forward(&step).unwrap();
    let rows = |hidden| {
        let mut values = Vec::new();
        let width = toy.rows(hidden, 0..n, &mut values).unwrap();
        values.chunks(width).map(<[f32]>::to_vec).collect()
    };
    points.as_slice().iter().copied().zip(hidden.iter().map(rows)).collect()
}

/// What another prompt has at a point, without any edit: `[pos][d]`.
fn of(ids: &[u32], point: Point) -> Vec<Vec<f64>> {
    let states = Reference::new(LAYERS, D, VOCAB, SEED).run_edited(&tokens(ids), &|_, _, _| {});
    states.into_iter().map(|state| state.into_iter().find(|(at, _)| *at == point).unwrap().1).collect()
}

fn mean(rows: &[Vec<f64>]) -> Vec<f64> {
    (0..D).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / rows.len() as f64).collect()
}

fn without(x: &[f64], v: &[f64]) -> Vec<f64> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let part = dot(v, x) / dot(v, v);
    x.iter().zip(v).map(|(x, v)| x - v * part).collect()
}

fn assert_steered_as(texts: &[&str], edit: &ByHand) {
    let mut toy = toy();
    let steering = prepared(&mut toy, texts).unwrap();
    assert_eq!(steering.traces.len(), texts.len());
    toy.set_edits(Some(steering.edits)).unwrap();
    let expected = Reference::new(LAYERS, D, VOCAB, SEED).run_edited(&tokens(&PROMPT), edit);
    for (point, rows) in captured(&mut toy) {
        for (position, row) in rows.iter().enumerate() {
            let (_, expected) = expected[position].iter().find(|(at, _)| *at == point).unwrap();
            for (value, expected) in row.iter().zip(expected) {
                let error = (f64::from(*value) - expected).abs();
                assert!(
                    error < 2e-5 * expected.abs().max(1.0),
                    "{texts:?} {point} {position}: {value} {expected}"
                );
            }
        }
    }
}

/// An edit at one point.
fn at(
    point: &str,
    edit: impl Fn(usize, &mut Vec<f64>) + 'static,
) -> impl Fn(Point, usize, &mut Vec<f64>) + 'static {
    let point: Point = point.parse().unwrap();
    move |here, position, x| {
        if here == point {
            edit(position, x);
        }
    }
}

fn added(x: &mut [f64], coefficient: f64, v: &[f64]) {
    x.iter_mut().zip(v).for_each(|(x, v)| *x += coefficient * v);
}

#[test]
fn zeros_and_factors_reach_every_later_point() {
    assert_steered_as(&["L1.mlp_out = 0"], &at("L1.mlp_out", |_, x| x.fill(0.0)));
    assert_steered_as(
        &["L0.resid_pre *= -0.5"],
        &at("L0.resid_pre", |_, x| x.iter_mut().for_each(|x| *x *= -0.5)),
    );
    assert_steered_as(&["embed *= 2"], &at("embed", |_, x| x.iter_mut().for_each(|x| *x *= 2.0)));
}

#[test]
fn positions_and_heads_are_the_only_ones_changed() {
    assert_steered_as(
        &["L1.attn_out[1,-1] = 0"],
        &at("L1.attn_out", |position, x| {
            if position == 1 || position == 3 {
                x.fill(0.0);
            }
        }),
    );
    assert_steered_as(&["L2.z.h1 = 0"], &at("L2.z", |_, x| x[D / 2..].fill(0.0)));
    assert_steered_as(
        &["L2.z.h0[2] *= 3"],
        &at("L2.z", |position, x| {
            if position == 2 {
                x[..D / 2].iter_mut().for_each(|x| *x *= 3.0);
            }
        }),
    );
}

#[test]
fn vectors_of_other_prompts_files_and_means_are_added_and_put_in_place() {
    let point: Point = "L1.resid_post".parse().unwrap();
    let other = of(&OTHER, point);
    let last = other[3].clone();
    assert_steered_as(
        &["L1.resid_post += 1.5*@'2 7 1 8'"],
        &at("L1.resid_post", move |_, x| added(x, 1.5, &last)),
    );
    let file = FILE.map(f64::from);
    assert_steered_as(
        &["L1.resid_post += -2*file:'v'"],
        &at("L1.resid_post", move |_, x| added(x, -2.0, &file)),
    );
    let own = mean(&of(&PROMPT, point));
    assert_steered_as(&["L1.resid_post = mean"], &at("L1.resid_post", move |_, x| x.copy_from_slice(&own)));
    let by_position = other.clone();
    assert_steered_as(
        &["L1.resid_post = @'2 7 1 8'[same]"],
        &at("L1.resid_post", move |position, x| x.copy_from_slice(&by_position[position])),
    );
}

#[test]
fn projections_take_away_the_part_along_a_vector() {
    let file = FILE.map(f64::from);
    assert_steered_as(
        &["L1.resid_mid -= proj(file:'v')"],
        &at("L1.resid_mid", move |_, x| *x = without(x, &file)),
    );
    let z = of(&OTHER, "L1.z".parse().unwrap())[3].clone();
    assert_steered_as(
        &["L1.z.h0,1 -= proj(@'2 7 1 8')"],
        &at("L1.z", move |_, x| {
            let (first, second) = (without(&x[..D / 2], &z[..D / 2]), without(&x[D / 2..], &z[D / 2..]));
            *x = [first, second].concat();
        }),
    );
}

#[test]
fn edits_at_one_point_follow_each_other() {
    assert_steered_as(
        &["L1.mlp_out *= 2", "L1.mlp_out += file:'v'"],
        &at("L1.mlp_out", |_, x| {
            x.iter_mut().for_each(|x| *x *= 2.0);
            added(x, 1.0, &FILE.map(f64::from));
        }),
    );
}

#[test]
fn a_steered_continuation_is_read_as_one_sequence_and_the_model_is_restored() {
    let (mut toy, prompt) = (toy(), tokens(&PROMPT));
    let plain = Lens::new(&mut toy).read(&prompt, &Plan::default()).unwrap();
    let steering = prepared(&mut toy, &["L1.resid_post += 2*@'2 7 1 8'", "L2.z.h0 = 0"]).unwrap();
    let own = toy.set_edits(Some(steering.edits)).unwrap();
    let ask = Generate::greedy(4.try_into().unwrap());
    let written = Lens::new(&mut toy).generate(&prompt, &Plan::default(), &ask, |_| None).unwrap();
    let plan = Plan::default().with_positions("all".parse().unwrap());
    let whole = Lens::new(&mut toy).read(&written.tokens, &plan).unwrap();
    for step in &written.reading.finals {
        assert_eq!(*step, whole.finals[step.position]);
    }
    assert_ne!(written.reading.finals[0], plain.finals[0], "nothing was steered");
    toy.set_edits(own).unwrap();
    assert_eq!(Lens::new(&mut toy).read(&prompt, &Plan::default()).unwrap(), plain);
}

#[test]
fn what_is_prepared_is_taken_from_the_model_as_it_is() {
    let mut toy = toy();
    let first = prepared(&mut toy, &["L0.resid_post *= 5"]).unwrap();
    let clean = prepared(&mut toy, &["L1.resid_post = mean"]).unwrap();
    toy.set_edits(Some(first.edits.clone())).unwrap();
    assert_eq!(prepared(&mut toy, &["L1.resid_post = mean"]).unwrap(), clean);
    assert_eq!(toy.set_edits(None).unwrap(), Some(first.edits), "the edits that were set are set again");
}

#[test]
fn what_does_not_fit_is_refused_and_the_model_stays_as_it_is() {
    let mut toy = toy();
    for (text, expected) in [
        ("L7.mlp_out = 0", "layer 7"),
        ("L1.mlp_out[9] = 0", "position 9"),
        ("L1.z.h2 = 0", "head 2"),
        ("L1.mlp_out += @'x'", "x is not an id"),
        ("L1.mlp_out += @'1 2'[5]", "has 2 tokens and no position 5"),
        ("L1.mlp_out = @'1 2'[same]", "has 2 tokens and the prompt that is run has 4"),
        ("L1.z.h0 += file:'v'", "has 8 values, L1.z takes 4"),
        ("L1.mlp_out += 1e39*file:'v'", "not finite"),
        ("L1.mlp_out -= proj(0*file:'v')", "is zero"),
        ("L1.mlp_out += @'99'", "L1.mlp_out += @'99'"),
    ] {
        let error = prepared(&mut toy, &[text]).unwrap_err();
        assert!(error.to_string().contains(expected), "{text}: {error}");
        assert_eq!(toy.set_edits(None).unwrap(), None, "{text}");
    }
    let error = prepared(&mut toy, &["L1.mlp_out += file:'w'"]).unwrap_err();
    assert!(matches!(&error, EditError::Vector { source, .. } if source.to_string() == "there is no file w"));
}

#[test]
fn a_backend_that_cannot_be_steered_says_so() {
    let mut fixed = Tampered::new(LAYERS, D, VOCAB, SEED, Fault::None);
    let intervention: Intervention = "L1.mlp_out = 0".parse().unwrap();
    let error = steer(&mut fixed, &[intervention], &tokens(&PROMPT), &encode, &mut ()).unwrap_err();
    assert!(matches!(error, EditError::Backend(lens_core::BackendError::NotSteerable)), "{error}");
    assert!(Edits::default().is_empty());
}

fn counted(texts: &[&str], budget: StepBudget) -> (Counted, lens_core::Steering) {
    let interventions: Vec<Intervention> = texts.iter().map(|text| text.parse().unwrap()).collect();
    let mut counted = Counted::new(toy());
    counted.budget = budget;
    let steering = steer(&mut counted, &interventions, &tokens(&PROMPT), &encode, &mut Files).unwrap();
    (counted, steering)
}

/// One run of each other prompt serves all points and terms, and goes no further than it must.
#[test]
fn every_other_prompt_is_run_once() {
    let texts = ["L0..2.mlp_out += @'2 7 1 8'[1] - 0.5*@'2 7 1 8'[0]", "L1.resid_post = mean@'2 7 1 8'"];
    let (run, _) = counted(&texts[..1], StepBudget::default());
    let through = Some("L1.mlp_out".parse().unwrap());
    let ran = |n, points, rows| Ran { past: 0, n, total: 4, through, captured: (points, rows) };
    assert_eq!(run.forwards, [ran(2, 2, 2)], "up to the last position and the deepest layer that are needed");

    let through = Some("L1.resid_post".parse().unwrap());
    let (run, _) = counted(&texts, StepBudget::default());
    assert_eq!(run.forwards, [Ran { past: 0, n: 4, total: 4, through, captured: (3, 4) }]);

    let (run, _) = counted(&["L*.z = mean", "L0.mlp_out += @'2 7'[1]"], StepBudget::default());
    assert_eq!(run.forwards.len(), 2, "the prompt itself, and the other one");
    let (run, _) = counted(&["L*.z = 0", "L0.mlp_out += file:'v'"], StepBudget::default());
    assert!(run.forwards.is_empty(), "{:?}", run.forwards);
}

/// A tokenizer may make nothing of a text.
#[test]
fn a_prompt_without_tokens_has_nothing_to_take() {
    let interventions = ["L1.z.h1 += mean@''".parse().unwrap()];
    let nothing = |_: &str| Ok(Vec::new());
    let error = steer(&mut toy(), &interventions, &tokens(&PROMPT), &nothing, &mut ()).unwrap_err();
    let because = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        matches!(error, EditError::Run { .. }) && because.contains("has no tokens"),
        "{error}: {because}"
    );
    let own = ["L1.z.h1 = mean".parse().unwrap()];
    assert!(steer(&mut toy(), &own, &[], &encode, &mut ()).is_err());
}

/// Another prompt that is too long for one step is run in several, with the same vectors.
#[test]
fn another_prompt_runs_in_steps_within_the_budget() {
    let long: Vec<String> = (0..40).map(|i| (i * 7 % 20).to_string()).collect();
    let long = long.join(" ");
    let texts =
        [format!("L*.mlp_out += mean@'{long}' - @'{long}'[5]"), format!("L1.z[1..3] = @'{long}'[same]")];
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let (whole, expected) = counted(&texts, StepBudget::default());
    assert_eq!(whole.forwards.len(), 1);
    let small = StepBudget::default().with_captured(1).with_fewest(16).with_longest(30);
    let (steps, steering) = counted(&texts, small);
    assert_eq!(
        steps.forwards.iter().map(|ran| (ran.past, ran.n)).collect::<Vec<_>>(),
        [(0, 16), (16, 16), (32, 8)]
    );
    assert_eq!(steering, expected);
}
