//! The restatement.

use std::collections::BTreeMap;

use lens_checkpoint::{
    Checkpoint,
    directions::{Choice, DirectionFile, Directions},
};
use lens_core::{DirectionNorm, TokenId};
use serde::Deserialize;

use super::{checkpoint, decode, fixtures, selection};

#[derive(Deserialize)]
struct Case {
    model: String,
    source: String,
    mode: String,
    token: Option<u32>,
    norm: f64,
    logits: Vec<f64>,
}

fn cases() -> BTreeMap<String, Vec<Case>> {
    let text = std::fs::read_to_string(fixtures().join("directions.json")).unwrap();
    let mut by_model = BTreeMap::<_, Vec<Case>>::new();
    for case in serde_json::from_str::<Vec<Case>>(&text).unwrap() {
        by_model.entry(case.model.clone()).or_default().push(case);
    }
    by_model
}

/// The directions that a case is among.
fn directions<'a>(case: &Case, checkpoint: &'a Checkpoint, file: &'a mut DirectionFile) -> Directions<'a> {
    let all = selection("all");
    let token = case.token.map(TokenId);
    match case.source.as_str() {
        source if source.starts_with("W_dec") => {
            file.directions(checkpoint.outline(), &Choice::all()).unwrap()
        }
        source if source.starts_with("embed") => Directions::of_embedding(checkpoint, &[], &all).unwrap(),
        source if source.contains(".h") => {
            Directions::of_heads(checkpoint, &all, &all, &[TokenId(3), token.unwrap()]).unwrap()
        }
        _ => Directions::of_neurons(checkpoint, &all, &all).unwrap(),
    }
}

#[test]
fn every_direction_says_what_the_restatement_says() {
    let mut worst = (0.0, String::new());
    for (model, cases) in cases() {
        let checkpoint = checkpoint(&model);
        for case in cases {
            let mut file = DirectionFile::open(&fixtures().join("directions/saelens")).unwrap();
            let directions = directions(&case, &checkpoint, &mut file);
            let mode: DirectionNorm = case.mode.parse().unwrap();
            let decoded = decode(&checkpoint, &directions, mode, case.logits.len());
            // Of heads on two tokens, the second is the case's.
            let found = decoded.iter().rfind(|(name, _)| *name == case.source);
            let decoded =
                found.unwrap_or_else(|| panic!("{model} has no {}", case.source)).1.as_ref().unwrap();
            let what = format!("{model}, {}, {mode}", case.source);
            assert!((decoded.length - case.norm).abs() < 1e-5 * case.norm, "{what}");
            let size = case.logits.iter().fold(1.0f64, |size, z| size.max(z.abs()));
            for (ends, sign) in [(&decoded.ends.top, 1.0), (&decoded.ends.bottom, -1.0)] {
                assert_eq!(ends.len(), case.logits.len(), "{what}");
                for pair in ends.windows(2) {
                    let (first, second) = (sign * pair[0].1, sign * pair[1].1);
                    assert!(first > second || (first == second && pair[0].0 < pair[1].0), "{what}: order");
                }
                for (id, logit) in ends {
                    let error = (f64::from(*logit) - case.logits[id.index()]).abs() / size;
                    if error > worst.0 {
                        worst = (error, format!("{what}, token {id}: {logit}"));
                    }
                }
            }
        }
    }
    assert!(worst.0 < 2e-6, "{} off at {}", worst.0, worst.1);
    assert!(!worst.1.is_empty());
}
