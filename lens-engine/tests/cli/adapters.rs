//! A run with an adapter.

use crate::support::{fixture, lens, ok, says};

#[test]
fn a_trace_says_which_adapter_is_merged() {
    let (model, adapter) = (fixture("llama31"), fixture("../adapters/llama"));
    let (model, adapter) = (model.to_str().expect("text"), adapter.to_str().expect("text"));
    let run = |more: &[&str]| {
        ok(&[&["run", "-m", model, "--token-ids", "1,2,3", "--format", "json"], more].concat())
    };
    let (plain, adapted) = (run(&[]), run(&["--adapter", adapter]));
    let trace = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("a trace");
    let (plain, adapted) = (trace(&plain), trace(&adapted));
    assert_ne!(plain["readouts"], adapted["readouts"]);
    says(&adapted["notes"].to_string(), &[adapter, "LoRA of rank 1 and scale 5", "14 matrices"]);
    lens(&["check", model, "--adapter", adapter]).assert().success();
}
