//! A hub of the test's own, on loopback: enough of HTTP/1.1 to answer well, and to answer badly on purpose.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use sha2::{Digest as _, Sha256};

pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const ID: &str = "owner/model";

/// What a client asked.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
}

impl Ask {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Whether this fetches the content of a file.
    pub(crate) fn gets(&self, file: &str) -> bool {
        self.method == "GET" && self.path.ends_with(&format!("/{file}"))
    }
}

/// What the server says.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Close the connection after so many bytes of the body.
    pub(crate) cut: Option<usize>,
    /// Say nothing of the length: the body ends where the connection does.
    pub(crate) unsized_body: bool,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), cut: None, unsized_body: false }
    }

    pub(crate) fn header(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    pub(crate) fn without_length(mut self) -> Self {
        self.unsized_body = true;
        self
    }

    pub(crate) fn cut(mut self, at: usize) -> Self {
        self.cut = Some(at);
        self
    }
}

/// A running server. It stops when it is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Ask>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves on the given name of this machine.
    pub(crate) fn start(host: &str, answer: impl Fn(&Ask) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let url = format!("http://{host}:{}", listener.local_addr().unwrap().port());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let (log, stopped) = (Arc::clone(&asked), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                // A client may go away in the middle of an answer.
                let _ = serve(stream.unwrap(), &log, &answer);
            }
        });
        Self { url, asked, stop, thread: Some(thread) }
    }

    pub(crate) fn asked(&self) -> Vec<Ask> {
        self.asked.lock().unwrap().clone()
    }

    /// How many times the content of a file was asked for.
    pub(crate) fn gets(&self, file: &str) -> Vec<Ask> {
        self.asked().into_iter().filter(|ask| ask.gets(file)).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let address = self.url.trim_start_matches("http://").to_owned();
        let _ = TcpStream::connect(address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(stream: TcpStream, log: &Mutex<Vec<Ask>>, answer: &impl Fn(&Ask) -> Reply) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let Some(first) = lines.next() else { return Ok(()) };
    let first = first?;
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let mut ask = Ask { method: method.into(), path: path.into(), headers: BTreeMap::new() };
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        ask.headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let reply = answer(&ask);
    log.lock().unwrap().push(ask.clone());
    let mut out = stream;
    write!(out, "HTTP/1.1 {} x\r\nConnection: close\r\n", reply.status)?;
    if !reply.unsized_body
        && !reply.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-length"))
    {
        write!(out, "Content-Length: {}\r\n", reply.body.len())?;
    }
    for (name, value) in &reply.headers {
        write!(out, "{name}: {value}\r\n")?;
    }
    write!(out, "\r\n")?;
    if ask.method != "HEAD" {
        out.write_all(&reply.body[..reply.cut.unwrap_or(reply.body.len())])?;
    }
    out.flush()?;
    out.shutdown(Shutdown::Write)
}

/// The files of one model, served as the hub does.
#[derive(Clone)]
pub(crate) struct Model {
    pub(crate) commit: String,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Model {
    /// A small model in two shards, with a tokenizer.
    pub(crate) fn sharded() -> Self {
        let index = r#"{"metadata":{},"weight_map":{"a":"model-00001-of-00002.safetensors",
            "b":"model-00002-of-00002.safetensors","c":"model-00001-of-00002.safetensors"}}"#;
        Self::of(&[
            ("config.json", br#"{"model_type":"gpt2"}"#),
            ("tokenizer.json", br#"{"version":"1.0"}"#),
            ("tokenizer_config.json", b"{}"),
            ("model.safetensors.index.json", index.as_bytes()),
            ("model-00001-of-00002.safetensors", &shard(1000)),
            ("model-00002-of-00002.safetensors", &shard(300_000)),
            ("README.md", b"hello"),
        ])
    }

    pub(crate) fn single() -> Self {
        Self::of(&[("config.json", b"{}"), ("model.safetensors", &shard(50_000))])
    }

    pub(crate) fn of(files: &[(&str, &[u8])]) -> Self {
        let files = files.iter().map(|(name, content)| ((*name).to_owned(), content.to_vec())).collect();
        Self { commit: COMMIT.to_owned(), files }
    }

    pub(crate) fn content(&self, file: &str) -> &[u8] {
        &self.files[file]
    }

    /// Answers as the hub would: safetensors by sha256 with the linked headers, anything else by its etag.
    pub(crate) fn answer(&self, ask: &Ask) -> Reply {
        if ask.path.starts_with(&format!("/api/models/{ID}/revision/")) {
            let names: Vec<String> =
                self.files.keys().map(|name| format!(r#"{{"rfilename":"{name}"}}"#)).collect();
            return Reply::new(200).body(format!(
                r#"{{"sha":"{}","siblings":[{}],"x":1}}"#,
                self.commit,
                names.join(",")
            ));
        }
        let file = ask.path.strip_prefix(&format!("/{ID}/resolve/")).and_then(|rest| rest.split_once('/'));
        let file = file.filter(|(revision, _)| *revision == self.commit || *revision == "main");
        let Some((file, content)) = file.and_then(|(_, file)| self.files.get_key_value(file)) else {
            return Reply::new(404).header("X-Error-Code", "EntryNotFound");
        };
        let mut reply = ranged(ask, content).header("X-Repo-Commit", &self.commit);
        if file.ends_with(".safetensors") {
            reply = reply.header("X-Linked-Etag", format!("\"{}\"", sha256(content)));
            reply = reply.header("X-Linked-Size", content.len());
        } else {
            reply = reply.header("ETag", format!("\"{}\"", &sha256(content)[..40]));
        }
        reply
    }
}

/// The whole content, or the range that was asked for.
pub(crate) fn ranged(ask: &Ask, content: &[u8]) -> Reply {
    let range = ask.header("range").and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let Some((first, last)) = range else { return Reply::new(200).body(content) };
    let first: usize = first.parse().unwrap();
    let last = last.parse().unwrap_or(usize::MAX).min(content.len() - 1);
    if first > last {
        return Reply::new(416).header("Content-Range", format!("bytes */{}", content.len()));
    }
    Reply::new(206)
        .header("Content-Range", format!("bytes {first}-{last}/{}", content.len()))
        .body(&content[first..=last])
}

pub(crate) fn sha256(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Something like a safetensors file: a header of 16 bytes, and data that repeats nowhere soon.
pub(crate) fn shard(data: usize) -> Vec<u8> {
    let mut bytes = 16u64.to_le_bytes().to_vec();
    bytes.extend(b"{\"a\":{\"b\":[0]}} ");
    bytes.extend((0..data).map(|i| ((i * 2_654_435_761) >> 13) as u8));
    bytes
}
