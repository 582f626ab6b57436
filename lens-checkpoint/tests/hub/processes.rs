//! Processes that share a cache: two at once, and one that is killed while it holds what the other waits for.
//!
//! A process of its own is this test program again, which then runs [`a_process_of_its_own`] alone.
#![cfg(unix)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lens_checkpoint::source::{Event, SourceError, SourceOptions, locate};

use crate::server::{ID, Model, Server, sha256};
use crate::{Bench, read};

const WEIGHTS: &str = "model.safetensors";
pub(crate) const CACHE: &str = "LENS_TEST_HUB_CACHE";
pub(crate) const ENDPOINT: &str = "LENS_TEST_HUB_ENDPOINT";

#[test]
fn a_process_of_its_own() {
    let (Ok(cache), Ok(endpoint)) = (std::env::var(CACHE), std::env::var(ENDPOINT)) else { return };
    let mut options = SourceOptions::from_lookup(|_| None);
    (options.cache, options.endpoint, options.retries) = (Some(cache.into()), endpoint, 0);
    match locate(ID, &options, &mut |event: Event<'_>| println!("{event:?}")) {
        Ok(found) => println!("weights: {}", found.weights[0].display()),
        Err(error) => {
            println!("failed: {}", in_words(&error));
            std::process::exit(1);
        }
    }
}

/// An error with its causes.
fn in_words(error: &SourceError) -> String {
    let first: &dyn std::error::Error = error;
    let chain = std::iter::successors(Some(first), |error| error.source());
    chain.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn begin(bench: &Bench, server: &Server) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["processes::a_process_of_its_own", "--exact", "--nocapture"])
        .env(CACHE, bench.options.cache.as_ref().unwrap())
        .env(ENDPOINT, &server.url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a process said that ended well.
fn end(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// Far longer than it ever takes, so that only a hang fails.
fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(120), "{what} never came");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn is_whole(bench: &Bench, model: &Model) {
    for (name, content) in &model.files {
        let snapshot = bench.model_dir().join("snapshots").join(&model.commit);
        assert!(read(&snapshot.join(name)) == *content, "{name}");
    }
    let left: Vec<String> = bench.blobs().into_iter().filter(|name| name.contains("incomplete")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn two_processes_share_a_cache() {
    let model = Model::single();
    let served = model.clone();
    let server = Server::start("127.0.0.1", move |ask| served.answer(ask));
    let bench = Bench::new(&server);
    let processes: Vec<Child> = (0..3).map(|_| begin(&bench, &server)).collect();
    for process in processes {
        let said = end(process);
        let path = said.lines().find_map(|line| line.strip_prefix("weights: ")).unwrap();
        assert!(read(Path::new(path)) == model.content(WEIGHTS));
    }
    is_whole(&bench, &model);
    // Whoever comes second finds it there, or waits.
    assert_eq!(server.gets(WEIGHTS).len(), 1);
}

#[test]
fn what_a_killed_process_held_is_taken_over_and_its_part_goes_on() {
    let model = Model::single();
    let served = model.clone();
    let (asked, released) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (count, go) = (Arc::clone(&asked), Arc::clone(&released));
    let server = Server::start("127.0.0.1", move |ask| {
        if ask.gets(WEIGHTS) && count.fetch_add(1, Ordering::SeqCst) == 0 {
            // The first has the lock, and gets no answer while it lives.
            wait_until("its end", || go.load(Ordering::SeqCst));
        }
        served.answer(ask)
    });
    let bench = Bench::new(&server);
    // A part that an earlier download left.
    std::fs::create_dir_all(bench.model_dir().join("blobs")).unwrap();
    let part = bench.blob(&format!("{}.lens.incomplete", sha256(model.content(WEIGHTS))));
    std::fs::write(&part, &model.content(WEIGHTS)[..20_000]).unwrap();

    let mut first = begin(&bench, &server);
    wait_until("the first request", || asked.load(Ordering::SeqCst) == 1);
    first.kill().unwrap();
    first.wait().unwrap();
    released.store(true, Ordering::SeqCst);
    let said = end(begin(&bench, &server));
    assert!(!said.contains("waiting for it"), "a dead process holds the lock: {said}");
    is_whole(&bench, &model);
    assert_eq!(server.gets(WEIGHTS).last().unwrap().header("range"), Some("bytes=20000-"));
}

/// Killed wherever it is: nothing half has its final name, and whoever comes after it ends well.
#[test]
fn processes_that_are_killed_leave_no_half_of_a_file() {
    let times = std::env::var("LENS_TIMES").map_or(4, |times| times.parse().unwrap());
    let model = Model::sharded();
    let served = model.clone();
    let server = Server::start("127.0.0.1", move |ask| {
        std::thread::sleep(Duration::from_millis(2));
        served.answer(ask)
    });
    let mut killed = 0;
    for round in 0..times {
        let bench = Bench::new(&server);
        let mut process = begin(&bench, &server);
        // Later each time, from before the first request to after the last.
        std::thread::sleep(Duration::from_millis(5 + 120 * round / times));
        killed += usize::from(process.try_wait().unwrap().is_none());
        process.kill().unwrap();
        process.wait().unwrap();
        let known: Vec<&[u8]> = model.files.values().map(Vec::as_slice).collect();
        crate::lies::only_what_is_right(&bench, &known, "a killed process");
        end(begin(&bench, &server));
        let found = bench.locate().unwrap();
        for path in &found.weights {
            assert!(read(path) == model.content(path.file_name().unwrap().to_str().unwrap()));
        }
    }
    println!("{killed} of {times} killed before their end");
}
