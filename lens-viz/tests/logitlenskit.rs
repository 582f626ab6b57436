//! Files of logitlenskit as they are found: with ties, gaps, twins and rounded numbers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lens_core::LensTrace;
use lens_viz::{
    logitlenskit::{V2, V2Error, from_v2},
    page::{PageOptions, page},
    picture::{PictureKind, PictureOptions, svg},
    terminal::{TableOptions, table},
};
use serde_json::{Value, json};

fn file() -> Value {
    json!({
        "meta": {"version": 2, "timestamp": "3h", "model": "example"},
        "layers": [0, 1, 2],
        "input": ["a", " b"],
        "positions": [0, 1],
        "tracked": [
            {" z": [0.25, 0.1, 0.0], " y": [0.25, 0.3, 0.4], " x": [0.125, 0.3, 0.4]},
            {" y": [0.5, 0.5, 0.5], " w": [0.001, 0.0, 0.0]}
        ],
        "topk": [
            [[" z", " y"], [" y"]],
            [[" y", " x"], [" gone", " y"]],
            [[" x", " y"], [" y", " y"]]
        ],
        "entropy": [[9.5, 8.0], [7.0, -0.0], [1.0, 0.5]]
    })
}

fn import(file: Value) -> Result<LensTrace, V2Error> {
    from_v2(&serde_json::from_value::<V2>(file).unwrap())
}

fn tops(trace: &LensTrace, position: usize) -> Vec<Vec<(&str, f32)>> {
    let here = trace.readouts.iter().filter(|readout| readout.position == position);
    here.map(|readout| readout.top.iter().map(|token| (&*token.text, token.prob)).collect()).collect()
}

#[test]
fn equal_probabilities_keep_the_order_of_the_file() {
    let trace = import(file()).unwrap();
    let expected = [[(" z", 0.25), (" y", 0.25)], [(" y", 0.3), (" x", 0.3)], [(" x", 0.4), (" y", 0.4)]];
    assert_eq!(tops(&trace, 0), expected);
    assert_eq!(trace.finals[0].decided_at, Some(2));
}

#[test]
fn a_token_that_is_not_tracked_has_the_probability_zero_and_twins_are_left_out() {
    let trace = import(file()).unwrap();
    let expected = [vec![(" y", 0.5)], vec![(" y", 0.5), (" gone", 0.0)], vec![(" y", 0.5)]];
    assert_eq!(tops(&trace, 1), expected);
    let notes = trace.notes.join("\n");
    for note in
        ["1 most probable tokens have no", "1 tokens were left out", "1 readouts were not in the order"]
    {
        assert!(notes.contains(note), "{notes}");
    }
}

#[test]
fn what_the_file_does_not_say_is_not_said_to_be_known() {
    let trace = import(file()).unwrap();
    trace.validate().unwrap();
    assert!(trace.self_check.is_none() && trace.model.n_vocab == 0);
    let json = serde_json::to_string(&trace).unwrap();
    assert_eq!(LensTrace::from_json(json.as_bytes()).unwrap(), trace);
    assert!(!json.contains("\"rank\":"), "a rank was made up");

    let text = table(&trace, &TableOptions::default().with_width(160)).unwrap();
    assert!(text.contains("not checked") && !text.contains("FAILED"), "{text}");
    assert!(text.contains("rank ?") && !text.contains("rank 0"), "{text}");
    let svg = &svg(&trace, PictureKind::AllLayers, &PictureOptions::default()).unwrap()[0].svg;
    assert!(svg.contains("not checked") && !svg.contains("FAILED"));
    let html = page(&trace, &PageOptions::default()).unwrap();
    assert!(html.contains("not checked") && html.contains("are numbered"));
}

#[test]
fn a_file_that_contradicts_itself_is_refused_with_the_place() {
    let refused = |pointer: &str, lie: Value, place: &str| {
        let mut file = file();
        *file.pointer_mut(pointer).unwrap() = lie;
        let error = import(file).unwrap_err().to_string();
        assert!(error.contains(place), "{error}");
    };
    refused("/meta/version", json!(1), "version 1");
    refused("/layers", json!([0, 2, 1]), "layers");
    refused("/topk/1", json!([[" y"]]), "topk[1]");
    refused("/tracked/0/ y/1", json!(1.5), "tracked[0]");
    refused("/entropy/0/1", json!(-1), "entropy[0]");
    let mut twins = file();
    twins["ids"] = json!({" y": 4, " z": 4});
    let error = import(twins).unwrap_err().to_string();
    assert!(error.contains("is 4, the id of"), "{error}");
}
