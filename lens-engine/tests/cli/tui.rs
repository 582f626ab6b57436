//! `lens tui` in a terminal, which is tmux: what is on the screen after keys, and what is left of the terminal afterwards.
#![cfg(unix)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Once,
    time::{Duration, Instant},
};

use crate::support::{Model, ok, program, says, skipped};

/// A shell in a terminal of a chosen size. Nobody else's tmux is asked or disturbed.
struct Terminal {
    folder: tempfile::TempDir,
}

/// What a shell writes before it takes a command.
const READY: &str = "ready>";

impl Terminal {
    /// Starts a shell; `None`, and a line that says so, where there is no tmux.
    fn start(width: u16, height: u16) -> Option<Self> {
        let is_there = Command::new("tmux").arg("-V").output().is_ok_and(|output| output.status.success());
        if !is_there {
            let required = std::env::var_os("LENS_REQUIRE_TMUX").is_some_and(|value| value != "0");
            assert!(!required, "LENS_REQUIRE_TMUX is set and there is no tmux");
            static SAID: Once = Once::new();
            let why = "no tmux on the PATH (`cargo xtask terminal` installs it)";
            SAID.call_once(|| skipped("the screen of lens tui", why));
            return None;
        }
        let terminal = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        let (width, height) = (width.to_string(), height.to_string());
        let shell = format!("PS1='{READY} ' exec sh");
        terminal.tmux(&["new-session", "-d", "-x", &width, "-y", &height, &shell]);
        terminal.wait(READY);
        Some(terminal)
    }

    fn command(&self, args: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.args(["-u", "-f", "/dev/null", "-S"]).arg(self.folder.path().join("socket")).args(args);
        for name in ["TMUX", "TMUX_PANE", "NO_COLOR", "COLORTERM", "ENV", "HF_TOKEN"] {
            command.env_remove(name);
        }
        let command = command.env("LC_ALL", "C.UTF-8").env("HF_HUB_OFFLINE", "1");
        command.current_dir(self.folder.path()).output().expect("tmux runs")
    }

