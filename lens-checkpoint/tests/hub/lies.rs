//! A hub that lies: a table of what it says, and what has to come of it.
//!
//! What other files of these tests have is not here: ranges, partial downloads, hashes and tokens (`download.rs`), refusals
//! and names that are paths (`refusal.rs`), what a cache holds (`cache.rs`).

use std::fs;
use std::path::Path;

use lens_checkpoint::Checkpoint;
use lens_checkpoint::source::{CheckpointFiles, SourceError};

use crate::raw::Raw;
use crate::server::{Ask, COMMIT, ID, Model, Reply, Server, ranged, sha256};
use crate::{Bench, read};

const WEIGHTS: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// More than any answer of the hub, or any file of unknown size, may be.
const ENDLESS: usize = (64 << 20) + (1 << 16);

/// What has to come of a lie.
#[derive(Clone, Copy)]
enum Then {
    /// The lie changes nothing: the files are the model's.
    Right,
    /// An error of this kind, which says this.
    Refused(&'static str, &'static str),
}
use Then::{Refused, Right};

type Answer = fn(&Model, &Ask) -> Reply;

/// A lie: what it is, how it answers, and what comes of it.
struct Lie(&'static str, Answer, Then);

fn is_api(ask: &Ask) -> bool {
    ask.path.starts_with("/api/")
}

/// The hub's own answer about a revision, of these files.
fn revision(names: &[&str]) -> Reply {
    let names: Vec<String> = names.iter().map(|name| format!("{{\"rfilename\":\"{name}\"}}")).collect();
    Reply::new(200).body(format!("{{\"sha\":\"{COMMIT}\",\"siblings\":[{}]}}", names.join(",")))
}

/// The answer about a revision replaced, and the rest as it should be.
fn api(model: &Model, ask: &Ask, reply: impl FnOnce() -> Reply) -> Reply {
    if is_api(ask) { reply() } else { model.answer(ask) }
}

/// Answers about the weights with a header replaced.
fn header(model: &Model, ask: &Ask, name: &str, value: &str) -> Reply {
    let mut reply = model.answer(ask);
    if ask.path.ends_with(WEIGHTS) {
        reply.headers.retain(|(other, _)| other != name);
        reply = reply.header(name, value);
    }
    reply
}

/// The content of the weights replaced.
fn content(model: &Model, ask: &Ask, reply: impl FnOnce() -> Reply) -> Reply {
    if ask.gets(WEIGHTS) { reply() } else { model.answer(ask) }
}

/// The content of config.json replaced, which has no hash.
fn config(model: &Model, ask: &Ask, reply: impl FnOnce() -> Reply) -> Reply {
    if ask.gets("config.json") { reply() } else { model.answer(ask) }
}

/// What the hub says of a revision.
const OF_REVISIONS: &[Lie] = &[
    Lie(
        "garbage",
        |m, a| api(m, a, || Reply::new(200).body(b"\x00\xff{{{".to_vec())),
        Refused("BadReply", ""),
    ),
    Lie(
        "brackets without end",
        |m, a| api(m, a, || Reply::new(200).body("[".repeat(200_000))),
        Refused("BadReply", ""),
    ),
    Lie(
        "objects without end",
        |m, a| api(m, a, || Reply::new(200).body("{\"sha\":".repeat(50_000))),
        Refused("BadReply", ""),
    ),
    Lie(
        "an answer without end",
        |m, a| api(m, a, || Reply::new(200).body(vec![b' '; ENDLESS])),
        Refused("BadReply", "endless"),
    ),
    Lie("an empty object", |m, a| api(m, a, || Reply::new(200).body("{}")), Refused("BadReply", "")),
    Lie("nothing", |m, a| api(m, a, || Reply::new(204)), Refused("BadReply", "")),
    Lie(
        "a commit that is a list",
        |m, a| api(m, a, || Reply::new(200).body("{\"sha\":[],\"siblings\":[]}")),
        Refused("BadReply", ""),
    ),
    Lie("no files", |m, a| api(m, a, || revision(&[])), Refused("No", "")),
    Lie(
        "names in other cases",
        |m, a| api(m, a, || revision(&["Config.json", "MODEL.SAFETENSORS"])),
        Refused("No", ""),
    ),
    Lie(
        "paths, control characters and names of devices among the names",
        |m, a| {
            let odd = [
                "../../config.json",
                "/etc/passwd",
                "a\\u0000b",
                "\\u001b[2J.json",
                "..",
                "",
                "C:\\\\x",
                "NUL",
            ];
            api(m, a, || revision(&[&odd[..], &["config.json", WEIGHTS]].concat()))
        },
        Right,
    ),
    Lie("every name three times", |m, a| api(m, a, || revision(&["config.json", WEIGHTS].repeat(3))), Right),
    Lie(
        "a hundred thousand files",
        |m, a| {
            let names: Vec<String> = (0..100_000).map(|n| format!("file-{n}.txt")).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            api(m, a, || revision(&[&names[..], &["config.json", WEIGHTS]].concat()))
        },
        Right,
    ),
    Lie(
        "an index that is not there",
        |m, a| api(m, a, || revision(&["config.json", INDEX])),
        Refused("UnknownFile", INDEX),
    ),
    Lie(
        "weights that are not there",
        |m, a| api(m, a, || revision(&["config.json", "pytorch_model.bin"])),
        Refused("UnknownFile", "pytorch_model.bin"),
    ),
    Lie("another type of content", |m, a| m.answer(a).header("Content-Type", "text/html"), Right),
    Lie("a redirect to nowhere", |_, _| Reply::new(302), Refused("Status", "302")),
    Lie(
        "a redirect to a file",
        |_, _| Reply::new(302).header("Location", "file:///etc/passwd"),
        Refused("BadReply", "not a web address"),
    ),
    Lie(
        "a redirect to data",
        |_, _| Reply::new(307).header("Location", "data:application/json,{}"),
        Refused("BadReply", "not a web address"),
    ),
    Lie(
        "a redirect to a folder above",
        |_, _| Reply::new(302).header("Location", "../../x"),
        Refused("BadReply", "cannot be parsed"),
    ),
    Lie(
        "a redirect that is longer each time",
        |_, a| Reply::new(302).header("Location", format!("{}/x", a.path)),
        Refused("BadReply", "circle"),
    ),
    Lie(
        "a time to wait of thirty years",
        |_, _| Reply::new(429).header("Retry-After", "999999999"),
        Refused("Status", "429"),
    ),
    Lie("a status that nobody knows", |_, _| Reply::new(799), Refused("Status", "799")),
    Lie("not modified", |_, _| Reply::new(304), Refused("Status", "304")),
];

/// What it says of files, before it sends them and when it does.
const OF_FILES: &[Lie] = &[
    Lie(
        "a size beyond numbers",
        |m, a| header(m, a, "X-Linked-Size", "99999999999999999999"),
        Refused("BadReply", "not a number"),
    ),
    Lie("a negative size", |m, a| header(m, a, "X-Linked-Size", "-5"), Refused("BadReply", "not a number")),
    Lie(
        "a size of exabytes",
        |m, a| header(m, a, "X-Linked-Size", "18446744073709551615"),
        Refused("ShortBody", WEIGHTS),
    ),
    Lie(
        "a size that is too small",
        |m, a| header(m, a, "X-Linked-Size", "10"),
        Refused("SizeMismatch", WEIGHTS),
    ),
    Lie("a size of nothing", |m, a| header(m, a, "X-Linked-Size", "0"), Refused("SizeMismatch", WEIGHTS)),
    Lie(
        "the hash of another file",
        |m, a| header(m, a, "X-Linked-Etag", &format!("\"{}\"", "ab".repeat(32))),
        Refused("HashMismatch", WEIGHTS),
    ),
    Lie(
        "an etag of ten thousand letters",
        |m, a| header(m, a, "X-Linked-Etag", &"a".repeat(10_000)),
        Refused("BadReply", "etag"),
    ),
    Lie(
        "a page in place of the weights, as long as they are",
        |m, a| {
            content(m, a, || {
                let mut page = b"<html>Please log in</html>".to_vec();
                page.resize(m.content(WEIGHTS).len(), b' ');
                Reply::new(200).body(page)
            })
        },
        Refused("HashMismatch", WEIGHTS),
    ),
    Lie(
        "a file of another version when it is sent",
        |m, a| content(m, a, || Reply::new(200).header("ETag", "\"other\"").body(vec![7; 50_024])),
        Refused("HashMismatch", WEIGHTS),
    ),
    Lie(
        "more than it said",
        |m, a| content(m, a, || Reply::new(200).body([m.content(WEIGHTS), &[0; 3_000_000]].concat())),
        Refused("SizeMismatch", WEIGHTS),
    ),
    Lie("nothing in place of weights", |m, a| content(m, a, || Reply::new(204)), Refused("BadReply", "204")),
    Lie("no such range, of the whole", |m, a| content(m, a, || Reply::new(416)), Refused("BadReply", "416")),
    Lie(
        "a refusal of what it offers",
        |m, a| content(m, a, || Reply::new(404)),
        Refused("UnknownFile", WEIGHTS),
    ),
    Lie("trouble of its own", |m, a| content(m, a, || Reply::new(503)), Refused("Status", "503")),
    Lie(
        "a packed file, with its hash",
        |m, a| content(m, a, || m.answer(a).header("Content-Encoding", "gzip")),
        // Whether the client would unpack it depends on what it is built with.
        Refused("BadReply|Unreachable", ""),
    ),
    Lie(
        "a bomb of gzip",
        |m, a| config(m, a, || Reply::new(200).header("Content-Encoding", "gzip").body(bomb())),
        Refused("BadReply|SizeMismatch", ""),
    ),
    Lie(
        "a bomb of gzip for a file without a length",
        |m, a| {
            let reply = config(m, a, || Reply::new(200).header("Content-Encoding", "gzip").body(bomb()));
            if a.path.ends_with("config.json") { reply.without_length() } else { reply }
        },
        Refused("BadReply", ""),
    ),
    Lie(
        "a file without a length and without an end",
        |m, a| {
            let mut reply = m.answer(a);
            if a.path.ends_with("config.json") {
                reply.body = if a.method == "GET" { vec![b' '; ENDLESS] } else { Vec::new() };
                reply = reply.without_length();
            }
            reply
        },
        Refused("BadReply", "on and on"),
    ),
    Lie(
        "a file without a length",
        |m, a| {
            let reply = m.answer(a);
            if a.path.ends_with("config.json") { reply.without_length() } else { reply }
        },
        Right,
    ),
    Lie(
        "headers of a megabyte",
        |m, a| m.answer(a).header("X-Filler", "x".repeat(1 << 20)),
        Refused("Unreachable", ""),
    ),
    Lie(
        "ten thousand headers",
        |m, a| {
            let mut reply = m.answer(a);
            reply.headers.extend((0..10_000).map(|n| (format!("X-{n}"), "y".to_owned())));
            reply
        },
        Refused("Unreachable", ""),
    ),
];

/// Half a megabyte that unpacks into more than [`ENDLESS`] zeros: a block of fixed codes, one zero and then "the last byte,
/// 258 times" over and over.
fn bomb() -> Vec<u8> {
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3];
    let (mut byte, mut filled) = (0u8, 0);
    // Codes are written from their first bit on, into bytes from their lowest bit on.
    let mut put = |code: u32, bits: u32| {
        for bit in (0..bits).rev() {
            byte |= (((code >> bit) & 1) as u8) << filled;
            filled += 1;
            if filled == 8 {
                packed.push(byte);
                (byte, filled) = (0, 0);
            }
        }
    };
    put(0b110, 3); // the last block, of fixed codes
    put(0x30, 8); // a zero
    for _ in 0..=ENDLESS / 258 {
        put(0xc5, 8); // 258 bytes
        put(0, 5); // from one byte before
    }
    packed
}

