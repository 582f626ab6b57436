//! Lenses on the hub: the published collections, repositories of anybody, paths, and the cache offline.

use std::collections::BTreeMap;

use lens_checkpoint::{
    lenses,
    source::{LensSource, Silent, SourceError, locate_lens},
};
use lens_core::LensKind;

use crate::server::{Ask, COMMIT, Reply, Server, sha256};
use crate::{Bench, assert_says_no_secret};

/// Files of repositories by their addresses, such as `spaces/owner/name`.
pub(crate) type Repositories = BTreeMap<&'static str, BTreeMap<String, Vec<u8>>>;

fn fixture(name: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/lenses/files");
    std::fs::read(folder.join(name)).unwrap()
}

fn repositories() -> Repositories {
    let file = |name: &str, content: &str| (name.to_owned(), fixture(content));
    let tuned = |folder: &str| {
        [
            file(&format!("{folder}config.json"), "tuned/config.json"),
            file(&format!("{folder}params.pt"), "tuned/params.pt"),
        ]
    };
    let space = tuned("lens/owner/model/").into_iter().chain(tuned("lens/gpt2/")).collect();
    let collection = [
        file("qwen3-1.7b/jlens/Salesforce-wikitext/Qwen3-1.7B_jacobian_lens.pt", "jlens.pt"),
        file("gpt2-small/jlens/Salesforce-wikitext/gpt2_jacobian_lens.pt", "jlens_f32.pt"),
        file("gpt2-small/jlens/Salesforce-wikitext/notes.txt", "jlens_f32.pt"),
    ];
    [
        ("spaces/AlignmentResearch/tuned-lens", space),
        ("neuronpedia/jacobian-lens", collection.into()),
        ("someone/lenses", [file("sub/one.pt", "jlens_one.pt"), file("lens.pt", "jlens_bf16.pt")].into()),
        ("someone/hostile", [("../../evil.pt".to_owned(), b"x".to_vec())].into()),
    ]
    .into()
}

