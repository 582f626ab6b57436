//! A headless Chromium to look at pages with, driven over its DevTools protocol.
//!
//! The protocol goes through a pipe: no port that two tests could fight for, and no crate.

#![allow(dead_code, reason = "shared by tests, none of which uses all of it")]

use std::{
    env, fs,
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{
        Once,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

/// How long Chromium may take for one answer before the test gives up on it: it hangs, it is not slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// A page that is open in a browser of its own.
pub(crate) struct Tab {
    browser: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    events: Vec<Value>,
    session: Option<String>,
    next: u64,
    scripts: bool,
    /// Where a page may ask, beside its own file.
    server: Option<String>,
    // Last, so that the browser is gone when its folder goes.
    folder: tempfile::TempDir,
}

/// What a test opens a page with; `None` says why not.
pub(crate) fn tab(width: u32, height: u32) -> Option<Tab> {
    let folder = tempfile::tempdir().unwrap();
    Some(Tab::start(&chromium_or_skip()?, width, height, folder, &[]))
}

fn chromium_or_skip() -> Option<PathBuf> {
    let found = chromium();
    if found.is_none() {
        let required = env::var_os("LENS_REQUIRE_BROWSER").is_some_and(|value| value != "0");
        assert!(!required, "LENS_REQUIRE_BROWSER is set and there is no Chromium: run `cargo xtask browser`");
        static SAID: Once = Once::new();
        SAID.call_once(|| skipped("no Chromium on the PATH (`cargo xtask browser` installs it)"));
    }
    found
}

/// Says once for each file of tests that those with a browser are left out, and why: past what cargo keeps of tests that pass.
fn skipped(why: &str) {
    let _ = writeln!(io::stderr(), "skipped: the page in a browser, because of {why}");
}

fn chromium() -> Option<PathBuf> {
    if let Some(chosen) = env::var_os("LENS_CHROMIUM") {
        return Some(chosen.into());
    }
    let path = env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    names
        .iter()
        .find_map(|name| env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file()))
}

/// The same in a browser that has one font and no other.
pub(crate) fn tab_with_font(width: u32, height: u32, font: &str) -> Option<Tab> {
    let program = chromium_or_skip()?;
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("fonts")).unwrap();
    let name = Path::new(font).file_name().unwrap();
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(font), folder.path().join("fonts").join(name))
        .unwrap();
    let settings = format!(
        "<fontconfig><dir>{0}/fonts</dir><cachedir>{0}/cache</cachedir></fontconfig>",
        folder.path().display()
    );
    let file = folder.path().join("fonts.conf");
    fs::write(&file, settings).unwrap();
    Some(Tab::start(&program, width, height, folder, &[("FONTCONFIG_FILE", file.as_path())]))
}

/// The program of axe-core, where `cargo xtask browser` has brought it.
pub(crate) fn axe() -> Option<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/browser/axe-4.14.1.min.js");
    let program = fs::read_to_string(file).ok();
    if program.is_none() {
        let required = env::var_os("LENS_REQUIRE_BROWSER").is_some_and(|value| value != "0");
        assert!(!required, "LENS_REQUIRE_BROWSER is set and there is no axe-core: run `cargo xtask browser`");
        static SAID: Once = Once::new();
        SAID.call_once(|| skipped("no axe-core (`cargo xtask browser` brings it)"));
    }
    program
}

