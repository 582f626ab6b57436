//! What the terminal can show, and how messages look on it.

use std::{
    ffi::OsString,
    io::{IsTerminal, Write},
};

use anstyle::{AnsiColor, Color, Style};
use clap::ValueEnum;
use lens_viz::{display_safe, terminal::ColorLevel};

/// Columns where no terminal says how many it has.
const WIDTH: usize = 80;

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless `NO_COLOR` is set; `CLICOLOR_FORCE` asks for them elsewhere too.
    Auto,
    /// Even into a file or a pipe.
    Always,
    /// Not at all.
    Never,
}

/// A style that is empty where there are no colours.
#[derive(Debug, Clone, Copy)]
pub struct Paint(pub(crate) ColorLevel);

impl Paint {
    /// Whether there are no colours.
    pub fn is_plain(self) -> bool {
        self.0 == ColorLevel::None
    }

    /// For what matters less.
    pub fn faint(self, text: &str) -> String {
        self.with(Style::new().dimmed(), text)
    }

    /// For what stands out.
    pub fn strong(self, text: &str) -> String {
        self.with(Style::new().bold(), text)
    }

    /// For success.
    pub fn good(self, text: &str) -> String {
        self.with(colored(AnsiColor::Green), text)
    }

    /// For failure.
    pub fn bad(self, text: &str) -> String {
        self.with(colored(AnsiColor::Red).bold(), text)
    }

    /// For what is said beside the matter.
    pub fn aside(self, text: &str) -> String {
        self.with(colored(AnsiColor::Cyan), text)
    }

    fn with(self, style: Style, text: &str) -> String {
        let style = if self.is_plain() { Style::new() } else { style };
        format!("{style}{text}{style:#}")
    }
}

fn colored(color: AnsiColor) -> Style {
    Style::new().fg_color(Some(Color::Ansi(color)))
}

/// What may help against an error, as a sentence without a stop.
pub type Adviser = fn(&anyhow::Error) -> Option<String>;

/// Where results and messages go.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    /// The colours of stdout.
    pub out: Paint,
    /// The colours of stderr.
    err: Paint,
    /// Columns of stdout.
    pub width: usize,
    /// Whether stdout takes printable ASCII only.
    pub ascii: bool,
    advice: Adviser,
}

impl Console {
    /// As the environment and the terminal ask for, and `when`.
    pub fn new(when: When) -> Self {
        let lookup = |name: &str| std::env::var_os(name);
        let level = |is_terminal| color_level(when, is_terminal, lookup);
        Self {
            out: Paint(level(std::io::stdout().is_terminal())),
            err: Paint(level(std::io::stderr().is_terminal())),
            width: width(lookup),
            ascii: needs_ascii(lookup),
            advice: |_| None,
        }
    }

    /// The same with advice for errors.
    #[must_use]
    pub fn advised_by(self, advice: Adviser) -> Self {
        Self { advice, ..self }
    }

    /// What may help against an error.
    pub fn advice(&self, error: &anyhow::Error) -> Option<String> {
        (self.advice)(error)
    }

    /// The same without colours, for a file.
    pub fn plain(self) -> Self {
        Self { out: Paint(ColorLevel::None), ..self }
    }

    /// Says something that the user may want to know.
    pub fn note(&self, text: &str) {
        self.say(&format!("{} {}", self.err.aside("note:"), display_safe(text)));
    }

    /// Says what went wrong, the causes below it, and what may help.
    pub fn error(&self, error: &anyhow::Error) {
        let mut last = error.to_string();
        self.say(&format!("{} {}", self.err.bad("error:"), display_safe(&last)));
        for cause in error.chain().skip(1).map(ToString::to_string) {
            // Some errors quote their cause.
            if !last.contains(&cause) {
                self.say(&format!("  {} {}", self.err.faint("because:"), display_safe(&cause)));
            }
            last = cause;
        }
        if let Some(advice) = self.advice(error) {
            self.say(&format!("  {} {}", self.err.faint("tip:"), display_safe(&advice)));
        }
    }

    /// Says what is wrong with the arguments, which may be quoted in it.
    pub fn usage(&self, text: &str) {
        for (i, line) in text.trim_end().lines().enumerate() {
            let line = display_safe(line);
            match line.strip_prefix("error:").filter(|_| i == 0) {
                Some(rest) => self.say(&format!("{}{rest}", self.err.bad("error:"))),
                None => self.say(&line),
            }
        }
    }