#[test]
fn lies_about_revisions() {
    for lie in OF_REVISIONS {
        tell(lie);
    }
}

#[test]
fn lies_about_files() {
    for lie in OF_FILES {
        tell(lie);
    }
}

/// Asks a hub that lies, and holds what came of it against the table and against what is always so.
fn tell(Lie(what, answer, then): &Lie) {
    let model = Model::single();
    let (served, answer) = (model.clone(), *answer);
    let server = Server::start("127.0.0.1", move |ask| answer(&served, ask));
    let bench = Bench::new(&server);
    let found = bench.locate();
    assert!(server.asked().len() < 30, "{what}: {} requests", server.asked().len());
    let known: Vec<&[u8]> = model.files.values().map(Vec::as_slice).collect();
    only_what_is_right(&bench, &known, what);
    came(what, found, *then, &model);
}

fn came(what: &str, found: Result<CheckpointFiles, SourceError>, then: Then, model: &Model) {
    match (found, then) {
        (Ok(files), Right) => {
            assert!(read(&files.weights[0]) == model.content(WEIGHTS), "{what}: other weights");
        }
        (Err(error), Refused(kind, says)) => {
            crate::assert_says_no_secret(&error);
            let is = format!("{error:?}");
            assert!(kind.split('|').any(|kind| is.starts_with(kind)), "{what}: {is}");
            assert!(error.to_string().contains(says), "{what}: {error}");
        }
        (Ok(_), Refused(kind, _)) => panic!("{what}: it was believed, and should have been {kind}"),
        (Err(error), Right) => panic!("{what}: {error:?}"),
    }
}

