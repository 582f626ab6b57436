//! Parts of a corpus whose files lie.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{collections::BTreeMap, num::NonZeroU64, ops::ControlFlow};

use lens_data::{
    Store,
    parts::{Parts, Run, merge},
};

/// What is said of a store with these files beside the run of one part of five documents each.
fn said(files: &[(&str, &str)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().to_str().unwrap()).unwrap();
    let run = Run::new(Default::default(), NonZeroU64::new(5).unwrap(), BTreeMap::new());
    drop(Parts::begin(&store, &run).unwrap());
    for (name, text) in files {
        let text = text.replace("RUN", &run.digest());
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let parts = Parts::open(&store).unwrap();
    parts.numbers().for_each(|part| drop(parts.stored(part)));
    let mut steps = 0;
    let merged = merge(&parts, true, &mut |_, _| {
        steps += 1;
        assert!(steps < 100, "it goes on and on");
        ControlFlow::Continue(())
    });
    merged.map(|merged| format!("{:?}", merged.unwrap().missing)).unwrap_or_else(|error| error.to_string())
}

#[test]
fn numbers_that_no_corpus_has_are_refused_and_neither_counted_to_nor_multiplied() {
    let end = |documents: u64, parts: u64| {
        format!(
            r#"{{"format":"lens-corpus-end/1","run":"RUN","documents":{documents},"parts":{parts},"texts_sha256":""}}"#
        )
    };
    let part = format!(
        r#"{{"format":"lens-corpus-part/1","run":"RUN","part":{0},"first_document":5,"documents":5,"positions":1,
        "texts_sha256":"","files":[],"failures":[],"notes":[],"made":{{"time":0.0}}}}"#,
        u64::MAX
    );
    assert!(said(&[("end.json", &end(u64::MAX, u64::MAX))]).contains("in 18446744073709551615 parts"));
    assert!(said(&[("end.json", &end(5, 1 << 40))]).contains("5 documents in 1099511627776 parts"));
    assert!(said(&[("end.json", &end(u64::MAX, u64::MAX / 5))]).contains("cannot be read"));
    assert!(said(&[("part-18446744073709551615.json", &part)]).contains("no corpus has more than"));
    // Other spellings of a number are no names of parts.
    assert_eq!(said(&[("part-+0000001.json", &part), ("part-1.json", &part)]), said(&[]));
    assert_eq!(said(&[("end.json", &end(6, 2))]), "Some(Missing { parts: [0, 1], end: false })");
}
