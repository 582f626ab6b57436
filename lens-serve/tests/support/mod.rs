//! A server over the toy model, and a client that says exactly what a test wants.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use lens_core::{
    Backend as _, Conversation, LensChoice, LensMap, LensSet, Message, Named, Prepared, Provenance, Request,
    Session, SessionError, Sink, Site, Target, Texts, TokenId, TokenText, TokenTexts, Translator,
    attribution::{AttributionRequest, AttributionTrace},
    patch::{PatchContext, PatchPrompt, PatchTrace},
    sink::{End, Tee},
    toy::ToyBackend,
};
use lens_serve::{About, Failure, Limits, Model, Server, sweep};
use serde_json::{Value, json};

/// What a name in a vocabulary may be at the worst.
pub(crate) const HOSTILE: &str = "</script><img src=x onerror=alert(1)>\u{202e}\u{1b}[31m";

/// Texts whose tokens are words, each by the sum of its bytes, and some of whose names are hostile.
pub(crate) struct Words;

impl TokenTexts for Words {
    fn text(&self, id: TokenId) -> TokenText {
        let text = match id.0 {
            3 | 17 | 31 => HOSTILE.to_owned(),
            n if n % 7 == 0 => format!(" 词{n}"),
            n => format!(" w{n}"),
        };
        TokenText::from_bytes(text.as_bytes())
    }
}

impl Texts for Words {
    type Error = SessionError;

    fn names(&self) -> &dyn TokenTexts {
        self
    }

    fn encode(&self, text: &str) -> Result<Vec<TokenId>, SessionError> {
        let id = |word: &str| TokenId(word.bytes().map(u32::from).sum::<u32>() % 50);
        let words: Vec<TokenId> = text.split_whitespace().map(id).collect();
        if words.is_empty() { Err(SessionError::NoTexts) } else { Ok(words) }
    }

    fn converse(&self, messages: &[Message]) -> Result<Conversation, SessionError> {
        let text =
            messages.iter().map(|message| format!("user {} model", message.content)).collect::<String>();
        let tokens = self.encode(&text)?;
        Ok(Conversation { text, tokens, roles: Vec::new() })
    }

    fn target(&self, target: &Target) -> Result<Named, SessionError> {
        match target {
            Target::Id(id) => Ok(Named { id: *id, note: None }),
            Target::Text(_) => Err(SessionError::NoTexts),
        }
    }

    fn end_of_text(&self) -> Result<Vec<TokenId>, SessionError> {
        Ok(Vec::new())
    }

    fn knows_bytes(&self) -> Result<(), SessionError> {
        Ok(())
    }

    fn bytes(&self, _: TokenId) -> Option<Vec<u8>> {
        None
    }
}

/// Values of a residual.
const WIDTH: usize = 16;

/// The toy model, with a pause at every token that it writes, so that there is time to change one's mind.
pub(crate) struct Toy {
    model: ToyBackend,
    pub(crate) pause: Duration,
    /// A pause after every column of layers, and a look at each.
    layer_pause: Option<Duration>,
    /// The lenses that everything is read with.
    lenses: LensSet,
    /// Whether prompts are words; otherwise they are ids.
    pub(crate) words: bool,
    /// Tokens that were written, by any run.
    written: Arc<AtomicUsize>,
}

impl Toy {
    pub(crate) fn new(pause: Duration) -> Self {
        Self {
            model: ToyBackend::new(3, WIDTH, 50, 7),
            pause,
            layer_pause: None,
            lenses: LensSet::default(),
            words: false,
            written: Arc::default(),
        }
    }

    fn session(&mut self) -> Session<'_, ToyBackend, Words> {
        Session::new(&mut self.model, &Words)
    }
}

/// Counts what is written, and takes its time.
struct Slow {
    pause: Duration,
    layer_pause: Option<Duration>,
    written: Arc<AtomicUsize>,
}

impl Sink for Slow {
    fn layers_every(&self) -> Option<Duration> {
        self.layer_pause.map(|_| Duration::ZERO)
    }