impl Tab {
    fn start(
        program: &Path,
        width: u32,
        height: u32,
        folder: tempfile::TempDir,
        environment: &[(&str, &Path)],
    ) -> Self {
        // Chromium reads its commands from descriptor 3 and answers on 4.
        let mut browser = Command::new("sh")
            .args(["-c", "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1"])
            .arg(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args(["--disable-background-networking", "--disable-extensions", "--force-color-profile=srgb"])
            .args(["--remote-debugging-pipe", &format!("--window-size={width},{height}")])
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .arg("about:blank")
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = browser.stdin.take().unwrap();
        let answers = BufReader::new(browser.stdout.take().unwrap());
        let (sender, messages) = channel();
        thread::spawn(move || {
            for message in answers.split(0).map_while(Result::ok) {
                let message = serde_json::from_slice(&message).unwrap();
                if sender.send(message).is_err() {
                    break;
                }
            }
        });
        let mut tab = Self {
            browser,
            input,
            messages,
            events: Vec::new(),
            session: None,
            next: 1,
            scripts: true,
            server: None,
            folder,
        };
        let target = tab.call("Target.createTarget", json!({"url": "about:blank"}));
        let target = json!({"targetId": target["targetId"], "flatten": true});
        let session = tab.call("Target.attachToTarget", target);
        tab.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility"] {
            tab.call(&format!("{domain}.enable"), json!({}));
        }
        tab.call("Page.setLifecycleEventsEnabled", json!({"enabled": true}));
        tab.call(
            "Emulation.setDeviceMetricsOverride",
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}),
        );
        tab
    }

    /// Sends a command and waits for its answer.
    #[expect(clippy::needless_pass_by_value, reason = "parameters are written where they are passed")]
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        let id = self.next;
        self.next += 1;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        self.input.write_all(format!("{message}\0").as_bytes()).unwrap();
        self.input.flush().unwrap();
        loop {
            let answer = self.receive();
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn receive(&self) -> Value {
        self.messages.recv_timeout(PATIENCE).expect("Chromium answers")
    }

    /// Opens a page, `after` being what its address ends in, and waits until it is loaded.
    pub(crate) fn open(&mut self, html: &str, after: &str) {
        let file = self.folder.path().join("page.html");
        fs::write(&file, html).unwrap();
        // Another document even where only the part after `#` differs.
        self.navigate("about:blank");
        self.events.clear();
        self.navigate(&format!("file://{}{after}", file.display()));
        self.settle();
    }

    /// Opens what a server serves, which the page may ask from then on, and waits until it is loaded.
    #[allow(dead_code, reason = "not all who use this have a server")]
    pub(crate) fn visit(&mut self, url: &str) {
        let end = url.match_indices('/').nth(2).map_or(url.len(), |(end, _)| end);
        self.server = Some(url[..end].to_owned());
        self.navigate("about:blank");
        self.events.clear();
        self.navigate(url);
        self.settle();
    }

    /// Goes to another document and waits until that one, and not one before it, is loaded.
    fn navigate(&mut self, url: &str) {
        let loader = self.call("Page.navigate", json!({"url": url}))["loaderId"].clone();
        let is_loaded = |event: &Value| {
            event["method"] == "Page.lifecycleEvent"
                && event["params"]["name"] == "load"
                && event["params"]["loaderId"] == loader
        };
        while !self.events.iter().any(is_loaded) {
            let event = self.receive();
            self.events.push(event);
        }
    }

    /// Follows a link within the page, and waits until the page has noticed.
    pub(crate) fn go_to(&mut self, link: &str) {
        self.run(&format!(
            "new Promise((done) => {{ addEventListener('hashchange', () => done(null), {{once: true}}); \
             location.hash = {}; }})",
            json!(link)
        ));
        self.settle();
    }

    /// Waits until an expression is true. A browser on a busy machine scrolls when it comes to it.
    pub(crate) fn wait_until(&mut self, expression: &str) {
        let began = Instant::now();
        while self.run(expression) != json!(true) {
            assert!(began.elapsed() < PATIENCE, "this never came true: {expression}");
            self.settle();
        }
    }

    /// Opens pages as a browser does that runs no scripts.
    pub(crate) fn disable_scripts(&mut self) {
        self.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
        self.scripts = false;
    }

    /// Waits until what was drawn is on the screen. Without scripts nothing is drawn after the page is loaded.
    pub(crate) fn settle(&mut self) {
        if !self.scripts {
            return;
        }
        self.run(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(null))))",
        );
    }

    /// The value of an expression in the page.
    pub(crate) fn run(&mut self, expression: &str) -> Value {
        let wanted = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", wanted);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// The same as text.
    pub(crate) fn text(&mut self, expression: &str) -> String {
        let value = self.run(expression);
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    /// The text of the first element of a selector, as its nodes have it.
    pub(crate) fn text_of(&mut self, selector: &str) -> String {
        self.text(&format!("document.querySelector({}).textContent", json!(selector)))
    }

    /// How many elements a selector finds.
    pub(crate) fn count(&mut self, selector: &str) -> u64 {
        self.run(&format!("document.querySelectorAll({}).length", json!(selector))).as_u64().unwrap()
    }

    /// Moves the pointer to the middle of an element.
    pub(crate) fn hover(&mut self, selector: &str) {
        self.pointer(selector, &["mouseMoved"]);
    }

    /// Clicks the middle of an element.
    pub(crate) fn click(&mut self, selector: &str) {
        self.pointer(selector, &["mouseMoved", "mousePressed", "mouseReleased"]);
    }

    fn pointer(&mut self, selector: &str, what: &[&str]) {
        let place = format!(
            "(() => {{ const node = document.querySelector({}); node.scrollIntoView({{block: 'nearest'}}); \
             const box = node.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; }})()",
            json!(selector)
        );
        let place = self.run(&place);
        for kind in what {
            let button = if *kind == "mouseMoved" { "none" } else { "left" };
            let event =
                json!({"type": kind, "x": place[0], "y": place[1], "button": button, "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event);
        }
        self.settle();
    }

    /// Presses a key as the keyboard would: `ArrowLeft`, `Enter`, `s`.
    pub(crate) fn key(&mut self, key: &str) {
        let mut event = json!({"type": "keyDown", "key": key});
        if key.chars().count() == 1 {
            event["text"] = json!(key);
        }
        self.call("Input.dispatchKeyEvent", event);
        self.call("Input.dispatchKeyEvent", json!({"type": "keyUp", "key": key}));
        self.settle();
    }

    /// Chooses an entry of a list.
    pub(crate) fn choose(&mut self, id: &str, value: &str) {
        self.run(&format!(
            "(() => {{ const list = document.getElementById('{id}'); list.value = {}; \
             list.dispatchEvent(new Event('change', {{bubbles: true}})); }})()",
            json!(value)
        ));
        self.settle();
    }

    /// Whether a request goes to the page's own server, or to what the page has made of its answers.
    fn is_served(&self, event: &Value) -> bool {
        let url = event["params"]["request"]["url"].as_str().unwrap_or_default();
        self.server.as_ref().is_some_and(|own| url.trim_start_matches("blob:").starts_with(&**own))
    }

    /// Complaints on the console, and requests for anything but the page itself.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let complaint = |event: &Value| match event["method"].as_str()? {
            "Runtime.exceptionThrown" => Some(event.to_string()),
            "Runtime.consoleAPICalled"
                if matches!(event["params"]["type"].as_str(), Some("error" | "warning")) =>
            {
                Some(event.to_string())
            }
            "Log.entryAdded" => Some(event.to_string()),
            "Network.requestWillBeSent" if !self.is_served(event) => {
                let url = event["params"]["request"]["url"].as_str().unwrap_or_default();
                let own = url.contains("/page.html")
                    || url.starts_with("data:")
                    || url.starts_with("blob:file:")
                    || url.starts_with("blob:null")
                    || url == "about:blank";
                (!own).then(|| format!("a request for {url}"))
            }
            _ => None,
        };
        self.events.iter().filter_map(complaint).collect()
    }

    /// Fails if the page complained or asked for anything.
    pub(crate) fn assert_quiet(&self) {
        let complaints = self.complaints();
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        // The whole of it goes with its first process, which our pipe's end tells to stop.
        let _ = self.input.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        for _ in 0..100 {
            if matches!(self.browser.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}
