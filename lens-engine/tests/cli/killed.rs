//! SIGKILL at times that nobody chose: whatever has its final name is whole, and the next run into the folder ends as if
//! nothing had been.
//!
//! A few times are an ordinary test; `LENS_TIMES=50 cargo test -p lens-engine --test cli killed -- --nocapture` is the
//! long form (`cargo xtask battery`). Corpora have a test of their own, which resumes until the end.
#![cfg(unix)]

use std::{
    collections::BTreeMap,
    env, fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use lens_core::toy::Random;

use crate::support::{ok, program};

fn times() -> u64 {
    env::var("LENS_TIMES").map_or(4, |times| times.parse().expect("a number"))
}

/// Every file in a folder and below, by its path in it.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("a file below").display().to_string();
                found.insert(name, fs::read(&path).expect("a readable file"));
            }
        }
    }
    found
}

/// A name that begins as those of the program's own files do, which promise nothing.
fn is_own(path: &str) -> bool {
    path.rsplit('/').next().is_some_and(|name| name.starts_with(".lens-"))
}

/// Whether a file ends as files of its kind end.
pub(crate) fn is_whole(name: &str, bytes: &[u8]) -> bool {
    match name.rsplit('.').next() {
        Some("json") => serde_json::from_slice::<serde_json::Value>(bytes).is_ok(),
        Some("svg") => bytes.trim_ascii_end().ends_with(b"</svg>"),
        Some("html") => bytes.trim_ascii_end().ends_with(b"</html>"),
        Some("png") => bytes.ends_with(b"IEND\xaeB\x60\x82"),
        Some("jpg") => bytes.ends_with(b"\xff\xd9"),
        Some("webp") => bytes.len() >= 8 && bytes[4..8] == (bytes.len() as u32 - 8).to_le_bytes(),
        Some("arrow") => bytes.ends_with(b"ARROW1"),
        Some("gz") => bytes.len() > 18,
        Some("parquet") => bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"),
        _ => bytes.ends_with(b"\n"),
    }
}

/// Kills the command at random times until it would have ended, and lets it end once.
fn killed_at_random(what: &str, args: &[&str]) {
    let root = tempfile::tempdir().expect("a folder");
    let [whole, out] = ["whole", "out"].map(|name| root.path().join(name));
    let into = |out: &Path| [args, &["-o", out.to_str().expect("text")]].concat().join("\u{0}");
    let began = Instant::now();
    ok(&into(&whole).split('\u{0}').collect::<Vec<_>>());
    let takes = began.elapsed().as_millis() as usize;
    let seed = u64::from(std::process::id());
    let mut noise = Random::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let (mut kills, mut halves) = (0, 0);
    for _ in 0..times() {
        let mut child = Command::new(program())
            .args(into(&out).split('\u{0}'))
            .env("HF_HUB_OFFLINE", "1")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("lens runs");
        thread::sleep(Duration::from_millis(noise.below(takes + 1) as u64));
        kills += usize::from(child.try_wait().expect("a child").is_none());
        child.kill().expect("a child"); // SIGKILL
        child.wait().expect("a child");
        for (name, bytes) in files(&out).iter().filter(|(name, _)| !is_own(name)) {
            assert!(is_whole(name, bytes), "{name} is half there ({what}, seed {seed})");
        }
        halves += files(&out).keys().filter(|name| is_own(name)).count();
    }
    println!("{what}: {kills} of {} killed, {halves} files of its own seen, seed {seed}", times());
    ok(&into(&out).split('\u{0}').collect::<Vec<_>>());
    let (there, expected) = (files(&out), files(&whole));
    let names = |files: &BTreeMap<String, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&there), names(&expected), "{what}, seed {seed}");
    assert!(kills > 0, "it always ended before ({what}, seed {seed})");
}

#[test]
fn results_of_a_prompt_are_whole_or_not_there() {
    killed_at_random("run -o", &["run", "The capital of France is", "-n", "3"]);
}

#[test]
fn results_of_many_prompts_are_whole_or_not_there() {
    let root = tempfile::tempdir().expect("a folder");
    let prompts = root.path().join("many.txt");
    fs::write(&prompts, "The capital of France is\n".repeat(40)).expect("the prompts");
    killed_at_random("run --prompts", &["run", "--prompts", prompts.to_str().expect("text")]);
}

/// Killed again and again, each time a little later than what was kept, until it ends: the lens is that of a fit that was
/// never disturbed, to the last bit.
#[test]
fn a_fit_that_is_killed_at_random_times_ends_with_the_same_bytes() {
    let root = tempfile::tempdir().expect("a folder");
    let text = root.path().join("text.txt");
    fs::write(&text, "The capital of France is Paris and the cup is on the table\n".repeat(60))
        .expect("a text");
    let fit = |out: &Path| {
        let fixed = "--context 32 --steps 8 --tokens-per-step 64 --held-out 0.1 --keep-every 1 --threads 1";
        let mut command = Command::new(program());
        command.args(["fit", "tuned", "--text"]).arg(&text).arg("-o").arg(out).args(fixed.split(' '));
        command.env("HF_HUB_OFFLINE", "1").stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let [whole, out] = ["whole", "killed"].map(|name| root.path().join(format!("{name}.safetensors")));
    let began = Instant::now();
    assert!(fit(&whole).status().expect("lens runs").success());
    let takes = began.elapsed().as_millis() as usize;
    let seed = u64::from(std::process::id());
    let mut noise = Random::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let (mut kills, mut ends) = (0, 0);
    for _ in 0..times() {
        let mut child = fit(&out).spawn().expect("lens runs");
        thread::sleep(Duration::from_millis(noise.below(takes + 1) as u64));
        kills += usize::from(child.try_wait().expect("a child").is_none());
        child.kill().expect("a child"); // SIGKILL
        child.wait().expect("a child");
        if out.exists() {
            // It came to its end before it was killed, and the next one begins anew.
            assert!(fs::read(&out).expect("a lens") == fs::read(&whole).expect("a lens"), "seed {seed}");
            fs::remove_file(&out).expect("a lens");
            ends += 1;
        }
    }
    assert!(fit(&out).status().expect("lens runs").success(), "seed {seed}");
    assert!(fs::read(&out).expect("a lens") == fs::read(&whole).expect("a lens"), "seed {seed}");
    println!("fit: {kills} of {} killed, {ends} came to their end, seed {seed}", times());
    let mut names: Vec<String> = files(root.path()).into_keys().collect();
    names.retain(|name| name.ends_with(".fit") || is_own(name));
    assert_eq!(names, [""; 0], "something was left (seed {seed})");
}
