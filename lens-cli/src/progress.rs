//! Progress on stderr, where that is a terminal.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};
use lens_checkpoint::source::{self, Event};
use lens_core::Progress;
use lens_viz::display_safe;

use crate::style::Console;

/// Bars of downloads; notes appear everywhere.
pub struct Downloads<'a> {
    console: &'a Console,
    bar: ProgressBar,
}

impl<'a> Downloads<'a> {
    /// Without a bar, until a download begins.
    pub fn new(console: &'a Console) -> Self {
        Self { console, bar: ProgressBar::hidden() }
    }
}

impl source::Progress for Downloads<'_> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start { file, size, done } => {
                self.bar.finish_and_clear();
                let template = match size {
                    Some(_) => "{msg}  {wide_bar}  {bytes}/{total_bytes}  {bytes_per_sec}  {eta}",
                    None => "{msg}  {bytes}  {bytes_per_sec}",
                };
                self.bar = bar(size, template);
                self.bar.set_message(display_safe(file).into_owned());
                self.bar.set_position(done);
                self.bar.reset_eta();
            }
            Event::Advance { bytes } => self.bar.inc(bytes),
            Event::Finish { .. } => self.bar.finish_and_clear(),
            Event::Note(text) => self.bar.suspend(|| self.console.note(text)),
            _ => {}
        }
    }
}

/// A bar for a run: it turns while the first step is under way, and counts tokens from then on.
pub struct Running(ProgressBar);

impl Running {
    /// A bar that says what is under way.
    pub fn new(what: &'static str) -> Self {
        let bar = bar(None, "{spinner} {msg} {elapsed}");
        bar.set_message(what);
        // Most runs of small models are over before anything would be drawn.
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Self(bar)
    }

    /// How many tokens are read.
    pub fn report(&self, progress: Progress) {
        if self.0.length().is_none() && progress.done < progress.total {
            self.0.set_length(progress.total as u64);
            self.0.set_style(style("reading  {wide_bar}  {pos}/{len} tokens  {eta}"));
        }
        self.0.set_position(progress.done as u64);
    }

    /// How many bytes of a model are in their place.
    pub fn load(&self, done: u64, total: u64) {
        if self.0.length().is_none() {
            self.0.set_length(total);
            self.0.set_style(style("loading  {wide_bar}  {bytes}/{total_bytes}  {eta}"));
        }
        self.0.set_position(done);
    }

    /// The bar of pictures, of which `done` are drawn.
    pub fn draw(&self, done: usize, total: usize) {
        if done == 0 {
            self.0.set_length(total as u64);
            self.0.set_style(style("drawing  {wide_bar}  {pos}/{len} pictures  {eta}"));
        }
        self.0.set_position(done as u64);
    }

    /// The bar of directions, of which `done` are decoded.
    pub fn decode(&self, done: usize, total: usize) {
        if self.0.length().is_none() {
            self.0.set_length(total as u64);
            self.0.set_style(style("decoding  {wide_bar}  {pos}/{len} directions  {per_sec}  {eta}"));
        }
        self.0.set_position(done as u64);
    }

    /// The bar of a sweep, of whose places `done` were changed.
    pub fn patch(&self, done: usize, total: usize) {
        if self.0.length().is_none() {
            self.0.set_length(total as u64);
            self.0.set_style(style("patching  {wide_bar}  {pos}/{len} places  {eta}"));
        }
        self.0.set_position(done as u64);
    }

    /// The bar of a fit, of which `done` steps are taken.
    pub fn fit(&self, done: u64, total: u64) {
        if self.0.length() != Some(total) {
            self.0.set_length(total);
            self.0.set_style(style("fitting  {wide_bar}  {pos}/{len}  {eta}"));
        }
        self.0.set_position(done);
    }

    /// The bar of a corpus, of whose bytes `done` were read.
    pub fn corpus(&self, done: u64, total: u64) {
        if self.0.length() != Some(total) {
            self.0.set_length(total);
            self.0.set_style(style("reading  {wide_bar}  {bytes}/{total_bytes}  {msg}  {eta}"));
        }
        self.0.set_position(done);
    }

    /// The bar of parts, of which `done` are put together.
    pub fn parts(&self, done: u64, total: u64) {
        if self.0.length() != Some(total) {
            self.0.set_length(total);
            self.0.set_style(style("merging  {wide_bar}  {pos}/{len} parts  {eta}"));
        }
        self.0.set_position(done);
    }

    /// How much is done of what nobody knows the whole of, as in `7 sequences read`.
    pub fn count(&self, done: u64, what: &str) {
        self.0.set_message(format!("{done} {what}"));
    }

    /// The bar of a continuation, of which `done` tokens are written.
    pub fn write(&self, done: usize, total: usize) {
        if self.0.length() != Some(total as u64) || done == 1 {
            self.0.set_length(total as u64);
            self.0.set_style(style("writing  {wide_bar}  {pos}/{len} tokens  {eta}"));
        }
        self.0.set_position(done as u64);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn bar(length: Option<u64>, template: &str) -> ProgressBar {
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let target = if dumb || !std::io::stderr().is_terminal() {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::term_like_with_hz(Box::new(Narrow), DRAWN_PER_SECOND)
    };
    ProgressBar::with_draw_target(length, target).with_style(style(template))
}

/// How often a bar is drawn, at most.
const DRAWN_PER_SECOND: u8 = 20;

/// Columns that a bar leaves free: the terminal writes `^C` after it, which must not begin another line. What is cleared
/// then would be that line, and the bar would stay.
const FREE: u16 = 4;

/// The terminal of stderr, a little narrower than it is: indicatif fills the last line up to its end.
#[derive(Debug)]
struct Narrow;

impl Narrow {
    fn write(text: &str) -> io::Result<()> {
        io::stderr().lock().write_all(text.as_bytes())
    }

    /// Moves the cursor by `n` in the direction of an ANSI sequence's last letter.
    fn move_cursor(n: usize, direction: char) -> io::Result<()> {
        if n == 0 { Ok(()) } else { Self::write(&format!("\x1b[{n}{direction}")) }
    }
}

impl TermLike for Narrow {
    fn width(&self) -> u16 {
        let size = terminal_size::terminal_size_of(io::stderr());
        let columns = size.map_or(80, |(terminal_size::Width(columns), _)| columns);
        columns.saturating_sub(FREE).max(1)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        Self::move_cursor(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        Self::move_cursor(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        Self::move_cursor(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        Self::move_cursor(n, 'D')
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        Self::write(&format!("{line}\n"))
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        Self::write(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        Self::write("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        io::stderr().flush()
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
