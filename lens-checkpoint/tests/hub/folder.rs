//! Names, and folders of the user's own.

use std::fs;
use std::path::Path;

use lens_checkpoint::source::{
    CheckpointFiles, HubId, Silent, Source, SourceError, SourceOptions, headers, locate,
};
use tempfile::TempDir;

use crate::server::{COMMIT, shard};

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, content) in files {
        fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

fn open(path: &Path) -> Result<CheckpointFiles, SourceError> {
    locate(path.to_str().unwrap(), &SourceOptions::from_lookup(|_| None), &mut Silent)
}

#[test]
fn a_folder_is_its_files() {
    let weights = shard(100);
    let dir = folder(&[
        ("config.json", b"{}"),
        ("model.safetensors", &weights),
        ("tokenizer.json", b"{}"),
        ("special_tokens_map.json", b"{}"),
        ("generation_config.json", b"{}"),
        ("chat_template.jinja", b""),
        ("chat_template.json", b"{}"),
        // transformers prefers the single file, too.
        ("model.safetensors.index.json", b"not read"),
    ]);
    let files = open(dir.path()).unwrap();
    assert_eq!(files.weights, [dir.path().join("model.safetensors")]);
    assert_eq!((files.index, files.revision, files.tokenizer_config), (None, None, None));
    assert!(files.tokenizer.is_some() && files.special_tokens_map.is_some());
    assert!(files.generation_config.is_some() && files.chat_template.is_some());
    assert!(files.chat_template_json.is_some());

    let options = SourceOptions::from_lookup(|_| None);
    let headers = headers(dir.path().to_str().unwrap(), &options, &mut Silent).unwrap();
    assert_eq!(headers.shards[0].bytes, &weights[..24]);
    assert_eq!(headers.shards[0].file_size, 124);
}

#[test]
fn a_snapshot_given_as_a_folder_keeps_its_id_and_commit() {
    let dir = TempDir::new().unwrap();
    let snapshot = dir.path().join("models--owner--na-me/snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(dir.path().join("models--owner--na-me/refs")).unwrap();
    fs::write(snapshot.join("config.json"), "{}").unwrap();
    fs::write(snapshot.join("model.safetensors"), "w").unwrap();
    let files = open(&snapshot).unwrap();
    assert_eq!((files.id.as_str(), files.revision.as_deref()), ("owner/na-me", Some(COMMIT)));

    let error = open(&dir.path().join("models--owner--na-me")).unwrap_err();
    assert!(error.to_string().contains("snapshots/"), "{error}");
}

#[test]
fn shards_come_in_order_and_all_must_be_there() {
    let index = br#"{"weight_map":{"z":"m-1.safetensors","a":"m-2.safetensors","b":"m-1.safetensors"}}"#;
    let dir =
        folder(&[("config.json", b"{}"), ("model.safetensors.index.json", index), ("m-1.safetensors", b"w")]);
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(&error, SourceError::MissingShard { shard, .. } if shard == "m-2.safetensors"));
    fs::write(dir.path().join("m-2.safetensors"), "w").unwrap();
    let files = open(dir.path()).unwrap();
    assert_eq!(files.weights, [dir.path().join("m-1.safetensors"), dir.path().join("m-2.safetensors")]);
}

#[test]
fn a_broken_index_is_named() {
    let cases: [&[u8]; 5] = [b"{", b"[]", b"{}", br#"{"weight_map":{"a":1}}"#, b"\xff"];
    for index in cases {
        let dir = folder(&[("config.json", b"{}"), ("model.safetensors.index.json", index)]);
        let error = open(dir.path()).unwrap_err();
        assert!(matches!(&error, SourceError::BadIndex { path, .. } if path.starts_with(dir.path())));
        assert!(std::error::Error::source(&error).is_some());
    }
    let dir = folder(&[("config.json", b"{}"), ("model.safetensors.index.json", br#"{"weight_map":{}}"#)]);
    assert!(matches!(open(dir.path()).unwrap_err(), SourceError::EmptyIndex { .. }));
}

#[test]
fn a_shard_name_does_not_leave_the_folder() {
    let outside = folder(&[("x.safetensors", b"w")]);
    let absolute = outside.path().join("x.safetensors");
    for shard in ["../x.safetensors", absolute.to_str().unwrap(), "sub/x.safetensors", "a\\u0000.safetensors"]
    {
        let index = format!(r#"{{"weight_map":{{"wte":"{shard}"}}}}"#);
        let dir = folder(&[("config.json", b"{}"), ("model.safetensors.index.json", index.as_bytes())]);
        assert!(matches!(open(dir.path()).unwrap_err(), SourceError::BadShardName { .. }), "{shard}");
    }
}

#[test]
fn a_git_lfs_pointer_is_recognised() {
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n";
    for file in ["model.safetensors", "tokenizer.json"] {
        let dir = folder(&[("config.json", b"{}"), ("model.safetensors", b"w")]);
        fs::write(dir.path().join(file), pointer).unwrap();
        let error = open(dir.path()).unwrap_err();
        assert!(matches!(&error, SourceError::LfsPointer { path } if path.ends_with(file)), "{error:?}");
        assert!(error.to_string().contains("git lfs pull"), "{error}");
    }
}

#[test]
fn a_path_without_a_folder_is_an_error_of_its_own() {
    let dir = folder(&[("model.safetensors", b"w")]);
    for path in ["./nowhere", "../nowhere/x", "/no/where", "~nobody/x"] {
        assert!(matches!(open(Path::new(path)).unwrap_err(), SourceError::UnknownFolder { .. }), "{path}");
    }
    let file = open(&dir.path().join("model.safetensors")).unwrap_err();
    assert!(matches!(file, SourceError::NotAFolder { .. }), "{file:?}");
    assert!(matches!(open(dir.path()).unwrap_err(), SourceError::NoConfig { .. }));
    let home = Source::parse("~", Some(dir.path())).unwrap();
    assert_eq!(home, Source::Folder(dir.path().to_owned()));
}

#[test]
fn a_folder_has_no_revision() {
    let dir = folder(&[("config.json", b"{}"), ("model.safetensors", b"w")]);
    let mut options = SourceOptions::from_lookup(|_| None);
    options.revision = Some("main".into());
    let error = locate(dir.path().to_str().unwrap(), &options, &mut Silent).unwrap_err();
    assert!(matches!(error, SourceError::RevisionOfFolder { .. }), "{error:?}");
}

#[test]
fn a_hub_id_is_held_to_the_hubs_rules() {
    for good in ["gpt2", "Qwen/Qwen3-0.6B", "a_b/c.d-e", "_x/y_"] {
        assert_eq!(good.parse::<HubId>().unwrap().as_str(), good);
    }
    let near = [
        ("owner/model/", "owner/model"),
        ("https://huggingface.co/owner/model/tree/main", "owner/model"),
        ("hf://owner/model", "owner/model"),
        ("owner/model@v1", "the revision \"v1\""),
        ("models/owner/name", "one slash"),
        ("my model", "' '"),
        ("", "empty"),
    ];
    for (name, hint) in near {
        let error = name.parse::<HubId>().unwrap_err();
        assert!(matches!(error, SourceError::BadName { .. }) && error.to_string().contains(hint), "{error}");
    }
    let long = "x".repeat(97);
    for bad in ["a/", "/a", "a--b", "a..b/c", "-a", "a.", "a/b.git", "a\\b", "é", "a/../b", "a\n", &long] {
        assert!(bad.parse::<HubId>().is_err(), "{bad:?}");
    }
}
