//! A cache on a disk without room, of every size from too small for anything to large enough, in a mount namespace of its
//! own. What failed is said; nothing half has its final name; with room again, the next process ends well.
#![cfg(target_os = "linux")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    processes::{CACHE, ENDPOINT},
    server::{Model, Server, sha256},
};

/// Mounts a disk, has a process fill the cache on it, makes room, and has another one do so. What lies there after each is
/// copied to where the test sees it.
const SCRIPT: &str = r#"
mount -t tmpfs -o "$1" tmpfs /mnt || exit 77
export LENS_TEST_HUB_CACHE=/mnt/hub
"$0" processes::a_process_of_its_own --exact --nocapture >"$2/first.txt" 2>&1
cp -a /mnt/. "$2/first"
mount -o remount,size=16m,nr_inodes=1000 /mnt || exit 77
"$0" processes::a_process_of_its_own --exact --nocapture >"$2/second.txt" 2>&1
status=$?
cp -a /mnt/. "$2/second"
exit $status
"#;

/// All files below a folder; links are not followed.
fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let kind = entry.file_type().unwrap();
        if kind.is_dir() { files(&entry.path(), found) } else { found.push(entry.path()) }
    }
}

/// Every file with a final name is one of the model's, whole.
fn nothing_half(cache: &Path, model: &Model, what: &str) {
    let mut found = Vec::new();
    files(&cache.join("hub"), &mut found);
    for path in found {
        let name = path.display().to_string();
        let final_name =
            (name.contains("/blobs/") || name.contains("/snapshots/")) && !name.contains(".lens.");
        if final_name {
            let content = fs::read(&path).unwrap_or_else(|error| panic!("{what}: {name}: {error}"));
            assert!(model.files.values().any(|whole| *whole == content), "{what}: {name} is half there");
        }
        if name.contains("/refs/") {
            assert_eq!(fs::read_to_string(&path).unwrap(), model.commit, "{what}: {name}");
        }
    }
}

/// Whether there was room, or none where this user may mount nothing.
fn on_a_disk(server: &Server, model: &Model, options: &str) -> Option<bool> {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", SCRIPT]);
    command.arg(std::env::current_exe().unwrap()).arg(options).arg(folder.path());
    let Ok(output) = command.env(ENDPOINT, &server.url).env_remove(CACHE).output() else {
        println!("skipped: unshare (util-linux) does not run");
        return None;
    };
    if !folder.path().join("first.txt").exists() || output.status.code() == Some(77) {
        println!("skipped: this user may mount no disk: {}", String::from_utf8_lossy(&output.stderr));
        return None;
    }
    let said = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    let (first, second) = (said("first.txt"), said("second.txt"));
    for said in [&first, &second] {
        assert!(!said.contains("panicked"), "{options}: {said}");
    }
    nothing_half(&folder.path().join("first"), model, options);
    let failed = first.lines().find_map(|line| line.split_once("failed: "));
    if let Some((_, error)) = failed {
        assert!(error.contains("/mnt/") && error.contains("No space left on device"), "{options}: {error}");
    } else {
        assert!(first.contains("weights: "), "{options}: {first}");
    }
    assert!(output.status.success() && second.contains("weights: "), "{options}, with room: {second}");
    nothing_half(&folder.path().join("second"), model, options);
    let snapshot = folder.path().join("second/hub/models--owner--model/snapshots").join(&model.commit);
    for (name, content) in &model.files {
        let there = fs::read(snapshot.join(name)).unwrap();
        assert_eq!(sha256(&there), sha256(content), "{options}: {name}");
    }
    Some(failed.is_none())
}

#[test]
fn a_full_disk_under_the_cache_is_said_and_the_next_run_ends_well() {
    let model = Model::single();
    let served = model.clone();
    let server = Server::start("127.0.0.1", move |ask| served.answer(ask));
    // In pages; and in files, folders and links.
    let sizes = (1..=16).map(|pages| format!("size={}", 4096 * pages));
    let counts = (2..=16).map(|count| format!("size=16m,nr_inodes={count}"));
    let (mut tried, mut full) = (0, 0);
    for options in sizes.chain(counts) {
        let Some(had_room) = on_a_disk(&server, &model, &options) else { return };
        tried += 1;
        full += usize::from(!had_room);
    }
    assert!(full > 10 && full < tried, "{full} of {tried} disks were too small");
    println!("{full} of {tried} disks were too small");
}
