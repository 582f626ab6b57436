//! A server of the tests' own, on this machine: what it answers is written by the test.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// By their names in small letters.
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Asked {
    /// The bytes that are asked for, of so many.
    pub(crate) fn range(&self, size: usize) -> Option<(usize, usize)> {
        let (start, end) = self.headers.get("range")?.strip_prefix("bytes=")?.split_once('-')?;
        let end = end.parse().map_or(size, |end: usize| size.min(end + 1));
        Some((start.parse().unwrap(), end))
    }
}

/// What is answered.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Ends the connection after so many bytes of the body.
    pub(crate) cut: Option<usize>,
    /// Waits before the body.
    pub(crate) wait: Duration,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// What a server that knows ranges and tags says about a file.
    pub(crate) fn file(asked: &Asked, bytes: &[u8], tag: &str) -> Self {
        let mut answer = Self::status(200);
        answer.headers.push(("ETag".into(), format!("\"{tag}\"")));
        if asked.headers.get("if-match").is_some_and(|wanted| *wanted != format!("\"{tag}\"")) {
            return Self::status(412);
        }
        match asked.range(bytes.len()) {
            Some((start, _)) if start >= bytes.len() => return Self::status(416),
            Some((start, end)) => {
                answer.status = 206;
                let range = format!("bytes {start}-{}/{}", end - 1, bytes.len());
                answer.headers.push(("Content-Range".into(), range));
                answer.body = bytes[start..end].to_vec();
            }
            None => answer.body = bytes.to_vec(),
        }
        answer
    }
}

/// The server; it ends with this.
pub(crate) struct Web {
    pub(crate) address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    ended: Arc<AtomicBool>,
}

impl Web {
    /// A server whose answers depend on how many requests there were before.
    pub(crate) fn new(answer: impl Fn(usize, &Asked) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(AtomicBool::new(false));
        let (all, end) = (asked.clone(), ended.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::Relaxed) {
                    return;
                }
                let stream = stream.unwrap();
                let Some(request) = read(&stream) else { continue };
                let n = {
                    let mut all = all.lock().unwrap();
                    all.push(request.clone());
                    all.len() - 1
                };
                // Whoever no longer listens needs no answer.
                let _ = write(&stream, &request, &answer(n, &request));
            }
        });
        Self { address, asked, ended }
    }

    /// A server with one file, whatever its name.
    pub(crate) fn of(bytes: &'static [u8]) -> Self {
        Self::new(|_, asked| Answer::file(asked, bytes, "1"))
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(&self.address["http://".len()..]);
    }
}

fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Asked { method, path, headers, body })
}

fn write(mut stream: &TcpStream, asked: &Asked, answer: &Answer) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Said\r\nConnection: close\r\n", answer.status);
    for (name, value) in &answer.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", answer.body.len());
    stream.write_all(head.as_bytes())?;
    thread::sleep(answer.wait);
    if asked.method != "HEAD" {
        stream.write_all(&answer.body[..answer.cut.unwrap_or(answer.body.len())])?;
    }
    stream.flush()
}
