//! Two toys on one text, beside their own arithmetic in float64.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::collections::BTreeMap;

use lens_core::{
    Backend, NormMode, Point, Site, TokenId,
    diff::{
        Condition, ConditionError, Diff, DiffError, DiffPlan, DiffReport, DiffText, DiffTrace, SCHEMA, Spread,
    },
    evaluate::EvaluationOptions,
    toy::ToyBackend,
};
use support::{Distribution, Reference};

const D: usize = 16;
const V: usize = 50;
const LAYERS: u16 = 3;

fn toy(seed: u64) -> ToyBackend {
    ToyBackend::new(LAYERS, D, V, seed)
}

fn reference(seed: u64) -> Reference {
    Reference::new(LAYERS, D, V, seed)
}

fn sequences() -> Vec<Vec<TokenId>> {
    let sequence = |i: u32| (0..5 + i % 3).map(|k| TokenId((7 * i + 3 * k) % V as u32)).collect();
    (0..4).map(sequence).collect()
}

fn plan(components: &str) -> DiffPlan {
    let options = EvaluationOptions::default().with_resamplings(50);
    DiffPlan::default().with_components(components.parse().unwrap()).with_options(options)
}

fn found(a: &mut ToyBackend, b: &mut ToyBackend, plan: DiffPlan) -> DiffReport {
    let mut diff = Diff::new(a, b, plan).unwrap();
    for sequence in sequences() {
        diff.add(&sequence).unwrap();
    }
    diff.report().unwrap()
}

fn names(points: &[Point]) -> Vec<String> {
    points.iter().map(ToString::to_string).collect()
}

#[test]
fn a_model_beside_itself_is_exactly_zero_everywhere() {
    let report = found(&mut toy(7), &mut toy(7), plan("all,heads,resid_pre"));
    assert_eq!(report.rows.len(), 1 + 3 * 7);
    let is = |spread: Spread, value: f64| (spread.mean, spread.min, spread.max) == (value, value, value);
    for row in &report.rows {
        for zero in [row.relative, row.kl.unwrap(), row.js.unwrap()].into_iter().chain(row.own) {
            assert!(is(zero, 0.0), "{}: {zero:?}", row.point);
        }
        for one in [row.cosine, row.top1.unwrap(), row.reciprocal_rank.unwrap()] {
            assert!(is(one, 1.0), "{}: {one:?}", row.point);
        }
        let is_sum =
            matches!(row.point, Point::Block { site: Site::ResidPre | Site::ResidMid | Site::ResidPost, .. });
        assert_eq!(row.own.is_none(), is_sum, "{}", row.point);
    }
    let finals = &report.finals;
    assert_eq!(
        (finals.kl.spread.max, finals.js.high, finals.own.high, finals.top1.low),
        (0.0, 0.0, 0.0, 1.0)
    );
    let surprise = finals.cross_entropy.unwrap();
    assert_eq!((surprise.spread.max, surprise.spread.min, surprise.low, surprise.high), (0.0, 0.0, 0.0, 0.0));
    assert_eq!(finals.cross_entropy_a, finals.cross_entropy_b);
    assert!(finals.cross_entropy_a.unwrap().spread.mean > 0.1);
    assert!(report.changed.as_ref().unwrap().above.is_empty());
    for passes in ["kl>0", "top1<1", "cross_entropy>0", "L1.mlp_out.own>0", "L2.head.1.relative.max>0"] {
        let judged = passes.parse::<Condition>().unwrap().judge(&report).unwrap();
        assert!(!judged.failed, "{judged}");
    }
}

