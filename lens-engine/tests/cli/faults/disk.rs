//! A disk of its own that is full: a small one in memory, in a mount namespace that goes with the test.

use std::{
    fs,
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use lens_core::toy::Random;

use super::{
    ended_in_words, stderr, surround, times,
    writers::{DRAWERS, RUNS, STUDIES, Writer, files, inputs},
};
use crate::{
    killed::is_whole,
    support::{program, says},
};

/// Bytes that fit a disk, before anything is on it.
const SIZE: u64 = 24 << 20;

/// A mounted disk; it is gone when the program that holds it is.
struct Disk {
    holder: Child,
    path: PathBuf,
}

impl Disk {
    /// None where this user may mount nothing, with the reason on stdout.
    fn mount() -> Option<Self> {
        // It says when the disk is there, and waits for the end of its stdin.
        let script = format!("mount -t tmpfs -o size={SIZE} tmpfs /mnt && echo mounted && exec cat");
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &script]);
        let begun = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let mut holder = match begun {
            Ok(holder) => holder,
            Err(error) => {
                println!(
                    "skipped: no disk of its own to fill, because unshare (util-linux) does not run: {error}"
                );
                return None;
            }
        };
        let mut said = String::new();
        let _ = BufReader::new(holder.stdout.take().expect("a pipe")).read_line(&mut said);
        let path = PathBuf::from(format!("/proc/{}/root/mnt", holder.id()));
        if said.trim() != "mounted" || !path.metadata().is_ok_and(|found| found.dev() != root_device()) {
            let _ = holder.kill();
            let _ = holder.wait();
            println!("skipped: no disk of its own to fill, because this user may not mount one");
            return None;
        }
        Some(Self { holder, path })
    }

    /// Leaves so many bytes of it free.
    fn leave(&self, free: u64) {
        let filler = self.path.join("filler");
        let _ = fs::remove_file(&filler);
        let file = fs::File::create(filler).expect("a filler");
        // In pages, as the disk counts; the folders on it take none.
        let taken =
            files(&self.path).iter().map(|path| path.metadata().map_or(0, |m| m.blocks() * 512)).sum::<u64>();
        let fill = (SIZE - taken).saturating_sub(free) / 4096 * 4096;
        let mut left = fill;
        let zeros = vec![0; 1 << 16];
        while left > 0 {
            let n = left.min(zeros.len() as u64) as usize;
            std::io::Write::write_all(&mut &file, &zeros[..n]).expect("room for the filler");
            left -= n as u64;
        }
    }

    /// Runs a command on the disk, as one who sees it under its own name.
    fn run(&self, writer: &Writer) -> Output {
        let holder = self.holder.id().to_string();
        let mut command = Command::new("nsenter");
        surround(&mut command, Path::new("/"));
        command.args(["--user", "--mount", "--preserve-credentials", "--target", &holder]);
        command.args(["sh", "-c", "cd /mnt && exec \"$0\" \"$@\""]).arg(program()).args(writer.args());
        command.output().expect("nsenter runs")
    }

    fn clear(&self) {
        for entry in fs::read_dir(&self.path).expect("the disk") {
            let path = entry.expect("an entry").path();
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn root_device() -> u64 {
    Path::new("/mnt").metadata().map_or(0, |found| found.dev())
}

/// What a full disk makes of a command.
fn fails(disk: &Disk, writer: &Writer, free: u64) {
    disk.clear();
    let target = disk.path.join(writer.target);
    let before: &[u8] = b"what was there before\n";
    let theirs = if writer.is_file() {
        target.clone()
    } else {
        fs::create_dir(&target).expect("a folder");
        target.join("mine.txt")
    };
    fs::write(&theirs, before).expect("a file");
    disk.leave(free);
    let output = disk.run(writer);
    let what = format!("{} with {free} bytes free", writer.line);
    let said = stderr(&output);
    if ended_in_words(&output, &what) {
        panic!("{what}: it is believed to have written all of it: {said}");
    }
    assert_eq!(output.status.code(), Some(1), "{what}: {said}");
    says(&said, &["No space left on device", "tip: make room on that disk", writer.target]);
    assert_eq!(fs::read(&theirs).expect("what was there"), before, "{what}");
    for path in files(&disk.path) {
        if path == theirs || path.ends_with("filler") {
            continue;
        }
        let name = path.display().to_string();
        let bytes = fs::read(&path).expect("a file");
        assert!(is_whole(&name, &bytes), "{what}: {name} is half there, {} bytes", bytes.len());
    }
}

/// Bytes that a command writes where there is room.
fn taken(disk: &Disk, writer: &Writer) -> u64 {
    disk.clear();
    let output = disk.run(writer);
    assert!(output.status.success(), "{}: {}", writer.line, stderr(&output));
    files(&disk.path).iter().filter_map(|path| path.metadata().ok()).map(|found| found.len()).sum()
}

fn full(writers: &[Writer]) {
    inputs();
    let Some(disk) = Disk::mount() else { return };
    let mut noise = Random::new(u64::from(std::process::id()));
    for writer in writers {
        fails(&disk, writer, writer.too_few << 10);
        if times() > 0 {
            // Less than its last page, so that something always fails.
            let most = taken(&disk, writer).saturating_sub(4096).div_ceil(4096) as usize;
            for _ in 0..times().div_ceil(10) {
                fails(&disk, writer, 4096 * noise.below(most.max(1)) as u64);
            }
        }
    }
    println!("{} writers on a full disk, {} more rooms each", writers.len(), times().div_ceil(10));
}

#[test]
fn a_full_disk_under_runs() {
    full(RUNS);
}

#[test]
fn a_full_disk_under_what_draws() {
    full(DRAWERS);
}

#[test]
fn a_full_disk_under_studies() {
    full(STUDIES);
}

/// With room again, the same command ends as if nothing had been.
#[test]
fn with_room_again_a_fit_and_a_corpus_go_on() {
    inputs();
    let Some(disk) = Disk::mount() else { return };
    for writer in STUDIES.iter().take(2) {
        fails(&disk, writer, writer.too_few << 10);
        fs::remove_file(disk.path.join("filler")).expect("the filler");
        let output = disk.run(writer);
        assert!(output.status.success(), "{}: {}", writer.line, stderr(&output));
        let left = fs::read_dir(&disk.path).expect("the disk").flatten();
        assert!(left.into_iter().all(|entry| entry.file_name() == writer.target), "{}", writer.line);
    }
}
