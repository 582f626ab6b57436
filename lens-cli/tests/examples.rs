//! The files of `examples/`: they are what they seem to be, and the command lines in them are those of this `lens`.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{fs, path::Path};

use clap::Parser as _;
use lens_cli::args::{Cli, Command};
use yaml_rust2::{Yaml, YamlLoader};

fn workflow() -> Yaml {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/github-actions/lens-diff.yml");
    let mut documents = YamlLoader::load_from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(documents.len(), 1);
    documents.remove(0)
}

/// Every script of every job.
fn scripts(workflow: &Yaml) -> Vec<String> {
    let jobs = workflow["jobs"].as_hash().unwrap().values();
    let steps = jobs.flat_map(|job| job["steps"].as_vec().unwrap());
    steps.filter_map(|step| step["run"].as_str()).map(str::to_owned).collect()
}

/// The words of a command line, as a shell divides it.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    assert_eq!(quote, None, "{line}");
    words.extend(word);
    words
}

#[test]
fn a_workflow_has_the_parts_that_a_workflow_has() {
    let workflow = workflow();
    assert_eq!(workflow["name"].as_str(), Some("lens-diff"));
    assert!(workflow["on"]["pull_request"]["paths"].as_vec().is_some_and(|paths| !paths.is_empty()));
    for (name, job) in workflow["jobs"].as_hash().unwrap() {
        assert!(job["runs-on"].as_str().is_some(), "{name:?}");
        for step in job["steps"].as_vec().unwrap() {
            assert!(step["uses"].as_str().is_some() != step["run"].as_str().is_some(), "{step:?}");
        }
    }
}

#[test]
fn the_command_lines_of_the_workflow_are_accepted() {
    let lines: Vec<String> = scripts(&workflow())
        .iter()
        .flat_map(|script| script.lines())
        .filter(|line| line.starts_with("lens "))
        .map(str::to_owned)
        .collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let mut conditions = 0;
    for line in &lines {
        let cli = Cli::try_parse_from(words(line)).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert!(cli.contradiction().is_none(), "{line}");
        let Command::Diff(args) = cli.command else { panic!("{line}") };
        conditions += args.fail_if.len();
    }
    assert_eq!(conditions, 7);
    // A parser that takes anything would prove nothing.
    assert!(Cli::try_parse_from(words(&lines[0].replace("kl>0.05", "kll>0.05"))).is_err());
    assert!(Cli::try_parse_from(words(&lines[0].replace("--corpus", "--corpse"))).is_err());
}
