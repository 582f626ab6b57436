//! Options that take several spellings, and options that would do nothing.

use crate::support::{ok, refused, run, says};

#[test]
fn dtypes_have_torchs_names_too() {
    for (long, short) in [("float32", "f32"), ("bfloat16", "bf16"), ("float16", "f16")] {
        let with = |dtype| ok(&["run", "The cat", "--layers", "0", "--dtype", dtype, "--format", "json"]);
        let text = with(long);
        says(&text, &[&format!("\"dtype\":\"{short}\"")]);
        assert_eq!(text, with(short));
    }
    says(&refused(&["run", "a", "--dtype", "int8"], 2), &["int8"]);
}

#[test]
fn reading_and_mapping_weights_give_the_same_trace() {
    let model = crate::support::Model::new();
    let with = |more: &[&str]| {
        ok(&[&["run", "-m", model.path(), "--token-ids", "1,2,3", "--format", "json"], more].concat())
    };
    assert_eq!(with(&["--io", "read"]), with(&["--io", "map"]));
    says(&ok(&["check", model.path(), "--io", "read"]), &["checks passed"]);
    says(&refused(&["run", "a", "--io", "mmap"], 2), &["mmap"]);
}

#[test]
fn sampling_options_without_sampling_are_refused() {
    let sampling = [["--top-p", "0.9"], ["--top-k-sampling", "5"]];
    for option in sampling {
        let args = ["run", "a", "-n", "1"];
        for temperature in [&[][..], &["--temperature", "0"]] {
            let message = refused(&[&args[..], temperature, &option].concat(), 2);
            says(&message, &[option[0], "--temperature"]);
        }
        ok(&[&args[..], &["--temperature", "1"], &option].concat());
    }
    ok(&["run", "a", "-n", "1", "--top-p", "1"]);
    // Programs give a seed always.
    let outcome = run(&["run", "a", "-n", "1", "--seed", "7"]);
    assert_eq!(outcome.code, 0);
    says(&outcome.stderr, &["note: --seed has no effect"]);
}

#[test]
fn a_value_of_grid_is_not_taken_for_the_prompt_silently() {
    for statistic in ["kl", "entropy", "rank"] {
        let written = format!("--grid={statistic}");
        says(&refused(&["run", "The cat", "--grid", statistic], 2), &[&written]);
        // In place of the prompt it may be one: then it is a note.
        let outcome = run(&["run", "--layers", "0", "--grid", statistic]);
        assert_eq!(outcome.code, 0);
        says(&outcome.stderr, &["note: ", &written]);
    }
    assert_eq!(run(&["run", "kl", "--grid", "--layers", "0"]).stderr, "");
}

#[test]
fn the_short_help_is_short_and_the_long_one_is_long() {
    for command in ["run", "render", "inspect", "check", "families"] {
        let (short, long) = (ok(&[command, "-h"]), ok(&[command, "--help"]));
        assert!(short.lines().count() < long.lines().count(), "{command}: {short}");
        assert!(!short.contains("Example") && long.contains("Example"), "{command}");
        says(&short, &["--help"]);
    }
}

#[test]
fn the_help_shows_backslashes_as_they_are_typed() {
    let help = ok(&["run", "--help"]);
    says(&help, &[r"\n, \t and \\ mean"]);
}
