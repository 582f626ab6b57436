//! What comes from the keyboard, whatever reads it.

/// A key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(missing_docs, reason = "keys are called what is written on them")]
pub enum Key {
    /// A character.
    Char(char),
    /// A character together with Ctrl.
    Ctrl(char),
    Enter,
    Esc,
    Backspace,
    Delete,
    Left,
    Right,
    Up,
    Down,
    Home,
    End,
    PageUp,
    PageDown,
    Tab,
    BackTab,
}
