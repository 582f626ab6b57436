//! The colours of a cell and of what is written in it.

use super::canvas::{FAINT, GREY};
use crate::ramp::{PALE, Rgb};

/// How much paler than a token its number is.
const NUMBER: f32 = 0.2;

/// The colours of a cell.
pub(super) struct Ink {
    pub(super) ground: Rgb,
    /// Of a sign, which is never pale.
    pub(super) sign: Rgb,
    pub(super) token: Rgb,
    pub(super) number: Rgb,
}

impl Ink {
    /// Those of a cell whose value has a colour, if it has a value: grey where it cannot be trusted, and with a pale token
    /// where that only repeats what is read there.
    pub(super) fn new(colour: Option<Rgb>, trusted: bool, echoes: bool) -> Self {
        if !trusted {
            return Self { ground: FAINT, sign: GREY, token: GREY, number: GREY };
        }
        let ground = colour.unwrap_or(FAINT);
        let token = if echoes { ground.quiet_text(PALE) } else { ground.text() };
        Self { ground, sign: ground.text(), token, number: ground.quiet_text(NUMBER) }
    }
}
