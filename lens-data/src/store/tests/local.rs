//! Stores that are folders.

use std::{fs, path::Path};

use super::*;

fn store(folder: &Path) -> Store {
    Store::open(folder.to_str().unwrap()).unwrap()
}

#[test]
fn a_folder_is_a_store_and_is_made_when_it_is_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a/b");
    let store = store(&inner);
    assert!(store.is_local() && store.list().unwrap().is_empty() && !inner.exists());
    behaves(&store);
    assert_eq!(fs::read_dir(&inner).unwrap().count(), 0, "something is left");
}

#[test]
fn what_is_not_a_blob_is_not_listed() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["ok.json", ".lens-unfinished-abc", "two words", "line\nfeed", ".hidden"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    fs::create_dir(folder.path().join("inner")).unwrap();
    let listed = store(folder.path()).list().unwrap();
    assert_eq!(listed, [Entry { name: "ok.json".into(), size: 1 }]);
}

#[cfg(unix)]
#[test]
fn a_link_is_replaced_and_what_it_leads_to_is_not_written() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let folder = tempfile::tempdir().unwrap();
    let outside = folder.path().join("outside");
    fs::write(&outside, "mine").unwrap();
    let inner = folder.path().join("store");
    fs::create_dir(&inner).unwrap();
    symlink(&outside, inner.join("a")).unwrap();
    symlink("nowhere", inner.join("b")).unwrap();
    let store = store(&inner);
    assert_eq!(store.list().unwrap().len(), 1, "a link to nowhere has no size");
    store.put("a", b"new".to_vec()).unwrap();
    assert_eq!(fs::read(&outside).unwrap(), b"mine");
    assert_eq!(fs::read(inner.join("a")).unwrap(), b"new");
    // Others may read it, as they may what other programs write here.
    fs::write(inner.join("plain"), "").unwrap();
    let mode = |name: &str| fs::metadata(inner.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("a"), mode("plain"));
}

#[test]
fn a_file_in_the_place_of_the_folder_is_an_error_that_names_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let store = store(file.path());
    let name = file.path().to_str().unwrap();
    for error in [store.put("a", vec![1]).unwrap_err(), store.list().unwrap_err()] {
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_place_with_control_characters_is_shown_without_them() {
    let store = Store::open("/nowhere/\u{1b}[31m\n").unwrap();
    assert_eq!(store.to_string(), "/nowhere/\\u{1b}[31m\\n");
}
