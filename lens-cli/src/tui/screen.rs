//! The terminal's other screen, and the way back, whatever happens.

use std::{
    io::{self, Stdout},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use crossterm::{
    cursor::Show,
    event::{DisableBracketedPaste, EnableBracketedPaste},
    execute,
    style::force_color_output,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{Frame, Terminal, backend::CrosstermBackend};

use crate::signals;

/// Whether the terminal shows the other screen.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// Whether somebody is drawing on it: what is written then must not come after [`leave`].
static DRAWING: AtomicBool = AtomicBool::new(false);

/// How often, and with what pauses, [`leave`] looks whether a drawing is done. A terminal that takes nothing any more is not
/// waited for.
const LOOKS: u32 = 200;
const PAUSE: Duration = Duration::from_millis(1);

/// What [`leave`] writes, for where nothing can be asked any more; colours and other styles end first.
const BACK: &[u8] = b"\x1b[0m\x1b[?2004l\x1b[?1049l\x1b[?25h";

/// The other screen, until this is dropped.
pub(super) struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    /// Takes the screen over.
    pub(super) fn enter(colors: bool) -> io::Result<Self> {
        signals::before_leaving(leave);
        signals::say_when_left("the screen was closed by a signal: what was not written with e is gone");
        signals::give_back(BACK, &ENTERED, is_drawn)?;
        // What may be shown was decided before, --color included.
        force_color_output(colors);
        ENTERED.store(true, Ordering::SeqCst);
        let entered = enable_raw_mode()
            .and_then(|()| execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste))
            .and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        entered.map(Self).inspect_err(|_| leave())
    }

    /// Draws on the screen, unless it was given back.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        // In this order: whoever gives the screen back says so first, and then looks whether anybody draws.
        DRAWING.store(true, Ordering::SeqCst);
        let drawn = if is_lost() { Ok(()) } else { self.0.draw(draw).map(drop) };
        DRAWING.store(false, Ordering::SeqCst);
        drawn
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        leave();
    }
}

/// Gives the screen back as it was, if it was taken. Any thread may do this, and more than once.
pub(super) fn leave() {
    if ENTERED.swap(false, Ordering::SeqCst) {
        is_drawn();
        // Who cannot be told has no terminal any more.
        let _ = execute!(io::stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// Waits until nobody draws any more, a little while at most; neither locks nor allocates.
fn is_drawn() {
    for _ in 0..LOOKS {
        if !DRAWING.load(Ordering::SeqCst) {
            return;
        }
        thread::sleep(PAUSE);
    }
}

/// Whether the screen was given back by somebody else: by a thread that panicked.
pub(super) fn is_lost() -> bool {
    !ENTERED.load(Ordering::SeqCst)
}

#[cfg(test)]
mod tests {
    use crossterm::{Command, style::ResetColor};

    use super::*;

    #[test]
    fn what_is_written_where_nothing_can_be_asked_is_what_crossterm_writes() {
        let mut text = String::new();
        ResetColor.write_ansi(&mut text).expect("a text takes anything");
        DisableBracketedPaste.write_ansi(&mut text).expect("a text takes anything");
        LeaveAlternateScreen.write_ansi(&mut text).expect("a text takes anything");
        Show.write_ansi(&mut text).expect("a text takes anything");
        assert_eq!(text.as_bytes(), BACK);
    }
}
