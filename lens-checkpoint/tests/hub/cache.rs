//! The cache: offline, as other tools write it, and when somebody tampers with it.

use std::fs;
use std::path::Path;

use lens_checkpoint::source::{Silent, SourceError, locate};

use crate::server::{COMMIT, ID, Model, Reply, Server};
use crate::{Bench, listen, read};

const OTHER: &str = "89abcdef0123456789abcdef0123456789abcdef";

/// A hub that nobody may ask.
fn silent_hub() -> Server {
    Server::start("127.0.0.1", |ask| panic!("asked {ask:?}"))
}

/// A snapshot as Python's huggingface_hub writes it.
#[cfg(unix)]
fn write_snapshot(bench: &Bench, commit: &str, files: &[(&str, &str)]) {
    let snapshot = bench.model_dir().join("snapshots").join(commit);
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(bench.model_dir().join("blobs")).unwrap();
    for (i, (name, content)) in files.iter().enumerate() {
        let etag = format!("{commit}-{i}");
        fs::write(bench.blob(&etag), content).unwrap();
        std::os::unix::fs::symlink(format!("../../blobs/{etag}"), snapshot.join(name)).unwrap();
    }
}

fn write_ref(bench: &Bench, name: &str, content: &str) {
    let path = bench.model_dir().join("refs").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
}

const WHOLE: [(&str, &str); 3] =
    [("config.json", "{}"), ("model.safetensors", "w"), ("tokenizer.json", "{}")];

#[cfg(unix)]
#[test]
fn offline_a_cache_of_other_tools_is_found_by_branch_tag_commit_and_abbreviation() {
    let server = silent_hub();
    let mut bench = Bench::new(&server);
    write_snapshot(&bench, COMMIT, &WHOLE);
    write_snapshot(&bench, OTHER, &WHOLE);
    write_ref(&bench, "main", COMMIT);
    write_ref(&bench, "refs/pr/1", &format!("{OTHER}\n"));
    bench.options.offline = true;
    let cases = [(None, COMMIT), (Some("refs/pr/1"), OTHER), (Some(OTHER), OTHER), (Some("0123456"), COMMIT)];
    for (revision, commit) in cases {
        bench.options.revision = revision.map(str::to_owned);
        let files = bench.locate().unwrap();
        assert_eq!(files.revision.as_deref(), Some(commit));
        assert_eq!(files.root, bench.model_dir().join("snapshots").join(commit));
        assert!(files.tokenizer.is_some() && files.chat_template.is_none());
    }
}

#[cfg(unix)]
#[test]
fn a_cache_without_refs_has_its_only_snapshot_taken_and_several_named() {
    let server = silent_hub();
    let mut bench = Bench::new(&server);
    write_snapshot(&bench, COMMIT, &WHOLE);
    bench.options.offline = true;
    let files = bench.locate().unwrap();
    assert_eq!(files.revision.as_deref(), Some(COMMIT));
    let [note] = files.notes.as_slice() else { panic!("{:?}", files.notes) };
    assert!(note.contains("only snapshot") && note.contains(COMMIT), "{note}");

    // A branch that is asked for by name is not guessed.
    bench.options.revision = Some("v2".to_owned());
    let error = bench.fail();
    assert!(error.to_string().contains(&format!("of the revision {COMMIT}")), "{error}");
    bench.options.revision = None;
    write_snapshot(&bench, OTHER, &WHOLE);
    let error = bench.fail().to_string();
    assert!(error.contains(COMMIT) && error.contains(OTHER), "{error}");
}

#[cfg(unix)]
#[test]
fn blobs_that_the_user_keeps_elsewhere_are_followed() {
    let server = silent_hub();
    let mut bench = Bench::new(&server);
    write_snapshot(&bench, COMMIT, &WHOLE);
    write_ref(&bench, "main", COMMIT);
    let (blobs, disk) = (bench.model_dir().join("blobs"), bench.dir.path().join("another disk"));
    fs::rename(&blobs, &disk).unwrap();
    std::os::unix::fs::symlink(&disk, &blobs).unwrap();
    bench.options.offline = true;
    assert_eq!(bench.locate().unwrap().revision.as_deref(), Some(COMMIT));
    // A single link of a snapshot still may not lead anywhere.
    let config = bench.model_dir().join("snapshots").join(COMMIT).join("config.json");
    fs::write(bench.dir.path().join("secret"), "{}").unwrap();
    fs::remove_file(&config).unwrap();
    std::os::unix::fs::symlink(bench.dir.path().join("secret"), &config).unwrap();
    assert!(matches!(bench.fail(), SourceError::EscapingLink { .. }));
}

