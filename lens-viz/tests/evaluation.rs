//! How well lenses predict, drawn.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lens_core::{
    Lens, LensChoice, LensMap, LensSet, Plan, Provenance, TokenId, Translator,
    evaluate::{Evaluation, EvaluationOptions, EvaluationReport},
    toy::ToyBackend,
};
use lens_viz::picture::{PictureError, PictureOptions, evaluation};

const LAYERS: u16 = 3;
const D: usize = 16;

/// What lenses say of a few sequences; `length` tokens each.
fn report(components: &str, lenses: LensSet, length: u32) -> EvaluationReport {
    let mut model = ToyBackend::new(LAYERS, D, 50, 7);
    let mut evaluation = Evaluation::new(EvaluationOptions::default().with_resamplings(50));
    let plan = Plan::default().with_components(components.parse().unwrap()).with_lenses(lenses);
    let plan = Evaluation::ask(plan);
    for i in 0..6 {
        let tokens: Vec<TokenId> = (0..length).map(|k| TokenId((7 * i + 3 * k) % 50)).collect();
        let reading = Lens::new(&mut model).read(&tokens, &plan).unwrap();
        evaluation.add(&reading, &tokens, &|_| Some(1)).unwrap();
    }
    evaluation.report().unwrap()
}

/// The plain lens and a tuned one that changes something.
fn two() -> LensSet {
    let map = |layer: u16| {
        let weight = (0..D * D).map(|i| if i % 7 == 0 { 0.05 } else { 0.0 }).collect();
        (layer, LensMap::new(D, weight, Some(vec![0.1; D]), true).unwrap())
    };
    let tuned = Translator::tuned(D, (0..LAYERS).map(map), Provenance::default()).unwrap();
    LensSet::new([LensChoice::Logit, LensChoice::Translated(tuned.into())]).unwrap()
}

fn drawn(report: &EvaluationReport) -> String {
    let facts = ["demo".to_owned(), "sequences of up to 4 tokens".to_owned()];
    let pages = evaluation(report, &facts, &PictureOptions::default()).unwrap();
    assert_eq!(pages.len(), 1);
    roxmltree::Document::parse(&pages[0].svg).unwrap();
    pages[0].svg.clone()
}

fn count(svg: &str, what: &str) -> usize {
    svg.lines().filter(|line| line.starts_with(what)).count()
}

#[test]
fn each_lens_has_a_line_and_a_band_in_both_panels() {
    let report = report("resid_pre", two(), 4);
    let svg = drawn(&report);
    let bands = svg.lines().filter(|line| line.starts_with("<polygon") && line.contains("opacity=\"0.22\""));
    assert_eq!(bands.count(), 4, "{svg}");
    for says in [
        "How well each lens predicts at resid_pre",
        "KL to the final readout",
        "surprise",
        "tuned",
        "logit",
        "layer",
    ] {
        assert!(svg.contains(says), "{says} is not in the picture");
    }
    assert!(svg.contains("6 sequences, 24 positions") && svg.contains("95 % of 50 resamplings"), "{svg}");
    assert!(svg.contains("level line"), "{svg}");
}

#[test]
fn a_band_is_where_the_interval_is() {
    let report = report("resid_pre", two(), 4);
    let svg = drawn(&report);
    // Of the first panel, the corners of the first band: high and low of each layer, from left to right and back.
    let band = svg.lines().find(|line| line.contains("opacity=\"0.22\"")).unwrap();
    let points = band.split("points=\"").nth(1).unwrap().split('"').next().unwrap();
    let y: Vec<f64> =
        points.split_whitespace().map(|point| point.split(',').nth(1).unwrap().parse().unwrap()).collect();
    let rows: Vec<_> = report.rows.iter().filter(|row| row.lens == "logit").collect();
    assert_eq!(y.len(), 2 * rows.len());
    // y falls as values rise: heights above the axis are in the ratio of the values.
    let (high, low) = (rows[0].kl_to_final.high, rows[0].kl_to_final.low);
    let (last_high, last_low) = (rows[2].kl_to_final.high, rows[2].kl_to_final.low);
    let per_nat = (y[5] - y[0]) / (high - low);
    let other = (y[3] - y[2]) / (last_high - last_low);
    assert!(per_nat > 0.0 && (per_nat - other).abs() < 0.02 * per_nat, "{per_nat} and {other} in {band}");
    assert!(((y[2] - y[0]) / per_nat - (high - last_high)).abs() < 0.02 * high, "{band}");
}

#[test]
fn components_have_lines_of_their_own_and_the_embedding_begins_the_stream() {
    let svg = drawn(&report("embed,attn_out,resid_post", LensSet::default(), 4));
    assert!(svg.contains("logit resid_post") && svg.contains("logit attn_out"), "{svg}");
    assert!(!svg.contains("logit embed") && svg.contains("embed"), "{svg}");
    // The stream's line goes through embed and three layers, that of attention through the layers.
    let lines: Vec<usize> = svg
        .lines()
        .filter(|line| line.starts_with("<polyline") && line.contains("stroke-width=\"16\""))
        .map(|line| {
            line.split("points=\"").nth(1).unwrap().split('"').next().unwrap().split_whitespace().count()
        })
        .collect();
    assert!(lines.contains(&4) && lines.contains(&3), "{lines:?}");
    assert!(drawn(&report("embed", LensSet::default(), 4)).contains("at embed"));
}

#[test]
fn without_a_next_token_there_is_one_panel() {
    let svg = drawn(&report("resid_post", LensSet::default(), 1));
    assert!(!svg.contains("surprise") && !svg.contains("level line"), "{svg}");
    assert_eq!(count(&svg, "<polygon"), 1, "one band");
}

#[test]
fn more_lines_than_can_be_told_apart_are_refused() {
    let report = report("resid_post", LensSet::default(), 2);
    let drawn =
        |report: &EvaluationReport| evaluation(report, &["demo".to_owned()], &PictureOptions::default());
    let with_lenses = |n: usize| {
        let mut many = report.clone();
        let named = |i: usize| {
            let mut rows = report.rows.clone();
            rows.iter_mut().for_each(|row| row.lens = format!("tuned-{i}"));
            rows
        };
        many.rows = (0..n).flat_map(named).collect();
        many
    };
    assert!(drawn(&with_lenses(8)).is_ok());
    let refused = drawn(&with_lenses(9)).unwrap_err();
    assert!(matches!(refused, PictureError::TooManyLines { given: 9, .. }), "{refused}");
    assert!(matches!(drawn(&with_lenses(0)), Err(PictureError::Empty { .. })));
}
