//! The whole of set-up with a wheel made here, no network and no libtorch.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::pins::{Rule, Wheel};
use super::*;

/// A machine with one fake wheel to be had and an empty cache.
struct Machine {
    dir: tempfile::TempDir,
    bundle: &'static Bundle,
    downloads: Cell<usize>,
}

const RULES: &[Rule] = &[Rule::new("torch/lib/", "lib/"), Rule::new("torch/include/", "include/")];
const FILE: &str = "torch-2.11.0-fake.whl";

impl Machine {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = Command::new("python3")
            .args([
                "-c",
                "import sys, zipfile\nz = zipfile.ZipFile(sys.argv[1], 'w', zipfile.ZIP_DEFLATED)\n\
                          z.writestr('torch/lib/libtorch_cpu.so', 'library ' * 1000)\n\
                          z.writestr('torch/include/torch/torch.h', '#pragma once')\n\
                          z.writestr('torch/nn/functional.py', 'left out')\nz.close()",
            ])
            .arg(dir.path().join(FILE))
            .status()
            .unwrap();
        assert!(made.success());
        let python = Python::find(&Surroundings::default()).unwrap();
        let sha256 = python.sha256(&dir.path().join(FILE)).unwrap();
        let bundle = Self::bundle(sha256);
        Self { dir, bundle, downloads: Cell::new(0) }
    }

    fn bundle(sha256: String) -> &'static Bundle {
        let wheel = Wheel {
            package: "torch",
            version: "2.11.0",
            file: FILE,
            platform: "any",
            sha256: sha256.leak(),
            bytes: 1,
            rules: RULES,
        };
        let wheels = vec![wheel].leak();
        Box::leak(Box::new(Bundle { platform: "fake", wheels, unpacked: 1, tried: true }))
    }

    fn checkout(&self, name: &str) -> Surroundings {
        let root = self.dir.path().join(name);
        fs::create_dir_all(&root).unwrap();
        Surroundings { root, cache: Some(self.cache()), ..Surroundings::default() }
    }

    fn cache(&self) -> PathBuf {
        self.dir.path().join("cache")
    }

    fn set_up(&self, around: &Surroundings) -> Result<String, SetupError> {
        let fetch: Fetch<'_> = &|wheel, into, _| {
            self.downloads.set(self.downloads.get() + 1);
            fs::copy(self.dir.path().join(wheel.file), into.join(wheel.file)).unwrap();
            Ok(())
        };
        set_up(around, || Ok(self.bundle), Some(fetch))
    }

    /// Everything in the cache but the lock and the empty folder for wheels.
    fn left_in_cache(&self) -> Vec<String> {
        let names = |dir: &Path| {
            fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap())
        };
        let cache = self.cache();
        let mut left: Vec<_> = names(&cache).filter(|name| name != "lock" && name != "wheels").collect();
        left.extend(names(&cache.join("wheels")));
        left
    }
}

#[test]
fn a_fresh_checkout_gets_the_wanted_files_and_their_version() {
    let machine = Machine::new();
    let around = machine.checkout("one");
    machine.set_up(&around).unwrap();

    let place = around.own_place();
    assert_eq!(fs::read_to_string(place.join("build-version")).unwrap(), "2.11.0\n");
    assert_eq!(fs::metadata(place.join("lib/libtorch_cpu.so")).unwrap().len(), 8000);
    assert!(place.join("include/torch/torch.h").exists());
    assert!(!place.join("nn").exists());
    assert_eq!(machine.left_in_cache(), [machine.bundle.id()], "wheels and staging folders are gone");
}

#[test]
fn a_second_run_and_a_second_checkout_download_nothing() {
    let machine = Machine::new();
    let (one, two) = (machine.checkout("one"), machine.checkout("two"));
    machine.set_up(&one).unwrap();
    machine.set_up(&one).unwrap();
    machine.set_up(&two).unwrap();
    assert_eq!(machine.downloads.get(), 1);
    assert!(tree::is_whole(&two.own_place(), &machine.bundle.id()));
}

#[test]
fn a_checkout_that_lost_a_file_is_mended_from_the_cache() {
    let machine = Machine::new();
    let around = machine.checkout("one");
    machine.set_up(&around).unwrap();
    fs::remove_file(around.own_place().join("lib/libtorch_cpu.so")).unwrap();
    machine.set_up(&around).unwrap();
    assert!(around.own_place().join("lib/libtorch_cpu.so").exists());
    assert_eq!(machine.downloads.get(), 1);
}