#[test]
fn offline_without_a_copy_is_an_error_that_says_what_to_do() {
    let server = silent_hub();
    let mut bench = Bench::new(&server);
    bench.options.offline = true;
    let error = bench.fail();
    assert!(matches!(&error, SourceError::NotCached { id, file: None, .. } if id == ID), "{error:?}");
    assert!(error.to_string().contains("without that mode"), "{error}");
}

#[cfg(unix)]
#[test]
fn offline_a_partial_copy_names_the_missing_file() {
    let server = silent_hub();
    let mut bench = Bench::new(&server);
    let index = r#"{"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}}"#;
    let files =
        [("config.json", "{}"), ("model.safetensors.index.json", index), ("model-1.safetensors", "w")];
    write_snapshot(&bench, COMMIT, &files);
    write_ref(&bench, "main", COMMIT);
    bench.options.offline = true;
    let error = bench.fail();
    let missing = "model-2.safetensors";
    assert!(
        matches!(&error, SourceError::NotCached { file: Some(file), .. } if file == missing),
        "{error:?}"
    );
}

#[cfg(unix)]
#[test]
fn a_hub_out_of_reach_lets_the_cached_copy_stand_in_and_says_so() {
    for reply in [Reply::new(500), Reply::new(401), Reply::new(403)] {
        let server = Server::start("127.0.0.1", move |_| reply.clone());
        let mut bench = Bench::new(&server);
        bench.options.retries = 3;
        write_snapshot(&bench, COMMIT, &WHOLE);
        write_ref(&bench, "main", COMMIT);
        let mut events = Vec::new();
        let files = locate(ID, &bench.options, &mut listen(&mut events)).unwrap();
        assert_eq!(files.revision.as_deref(), Some(COMMIT));
        let [note] = files.notes.as_slice() else { panic!("{:?}", files.notes) };
        assert!(
            note.contains("cached copy") && note.contains(COMMIT) && !note.contains("SENTINEL"),
            "{note}"
        );
        assert!(!events.iter().any(|event| event.contains("cached copy")), "said once: {events:?}");
        assert_eq!(server.asked().len(), 1, "a copy is at hand: no retries");
    }
}

#[cfg(unix)]
#[test]
fn a_revision_that_the_hub_denies_is_not_taken_from_the_cache() {
    let server = Server::start("127.0.0.1", |_| Reply::new(404).header("X-Error-Code", "RevisionNotFound"));
    let bench = Bench::new(&server);
    write_snapshot(&bench, COMMIT, &WHOLE);
    write_ref(&bench, "main", COMMIT);
    assert!(matches!(bench.fail(), SourceError::UnknownRevision { .. }));
}

#[test]
fn a_commit_that_is_whole_needs_no_request() {
    let model = Model::single();
    let server = Server::start("127.0.0.1", move |ask| model.answer(ask));
    let mut bench = Bench::new(&server);
    bench.options.revision = Some(COMMIT.into());
    let files = bench.locate().unwrap();
    assert!(!bench.model_dir().join("refs").exists(), "a commit is no branch");
    let before = server.asked().len();
    assert_eq!(bench.locate().unwrap(), files);
    assert_eq!(server.asked().len(), before);
}

#[test]
fn a_branch_that_moved_brings_the_new_files_only() {
    let mut model = Model::sharded();
    let old = model.clone();
    let server = Server::start("127.0.0.1", move |ask| old.answer(ask));
    let mut bench = Bench::new(&server);
    bench.locate().unwrap();
    model.commit = OTHER.into();
    model.files.insert("config.json".into(), b"{\"new\":1}".to_vec());
    let new = model.clone();
    let server = Server::start("127.0.0.1", move |ask| new.answer(ask));
    bench.options.endpoint = server.url.clone();
    let files = bench.locate().unwrap();
    assert_eq!(files.revision.as_deref(), Some(OTHER));
    assert_eq!(read(&files.config), b"{\"new\":1}");
    assert_eq!(read(&bench.model_dir().join("refs/main")), OTHER.as_bytes());
    assert!(server.gets("model-00002-of-00002.safetensors").is_empty(), "its blob is here already");
}

