//! A part of a trace is what was asked for of it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use lens_core::LensTrace;
use lens_viz::{excerpt, picture::PictureOptions};

fn few_layers() -> LensTrace {
    serde_json::from_str(include_str!("golden/few_layers.json")).unwrap()
}

#[test]
fn a_part_of_a_trace_has_what_was_asked_for() {
    let whole = few_layers();
    let what = PictureOptions::default()
        .with_positions(vec![20])
        .with_layers(vec![12, 24, 31])
        .with_stride(2.try_into().unwrap())
        .with_threshold(Some(0.5));
    let part = excerpt(whole.clone(), &what).unwrap();
    assert_eq!(part.finals.iter().map(|last| last.position).collect::<Vec<_>>(), [20]);
    let places: Vec<_> = part.readouts.iter().map(|r| (r.layer, r.component.name(), r.position)).collect();
    assert_eq!(places, [(Some(12), "resid_post", 20), (Some(31), "resid_post", 20)]);
    let above = |r: &&lens_core::ReadoutTrace| r.position == 20 && r.top[0].prob > 0.5;
    let important: Vec<u16> = whole.readouts.iter().filter(above).filter_map(|r| r.layer).collect();
    assert_eq!((part.important_above, &part.finals[0].important_layers), (Some(0.5), &important));
    let unread = PictureOptions::default().with_layers(vec![13]);
    let error = excerpt(whole.clone(), &unread).unwrap_err();
    assert_eq!(error.to_string(), "layer 13 was not read; the trace holds 0, 12, 24, 31");
    assert_eq!(excerpt(whole.clone(), &PictureOptions::default()), Ok(whole));
}
