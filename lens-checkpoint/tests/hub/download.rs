//! Downloads that go well, and downloads that go wrong.

use lens_checkpoint::source::{Event, Silent, SourceError, headers, locate};

use crate::server::{Ask, COMMIT, ID, Model, Reply, Server, ranged, sha256, shard};
use crate::{Bench, listen, read};

const WEIGHTS: &str = "model.safetensors";
const SECOND: &str = "model-00002-of-00002.safetensors";

/// A single-file model whose weights are answered by `odd`.
fn model_with(odd: impl Fn(&Model, &Ask) -> Reply + Send + 'static) -> (Model, Server) {
    let model = Model::single();
    let served = model.clone();
    let server =
        Server::start(
            "127.0.0.1",
            move |ask| {
                if ask.gets(WEIGHTS) { odd(&served, ask) } else { served.answer(ask) }
            },
        );
    (model, server)
}

/// Leaves the first `bytes` of the weights as a broken download would.
fn leave_part(bench: &Bench, model: &Model, bytes: &[u8]) {
    let name = format!("{}.lens.incomplete", sha256(model.content(WEIGHTS)));
    std::fs::create_dir_all(bench.model_dir().join("blobs")).unwrap();
    std::fs::write(bench.blob(&name), bytes).unwrap();
}

#[test]
fn pickled_weights_are_fetched_where_there_are_no_others() {
    const PICKLE: &str = "pytorch_model.bin";
    let both: [(&str, &[u8]); 3] = [("config.json", b"{}"), (PICKLE, b"pickle"), (WEIGHTS, b"weights")];
    for (files, expected) in [(&both[..2], PICKLE), (&both[..], WEIGHTS)] {
        let model = Model::of(files);
        let server = Server::start("127.0.0.1", move |ask| model.answer(ask));
        let bench = Bench::new(&server);
        let found = locate(ID, &bench.options, &mut Silent).unwrap();
        assert!(found.weights.len() == 1 && found.weights[0].ends_with(expected), "{:?}", found.weights);
    }
    let index = br#"{"weight_map":{"a":"pytorch_model-1.bin"}}"#;
    let model = Model::of(&[
        ("config.json", b"{}"),
        ("pytorch_model.bin.index.json", index),
        ("pytorch_model-1.bin", b"pickle"),
    ]);
    let server = Server::start("127.0.0.1", move |ask| model.answer(ask));
    let bench = Bench::new(&server);
    let found = locate(ID, &bench.options, &mut Silent).unwrap();
    assert!(found.weights[0].ends_with("pytorch_model-1.bin") && found.index.is_some());
    // Their tensors are not told at the beginning: the outline needs all of it.
    let headers = headers(ID, &bench.options, &mut Silent).unwrap();
    assert_eq!(read(headers.shards[0].whole.as_ref().unwrap()), b"pickle");
}

#[test]
fn an_outline_that_needs_whole_pickles_says_so_before_it_fetches_them() {
    let model = Model::of(&[("config.json", b"{}"), ("pytorch_model.bin", b"pickle")]);
    let server = Server::start("127.0.0.1", move |ask| model.answer(ask));
    let bench = Bench::new(&server);
    let told = || {
        let mut told = Vec::new();
        headers(ID, &bench.options, &mut |event: Event<'_>| match event {
            Event::Note(text) => told.push(text.to_owned()),
            Event::Start { file: "pytorch_model.bin", .. } => told.push("fetched".to_owned()),
            _ => {}
        })
        .unwrap();
        told
    };
    let first = told();
    assert!(
        first[0].contains("pytorch_model.bin is a pickle") && first[0].contains("all of it"),
        "{first:?}"
    );
    assert_eq!(first[1..], ["fetched"]);
    // It is here now.
    assert_eq!(told(), [""; 0]);
}