    fn layers(&mut self, _: lens_core::sink::LayersTrace) -> Result<ControlFlow<()>, lens_core::SinkError> {
        thread::sleep(self.layer_pause.unwrap_or_default());
        Ok(ControlFlow::Continue(()))
    }

    fn step(
        &mut self,
        _: lens_core::StepTrace,
        _: lens_core::TokenTrace,
    ) -> Result<(), lens_core::SinkError> {
        self.written.fetch_add(1, Ordering::SeqCst);
        thread::sleep(self.pause);
        Ok(())
    }

    fn end(&mut self, _: End) -> Result<(), lens_core::SinkError> {
        Ok(())
    }
}

fn said(error: impl std::fmt::Display) -> Failure {
    Failure::new(error.to_string())
}

impl Model for Toy {
    fn about(&self) -> About {
        let changes = ["L1.resid_post *= 2", "L0.z.h1 = 0"];
        About::new(HOSTILE)
            .with_texts(self.words)
            .with_chat(self.words)
            .with_patch(true)
            .with_lenses(self.lenses.iter().count().max(1))
            .with_steer(changes.map(|change| change.parse().unwrap()).to_vec())
    }

    fn lenses(&self) -> LensSet {
        self.lenses.clone()
    }

    fn prepare(&mut self, request: &Request) -> Result<Prepared, Failure> {
        self.session().prepare(request).map_err(said)
    }

    fn run(&mut self, prepared: &Prepared, sink: &mut dyn Sink) -> Result<(), Failure> {
        let (pause, layer_pause, written) = (self.pause, self.layer_pause, Arc::clone(&self.written));
        let mut slow = Slow { pause, layer_pause, written };
        let both: [&mut dyn Sink; 2] = [&mut slow, sink];
        self.session().run_prepared_into(prepared, &mut Tee::new(both)).map_err(said)
    }

    fn attribute(
        &mut self,
        prepared: &Prepared,
        ask: &AttributionRequest,
    ) -> Result<AttributionTrace, Failure> {
        self.session().attribute(prepared, ask).map_err(said)
    }

