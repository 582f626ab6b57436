//! Help, version, completions, and that the examples run.

use crate::support::{ok, run, says};

const COMMANDS: [&str; 7] = ["run", "attribute", "patch", "inspect", "check", "families", "completions"];

/// The examples of a help text that need no download.
fn examples(help: &str) -> Vec<Vec<String>> {
    let lines = help.lines().filter_map(|line| line.strip_prefix("  lens "));
    let examples = lines.map(|line| {
        let line = line.split(" > ").next().unwrap_or(line);
        let parts = line.split('"').enumerate();
        let words = parts.flat_map(|(i, part)| match i % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        words.collect::<Vec<_>>()
    });
    examples.filter(|words| !words.iter().any(|word| word.contains('/'))).collect()
}

#[test]
fn every_command_shows_an_example_that_runs_without_a_download() {
    for command in COMMANDS {
        let help = ok(&[command, "--help"]);
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{command} has long lines: {help}");
        let examples = examples(&help);
        assert!(!examples.is_empty(), "{command} has no example: {help}");
        for example in examples {
            let args: Vec<&str> = example.iter().map(String::as_str).collect();
            assert_eq!(args[0], command);
            let outcome = run(&args);
            assert_eq!(outcome.code, 0, "lens {args:?}: {}", outcome.stderr);
            assert!(!outcome.stdout.is_empty());
        }
    }
}

#[test]
fn help_and_version_are_results() {
    let help = ok(&["--help"]);
    says(&help, &COMMANDS);
    assert!(!examples(&help).is_empty());
    assert_eq!(ok(&["--version"]), format!("lens {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn help_is_asked_for_in_two_ways() {
    for (command, option) in [(&["help"][..], &["--help"][..]), (&["help", "run"], &["run", "--help"])] {
        assert_eq!(ok(command), ok(option));
    }
    says(&run(&["help", "runn"]).stderr, &["unrecognized subcommand 'runn'", "'run'"]);
}

#[test]
fn no_command_is_a_usage_error() {
    let outcome = run(&[]);
    assert_eq!((outcome.code, outcome.stdout.as_str()), (2, ""));
    says(&outcome.stderr, &["Usage: lens", "run"]);
}

#[test]
fn every_shell_has_completions() {
    for shell in ["zsh", "fish", "elvish", "powershell"] {
        says(&ok(&["completions", shell]), &["lens", "inspect"]);
    }
}
