//! A quantised checkpoint reads as its weights do once they are dequantised, bit for bit.
#![allow(clippy::unwrap_used, reason = "tests")]

use lens_core::{Lens, Plan, Reading, Selection, StatisticSet, TokenId};
use lens_models::{
    Checkpoint, Decoder, LoadOptions, StoredDtype,
    source::{Silent, SourceOptions, locate},
};
use lens_tests::fixtures;

fn read(folder: &str, dtype: Option<StoredDtype>) -> (StoredDtype, Reading) {
    let path = fixtures().join("quantised").join(folder);
    let files = locate(path.to_str().unwrap(), &SourceOptions::from_lookup(|_| None), &mut Silent).unwrap();
    let checkpoint = Checkpoint::open(&files).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let dtype = dtype.unwrap_or_else(|| checkpoint.outline().main_dtype());
    let mut model = Decoder::load(checkpoint, &LoadOptions::default().with_dtype(Some(dtype))).unwrap();
    let mut plan = Plan::default().with_positions(Selection::all());
    plan.question.statistics = StatisticSet::all();
    let tokens: Vec<TokenId> = [1, 17, 4, 30, 9, 9, 22, 3, 14, 2].map(TokenId).to_vec();
    (dtype, Lens::new(&mut model).read(&tokens, &plan).unwrap_or_else(|error| panic!("{folder}: {error}")))
}

#[test]
fn readouts_are_those_of_the_dequantised_twin() {
    let mut seen = 0;
    for entry in std::fs::read_dir(fixtures().join("quantised")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let twin = format!("{name}/twin");
        for dtype in [None, Some(StoredDtype::F32), Some(StoredDtype::Bf16)] {
            let (dtype, quantised) = read(&name, dtype);
            let (_, plain) = read(&twin, Some(dtype));
            assert_eq!(quantised.finals, plain.finals, "{name} in {dtype:?}");
            assert_eq!(quantised.readouts, plain.readouts, "{name} in {dtype:?}");
        }
        seen += 1;
    }
    assert!(seen > 10, "hardly any fixture was found");
}