    fn patch(
        &mut self,
        clean: &[TokenId],
        corrupted: &[TokenId],
        go_on: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Result<PatchTrace, Failure> {
        let patched = sweep(&mut self.model, [clean, corrupted], go_on)?;
        let context =
            PatchContext::new(("test", "1"), self.model.info(), &Words, PatchPrompt::new(corrupted, None))
                .with_source(Some(PatchPrompt::new(clean, None)));
        Ok(PatchTrace::new(&patched, &context))
    }
}

/// A server with a thread that answers.
pub(crate) struct Open {
    pub(crate) server: Arc<Server>,
    pub(crate) written: Arc<AtomicUsize>,
    answers: Option<JoinHandle<()>>,
}

pub(crate) fn open(limits: Limits, pause: Duration) -> Open {
    open_with(limits, Toy::new(pause))
}

/// The same for prompts of words.
pub(crate) fn open_words(limits: Limits, pause: Duration) -> Open {
    open_with(limits, Toy { words: true, ..Toy::new(pause) })
}

/// The same for a model that takes so long for every column of layers, once a step has more than some 256 readouts.
pub(crate) fn open_slow_layers(pause: Duration) -> Open {
    open_with(Limits::default(), Toy { words: true, layer_pause: Some(pause), ..Toy::new(Duration::ZERO) })
}

/// The same, read by the plain lens and by a Jacobian one that turns every vector around.
pub(crate) fn open_lenses(limits: Limits) -> Open {
    open_lenses_with(limits, None)
}

/// The same, with a pause after every column of layers.
pub(crate) fn open_lenses_with(limits: Limits, layer_pause: Option<Duration>) -> Open {
    let turned = |i: usize| if i.is_multiple_of(WIDTH + 1) { -1.0 } else { 0.1 };
    let map = || LensMap::new(WIDTH, (0..WIDTH * WIDTH).map(turned).collect(), None, false).unwrap();
    let maps = (0..3).map(|layer| (layer, map()));
    let jacobian = Translator::jacobian(WIDTH, Site::ResidPost, maps, Provenance::default()).unwrap();
    let lenses = LensSet::new([LensChoice::Logit, LensChoice::Translated(jacobian.into())]).unwrap();
    open_with(limits, Toy { words: true, lenses, layer_pause, ..Toy::new(Duration::ZERO) })
}

fn open_with(limits: Limits, mut toy: Toy) -> Open {
    let written = Arc::clone(&toy.written);
    let server = Arc::new(Server::open(0, &toy.about(), limits).unwrap());
    let works = Arc::clone(&server);
    let answers = Some(thread::spawn(move || works.work(&mut toy)));
    Open { server, written, answers }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.server.close();
        if let Some(answers) = self.answers.take() {
            answers.join().unwrap();
        }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn events(&self) -> Vec<Value> {
        let lines = self.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

impl Open {
    pub(crate) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(crate) fn token(&self) -> String {
        self.server.url().split_once("token=").unwrap().1.to_owned()
    }

    /// Sends bytes as they are, and reads until the other side closes.
    pub(crate) fn raw(&self, bytes: &[u8]) -> Option<Answer> {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // The other side may have closed already.
        let _ = stream.write_all(bytes);
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        parsed(&all)
    }

    /// A request with the headers of this page, those of `with` in their place or beside them; an empty value leaves one out.
    pub(crate) fn ask_with(&self, method: &str, path: &str, with: &[(&str, &str)], body: &str) -> Answer {
        self.raw(self.request(method, path, with, body).as_bytes()).expect("an answer")
    }

    pub(crate) fn request(&self, method: &str, path: &str, with: &[(&str, &str)], body: &str) -> String {
        let (host, token, length) = (self.address().to_string(), self.token(), body.len().to_string());
        let usual = [
            ("Host", &*host),
            ("X-Lens-Token", &token),
            ("Content-Type", "application/json"),
            ("Content-Length", &length),
            ("Connection", "close"),
        ];
        let mut text = format!("{method} {path} HTTP/1.1\r\n");
        for (name, value) in usual {
            if !with.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
                text += &format!("{name}: {value}\r\n");
            }
        }
        for (name, value) in with.iter().filter(|(_, value)| !value.is_empty()) {
            text += &format!("{name}: {value}\r\n");
        }
        text + "\r\n" + body
    }

    pub(crate) fn post(&self, path: &str, question: &Value) -> Answer {
        self.ask_with("POST", path, &[], &question.to_string())
    }

    /// Begins a question and gives the connection back.
    pub(crate) fn begin(&self, path: &str, question: &Value) -> TcpStream {
        let mut stream = TcpStream::connect(self.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        stream.write_all(self.request("POST", path, &[], &question.to_string()).as_bytes()).unwrap();
        stream
    }

    /// Waits until something is true of the counts.
    pub(crate) fn wait_until(&self, what: &str, is_true: impl Fn(&lens_serve::Counts) -> bool) {
        let began = Instant::now();
        while !is_true(&self.server.counts()) {
            assert!(began.elapsed() < Duration::from_secs(60), "{what}: {:?}", self.server.counts());
            thread::sleep(Duration::from_millis(2));
        }
    }
}

pub(crate) fn parsed(all: &[u8]) -> Option<Answer> {
    let end = all.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&all[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = &all[end + 4..];
    Some(Answer { status, head, body: if chunked { unchunked(body) } else { body.to_vec() } })
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let Ok(length) = usize::from_str_radix(&String::from_utf8_lossy(&rest[..end]), 16) else { break };
        let from = end + 2;
        if length == 0 || rest.len() < from + length {
            break;
        }
        body.extend_from_slice(&rest[from..from + length]);
        rest = rest.get(from + length + 2..).unwrap_or_default();
    }
    body
}

/// A question that reads some token ids.
pub(crate) fn reading(client: &str, text: &str, write: usize) -> Value {
    json!({"client": client, "runs": [{"text": text}], "write": write})
}

/// Bytes of this process in memory.
pub(crate) fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