#[test]
fn a_wheel_with_another_hash_is_refused_and_removed() {
    let mut machine = Machine::new();
    machine.bundle = Machine::bundle("0".repeat(64));
    let around = machine.checkout("one");
    let error = machine.set_up(&around).unwrap_err();
    assert!(
        matches!(&error, SetupError::WrongHash { expected, .. } if expected == &"0".repeat(64)),
        "{error}"
    );
    assert!(machine.left_in_cache().is_empty(), "{:?}", machine.left_in_cache());
    assert!(!around.own_place().exists());
}

#[test]
fn a_damaged_wheel_never_becomes_a_tree() {
    let mut machine = Machine::new();
    let wheel = machine.dir.path().join(FILE);
    let bytes = fs::read(&wheel).unwrap();
    fs::write(&wheel, &bytes[..bytes.len() / 2]).unwrap();
    let python = Python::find(&Surroundings::default()).unwrap();
    machine.bundle = Machine::bundle(python.sha256(&wheel).unwrap());

    let around = machine.checkout("one");
    let error = machine.set_up(&around).unwrap_err();
    assert!(matches!(error, SetupError::Wheel { .. }), "{error}");
    assert_eq!(machine.left_in_cache(), [FILE], "the half-unpacked tree is gone");
    assert!(!around.own_place().exists());
}

#[test]
fn what_an_interrupted_run_left_is_not_taken_for_whole() {
    let machine = Machine::new();
    for half in [machine.bundle.id(), "unpack.tmp".into(), "download.tmp".into()] {
        fs::create_dir_all(machine.cache().join(half).join("lib")).unwrap();
    }
    let around = machine.checkout("one");
    machine.set_up(&around).unwrap();
    assert_eq!(machine.downloads.get(), 1);
    assert_eq!(machine.left_in_cache(), [machine.bundle.id()]);
}

#[test]
fn a_wheel_put_into_the_cache_by_hand_is_used() {
    let machine = Machine::new();
    fs::create_dir_all(machine.cache().join("wheels")).unwrap();
    fs::copy(machine.dir.path().join(FILE), machine.cache().join("wheels").join(FILE)).unwrap();
    machine.set_up(&machine.checkout("one")).unwrap();
    assert_eq!(machine.downloads.get(), 0);
}

#[test]
fn the_users_own_libtorch_wins_and_nothing_is_brought() {
    let machine = Machine::new();
    let own = machine.dir.path().join("own");
    fs::create_dir_all(own.join("lib")).unwrap();
    fs::create_dir_all(own.join("include")).unwrap();
    fs::write(own.join("build-version"), "2.11.0+cpu\n").unwrap();
    let around = Surroundings { libtorch: Some(own.into()), ..machine.checkout("one") };

    let said = machine.set_up(&around).unwrap();
    assert!(said.starts_with("using your own libtorch 2.11.0+cpu"), "{said}");
    assert_eq!(machine.downloads.get(), 0);
    assert!(!machine.cache().exists() && !around.own_place().exists());
}

#[test]
fn too_little_room_is_said_before_the_download() {
    let mut machine = Machine::new();
    let huge = Bundle { unpacked: u64::MAX / 2, ..machine.bundle.clone() };
    machine.bundle = Box::leak(Box::new(huge));
    let error = machine.set_up(&machine.checkout("one")).unwrap_err();
    assert!(matches!(error, SetupError::NoRoom { .. }), "{error}");
    assert_eq!(machine.downloads.get(), 0);
}

#[test]
fn what_installed_binaries_need_outlives_the_checkout() {
    let machine = Machine::new();
    let data = machine.dir.path().join("data");
    let checkout = Surroundings { data: Some(data.clone()), ..machine.checkout("one") };
    assert_eq!(keep(&checkout, &[machine.bundle]).unwrap(), None, "there is nothing to keep yet");
    machine.set_up(&checkout).unwrap();
    let said = keep(&checkout, &[machine.bundle]).unwrap().unwrap();
    let place = data.join("lens/libtorch-2.11.0");
    assert!(said.contains(&place.display().to_string()), "{said}");
    fs::remove_dir_all(&checkout.root).unwrap();
    assert!(tree::is_whole(&place, &machine.bundle.id()));

    // A second time, and from a checkout with less, nothing is placed.
    fs::write(place.join("extra"), "").unwrap();
    let fuller = machine.bundle;
    let less = Box::leak(Box::new(Bundle { platform: "less", ..*machine.bundle }));
    let checkout = Surroundings { data: Some(data), ..machine.checkout("two") };
    machine.set_up(&checkout).unwrap();
    keep(&checkout, &[fuller]).unwrap().unwrap();
    // The seal is a link to that of the cache; a new one is a file of its own.
    fs::remove_file(checkout.own_place().join(".manifest")).unwrap();
    tree::seal(&checkout.own_place(), &less.id()).unwrap();
    keep(&checkout, &[fuller, less]).unwrap().unwrap();
    assert!(place.join("extra").exists(), "it was whole, and is placed anew");
}
