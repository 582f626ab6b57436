//! `lens serve`: an address on stdout, a model behind it, and an end at once.
#![cfg(unix)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Model, program, says};

/// A server, which ends with the test.
struct Served {
    child: Child,
    address: String,
    token: String,
}

impl Served {
    fn start(args: &[&str]) -> Self {
        let mut command = Command::new(program());
        command.arg("serve").args(args).env("HF_HUB_OFFLINE", "1").stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("lens runs");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        let rest = line.trim_end().strip_prefix("http://").expect("an address");
        let (address, token) = rest.split_once("/?token=").expect("a token");
        assert!(address.starts_with("127.0.0.1:"), "{address}");
        // 128 bits at the least, in hexadecimal digits.
        assert!(token.len() >= 32 && token.chars().all(|c| c.is_ascii_hexdigit()), "{token}");
        Self { address: address.to_owned(), token: token.to_owned(), child }
    }

    fn begin(&self, path: &str, question: &Value) -> TcpStream {
        let body = question.to_string();
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(120))).expect("a time");
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nHost: {}\r\nX-Lens-Token: {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            self.token,
            body.len()
        )
        .expect("it reads");
        stream
    }

    /// The events of an answer, with when each came.
    fn events(&self, path: &str, question: &Value) -> Vec<(Duration, Value)> {
        let began = Instant::now();
        let lines = BufReader::new(self.begin(path, question)).lines().map_while(Result::ok);
        // Between the events stand the sizes of the pieces in which they come.
        let event = |line: &String| serde_json::from_str(line).ok().filter(Value::is_object);
        lines.filter_map(|line| Some((began.elapsed(), event(&line)?))).collect()
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn question(text: &str, write: usize) -> Value {
    json!({"client": "page", "runs": [{"text": text}], "write": write})
}

#[test]
fn the_demo_model_is_read_as_one_types() {
    let served = Served::start(&[]);
    served.events("/api/run", &question("The capital", 0));
    let mut times = Vec::new();
    let prompt = "The capital of France is";
    for n in 4..prompt.len() {
        let text = &prompt[..n];
        let events = served.events("/api/run", &question(text, 0));
        let first = events.iter().find(|(_, event)| event["event"] == "data").expect("a grid");
        times.push(first.0);
        assert_eq!(events.last().expect("an end").1["event"], "end");
    }
    times.sort();
    eprintln!("first grids after {times:?}");
    // A page asks at once, and takes some 25 ms to draw; the rest of a tenth of a second is for the model. A busy machine may be
    // ten times as slow.
    assert!(times[0] < Duration::from_millis(750), "{times:?}");
    // What it writes is what it writes elsewhere.
    let events = served.events("/api/run", &question("The capital of France is", 1));
    let data = &events.iter().rfind(|(_, event)| event["event"] == "data").expect("a grid").1["data"];
    let row = data["traces"][0]["steps"][0][2].as_u64().expect("a row") as usize;
    assert_eq!(data["vocabulary"][row][1], " Paris");
    // A logit of it, and one prompt in another.
    let id = data["vocabulary"][row][0].clone();
    let ask = json!({"client": "page", "run": 0, "position": 4, "target": id});
    let events = served.events("/api/attribute", &ask);
    assert!(events.iter().any(|(_, event)| event["event"] == "attribution"), "{events:?}");
    let two = json!({"client": "page",
        "runs": [{"text": "The capital of France is"}, {"text": "The capital of Italy is"}]});
    served.events("/api/run", &two);
    let events = served.events("/api/patch", &json!({"client": "page"}));
    assert!(events.iter().any(|(_, event)| event["event"] == "patching"), "{events:?}");
}

#[test]
fn a_chat_message_stands_in_the_conversation_that_the_options_say() {
    let words = ["<s>", "</s>", "user", "system", "assistant", "hello", "be", "brief"];
    let template = "{% if loud is defined %}[{{ loud }}] {% endif %}\
        {% for m in messages %}{{ m.role }} {{ m.content }} </s> {% endfor %}{% if add_generation_prompt %}assistant {% endif %}";
    let model = Model::with_words(&words).with("chat_template.jinja", template);
    let base = ["-m", model.path()];
    let asked = |args: &[&str], chat: bool| {
        let served = Served::start(&[&base, args].concat());
        let question = json!({"client": "page", "runs": [{"text": "hello"}], "chat": chat});
        let events = served.events("/api/run", &question);
        let data = &events.iter().rfind(|(_, event)| event["event"] == "data").expect("a grid").1["data"];
        data["traces"][0]["prompt"].as_str().expect("a prompt").to_owned()
    };
    assert_eq!(asked(&[], false), "hello");
    assert_eq!(asked(&[], true), "user hello </s> assistant ");
    let all = ["--system", "be", "--prefill", "brief", "--template-var", "loud=true"];
    assert_eq!(asked(&all, true), "[True] system be </s> user hello </s> assistant brief");
    assert_eq!(asked(&all, false), "hello");

    let said = |args: &[&str]| crate::support::run(&[&["serve"], args].concat());
    let alone = said(&["-m", model.path(), "--prefill", "be"]);
    assert_eq!(alone.code, 2);
    says(
        &alone.stderr,
        &["--prefill and --template-var are for chat messages", "--chat, --system or --messages"],
    );
    // The demo model knows no conversation.
    let demo = said(&["--chat"]);
    assert_eq!(demo.code, 1);
    says(&demo.stderr, &["has no chat template"]);
}

/// The page itself, and the trace of what its window read last.
impl Served {
    fn page(&self) -> String {
        let mut stream = TcpStream::connect(&self.address).expect("it listens");
        write!(
            stream,
            "GET /?token={} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.token, self.address
        )
        .expect("it reads");
        let mut page = String::new();
        stream.read_to_string(&mut page).expect("UTF-8");
        page
    }

    /// What the page saves after it has read a prompt as a chat message.
    fn trace_of(&self, prompt: &str) -> Value {
        let question = json!({"client": "page", "runs": [{"text": prompt}], "chat": true});
        let events = self.events("/api/run", &question);
        assert_eq!(events.last().expect("an end").1["event"], "end", "{events:?}");
        let mut stream = self.begin("/api/export", &json!({"client": "page", "form": "trace"}));
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("UTF-8");
        let (begin, end) = (answer.find('{').expect("JSON"), answer.rfind('}').expect("JSON"));
        serde_json::from_str(&answer[begin..=end]).expect("one piece")
    }
}

#[test]
fn a_prompt_goes_on_the_conversation_of_a_file() {
    let words = ["<s>", "</s>", "user", "system", "assistant", "hello", "be", "brief", "not"];
    let template = "{% if tools %}[{{ tools | length }}] {% endif %}\
        {% for m in messages %}{{ m.role }} {{ m.content }} </s> {% endfor %}{% if add_generation_prompt %}assistant {% endif %}";
    let model = Model::with_words(&words).with("chat_template.jinja", template);
    let files = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, said: &Value| {
        let path = files.path().join(name);
        std::fs::write(&path, said.to_string()).expect("a writable folder");
        path.to_str().expect("a UTF-8 name").to_owned()
    };
    let said = |role: &str, content: &str| json!({"role": role, "content": content});
    let turns = [said("system", "be brief"), said("user", "hello"), said("assistant", "hello hello")];
    let asks = |last: &str| json!([turns[0], turns[1], turns[2], said("user", last)]);
    let read = |args: &[&str]| -> Value {
        let all = ["--positions", "all", "--format", "json"];
        let args = [&["run", "-m", model.path()], args, &all].concat();
        serde_json::from_str(&crate::support::ok(&args)).expect("JSON")
    };
    let numbers = |trace: &Value| -> Vec<Value> {
        ["prompt", "tokens", "roles", "readouts", "final"].iter().map(|key| trace[key].clone()).collect()
    };

    // A last message of the user stands in the box, and what is typed in its place is the user's.
    let begun = file("begun.json", &asks("not </textarea>"));
    let open = Served::start(&["-m", model.path(), "--messages", &begun]);
    let page = open.page();
    assert!(page.contains("\nnot &lt;&#47;textarea&gt;</textarea>"), "{page}");
    assert!(page.contains("3 messages stand before the prompt"), "{page}");
    assert!(page.contains("<b>assistant</b>: <bdi>hello hello</bdi>") && page.contains("\"asks\":true"));
    for last in ["not", "be"] {
        let whole = file("whole.json", &asks(last));
        assert_eq!(numbers(&open.trace_of(last)), numbers(&read(&["--messages", &whole])), "{last}");
    }
    drop(open);

    // After any other message the box is empty; tools and what an answer begins with go on being said.
    let listed = json!({"messages": turns, "tools": [{"name": "look"}]});
    let ended = file("ended.json", &listed);
    let open = Served::start(&["-m", model.path(), "--messages", &ended, "--prefill", "be"]);
    assert!(open.page().contains("as you do\"></textarea>"));
    let whole = file("whole.json", &json!({"messages": asks("not"), "tools": [{"name": "look"}]}));
    let expected = read(&["--messages", &whole, "--prefill", "be"]);
    assert!(expected["prompt"].as_str().expect("a prompt").starts_with("[1] system"), "{expected}");
    assert_eq!(numbers(&open.trace_of("not")), numbers(&expected));
    drop(open);

    let refused = |args: &[&str]| crate::support::run(&[&["serve"], args].concat());
    let missing = refused(&["-m", model.path(), "--messages", "/nowhere/talk.json"]);
    assert_eq!(missing.code, 1);
    says(&missing.stderr, &["cannot read messages from /nowhere/talk.json"]);
    let demo = refused(&["--messages", &begun]);
    assert_eq!(demo.code, 1);
    says(&demo.stderr, &["has no chat template"]);
}

#[test]
fn a_signal_ends_it_at_once_although_an_answer_is_open() {
    for (signal, status) in [("INT", 130), ("TERM", 143)] {
        let mut served = Served::start(&["--max-written", "100000"]);
        let mut stream = served.begin("/api/run", &question("The capital of France is", 100_000));
        let mut some = [0; 64];
        stream.read_exact(&mut some).expect("it answers");
        let began = Instant::now();
        served.signal(signal);
        let ended = served.child.wait().expect("it ends");
        assert_eq!(ended.code(), Some(status));
        assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
        let mut said = String::new();
        served.child.stderr.take().expect("a pipe").read_to_string(&mut said).expect("UTF-8");
        says(&said, &["note: the server has ended: pages that are open show what they have"]);
        assert!(!said.contains("nothing to write"), "{said}");
    }
}

#[test]
fn what_cannot_be_served_is_said() {
    let first = Served::start(&[]);
    let port = first.address.rsplit(':').next().expect("a port");
    let outcome = crate::support::run(&["serve", "--port", port]);
    assert_eq!(outcome.code, 1);
    says(&outcome.stderr, &["cannot listen on port", port]);
    for args in [
        &["serve", "--port", "70000"][..],
        &["serve", "--max-prompt", "0"],
        &["serve", "--steer", "nonsense"],
    ] {
        assert_eq!(crate::support::run(args).code, 2, "{args:?}");
    }
}