/// Answers as the hub does.
pub(crate) fn answer(repositories: &Repositories, ask: &Ask) -> Reply {
    for (address, files) in repositories {
        let (kind, id) = address.strip_prefix("spaces/").map_or(("models", *address), |id| ("spaces", id));
        let revision = format!("/api/{kind}/{id}/revision/");
        if ask.path.starts_with(&revision) {
            let names: Vec<String> =
                files.keys().map(|name| format!(r#"{{"rfilename":"{name}"}}"#)).collect();
            return Reply::new(200)
                .body(format!(r#"{{"sha":"{COMMIT}","siblings":[{}],"x":1}}"#, names.join(",")));
        }
        let file = ask.path.strip_prefix(&format!("/{address}/resolve/{COMMIT}/"));
        if let Some(content) = file.and_then(|file| files.get(file)) {
            return Reply::new(200)
                .body(content.clone())
                .header("X-Linked-Etag", format!("\"{}\"", sha256(content)))
                .header("X-Linked-Size", content.len());
        }
    }
    Reply::new(404).header("X-Error-Code", "RepoNotFound")
}

fn hub() -> Server {
    let repositories = repositories();
    Server::start("127.0.0.1", move |ask| answer(&repositories, ask))
}

fn locate(bench: &Bench, kind: LensKind, name: &str, model: &str) -> Result<LensSource, SourceError> {
    locate_lens(kind, name, model, &bench.options, &mut Silent)
}

#[test]
fn the_published_collections_are_found_by_model() {
    let server = hub();
    let bench = Bench::new(&server);
    for (name, model, points) in
        [("owner/model", "x", 3), ("gpt2", "x", 3), ("AlignmentResearch/tuned-lens", "gpt2", 3)]
    {
        let found = locate(&bench, LensKind::Tuned, name, model).unwrap();
        assert!(found.address.starts_with("AlignmentResearch/tuned-lens/lens/"), "{found:?}");
        assert!(found.address.ends_with(&format!("@{COMMIT}")), "{found:?}");
        assert_eq!(lenses::open(&found.path).unwrap().translator.points().count(), points, "{name}");
    }
    for (name, model) in
        [("qwen3-1.7b", "x"), ("Qwen/Qwen3-1.7B", "x"), ("neuronpedia/jacobian-lens", "Qwen/Qwen3-1.7B")]
    {
        let found = locate(&bench, LensKind::Jacobian, name, model).unwrap();
        assert!(found.address.contains("Qwen3-1.7B_jacobian_lens.pt@"), "{found:?}");
        assert_eq!(lenses::open(&found.path).unwrap().translator.points().count(), 3);
    }
    let found = locate(&bench, LensKind::Jacobian, "openai-community/gpt2", "x").unwrap();
    assert!(found.path.ends_with("gpt2_jacobian_lens.pt"));
}

#[test]
fn a_repository_of_anybody_is_a_lens_by_its_files_or_by_a_path() {
    let server = hub();
    let bench = Bench::new(&server);
    let top = locate(&bench, LensKind::Jacobian, "someone/lenses", "x").unwrap();
    assert_eq!(top.address, format!("someone/lenses/lens.pt@{COMMIT}"));
    let one = locate(&bench, LensKind::Jacobian, "someone/lenses/sub/one.pt", "x").unwrap();
    assert_eq!(lenses::open(&one.path).unwrap().translator.points().count(), 1);
    let name = "spaces/AlignmentResearch/tuned-lens/lens/gpt2";
    assert!(lenses::open(&locate(&bench, LensKind::Tuned, name, "x").unwrap().path).is_ok());
    let at = locate(&bench, LensKind::Jacobian, "someone/lenses@some-branch", "x").unwrap();
    assert_eq!(at.path, top.path);
    assert!(server.asked().iter().any(|ask| ask.path.ends_with("/revision/some-branch")));
}

#[test]
fn what_is_nowhere_is_said_and_what_is_hostile_is_not_fetched() {
    let server = hub();
    let bench = Bench::new(&server);
    let error = locate(&bench, LensKind::Tuned, "no/such", "x").unwrap_err();
    assert_says_no_secret(&error);
    let message = error.to_string();
    assert!(
        message.contains("no tuned lens \"no/such\"")
            && message.contains("AlignmentResearch/tuned-lens has none"),
        "{message}"
    );
    assert!(locate(&bench, LensKind::Jacobian, "someone/hostile", "x").is_err());
    assert!(!server.asked().iter().any(|ask| ask.path.contains("evil")));
    let path = locate(&bench, LensKind::Tuned, "./no/such", "x").unwrap_err().to_string();
    assert!(path.contains("there is no file and no folder ./no/such"), "{path}");
}

#[test]
fn what_was_fetched_is_there_offline_and_without_a_hub() {
    let server = hub();
    let mut bench = Bench::new(&server);
    let fetched = locate(&bench, LensKind::Tuned, "gpt2", "x").unwrap();
    let asked = server.asked().len();
    bench.options.offline = true;
    assert_eq!(locate(&bench, LensKind::Tuned, "gpt2", "x").unwrap(), fetched);
    let error = locate(&bench, LensKind::Tuned, "owner/model", "x").unwrap_err().to_string();
    assert!(error.contains("offline mode is on"), "{error}");
    assert_eq!(server.asked().len(), asked);
    bench.options.offline = false;
    drop(server);
    let again = locate(&bench, LensKind::Tuned, "gpt2", "x").unwrap();
    assert_eq!(again.path, fetched.path);
    assert!(again.notes[0].contains("using the cached copy"), "{:?}", again.notes);
}

#[test]
fn a_path_that_exists_is_a_path() {
    let server = Server::start("127.0.0.1", |ask| panic!("asked {ask:?}"));
    let bench = Bench::new(&server);
    let folder = tempfile::tempdir().unwrap();
    let found = locate(&bench, LensKind::Tuned, folder.path().to_str().unwrap(), "x").unwrap();
    assert_eq!(found.path, folder.path());
}