    fn tmux(&self, args: &[&str]) -> String {
        let output = self.command(args);
        assert!(output.status.success(), "tmux {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Presses keys, by tmux's names.
    fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    fn write(&self, text: &str) {
        self.tmux(&["send-keys", "-l", "--", text]);
    }

    /// Has the shell run `lens`.
    fn lens(&self, args: &str) {
        self.write(&format!("'{}' {args}", program().display()));
        self.press(&["Enter"]);
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen is as it should be; far longer than it ever takes, so that only a hang fails.
    fn wait_until(&self, what: &str, is_so: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        loop {
            let screen = self.screen();
            if is_so(&screen) {
                return screen;
            }
            assert!(began.elapsed() < Duration::from_secs(120), "{what} never came:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn wait(&self, text: &str) -> String {
        self.wait_until(text, |screen| screen.contains(text))
    }

    fn wait_gone(&self, text: &str) -> String {
        self.wait_until(&format!("a screen without {text}"), |screen| !screen.contains(text))
    }

    /// Clears the shell's screen.
    fn clear(&self) {
        self.write("printf '\\033[2J\\033[H'");
        self.press(&["Enter"]);
        self.wait_until("an empty screen", |screen| screen.trim_end() == READY);
    }

    /// Holds that the terminal is as a shell needs it: its own screen and caret are shown, it echoes what is typed, hands over
    /// lines in which letters were taken back, and makes signals of keys.
    fn is_as_before(&self) {
        let flags = self.tmux(&["display-message", "-p", "#{alternate_on} #{cursor_flag}"]);
        assert_eq!(flags.trim(), "0 1", "the other screen, and the caret");
        self.clear();
        self.write("echo abX");
        self.press(&["BSpace"]);
        self.write("c");
        self.wait("ready> echo abc");
        self.press(&["Enter"]);
        self.wait("\nabc\n");
        self.write("sleep 600");
        self.press(&["Enter"]);
        std::thread::sleep(Duration::from_millis(100));
        self.press(&["C-c"]);
        self.write("echo it goes on | tr a-z A-Z");
        self.press(&["Enter"]);
        self.wait("IT GOES ON");
        self.clear();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]);
    }
}

/// Which cell the cursor is in: its place and its position, as the pane below the grid says it.
fn cell(screen: &str) -> String {
    let title =
        screen.lines().find_map(|line| line.strip_prefix("─ ").filter(|title| title.contains(" at ")));
    title.map(|title| title.split(" ─").next().unwrap_or(title).to_owned()).unwrap_or_default()
}

/// The positions that are seen, by their numbers.
fn positions(screen: &str) -> Vec<usize> {
    let line = screen.lines().find(|line| line.starts_with("  pos")).unwrap_or_default();
    line.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok()).collect()
}

#[test]
fn keys_move_the_cursor_and_choose_what_is_shown() {
    let Some(terminal) = Terminal::start(80, 30) else { return };
    terminal.lens("tui 'The capital of France is' -n 6");
    terminal.wait_until("a whole run", |screen| positions(screen).contains(&10));
    let goes = |keys: &[&str], to: &str| {
        terminal.press(keys);
        terminal.wait_until(to, |screen| cell(screen).starts_with(to));
    };
    goes(&["End"], "L7.resid_post at 10 ");
    goes(&["Home"], "L7.resid_post at 0 ");
    goes(&["t"], "embed at 0 ");
    goes(&["Down", "j"], "L1.resid_post at 0 ");
    goes(&["Up"], "L0.resid_post at 0 ");
    goes(&["G", "k"], "L6.resid_post at 0 ");
    goes(&["PageUp"], "embed at 0 ");
    goes(&["PageDown"], "L7.resid_post at 0 ");
    goes(&["Right", "l", "l", "Left", "h", "l"], "L7.resid_post at 2 ");
    goes(&["w"], "L7.resid_post at 7 ");
    goes(&["b"], "L7.resid_post at 2 ");
    goes(&["$"], "L7.resid_post at 10 ");
    let end = terminal.screen();
    assert!(end.contains("columns 6-11 of 11") && positions(&end) == [5, 6, 7, 8, 9, 10], "{end}");
    goes(&["0"], "L7.resid_post at 0 ");
    terminal.press(&["f"]);
    terminal.wait("find ›");
    terminal.write(" Paris");
    goes(&["Enter"], "L5.resid_post at 5 ");
    goes(&["n"], "L6.resid_post at 5 ");
    goes(&["n"], "L7.resid_post at 5 ");
    goes(&["m", "m"], "L5.resid_post at 5 ");
    for (key, says) in [
        ("C", "component mlp_out"),
        ("c", "component resid_post"),
        ("s", "logit of the top-1 token"),
        ("S", "probability of the top-1 token"),
        ("L", "there is one lens"),
    ] {
        terminal.press(&[key]);
        terminal.wait(says);
    }
    let usual = positions(&terminal.screen()).len();
    for (keys, change) in [(["v"; 6], -2), (["+"; 6], -2), (["-"; 6], 0)] {
        let keys = if keys[0] == "v" { &keys[..1] } else { &keys[..] };
        terminal.press(keys);
        let shown = usual.saturating_add_signed(change);
        terminal.wait_until("cells of another width", |screen| positions(screen).len() == shown);
        if keys == ["v"] {
            terminal.press(&["v"]);
            terminal.wait_until("the usual cells", |screen| positions(screen).len() == usual);
        }
    }
    terminal.press(&["Enter"]);
    terminal.wait_gone("  pos");
    assert!(terminal.screen().contains("rank of the final top-1 token"), "{}", terminal.screen());
    terminal.press(&["d"]);
    terminal.wait("  pos");
    terminal.press(&["x", "p"]);
    terminal.wait("¹·Paris");
    terminal.press(&["2"]);
    terminal.wait("²·Helsinki");
    terminal.press(&["x"]);
    terminal.wait_gone("¹·Paris");
    terminal.press(&["P"]);
    terminal.wait("follow ›");
    terminal.write("Paris");
    terminal.press(&["Enter"]);
    terminal.wait("¹·Paris");
}

#[test]
fn a_film_plays_a_prompt_is_typed_files_are_written_and_the_screen_is_left() {
    let Some(terminal) = Terminal::start(80, 20) else { return };
    terminal.write("echo before; ");
    terminal.lens("tui 'The capital of France is' -n 6");
    terminal.wait_until("a whole run", |screen| positions(screen).contains(&10));
    terminal.press(&["Tab", "Home"]);
    terminal.wait("‖ 1 of 6");
    terminal.press(&["Right"]);
    terminal.wait("‖ 2 of 6");
    terminal.press(&["Left", "Up"]);
    let above = terminal.wait("layer 6, after the model's own text");
    assert!(above.contains("‖ 1 of 6"), "{above}");
    terminal.press(&["+", "Space"]);
    terminal.wait("▶ ");
    terminal.wait("6 of 6");
    terminal.press(&["-", "Tab"]);
    terminal.wait("  pos");
    terminal.press(&["g"]);
    terminal.wait("reads, and writes nothing");
    terminal.press(&["g"]);
    terminal.wait("writes up to 6 tokens");
    terminal.press(&["i"]);
    terminal.wait("prompt › The capital of France is");
    terminal.press(&["C-u"]);
    terminal.write("The capital of Italy is");
    terminal.press(&["Enter"]);
    terminal.wait_until("a whole run", |screen| {
        screen.contains("Italy is Rome") && positions(screen).contains(&10)
    });
    for (file, begins) in [("page.html", "<!doctype html>"), ("grid.txt", ""), ("trace.json", "{")] {
        terminal.press(&["e"]);
        terminal.wait("write to (");
        terminal.press(&["C-u"]);
        terminal.write(file);
        terminal.press(&["Enter"]);
        terminal.wait(&format!("written: {file}"));
        let text = fs::read_to_string(terminal.folder.path().join(file)).expect("a file");
        assert!(text.to_lowercase().starts_with(begins) && text.contains("Rome"), "{file}");
    }
    terminal.press(&["N"]);
    terminal.wait("self-check passed");
    terminal.press(&["Escape"]);
    terminal.wait("  pos");
    terminal.press(&["?"]);
    terminal.wait("move the cursor");
    terminal.press(&["PageDown", "PageDown", "PageDown"]);
    terminal.wait("its first token is the one that comes next");
    terminal.press(&["?"]);
    terminal.wait("  pos");
    terminal.press(&["q"]);
    let after = terminal.wait("before");
    assert!(!after.contains("·Rome"), "{after}");
    terminal.is_as_before();
    // What was written is read again, without a model.
    terminal.lens("tui trace.json");
    terminal.wait("·Rome");
    terminal.press(&["i"]);
    terminal.wait("a saved trace has no model to run");
    terminal.press(&["C-c"]);
    terminal.wait_gone("·Rome");
    terminal.is_as_before();
}

/// The trace that the screen writes into a file of this name.
fn traced(terminal: &Terminal, file: &str) -> serde_json::Value {
    // What was read before may still stand there while the run that is to be written has only begun: it says so, and is asked again.
    loop {
        terminal.press(&["e"]);
        let answer = terminal.wait_until("an answer to e", |screen| {
            screen.contains("write to (") || screen.contains("there is nothing to write yet")
        });
        if answer.contains("write to (") {
            break;
        }
        terminal.wait_until("a run", |screen| !positions(screen).is_empty());
    }
    terminal.press(&["C-u"]);
    terminal.write(file);
    terminal.press(&["Enter"]);
    terminal.wait(&format!("written: {file}"));
    let text = fs::read_to_string(terminal.folder.path().join(file)).expect("a file");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_conversation_is_read_as_a_run_reads_it_and_its_last_message_is_typed_anew() {
    let Some(terminal) = Terminal::start(100, 24) else { return };
    let words = ["<s>", "</s>", "user", "system", "assistant", "hello", "be", "brief", "not"];
    let template = "{% if loud is defined %}[{{ loud }}] {% endif %}\
        {% for m in messages %}{{ m.role }} {{ m.content }} </s> {% endfor %}{% if add_generation_prompt %}assistant {% endif %}";
    let model = Model::with_words(&words).with("chat_template.jinja", template);
    let turns = r#"[{"role": "user", "content": "hello"}, {"role": "assistant", "content": "be"},
        {"role": "user", "content": "not"}]"#;
    let talk = terminal.folder.path().join("talk.json");
    fs::write(&talk, turns).expect("a writable folder");
    let options = ["--system", "be", "--prefill", "brief", "--template-var", "loud=1"];
    let talk = talk.to_str().expect("UTF-8");
    let base = ["run", "-m", model.path(), "--messages", talk, "--positions", "all", "--format", "json"];
    let run: serde_json::Value = serde_json::from_str(&ok(&[&base, &options[..]].concat())).expect("JSON");
    let expected = "[1] system be </s> user hello </s> assistant be </s> user not </s> assistant brief";
    assert_eq!(run["prompt"], expected);

    terminal.lens(&format!("tui -m '{}' --messages talk.json {}", model.path(), options.join(" ")));
    terminal.wait("i changes the last message of the conversation");
    terminal.wait_until("a whole run", |screen| !positions(screen).is_empty());
    let screen = traced(&terminal, "screen.json");
    for part in ["prompt", "roles", "tokens", "readouts", "finals", "notes"] {
        assert_eq!(screen[part], run[part], "{part}");
    }
    terminal.press(&["i"]);
    terminal.wait("prompt › not");
    terminal.press(&["C-u"]);
    terminal.write("hello");
    terminal.press(&["Enter"]);
    terminal.wait("userhello</s>assistantbrief");
    let typed = traced(&terminal, "typed.json");
    assert_eq!(typed["prompt"], expected.replace("user not", "user hello"));
    terminal.press(&["q"]);
    terminal.wait(READY);

    // What cannot be followed is said before the screen is taken.
    for (args, code, words) in [
        ("--chat hello", 1, "has no chat template"),
        ("--prefill be hello", 2, "it needs --chat"),
        ("--messages -", 2, "which the screen needs for keys"),
        ("--messages talk.json hello", 2, "cannot be used with"),
        ("screen.json --layers 0", 1, "no model that could follow --layers"),
        ("screen.json --positions 0", 1, "no model that could follow --positions"),
    ] {
        terminal.clear();
        terminal.lens(&format!("tui {args}"));
        terminal.wait_until(words, |screen| screen.replace('\n', "").contains(words));
        status(&terminal, code);
    }
}

/// Waits for the shell's answer to what a program left.
fn status(terminal: &Terminal, code: i32) {
    // What is typed before the shell is back may be taken away with what was typed for lens.
    terminal.wait_until("the shell", |screen| screen.trim_end().ends_with(READY));
    terminal.write("echo \"it ended with $?\"");
    terminal.press(&["Enter"]);
    terminal.wait(&format!("it ended with {code}"));
}

/// The process that runs in the terminal, by the folder that it was started in.
fn process_in(folder: &Path) -> String {
    let is_lens = |entry: &fs::DirEntry| {
        let is_here = fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd == folder);
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        is_here && name.starts_with("lens")
    };
    let all = fs::read_dir("/proc").expect("a list of processes").filter_map(Result::ok);
    let found: Vec<String> =
        all.filter(is_lens).map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    found[0].clone()
}

#[test]
#[cfg(target_os = "linux")]
fn a_signal_gives_the_terminal_back() {
    let Some(terminal) = Terminal::start(80, 24) else { return };
    let folder: PathBuf = fs::canonicalize(terminal.folder.path()).expect("a folder");
    for (signal, code, words) in [
        ("TERM", 143, "the screen was closed by a signal"),
        ("BUS", 1, "error: a file that is mapped into memory"),
    ] {
        terminal.lens("tui 'The capital of France is' -n 4");
        terminal.wait("·France");
        let sent = Command::new("kill").args(["-s", signal, &process_in(&folder)]).status();
        assert!(sent.expect("kill runs").success());
        let left = terminal.wait(words);
        assert!(!left.contains("·France"), "{left}");
        status(&terminal, code);
        terminal.is_as_before();
    }
}

#[test]
fn weights_that_are_cut_off_end_in_a_usable_terminal() {
    let Some(terminal) = Terminal::start(100, 24) else { return };
    let model = Model::with_words(&["hello", "world"]);
    terminal.lens(&format!("tui -m '{}' 'hello world'", model.path()));
    terminal.wait("hello");
    terminal.wait("resid_post");
    // The readout under the cursor is there, and nothing is read any more.
    terminal.wait_until("a whole run", |screen| {
        screen.contains("logit lens") && screen.contains("answer") && !screen.contains("reading")
    });
    let weights = Path::new(model.path()).join("model.safetensors");
    fs::File::options().write(true).open(&weights).and_then(|file| file.set_len(0)).expect("weights");
    terminal.press(&["i"]);
    terminal.wait("prompt › hello world");
    terminal.write(" hello");
    terminal.press(&["Enter"]);
    let left = terminal.wait("leave weights alone");
    says(&left.replace('\n', ""), &["became shorter", "model.safetensors", "--io read"]);
    assert!(!left.contains("logit lens"), "{left}");
    status(&terminal, 1);
    terminal.is_as_before();
}