#[cfg(unix)]
#[test]
fn a_link_out_of_the_models_cache_is_refused() {
    let server = silent_hub();
    let mut bench = Bench::new(&server);
    bench.options.offline = true;
    let outside = bench.dir.path().join("outside.json");
    fs::write(&outside, "{}").unwrap();
    write_snapshot(&bench, COMMIT, &WHOLE);
    write_ref(&bench, "main", COMMIT);
    let snapshot = bench.model_dir().join("snapshots").join(COMMIT);
    for target in [outside.as_path(), Path::new("../../../../outside.json")] {
        fs::remove_file(snapshot.join("tokenizer.json")).unwrap();
        std::os::unix::fs::symlink(target, snapshot.join("tokenizer.json")).unwrap();
        let error = bench.fail();
        assert!(matches!(error, SourceError::EscapingLink { .. }), "{error:?}");
        // The same when the snapshot is given as a folder.
        let error = locate(snapshot.to_str().unwrap(), &bench.options, &mut Silent).unwrap_err();
        assert!(matches!(error, SourceError::EscapingLink { .. }), "{error:?}");
    }
    // A link in a circle, or to nothing, is a file that is not there.
    fs::remove_file(snapshot.join("tokenizer.json")).unwrap();
    std::os::unix::fs::symlink("tokenizer.json", snapshot.join("tokenizer.json")).unwrap();
    assert_eq!(bench.locate().unwrap().tokenizer, None);
}

#[cfg(unix)]
#[test]
fn the_store_of_blobs_that_models_share_is_inside() {
    let server = silent_hub();
    let mut bench = Bench::new(&server);
    bench.options.offline = true;
    write_snapshot(&bench, COMMIT, &WHOLE);
    write_ref(&bench, "main", COMMIT);
    let shared = bench.dir.path().join("hub/blobs/ab");
    fs::create_dir_all(&shared).unwrap();
    fs::write(shared.join("abcd"), "w").unwrap();
    let blob = bench.blob(&format!("{COMMIT}-1"));
    fs::remove_file(&blob).unwrap();
    std::os::unix::fs::symlink("../../blobs/ab/abcd", &blob).unwrap();
    assert_eq!(read(&bench.locate().unwrap().weights[0]), b"w");
}

#[cfg(unix)]
#[test]
fn a_download_does_not_write_through_a_link() {
    let model = Model::single();
    let served = model.clone();
    let server = Server::start("127.0.0.1", move |ask| served.answer(ask));
    let bench = Bench::new(&server);
    let victim = bench.dir.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let name = crate::server::sha256(model.content("model.safetensors"));
    fs::create_dir_all(bench.model_dir().join("blobs")).unwrap();
    std::os::unix::fs::symlink(&victim, bench.blob(&name)).unwrap();
    std::os::unix::fs::symlink(&victim, bench.blob(&format!("{name}.lens.incomplete"))).unwrap();
    assert_eq!(read(&bench.locate().unwrap().weights[0]), model.content("model.safetensors"));
    assert_eq!(read(&victim), b"precious");
}

#[test]
fn a_revision_is_no_path() {
    let server = silent_hub();
    let mut bench = Bench::new(&server);
    let long = "x".repeat(201);
    let bad =
        ["", "..", "../x", "a/../b", "/abs", "a//b", "a/", ".hidden", "a b", "a\\b", "a\n", "x.lock", &long];
    for revision in bad {
        bench.options.revision = Some(revision.into());
        assert!(matches!(bench.fail(), SourceError::BadRevision { .. }), "{revision:?}");
    }
}

#[test]
fn a_ref_that_is_no_commit_is_ignored() {
    let server = silent_hub();
    let mut bench = Bench::new(&server);
    bench.options.offline = true;
    for content in ["", "../../../evil", "main", &"a".repeat(5000)] {
        write_ref(&bench, "main", content);
        assert!(matches!(bench.fail(), SourceError::NotCached { .. }), "{content:?}");
    }
}

#[test]
fn two_at_once_fetch_a_file_once() {
    let model = Model::sharded();
    let served = model.clone();
    let server = Server::start("127.0.0.1", move |ask| served.answer(ask));
    let bench = Bench::new(&server);
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| bench.locate().unwrap())).collect();
        for run in runs {
            for path in run.join().unwrap().weights {
                assert_eq!(read(&path), model.content(path.file_name().unwrap().to_str().unwrap()));
            }
        }
    });
    assert_eq!(server.gets("model-00002-of-00002.safetensors").len(), 1);
}