/// Whatever has its final name in the cache is one of these contents, and nothing lies elsewhere.
pub(crate) fn only_what_is_right(bench: &Bench, known: &[&[u8]], what: &str) {
    for entry in fs::read_dir(bench.dir.path()).unwrap() {
        assert_eq!(entry.unwrap().file_name(), "hub", "{what}");
    }
    for blob in bench.blobs().iter().filter(|name| !name.ends_with(".lens.incomplete")) {
        let content = read(&bench.blob(blob));
        assert!(known.contains(&content.as_slice()), "{what}: {blob} is no content of the model's");
    }
    let snapshot = bench.model_dir().join("snapshots").join(COMMIT);
    for entry in fs::read_dir(snapshot).into_iter().flatten() {
        let path = entry.unwrap().path();
        assert!(known.contains(&read(&path).as_slice()), "{what}: {}", path.display());
    }
}

#[test]
fn lies_in_an_index_of_shards() {
    let long = format!("{}.safetensors", "x".repeat(400));
    for (index, kind) in [
        ("", "BadIndex"),
        ("<html>", "BadIndex"),
        ("[1, 2]", "BadIndex"),
        (r#"{"weight_map": ["a.safetensors"]}"#, "BadIndex"),
        (r#"{"weight_map": {"a": {"b": "c"}}}"#, "BadIndex"),
        (r#"{"weight_map": {"a": null}}"#, "BadIndex"),
        (&"[".repeat(100_000), "BadIndex"),
        (r#"{"weight_map": {}}"#, "EmptyIndex"),
        (r#"{"weight_map": {"a": ""}}"#, "BadShardName"),
        (r#"{"weight_map": {"a": ".safetensors"}}"#, "BadShardName"),
        (r#"{"weight_map": {"a": "x\u0000.safetensors"}}"#, "BadShardName"),
        (r#"{"weight_map": {"a": "x\u001b[31m.safetensors"}}"#, "BadShardName"),
        (r#"{"weight_map": {"a": "x\u202e.safetensors"}}"#, "BadShardName"),
        (r#"{"weight_map": {"a": "x.safetensors\n"}}"#, "BadShardName"),
        (r#"{"weight_map": {"a": "C:x.safetensors"}}"#, "BadShardName"),
        (r#"{"weight_map": {"a": "%2e%2e%2fx.safetensors"}}"#, "BadShardName"),
        (r#"{"weight_map": {"a": "X.safetensors", "b": "x.safetensors"}}"#, "MissingShard"),
        (&format!(r#"{{"weight_map": {{"a": "{long}"}}}}"#), "MissingShard"),
    ] {
        let shard: &[u8] = b"x";
        let model = Model::of(&[("config.json", b"{}"), (INDEX, index.as_bytes()), ("x.safetensors", shard)]);
        let known: Vec<&[u8]> = model.files.values().map(Vec::as_slice).collect();
        let served = model.clone();
        let server = Server::start("127.0.0.1", move |ask| served.answer(ask));
        let bench = Bench::new(&server);
        let error = bench.fail();
        let what: String = index.chars().take(60).collect();
        assert!(format!("{error:?}").starts_with(kind), "{what}: {error:?}");
        only_what_is_right(&bench, &known, &what);
    }
}

/// What arrives whole, with the hash that the hub says, and is no checkpoint: found where it is opened.
#[test]
fn files_that_are_not_what_their_names_say() {
    let pointer =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 5\n", "0".repeat(64));
    for (weights, says) in [
        (pointer.as_bytes(), "git-lfs pointer"),
        (b"<!DOCTYPE html><html>Please log in</html>", ""),
        (b"", ""),
        (b"\x1f\x8b\x08", ""),
        (b"PK\x03\x04", ""),
    ] {
        let llama =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/checkpoints/llama2/config.json");
        let model = Model::of(&[("config.json", &read(&llama)), (WEIGHTS, weights)]);
        let server = Server::start("127.0.0.1", move |ask| model.answer(ask));
        let bench = Bench::new(&server);
        let said = match bench.locate() {
            Err(error) => error.to_string(),
            Ok(files) => Checkpoint::open(&files).unwrap_err().to_string(),
        };
        assert!(said.contains(WEIGHTS) && said.contains(says), "{said}");
    }
}

#[test]
fn what_is_no_http_is_an_error_soon() {
    let body = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (what, says) in [
        ("silence", String::new()),
        ("another protocol", "SSH-2.0-OpenSSH_9.6\r\n".to_owned()),
        ("no version", "200 OK\r\n\r\n".to_owned()),
        ("a status of words", "HTTP/1.1 fine x\r\n\r\n".to_owned()),
        ("a status of ten digits", "HTTP/1.1 2000000000 x\r\n\r\n".to_owned()),
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\n{}".to_owned()),
        ("a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}".to_owned()),
        ("a chunk of exabytes", format!("{body}ffffffffffffffff\r\n{{}}")),
        ("a chunk that is no number", format!("{body}zz\r\n{{}}\r\n")),
        ("chunks without an end", format!("{body}2\r\n{{}}\r\n")),
        ("a header with a zero byte", "HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 2\r\n\r\n{}".to_owned()),
        ("headers that are cut off", "HTTP/1.1 200 OK\r\nContent-Le".to_owned()),
        ("hints without an end", "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(10_000)),
    ] {
        let raw = Raw::start(says);
        let server = Server::start("127.0.0.1", |_| Reply::new(500));
        let mut bench = Bench::new(&server);
        bench.options.endpoint = raw.url.clone();
        bench.options.timeout = std::time::Duration::from_secs(20);
        let error = bench.fail();
        let kind = format!("{error:?}");
        assert!(kind.starts_with("BadReply") || kind.starts_with("Unreachable"), "{what}: {kind}");
        assert!((1..4).contains(&raw.served()), "{what}: asked {} times", raw.served());
        only_what_is_right(&bench, &[], what);
    }
}

/// A file that breaks off, and whose second half is of another version: it is fetched anew, and never joined.
#[test]
fn a_file_that_changes_while_it_is_resumed_is_not_joined() {
    let (old, new) = (Model::single(), {
        let mut new = Model::single();
        let weights = new.files.get_mut(WEIGHTS).unwrap();
        weights.iter_mut().skip(24).for_each(|byte| *byte = !*byte);
        new
    });
    let served = (old.clone(), new.clone());
    let server = Server::start("127.0.0.1", move |ask| match (ask.gets(WEIGHTS), ask.header("range")) {
        // The first half of the old file; then the rest of the new one.
        (true, None) => served.0.answer(ask).cut(20_000),
        (true, Some(_)) => ranged(ask, served.1.content(WEIGHTS)),
        _ => served.0.answer(ask),
    });
    let mut bench = Bench::new(&server);
    bench.options.retries = 1;
    assert!(matches!(bench.fail(), SourceError::HashMismatch { .. }), "joined");
    assert!(!bench.blob(&sha256(old.content(WEIGHTS))).exists());
    assert!(!bench.blob(&sha256(new.content(WEIGHTS))).exists());
    let known = [old.content("config.json")];
    only_what_is_right(&bench, &known, "a file that changed");
    assert_eq!(server.asked().iter().filter(|ask| ask.path.contains(ID) && ask.gets(WEIGHTS)).count(), 2);
}