#[test]
fn a_sharded_model_arrives_whole_in_the_layout_of_the_hubs_tools() {
    let model = Model::sharded();
    let served = model.clone();
    let server = Server::start("127.0.0.1", move |ask| served.answer(ask));
    let bench = Bench::new(&server);
    let mut events = Vec::new();
    let files = locate(ID, &bench.options, &mut listen(&mut events)).unwrap();

    assert_eq!(files.id, ID);
    assert_eq!(files.revision.as_deref(), Some(COMMIT));
    assert_eq!(files.root, bench.model_dir().join("snapshots").join(COMMIT));
    assert_eq!(read(&files.config), model.content("config.json"));
    assert_eq!(read(files.tokenizer.as_ref().unwrap()), model.content("tokenizer.json"));
    assert!(files.tokenizer_config.is_some() && files.generation_config.is_none());
    let names: Vec<_> =
        files.weights.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["model-00001-of-00002.safetensors", SECOND]);
    for (path, name) in files.weights.iter().zip(names) {
        assert_eq!(read(path), model.content(name));
    }

    let second = sha256(model.content(SECOND));
    #[cfg(unix)]
    assert_eq!(
        std::fs::read_link(&files.weights[1]).unwrap().to_str().unwrap(),
        format!("../../blobs/{second}")
    );
    assert_eq!(read(&bench.blob(&second)), model.content(SECOND));
    assert_eq!(read(&bench.model_dir().join("refs/main")), COMMIT.as_bytes());
    for absent in ["chat_template.jinja", "chat_template.json", "generation_config.json"] {
        assert!(bench.model_dir().join(".no_exist").join(COMMIT).join(absent).exists());
    }
    assert!(bench.blobs().iter().all(|name| !name.contains("incomplete")));
    assert!(server.gets("README.md").is_empty());
    assert!(events.iter().any(|event| event.starts_with("Start") && event.contains(SECOND)));
    assert!(events.iter().any(|event| event.starts_with("Finish") && event.contains(SECOND)));
    assert!(server.asked().iter().all(|ask| ask.header("authorization").is_some()));

    // The second time, the branch is asked for and nothing is fetched.
    let before = server.asked().len();
    assert_eq!(bench.locate().unwrap(), files);
    assert_eq!(server.asked().len(), before + 1);
}

#[test]
fn a_short_body_is_an_error_and_the_next_call_goes_on_from_there() {
    let (model, server) = model_with(|model, ask| match ask.header("range") {
        None => model.answer(ask).cut(20_000),
        Some(_) => model.answer(ask),
    });
    let bench = Bench::new(&server);
    let error = bench.fail();
    assert!(matches!(error, SourceError::ShortBody { received: 20_000, resumable: true, .. }), "{error:?}");
    assert!(!bench.blob(&sha256(model.content(WEIGHTS))).exists());
    assert!(!bench.model_dir().join("refs/main").exists());

    let files = bench.locate().unwrap();
    assert_eq!(read(&files.weights[0]), model.content(WEIGHTS));
    assert_eq!(server.gets(WEIGHTS)[1].header("range"), Some("bytes=20000-"));
    assert_eq!(bench.blobs().len(), 2);
}

#[test]
fn a_short_body_is_resumed_by_the_same_call_when_it_may_retry() {
    let (model, server) = model_with(|model, ask| {
        let reply = model.answer(ask);
        let cut = reply.body.len().min(20_000);
        reply.cut(cut)
    });
    let mut bench = Bench::new(&server);
    bench.options.retries = 5;
    let mut events = Vec::new();
    let files = locate(ID, &bench.options, &mut listen(&mut events)).unwrap();
    assert_eq!(read(&files.weights[0]), model.content(WEIGHTS));
    assert_eq!(server.gets(WEIGHTS).len(), 3);
    assert_eq!(events.iter().filter(|event| event.contains("trying again")).count(), 2);
}

#[test]
fn a_file_without_a_hash_starts_anew_and_leaves_nothing_behind() {
    let model = Model::single();
    let served = model.clone();
    let server = Server::start("127.0.0.1", move |ask| {
        let reply = served.answer(ask);
        if ask.gets("config.json") { reply.cut(1) } else { reply }
    });
    let bench = Bench::new(&server);
    let error = bench.fail();
    assert!(matches!(error, SourceError::ShortBody { resumable: false, .. }), "{error:?}");
    assert_eq!(bench.blobs(), Vec::<String>::new());
}

#[test]
fn a_server_that_ignores_the_range_gives_a_right_file() {
    let (model, server) = model_with(|model, _| {
        let whole = Reply::new(200).body(model.content(WEIGHTS));
        whole.header("Content-Range", "bytes 7000-50023/50024")
    });
    let bench = Bench::new(&server);
    leave_part(&bench, &model, &model.content(WEIGHTS)[..7000]);
    let files = bench.locate().unwrap();
    assert_eq!(server.gets(WEIGHTS).len(), 1);
    assert_eq!(server.gets(WEIGHTS)[0].header("range"), Some("bytes=7000-"));
    assert_eq!(read(&files.weights[0]), model.content(WEIGHTS));
}

#[test]
fn a_wrong_content_range_is_not_appended() {
    let wrong = ["bytes 0-50023/50024", "bytes 7001-50023/50024", "bytes 7000-50023/99999", "nonsense"];
    for range in wrong {
        let (model, server) = model_with(move |model, ask| match ask.header("range") {
            Some(_) => Reply::new(206).header("Content-Range", range).body(&model.content(WEIGHTS)[7000..]),
            None => model.answer(ask),
        });
        let bench = Bench::new(&server);
        leave_part(&bench, &model, &model.content(WEIGHTS)[..7000]);
        let files = bench.locate().unwrap();
        assert_eq!(read(&files.weights[0]), model.content(WEIGHTS), "{range}");
        assert_eq!(server.gets(WEIGHTS).len(), 2, "{range}");
    }
}

