//! What the hub refuses, and what is refused of a hub.

use std::io::Write;

use lens_checkpoint::source::SourceError;

use crate::Bench;
use crate::drip::Drip;
use crate::server::{ID, Model, Reply, Server};

/// A hub that answers every request the same way.
fn always(reply: Reply) -> Server {
    Server::start("127.0.0.1", move |_| reply.clone())
}

fn error_of(reply: Reply) -> SourceError {
    Bench::new(&always(reply)).fail()
}

#[test]
fn a_gated_model_says_where_to_accept_the_licence() {
    let server = always(Reply::new(401).header("X-Error-Code", "GatedRepo"));
    let mut bench = Bench::new(&server);
    bench.options.token = None;
    let error = bench.fail();
    assert!(matches!(error, SourceError::Gated { token_sent: false, .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains(&format!("{}/{ID}", server.url)) && message.contains("HF_TOKEN"), "{message}");

    let error = error_of(Reply::new(403).header("X-Error-Code", "GatedRepo"));
    assert!(matches!(error, SourceError::Gated { token_sent: true, .. }), "{error:?}");
    assert!(error.to_string().contains("accept its licence"), "{error}");
}

#[test]
fn a_gated_file_of_a_visible_model_says_so_too() {
    let model = Model::single();
    let server = Server::start("127.0.0.1", move |ask| match ask.path.starts_with("/api/") {
        true => model.answer(ask),
        false => Reply::new(403).header("X-Error-Code", "GatedRepo"),
    });
    assert!(matches!(Bench::new(&server).fail(), SourceError::Gated { .. }));
}

#[test]
fn a_401_depends_on_whether_a_token_was_sent() {
    let invalid = Reply::new(401).header("X-Error-Message", "Invalid credentials in Authorization header");
    assert!(matches!(error_of(invalid), SourceError::TokenRejected { .. }));

    let server = always(Reply::new(401).header("X-Error-Code", "RepoNotFound"));
    let mut bench = Bench::new(&server);
    assert!(matches!(bench.fail(), SourceError::UnknownModel { .. }));
    bench.options.token = None;
    let error = bench.fail();
    assert!(matches!(error, SourceError::Unauthorized { .. }), "{error:?}");
    assert!(error.to_string().contains("HF_TOKEN"), "{error}");
}

#[test]
fn a_403_names_the_page() {
    let error = error_of(Reply::new(403));
    assert!(matches!(&error, SourceError::Forbidden { page, .. } if page.ends_with(ID)), "{error:?}");
}

#[test]
fn a_404_tells_the_model_the_revision_and_the_file_apart() {
    assert!(matches!(
        error_of(Reply::new(404).header("X-Error-Code", "RepoNotFound")),
        SourceError::UnknownModel { .. }
    ));
    assert!(matches!(error_of(Reply::new(404)), SourceError::UnknownModel { .. }));

    let server = always(Reply::new(404).header("X-Error-Code", "RevisionNotFound"));
    let mut bench = Bench::new(&server);
    bench.options.revision = Some("v9/x#y".into());
    let error = bench.fail();
    assert!(matches!(&error, SourceError::UnknownRevision { revision, .. } if revision == "v9/x#y"));
    assert!(server.asked()[0].path.ends_with("/revision/v9%2Fx%23y"), "{:?}", server.asked());

    let model = Model::single();
    let server = Server::start("127.0.0.1", move |ask| match ask.path.ends_with("model.safetensors") {
        true => Reply::new(404).header("X-Error-Code", "EntryNotFound"),
        false => model.answer(ask),
    });
    let error = Bench::new(&server).fail();
    assert!(matches!(&error, SourceError::UnknownFile { file, .. } if file == "model.safetensors"));
}

#[test]
fn servers_in_trouble_are_asked_again_and_then_named() {
    for status in [429, 500, 503] {
        let server = always(Reply::new(status));
        let mut bench = Bench::new(&server);
        bench.options.retries = 2;
        assert!(matches!(bench.fail(), SourceError::Status { status: s, .. } if s == status));
        assert_eq!(server.asked().len(), 3);
    }
}

#[test]
fn no_server_at_all_is_unreachable() {
    let url = always(Reply::new(200)).url.clone();
    let mut bench = Bench::new(&always(Reply::new(200)));
    bench.options.endpoint = url;
    let error = bench.fail();
    assert!(matches!(error, SourceError::Unreachable { .. }), "{error:?}");
    assert!(std::error::Error::source(&error).is_some());
}

#[test]
fn a_hostile_etag_is_no_path() {
    for etag in ["../../../../evil", "a/b", "/tmp/evil", "..", ".lock", "a\\b", "", "\"\""] {
        let model = Model::single();
        let server = Server::start("127.0.0.1", move |ask| {
            let mut reply = model.answer(ask);
            if ask.path.contains("/resolve/") {
                reply.headers.retain(|(name, _)| name != "ETag" && name != "X-Linked-Etag");
                reply = reply.header("ETag", format!("\"{etag}\""));
            }
            reply
        });
        let bench = Bench::new(&server);
        let error = bench.fail();
        assert!(matches!(error, SourceError::BadReply { .. }), "{etag:?}: {error:?}");
        let made: Vec<_> = std::fs::read_dir(bench.dir.path()).unwrap().collect();
        assert_eq!(made.len(), 0, "{made:?}");
    }
}

#[test]
fn a_hostile_commit_is_no_path() {
    for commit in ["../../evil", "main", "", "0123456789ABCDEF0123456789abcdef01234567"] {
        let mut model = Model::single();
        model.commit = commit.into();
        let server = Server::start("127.0.0.1", move |ask| model.answer(ask));
        let bench = Bench::new(&server);
        assert!(matches!(bench.fail(), SourceError::BadReply { .. }), "{commit:?}");
        assert!(!bench.model_dir().exists());
    }
}

#[test]
fn a_hostile_shard_name_is_refused_before_it_is_fetched() {
    for shard in
        ["../../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "x.bin", "..\\\\x.safetensors"]
    {
        let index = format!(r#"{{"weight_map":{{"wte":"{shard}"}}}}"#);
        let files: [(&str, &[u8]); 3] =
            [("config.json", b"{}"), ("model.safetensors.index.json", index.as_bytes()), ("x.bin", b"x")];
        let model = Model::of(&files);
        let server = Server::start("127.0.0.1", move |ask| model.answer(ask));
        let error = Bench::new(&server).fail();
        assert!(matches!(&error, SourceError::BadShardName { tensor, .. } if tensor == "wte"), "{error:?}");
        assert!(error.to_string().contains("model.safetensors.index.json"), "{error}");
        assert!(server.asked().iter().all(|ask| !ask.path.contains("/x.")), "{:?}", server.asked());
    }
}

#[test]
fn files_of_other_kinds_are_named_with_what_to_do() {
    let fail = |files: &[(&str, &[u8])]| {
        let model = Model::of(files);
        Bench::new(&Server::start("127.0.0.1", move |ask| model.answer(ask))).fail()
    };
    let error = fail(&[("config.json", b"{}"), ("consolidated.00.pth", b"x")]);
    assert!(matches!(error, SourceError::OnlyPickle { .. }), "{error:?}");
    assert!(error.to_string().contains("save_pretrained"), "{error}");
    assert!(matches!(fail(&[("config.json", b"{}")]), SourceError::NoWeights { .. }));
    let error = fail(&[("model.safetensors", b"x"), ("adapter_config.json", b"{}")]);
    assert!(matches!(error, SourceError::NoConfig { .. }) && error.to_string().contains("adapter"));
    let index: &[u8] = br#"{"weight_map":{"a":"gone.safetensors"}}"#;
    let error = fail(&[("config.json", b"{}"), ("model.safetensors.index.json", index)]);
    assert!(matches!(&error, SourceError::MissingShard { shard, .. } if shard == "gone.safetensors"));
}

#[test]
fn a_page_in_place_of_the_hub_is_a_bad_reply() {
    let error = error_of(Reply::new(200).body("<html>Please log in to the network</html>"));
    assert!(matches!(error, SourceError::BadReply { .. }), "{error:?}");
}

#[test]
fn a_token_that_no_header_can_carry_is_not_shown() {
    let server = always(Reply::new(500));
    let mut bench = Bench::new(&server);
    let file = bench.dir.path().join("token");
    std::fs::File::create(&file).unwrap().write_all("hf_SENTINEL é".as_bytes()).unwrap();
    bench.options.token = None;
    bench.options.token_file = Some(file);
    assert!(matches!(bench.fail(), SourceError::BadToken { .. }));
    assert!(server.asked().is_empty());
}

#[test]
fn an_address_that_is_none_is_an_error() {
    for endpoint in ["huggingface.co", "ftp://x", "", "http://", "https://user@host", "https://h/?q"] {
        let mut bench = Bench::new(&always(Reply::new(200)));
        bench.options.endpoint = endpoint.into();
        assert!(matches!(bench.fail(), SourceError::BadEndpoint { .. }), "{endpoint:?}");
    }
}

#[test]
fn what_may_be_secret_in_an_address_is_never_shown() {
    for endpoint in [
        "http://user:SENTINEL@127.0.0.1:9",
        "http://SENTINEL@127.0.0.1:9",
        "http://user:SEN@SENTINEL@127.0.0.1:9",
        "http://user:SEN/SENTINEL@127.0.0.1:9",
        "http://user:a?SENTINEL@127.0.0.1:9",
        "http://127.0.0.1:9?token=SENTINEL",
        "http://127.0.0.1:9/#SENTINEL",
        "http://127.0.0.1:9/a b?SENTINEL",
        "user:SENTINEL@127.0.0.1",
        "ftp://user:SENTINEL@host",
    ] {
        let mut bench = Bench::new(&always(Reply::new(200)));
        bench.options.endpoint = endpoint.into();
        let error = bench.fail(); // looks for the secret
        assert!(matches!(error, SourceError::BadEndpoint { .. }), "{endpoint:?}: {error:?}");
    }
}

#[test]
fn a_server_that_drips_meets_a_deadline() {
    // In the headers, in a body, and in the sizes of its chunks.
    for start in [
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;",
    ] {
        let server = Drip::start(start);
        let mut bench = Bench::new(&always(Reply::new(200)));
        bench.options.endpoint = server.url.clone();
        bench.options.timeout = std::time::Duration::from_millis(100);
        bench.options.retries = 4;
        let began = std::time::Instant::now();
        let error = bench.fail();
        assert!(matches!(error, SourceError::TooSlow { .. }), "{start:?}: {error:?}");
        // Not the 25,000 seconds that a megabyte would take; a loaded machine may be slow, too.
        assert!(began.elapsed().as_secs() < 30, "{:?}", began.elapsed());
    }
}