    /// Asks for a report of a bug.
    pub fn bug(&self, what: &str) {
        let what = display_safe(what);
        self.say(&format!(
            "{} this is a bug in lens: {what}; please report it at {}/issues",
            self.err.bad("error:"),
            env!("CARGO_PKG_REPOSITORY")
        ));
    }

    /// Writes a line to stderr. Nobody is left to tell when that fails.
    fn say(&self, line: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }
}

/// The colours to use on a stream, by the flag and the environment's conventions.
fn color_level(when: When, is_terminal: bool, lookup: impl Fn(&str) -> Option<OsString>) -> ColorLevel {
    let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
    let text = |name: &str| get(name).and_then(|value| value.into_string().ok()).unwrap_or_default();
    let term = text("TERM");
    let wanted = match when {
        When::Never => false,
        When::Always => true,
        When::Auto if get("NO_COLOR").is_some() => false,
        When::Auto if get("CLICOLOR_FORCE").is_some_and(|value| value != "0") => true,
        When::Auto => is_terminal && term != "dumb" && text("CLICOLOR") != "0",
    };
    let direct = ["truecolor", "24bit"].contains(&text("COLORTERM").as_str()) || term.ends_with("-direct");
    match wanted {
        false => ColorLevel::None,
        true if direct || get("WT_SESSION").is_some() => ColorLevel::TrueColor,
        true if term.contains("256color") => ColorLevel::Ansi256,
        true => ColorLevel::Ansi16,
    }
}

/// The columns of stdout: those of the terminal, or of `COLUMNS`.
fn width(lookup: impl Fn(&str) -> Option<OsString>) -> usize {
    if let Some((terminal_size::Width(columns), _)) = terminal_size::terminal_size_of(std::io::stdout()) {
        return usize::from(columns).max(1);
    }
    let columns = lookup("COLUMNS").and_then(|value| value.to_str()?.parse().ok());
    columns.filter(|columns| (1..=4096).contains(columns)).unwrap_or(WIDTH)
}

/// Whether the locale names a character set that is not UTF-8. No locale at all says nothing.
fn needs_ascii(lookup: impl Fn(&str) -> Option<OsString>) -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| lookup(name).filter(|v| !v.is_empty()));
    let locale = locale.unwrap_or_default().to_string_lossy().to_lowercase();
    locale.split_once('.').is_some_and(|(_, set)| !set.starts_with("utf-8") && !set.starts_with("utf8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(when: When, is_terminal: bool, environment: &[(&str, &str)]) -> ColorLevel {
        color_level(when, is_terminal, |name| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
        })
    }

    #[test]
    fn the_terminal_says_how_many_colours_it_has() {
        assert_eq!(level(When::Auto, true, &[("TERM", "xterm")]), ColorLevel::Ansi16);
        assert_eq!(level(When::Auto, true, &[("TERM", "tmux-256color")]), ColorLevel::Ansi256);
        let direct = [("TERM", "xterm-256color"), ("COLORTERM", "truecolor")];
        assert_eq!(level(When::Auto, true, &direct), ColorLevel::TrueColor);
        assert_eq!(level(When::Auto, true, &[("TERM", "dumb")]), ColorLevel::None);
        assert_eq!(level(When::Auto, false, &direct), ColorLevel::None);
    }

    #[test]
    fn the_flag_wins_over_no_color_and_no_color_over_force() {
        let both = [("TERM", "xterm-256color"), ("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")];
        assert_eq!(level(When::Auto, true, &both), ColorLevel::None);
        assert_eq!(level(When::Always, false, &both), ColorLevel::Ansi256);
        assert_eq!(level(When::Auto, false, &both[2..]), ColorLevel::Ansi16);
        assert_eq!(level(When::Auto, true, &[("NO_COLOR", ""), ("TERM", "xterm")]), ColorLevel::Ansi16);
        assert_eq!(level(When::Never, true, &both[2..]), ColorLevel::None);
    }

    #[test]
    fn only_a_locale_of_another_character_set_asks_for_ascii() {
        let ascii = |value: &str| needs_ascii(|name| (name == "LANG").then(|| value.into()));
        assert!(ascii("de_DE.ISO-8859-1"));
        assert!(!ascii("en_US.UTF-8") && !ascii("C.utf8") && !ascii("C") && !ascii(""));
    }
}