#[test]
fn a_range_that_cannot_be_satisfied_starts_anew() {
    let (model, server) = model_with(|model, ask| match ask.header("range") {
        Some(_) => Reply::new(416),
        None => model.answer(ask),
    });
    let bench = Bench::new(&server);
    leave_part(&bench, &model, &model.content(WEIGHTS)[..7000]);
    assert_eq!(read(&bench.locate().unwrap().weights[0]), model.content(WEIGHTS));
}

#[test]
fn a_partial_answer_to_a_whole_request_is_an_error() {
    let (_, server) = model_with(|model, _| {
        let body = &model.content(WEIGHTS)[10..];
        Reply::new(206).header("Content-Range", format!("bytes 10-50023/{}", 50024)).body(body)
    });
    let bench = Bench::new(&server);
    assert!(matches!(bench.fail(), SourceError::BadReply { .. }));
    assert_eq!(bench.blobs().len(), 1);
}

#[test]
fn a_damaged_partial_download_is_thrown_away_and_fetched_anew() {
    let longer = [0; 99_999];
    for left in [&longer[..7000], &longer[..50_024], &longer[..]] {
        let (model, server) = model_with(Model::answer);
        let bench = Bench::new(&server);
        leave_part(&bench, &model, left);
        assert_eq!(read(&bench.locate().unwrap().weights[0]), model.content(WEIGHTS), "{}", left.len());
    }
}

#[test]
fn a_whole_partial_download_needs_no_request() {
    let (model, server) = model_with(|_, _| Reply::new(500));
    let bench = Bench::new(&server);
    leave_part(&bench, &model, model.content(WEIGHTS));
    assert_eq!(read(&bench.locate().unwrap().weights[0]), model.content(WEIGHTS));
}

#[test]
fn a_wrong_hash_is_an_error_and_leaves_no_blob() {
    let (model, server) = model_with(|model, ask| {
        let mut wrong = model.content(WEIGHTS).to_vec();
        wrong[40_000] ^= 1;
        ranged(ask, &wrong)
    });
    let bench = Bench::new(&server);
    let error = bench.fail();
    let expected = sha256(model.content(WEIGHTS));
    assert!(matches!(&error, SourceError::HashMismatch { expected: e, .. } if *e == expected), "{error:?}");
    assert_eq!(bench.blobs().len(), 1, "only the config: {:?}", bench.blobs());
    assert!(!bench.model_dir().join("snapshots").join(COMMIT).join(WEIGHTS).exists());
}

#[test]
fn a_wrong_size_is_an_error_and_leaves_no_blob() {
    let (_, server) = model_with(|model, _| {
        let mut longer = model.content(WEIGHTS).to_vec();
        longer.extend([0; 10]);
        Reply::new(200).body(longer)
    });
    let bench = Bench::new(&server);
    let error = bench.fail();
    assert!(matches!(error, SourceError::SizeMismatch { expected: 50_024, .. }), "{error:?}");
    assert_eq!(bench.blobs().len(), 1);

    let (_, server) = model_with(|model, _| Reply::new(200).body(&model.content(WEIGHTS)[..100]));
    let bench = Bench::new(&server);
    assert!(matches!(bench.fail(), SourceError::ShortBody { received: 100, expected: 50_024, .. }));
}

#[test]
fn a_truncated_blob_in_the_cache_is_fetched_anew() {
    let (model, server) = model_with(Model::answer);
    let bench = Bench::new(&server);
    let name = sha256(model.content(WEIGHTS));
    std::fs::create_dir_all(bench.model_dir().join("blobs")).unwrap();
    std::fs::write(bench.blob(&name), &model.content(WEIGHTS)[..100]).unwrap();
    assert_eq!(read(&bench.locate().unwrap().weights[0]), model.content(WEIGHTS));
}