/// What is expected of a point, in float64: at every position, in order.
#[derive(Default)]
struct Expected {
    relative: Vec<f64>,
    cosine: Vec<f64>,
    kl: Vec<f64>,
    js: Vec<f64>,
    own: Vec<f64>,
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

fn relative(a: &[f64], b: &[f64]) -> f64 {
    norm(&a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<_>>()) / norm(a)
}

/// Every number of a report on two models that share nothing is that of the formulas, with the states of a second
/// implementation in float64, which is also given A's inputs.
#[test]
fn numbers_are_those_of_the_formulas_in_float64() {
    let report = found(&mut toy(7), &mut toy(8), plan("all"));
    let (a, b) = (reference(7), reference(8));
    let mut expected: BTreeMap<Point, Expected> = BTreeMap::new();
    let (mut surprises, mut agreed, mut read_alike) = (Vec::new(), Vec::new(), Vec::new());
    for tokens in sequences() {
        let (states_a, states_b) = (a.run(&tokens), b.run(&tokens));
        let guided = b.run_edited(&tokens, &|point, position, value| {
            if let Point::Block { site: Site::ResidPre | Site::ResidMid, .. } = point {
                let own = states_a[position].iter().find(|(other, _)| *other == point).unwrap();
                value.clone_from(&own.1);
            }
        });
        for (position, (at_a, at_b)) in states_a.iter().zip(&states_b).enumerate() {
            for ((point, x), (_, y)) in at_a.iter().zip(at_b) {
                let of = |model: &Reference, x: &[f64]| {
                    Distribution::new(model.logits(x, NormMode::Recomputed, x))
                };
                let (p, q) = (of(&a, x), of(&b, y));
                let expected = expected.entry(*point).or_default();
                expected.relative.push(relative(x, y));
                let dot: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
                expected.cosine.push(dot / norm(x) / norm(y));
                expected.kl.push(q.kl_of(&p));
                expected.js.push(q.js_of(&p));
                let given = &guided[position].iter().find(|(other, _)| other == point).unwrap().1;
                expected.own.push(relative(x, given));
                if *point == Point::last(LAYERS) {
                    read_alike.push(of(&b, x).kl_of(&p));
                    agreed.push(f64::from(u8::from(p.sorted()[0] == q.sorted()[0])));
                    if let Some(next) = tokens.get(position + 1) {
                        surprises.push(-q.prob(next.index()).ln() + p.prob(next.index()).ln());
                    }
                }
            }
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let near = |got: f64, expected: f64, what: &str| {
        assert!((got - expected).abs() <= 5e-5 * (1.0 + expected.abs()), "{what}: {got}, not {expected}");
    };
    assert_eq!(report.rows.len(), 1 + 3 * 4);
    for row in &report.rows {
        let of = &expected[&row.point];
        let checked = [
            ("relative", row.relative, &of.relative),
            ("cosine", row.cosine, &of.cosine),
            ("kl", row.kl.unwrap(), &of.kl),
            ("js", row.js.unwrap(), &of.js),
        ];
        for (name, got, expected) in checked.into_iter().chain(row.own.map(|own| ("own", own, &of.own))) {
            let what = format!("{name} of {}", row.point);
            near(got.mean, mean(expected), &what);
            near(got.min, expected.iter().copied().fold(f64::INFINITY, f64::min), &what);
            near(got.max, expected.iter().copied().fold(f64::NEG_INFINITY, f64::max), &what);
        }
    }
    let finals = &report.finals;
    near(finals.kl.spread.mean, mean(&expected[&Point::last(LAYERS)].kl), "final kl");
    near(finals.own.spread.mean, mean(&read_alike), "kl of the readouts of A's state");
    near(finals.top1.spread.mean, mean(&agreed), "top1");
    let surprise = finals.cross_entropy.unwrap();
    near(surprise.spread.mean, mean(&surprises), "cross-entropy");
    assert!(surprise.low < surprise.spread.mean && surprise.spread.mean < surprise.high);
    assert_eq!((report.sequences, report.positions, report.next_tokens), (4, 23, 19));
    // An own difference that were that of the plain run would be told from it.
    let mlp = report.row("L1.mlp_out".parse().unwrap()).unwrap();
    assert!((mlp.own.unwrap().mean - mlp.relative.mean).abs() > 0.05, "{mlp:?}");
}

#[test]
fn a_changed_matrix_is_found_and_nothing_before_it_differs_by_a_bit() {
    for (layer, site) in [(1, Site::MlpOut), (1, Site::AttnOut), (2, Site::MlpOut), (0, Site::AttnOut)] {
        let mut b = toy(7);
        b.add_to_weight(layer, site, (3, 5), 0.01);
        let report = found(&mut toy(7), &mut b, plan("all,resid_pre"));
        let changed = Point::block(layer, site);
        assert_eq!(names(&report.changed.as_ref().unwrap().above), [changed.to_string()]);
        for row in &report.rows {
            let before = row.point < changed;
            let ends = [row.relative.max, row.kl.unwrap().max, row.js.unwrap().max];
            match before {
                true => assert_eq!(ends, [0.0; 3], "{}", row.point),
                false => assert!(row.relative.mean > 0.0, "{} does not show it", row.point),
            }
            if let Some(own) = row.own {
                assert_eq!(own.max > 0.0, row.point == changed, "{}", row.point);
            }
        }
    }
}

#[test]
fn a_changed_head_is_named() {
    let mut b = toy(7);
    // A column of the second half: what the second head is projected by.
    b.add_to_weight(1, Site::AttnOut, (2, 12), 0.05);
    let report = found(&mut toy(7), &mut b, plan("heads,attn_out,mlp_out"));
    assert_eq!(names(&report.changed.unwrap().above), ["L1.head.1", "L1.attn_out"]);
}

#[test]
fn a_changed_embedding_is_found_there() {
    let mut b = toy(7);
    b.set_embedding(TokenId(3), 0, 2.0);
    let report = found(&mut toy(7), &mut b, plan("all"));
    assert_eq!(names(&report.changed.unwrap().above), ["embed"]);
    let moved = report.rows.iter().filter(|row| row.relative.max > 0.0).count();
    assert!(moved > 6, "{moved}");
}

/// Sums of readouts do not depend on which other points are read, nor on how long a step is.
#[test]
fn a_part_is_what_the_whole_says_of_it() {
    let whole = found(&mut toy(7), &mut toy(8), plan("all,heads"));
    let layers = "1".parse().unwrap();
    let part = found(&mut toy(7), &mut toy(8), plan("mlp_out,head.1").with_layers(layers));
    assert_eq!(part.finals, whole.finals);
    assert_eq!(part.rows.len(), 2);
    for row in &part.rows {
        assert_eq!(Some(row), whole.row(row.point));
    }
    let sums = found(&mut toy(7), &mut toy(8), plan("resid_post"));
    assert_eq!(sums.changed, None);
    let vectors = found(&mut toy(7), &mut toy(8), plan("all,heads").with_inner_readouts(false));
    assert_eq!((&vectors.finals, &vectors.changed), (&whole.finals, &whole.changed));
    for (row, whole) in vectors.rows.iter().zip(&whole.rows) {
        assert_eq!((row.relative, row.cosine, row.own), (whole.relative, whole.cosine, whole.own));
        assert_eq!((row.kl, row.js, row.top1, row.reciprocal_rank), (None, None, None, None));
    }
}

#[test]
fn ends_are_found_where_they_are() {
    let report = found(&mut toy(7), &mut toy(8), plan("mlp_out"));
    let row = report.row("L1.mlp_out".parse().unwrap()).unwrap();
    let at = row.relative.at_max;
    let tokens = sequences()[at.sequence as usize].clone();
    let state = |seed| {
        let states = reference(seed).run(&tokens);
        states[at.position].iter().find(|(point, _)| *point == row.point).unwrap().1.clone()
    };
    assert!((relative(&state(7), &state(8)) - row.relative.max).abs() < 1e-4);
}

#[test]
fn conditions_decide_by_the_number_of_the_report() {
    let report = found(&mut toy(7), &mut toy(8), plan("all"));
    let judge = |written: &str| written.parse::<Condition>().unwrap().judge(&report);
    let kl = report.finals.kl.spread.mean;
    assert!(!judge(&format!("kl>{kl}")).unwrap().failed && judge(&format!("kl>={kl}")).unwrap().failed);
    let judged = judge("kl.max>0.0001").unwrap();
    assert_eq!(
        (judged.value, judged.at),
        (report.finals.kl.spread.max, Some(report.finals.kl.spread.at_max))
    );
    let said = judged.to_string();
    assert!(
        said.contains(&report.finals.kl.spread.max.to_string()) && said.contains("at position"),
        "{said}"
    );
    let own = report.row("L2.attn_out".parse().unwrap()).unwrap().own.unwrap();
    assert_eq!(judge("L2.attn_out.own<9").unwrap().value, own.mean);
    let (mut a, mut b) = (toy(7), toy(8));
    let bare = Diff::new(&mut a, &mut b, plan("all").with_inner_readouts(false)).unwrap();
    let check = |written: &str| bare.check(&written.parse().unwrap()).is_ok();
    assert!(check("kl>1") && check("L1.mlp_out.own>1") && check("embed.relative>1"));
    assert!(!check("L1.mlp_out.kl>1") && !check("L1.resid_mid.own>1") && !check("L1.head.0.own>1"));
    for missing in ["L9.attn_out.own>1", "L1.resid_post.own>1", "L1.head.0.kl>1"] {
        assert!(matches!(judge(missing), Err(ConditionError::NotMeasured { .. })), "{missing}");
    }
}

#[test]
fn models_of_other_shapes_are_refused_with_what_differs() {
    let mut a = toy(7);
    let mut b = ToyBackend::new(4, 8, V, 7);
    let error = Diff::new(&mut a, &mut b, DiffPlan::default()).unwrap_err().to_string();
    assert!(error.contains("A has 3 blocks, B has 4") && error.contains("16 wide, B's is 8"), "{error}");
    let mut b = toy(7);
    let error = Diff::new(&mut a, &mut b, plan("head.9")).unwrap_err();
    assert!(matches!(error, DiffError::Selection { .. }), "{error}");
}

#[test]
fn a_broken_model_is_named() {
    for (a, b, named) in [(f32::NAN, 0.0, "model A (toy)"), (0.0, f32::INFINITY, "model B (toy)")] {
        let (mut first, mut second) = (toy(7), toy(7));
        first.set_embedding(TokenId(3), 1, a);
        second.set_embedding(TokenId(3), 1, b);
        let mut diff = Diff::new(&mut first, &mut second, plan("all")).unwrap();
        let error = diff.add(&[TokenId(5), TokenId(3)]).unwrap_err().to_string();
        assert!(error.contains(named) && error.contains("at embed, position 1"), "{error}");
    }
}

#[test]
fn a_larger_vocabulary_is_compared_over_the_common_rows() {
    let mut b = ToyBackend::new(LAYERS, D, 64, 7);
    let mut a = toy(7);
    let mut diff = Diff::new(&mut a, &mut b, plan("all")).unwrap();
    assert!(diff.notes()[0].contains("50 and 64 rows"), "{:?}", diff.notes());
    diff.add(&sequences()[0]).unwrap();
    let report = diff.report().unwrap();
    assert_eq!(report.n_vocab, V);
    // Embeddings of these tokens and blocks have the same weights: all of the difference is the unembedding's.
    assert!(report.changed.unwrap().above.is_empty());
    assert_eq!(report.rows.last().unwrap().relative.max, 0.0);
    assert!(report.finals.kl.spread.mean > 0.1);
    assert_eq!(report.finals.own, report.finals.kl);
}

fn trace(components: &str) -> DiffTrace {
    let (mut a, mut b) = (toy(7), toy(8));
    let report = found(&mut a, &mut b, plan(components));
    let conditions = ["kl>0.01", "kl.max>1e9", "L1.attn_out.relative.min<0"];
    let judged = conditions.map(|one| one.parse::<Condition>().unwrap().judge(&report).unwrap());
    let text = DiffText::new(Some("ab".repeat(32)), 8);
    let notes = vec!["a note".to_owned()];
    DiffTrace::new(("test", "0"), [a.info(), b.info()], text, report, judged.to_vec(), notes)
}

#[test]
fn the_json_keeps_to_its_schema_and_reads_back() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/lens-diff-1.schema.json");
    let schema: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut bare = trace("all");
    for row in &mut bare.report.rows {
        (row.kl, row.js, row.top1, row.reciprocal_rank) = (None, None, None, None);
    }
    let json = serde_json::to_value(&bare).unwrap();
    assert!(validator.is_valid(&json));
    assert_eq!(serde_json::from_value::<DiffTrace>(json).unwrap(), bare);
    for trace in [trace("all"), trace("all,heads"), trace("embed,attn_out,resid_pre")] {
        assert_eq!(trace.schema, SCHEMA);
        let json = serde_json::to_value(&trace).unwrap();
        let faults: Vec<String> =
            validator.iter_errors(&json).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{faults:?}");
        let text = serde_json::to_string(&trace).unwrap();
        assert_eq!(serde_json::from_str::<DiffTrace>(&text).unwrap(), trace);
        // A schema that takes anything would prove nothing.
        for (path, value) in [
            ("/schema", serde_json::json!("lens-diff/2")),
            ("/final/kl/mean", serde_json::json!("large")),
            ("/final/top1/max", serde_json::json!(2)),
            ("/rows/0/point", serde_json::json!("L1")),
            ("/rows/0/relative/at_max", serde_json::json!(3)),
            ("/rows/1/js/mean", serde_json::json!(-1)),
            ("/conditions/0/failed", serde_json::json!(null)),
            ("/changed/above/0", serde_json::json!("attn")),
            ("/a/n_layers", serde_json::json!("three")),
            ("/text/context", serde_json::json!(0)),
        ] {
            let mut broken = json.clone();
            *broken.pointer_mut(path).unwrap_or_else(|| panic!("there is no {path}")) = value;
            assert!(!validator.is_valid(&broken), "{path}");
        }
        for field in ["a", "final", "rows", "conditions", "notes", "changed"] {
            let mut broken = json.clone();
            broken.as_object_mut().unwrap().remove(field);
            assert!(!validator.is_valid(&broken), "without {field}");
        }
    }
}
