//! The terminal's other screen, and the way back, whatever happens.

use std::{
    io::{self, Stdout},
    sync::atomic::{AtomicBool, Ordering},
};

use crossterm::{
    cursor::Show,
    event::{DisableBracketedPaste, EnableBracketedPaste},
    execute,
    style::force_color_output,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{Terminal, backend::CrosstermBackend};

use crate::signals;

/// Whether the terminal shows the other screen.
static ENTERED: AtomicBool = AtomicBool::new(false);

/// The other screen, until this is dropped.
pub(super) struct Screen(pub(super) Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    /// Takes the screen over.
    pub(super) fn enter(colors: bool) -> io::Result<Self> {
        signals::before_leaving(leave);
        // What may be shown was decided before, --color included.
        force_color_output(colors);
        ENTERED.store(true, Ordering::SeqCst);
        let entered = enable_raw_mode()
            .and_then(|()| execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste))
            .and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        entered.map(Self).inspect_err(|_| leave())
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
        // Who cannot be told has no terminal any more.
        let _ = execute!(io::stdout(), DisableBracketedPaste, LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

/// Whether the screen was given back by somebody else: by a thread that panicked.
pub(super) fn is_lost() -> bool {
    !ENTERED.load(Ordering::SeqCst)
}