#[test]
fn a_redirect_to_another_host_is_followed_without_the_token() {
    for host in ["127.0.0.1", "localhost"] {
        let model = Model::single();
        let content = model.content(WEIGHTS).to_vec();
        let store = Server::start(host, move |ask| ranged(ask, &content));
        let target = format!("{}/blob?X-Signature=SENTINEL", store.url);
        let served = model.clone();
        let server = Server::start("127.0.0.1", move |ask| {
            let mut reply = served.answer(ask);
            if ask.path.ends_with(WEIGHTS) {
                reply.status = 302;
                reply.headers.push(("Location".into(), target.clone()));
                reply.body.clear();
                // What the redirect says about itself is not about the file.
                reply.headers.push(("ETag".into(), "\"other\"".into()));
            }
            reply
        });
        let bench = Bench::new(&server);
        let files = bench.locate().unwrap();
        assert_eq!(read(&files.weights[0]), model.content(WEIGHTS));
        assert_eq!(store.asked().len(), 1, "the question about the file stays at the hub");
        assert!(store.asked().iter().all(|ask| ask.header("authorization").is_none()));
        let bearer = format!("Bearer {}", crate::SENTINEL);
        assert!(server.asked().iter().all(|ask| ask.header("authorization") == Some(&bearer)));
    }
}

#[test]
fn a_refusal_by_another_host_is_told_without_its_signature() {
    let store = Server::start("localhost", |_| Reply::new(403));
    let target = format!("{}/blob?X-Signature=SENTINEL", store.url);
    let (_, server) = model_with(move |_, _| Reply::new(302).header("Location", &target));
    let error = Bench::new(&server).fail();
    assert!(matches!(error, SourceError::Status { status: 403, .. }), "{error:?}");
}

#[test]
fn redirects_within_the_hub_keep_the_token() {
    let model = Model::single();
    let served = model.clone();
    let server = Server::start("127.0.0.1", move |ask| match ask.path.strip_prefix("/moved") {
        Some(path) => served.answer(&Ask { path: path.to_owned(), ..ask.clone() }),
        None => Reply::new(307).header("Location", format!("/moved{}", ask.path)),
    });
    let bench = Bench::new(&server);
    assert_eq!(read(&bench.locate().unwrap().weights[0]), model.content(WEIGHTS));
    assert!(server.asked().iter().all(|ask| ask.header("authorization").is_some()));
}

#[test]
fn a_circle_of_redirects_ends() {
    let server = Server::start("127.0.0.1", |ask| Reply::new(302).header("Location", &ask.path));
    assert!(matches!(Bench::new(&server).fail(), SourceError::BadReply { .. }));
    assert!(server.asked().len() < 20);
}

#[test]
fn headers_come_without_the_weights() {
    let model = Model::sharded();
    let served = model.clone();
    let server = Server::start("127.0.0.1", move |ask| served.answer(ask));
    let bench = Bench::new(&server);
    let found = headers(ID, &bench.options, &mut Silent).unwrap();
    assert_eq!(read(&found.config), model.content("config.json"));
    assert_eq!(found.shards.len(), 2);
    for shard in &found.shards {
        let content = model.content(&shard.file);
        assert_eq!(shard.file_size, content.len() as u64);
        assert_eq!(shard.bytes, &content[..24]);
    }
    assert!(server.gets(SECOND).iter().all(|ask| ask.header("range").is_some()));
    assert!(server.gets("tokenizer.json").is_empty());
    assert!(!bench.blobs().contains(&sha256(model.content(SECOND))));
    assert!(!bench.model_dir().join("refs/main").exists(), "no branch points to a partial copy");

    // From a whole copy, the same without the network.
    bench.locate().unwrap();
    let mut options = bench.options.clone();
    options.offline = true;
    let local = headers(ID, &options, &mut Silent).unwrap();
    assert_eq!(local.shards, found.shards);
}

#[test]
fn a_long_header_comes_in_two_pieces_even_where_ranges_are_ignored() {
    for ignore in [false, true] {
        let length = 300_000u64;
        let mut weights = length.to_le_bytes().to_vec();
        weights.extend(shard(400_000));
        let model = Model::of(&[("config.json", b"{}"), (WEIGHTS, &weights)]);
        let served = model.clone();
        let server = Server::start("127.0.0.1", move |ask| match ask.gets(WEIGHTS) && ignore {
            true => Reply::new(200).body(served.content(WEIGHTS)),
            false => served.answer(ask),
        });
        let found = headers(ID, &Bench::new(&server).options, &mut Silent).unwrap();
        assert_eq!(found.shards[0].bytes, &weights[..300_008]);
    }
}

#[test]
fn an_absurd_header_length_is_an_error() {
    for length in [u64::MAX, 1 << 40, 200_000_000, 100] {
        let mut weights = length.to_le_bytes().to_vec();
        weights.extend([b' '; 50]);
        let model = Model::of(&[("config.json", b"{}"), (WEIGHTS, &weights)]);
        let server = Server::start("127.0.0.1", move |ask| model.answer(ask));
        let error = headers(ID, &Bench::new(&server).options, &mut Silent).unwrap_err();
        assert!(matches!(error, SourceError::BadHeaderLength { length: l, .. } if l == length), "{error:?}");
    }
}
