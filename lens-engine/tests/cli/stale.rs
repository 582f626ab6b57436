//! What earlier runs have left in a folder, and results that are written whatever becomes of stdout.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{ok, program, refused, run, says};

fn run_into(out: &Path, more: &[&str]) -> String {
    let outcome =
        run(&[&["run", "The cat", "-o", out.to_str().expect("text"), "--layers", "0,1"], more].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    outcome.stderr
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

const ONE_STEP: [&str; 2] = ["all_layers_step_0.svg", "important_layers_step_0.svg"];

#[test]
fn an_earlier_runs_files_go_and_others_stay() {
    let root = tempfile::tempdir().expect("a folder");
    let out = root.path().join("out");
    let trials = ["-n", "2", "--temperature", "1", "--trials", "2"];
    run_into(&out, &trials);
    assert_eq!(names(&out.join("trial_1/heatmaps")).len(), 5, "two steps and a grid");
    for mine in ["mine.txt", "trial_0/notes", "trial_0/heatmaps/mine.svg"] {
        fs::write(out.join(mine), "mine").expect("a writable folder");
    }
    // Changed by somebody: theirs now, though lens gave it its name.
    fs::write(out.join("trial_1/heatmaps/grid.svg"), "mine").expect("a writable folder");

    let notes = run_into(&out, &[]);
    says(&notes, &["removed 22 files of an earlier run", "trial_1/heatmaps/grid.svg", "it stays"]);
    assert_eq!(names(&out.join("heatmaps")), ONE_STEP);
    assert_eq!(names(&out.join("trial_0")), ["heatmaps", "notes"]);
    assert_eq!(names(&out.join("trial_0/heatmaps")), ["mine.svg"]);
    assert_eq!(names(&out.join("trial_1")), ["heatmaps"]);
    assert!(out.join("mine.txt").exists());
    // The third run finds the files of the second alone.
    says(&run_into(&out, &trials), &["removed 8 files"]);
}

#[cfg(unix)]
#[test]
fn a_folder_belongs_to_one_run_at_a_time() {
    let root = tempfile::tempdir().expect("a folder");
    let out = root.path().to_str().expect("text");
    let mut first = Command::new(program())
        .args(["run", "--prompts", "-", "--format", "jsonl", "--layers", "0,1", "-o", out])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("a process");
    let mut prompts = first.stdin.take().expect("a pipe");
    prompts.write_all(b"The cat\n").expect("an open pipe");
    let mut answers = BufReader::new(first.stdout.take().expect("a pipe"));
    // It has begun, and waits for more prompts.
    answers.read_line(&mut String::new()).expect("text");
    let error = refused(&["run", "The dog", "-o", out], 1);
    says(&error, &["another run of lens writes its results into", out, "choose another folder"]);
    drop(prompts);
    std::io::copy(&mut answers, &mut std::io::sink()).expect("an open pipe");
    assert!(first.wait().expect("its end").success());
    run_into(root.path(), &[]);
}

#[test]
fn a_failed_run_takes_nothing_away() {
    let root = tempfile::tempdir().expect("a folder");
    let out = root.path();
    run_into(out, &["-n", "2"]);
    let before = names(&out.join("heatmaps"));
    let outcome = run(&["run", "The cat", "-o", out.to_str().expect("text"), "--layers", "99"]);
    assert_eq!(outcome.code, 1);
    assert_eq!(names(&out.join("heatmaps")), before);
}

#[test]
fn results_of_versions_without_a_list_are_known_by_their_exact_names() {
    let root = tempfile::tempdir().expect("a folder");
    let out = root.path();
    run_into(out, &["-n", "3"]);
    fs::remove_file(out.join(".lens-files.jsonl")).expect("a list");
    for mine in ["trace.json.bak", "heatmaps/all_layers_step_x.svg", "heatmaps/my_grid.svg", "lens.htm"] {
        fs::write(out.join(mine), "mine").expect("a writable folder");
    }
    says(&run_into(out, &[]), &["of an earlier run"]);
    assert_eq!(
        names(&out.join("heatmaps")),
        ["all_layers_step_0.svg", "all_layers_step_x.svg", "important_layers_step_0.svg", "my_grid.svg"]
    );
    assert!(out.join("trace.json.bak").exists() && out.join("lens.htm").exists());

    // Without a trace beside them, pictures of those names are anybody's.
    let other = root.path().join("other");
    fs::create_dir_all(other.join("heatmaps")).expect("a folder");
    fs::write(other.join("heatmaps/all_layers_step_7.svg"), "mine").expect("a writable folder");
    run_into(&other, &[]);
    assert!(other.join("heatmaps/all_layers_step_7.svg").exists());
}

#[cfg(unix)]
#[test]
fn a_list_that_lies_removes_nothing_elsewhere() {
    let root = tempfile::tempdir().expect("a folder");
    let (out, elsewhere) = (root.path().join("out"), root.path().join("elsewhere"));
    run_into(&out, &[]);
    fs::create_dir(&elsewhere).expect("a folder");
    // The same content as the list says, reached through `..` and through a link.
    for name in ["trace.json", "trace.txt"] {
        fs::copy(out.join("all_layers.json"), elsewhere.join(name)).expect("a copy");
    }
    std::os::unix::fs::symlink(&elsewhere, out.join("trial_0")).expect("a link");
    let list = fs::read_to_string(out.join(".lens-files.jsonl")).expect("a list");
    let line = list.lines().find(|line| line.contains("\"all_layers.json\"")).expect("a line");
    let lies = ["../elsewhere/trace.json", "trial_0/trace.json", "trial_0/trace.txt"]
        .map(|name| line.replace("all_layers.json", name));
    fs::write(out.join(".lens-files.jsonl"), format!("{list}{}\nhalf a li", lies.join("\n")))
        .expect("a list");
    run_into(&out, &[]);
    assert_eq!(names(&elsewhere), ["trace.json", "trace.txt"]);
}

#[test]
fn what_a_dead_run_left_is_swept() {
    let root = tempfile::tempdir().expect("a folder");
    fs::write(root.path().join(".lens-aB3xYz"), "half").expect("a writable folder");
    fs::write(root.path().join(".lens-notes"), "mine").expect("a writable folder");
    run_into(root.path(), &[]);
    let hidden: Vec<String> = names(root.path()).into_iter().filter(|name| name.starts_with('.')).collect();
    assert_eq!(hidden, [".lens-files.jsonl", ".lens-notes"]);
}

/// However results are shown, a stdout that is full takes nothing from the files.
#[cfg(target_os = "linux")]
#[test]
fn a_full_stdout_loses_no_files() {
    let trials = ["-n", "2", "--trials", "2", "--temperature", "1"];
    let steer = "L1.resid_post = 0";
    for (args, places) in [
        (&["-n", "2"][..], &[""][..]),
        (&["-n", "2", "--tables"], &[""]),
        (&["--format", "jsonl"], &[""]),
        (&["--grid"], &[""]),
        (&trials, &["trial_0", "trial_1"]),
        (&["--steer", steer, "--compare"], &["before", "after"]),
    ] {
        let root = tempfile::tempdir().expect("a folder");
        let out = root.path().to_str().expect("text");
        let full = fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        let output = Command::new(program())
            .args(["run", "The cat", "--layers", "0,1", "-o", out])
            .args(args)
            .stdin(Stdio::null())
            .stdout(full)
            .output()
            .expect("lens runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {stderr}");
        says(&stderr, &["cannot write to stdout"]);
        for place in places {
            for file in ["trace.json", "lens.html", "heatmaps/all_layers_step_0.svg"] {
                assert!(
                    root.path().join(place).join(file).exists(),
                    "{args:?} lost {place}/{file}: {stderr}"
                );
            }
        }
    }
}

#[test]
fn a_run_that_is_not_asked_for_files_leaves_none() {
    let root = tempfile::tempdir().expect("a folder");
    let trace = root.path().join("trace.json");
    fs::write(&trace, ok(&["run", "The cat", "--format", "json"])).expect("a writable folder");
    let svg = root.path().join("x.svg");
    ok(&["render", trace.to_str().expect("text"), "--kind", "curves", "-o", svg.to_str().expect("text")]);
    assert_eq!(names(root.path()), ["trace.json", "x.svg"]);
}
