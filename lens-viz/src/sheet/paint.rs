//! What each part of a table looks like at each capability of a terminal.

use anstyle::{Ansi256Color, AnsiColor, Color, RgbColor, Style};

use crate::ramp::{PALE, READABLE, Ramp, Rgb, diverging};

/// The colours that a terminal can show. The caller has to find out: nothing here looks at the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ColorLevel {
    /// No escape sequence at all: a file, a pipe, `NO_COLOR`.
    #[default]
    None,
    /// The 16 colours of every terminal: probabilities are shades of the text.
    Ansi16,
    /// The 256 colours of xterm: probabilities are backgrounds.
    Ansi256,
    /// 24-bit colours: probabilities are backgrounds.
    TrueColor,
}

/// The role of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Ink {
    Plain,
    /// Names of things, next to what they name.
    Faint,
    Strong,
    /// The token that the table is about.
    Focus,
    /// The layer at which the prediction is made.
    Decided,
    Good,
    Bad,
    /// On the background of a probability.
    Chip(f32),
    /// The same, for what matters less: space marks, ids.
    ChipFaint(f32),
    /// The same, for a token that only repeats what stands at its position: pale, and in italics.
    Echo(f32),
    /// A patch of the ramp itself.
    Ramp(f32),
    /// On the background of a difference: 0 is the largest below zero, 1 the largest above it.
    Signed(f32),
    /// The same, for what matters less.
    SignedFaint(f32),
    /// The same, for a token that only repeats what stands at its position.
    SignedEcho(f32),
}

/// Turns roles into escape sequences.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Paint(pub(crate) ColorLevel);

impl Paint {
    /// Whether probabilities are backgrounds.
    pub(crate) fn has_ramp(self) -> bool {
        self.0 >= ColorLevel::Ansi256
    }

    pub(crate) fn style(self, ink: Ink) -> Style {
        let style = Style::new();
        if self.0 == ColorLevel::None {
            return style;
        }
        let ansi = |color: AnsiColor| Some(Color::Ansi(color));
        match ink {
            Ink::Plain => style,
            Ink::Faint => style.dimmed(),
            Ink::Strong => style.bold(),
            Ink::Focus => style.bold().underline(),
            Ink::Decided => style.bold().fg_color(ansi(AnsiColor::Cyan)),
            Ink::Good => style.fg_color(ansi(AnsiColor::Green)),
            Ink::Bad => style.bold().fg_color(ansi(AnsiColor::Red)),
            Ink::Chip(p) if self.has_ramp() => self.on_ramp(p, 0.0),
            Ink::ChipFaint(p) if self.has_ramp() => self.on_ramp(p, 0.45),
            Ink::Echo(p) if self.has_ramp() => self.on_ramp(p, PALE).italic(),
            Ink::Echo(_) | Ink::SignedEcho(_) if !self.has_ramp() => style.dimmed().italic(),
            Ink::Echo(share) | Ink::SignedEcho(share) => self.on_difference(share, PALE).italic(),
            Ink::Ramp(p) if self.has_ramp() => style.bg_color(Some(self.color(self.ground(p)))),
            Ink::Chip(p) | Ink::Ramp(p) => shade(p),
            Ink::ChipFaint(_) => style.dimmed(),
            Ink::Signed(share) if self.has_ramp() => self.on_difference(share, 0.0),
            Ink::SignedFaint(share) if self.has_ramp() => self.on_difference(share, 0.45),
            Ink::Signed(share) | Ink::SignedFaint(share) => signed_shade(share),
        }
    }

    /// Text on the colour of a difference, `faded` part of the way into it.
    fn on_difference(self, share: f32, faded: f32) -> Style {
        self.text_on(diverging(2.0 * share - 1.0), faded)
    }

    /// Text on the colour of a probability, `faded` part of the way into it.
    fn on_ramp(self, probability: f32, faded: f32) -> Style {
        self.text_on(self.ground(probability), faded)
    }

    fn text_on(self, ground: Rgb, faded: f32) -> Style {
        // What counts are the colours that the terminal has, which may be nearer to each other than those meant.
        let ground = self.near(ground);
        let quiet = self.near(ground.quiet_text(faded));
        let text = if quiet.contrast(ground) >= READABLE { quiet } else { ground.text() };
        Style::new().bg_color(Some(self.color(ground))).fg_color(Some(self.color(text)))
    }

    /// The colour that stands for this one.
    fn near(self, color: Rgb) -> Rgb {
        if self.0 == ColorLevel::TrueColor { color } else { xterm(nearest_xterm(color)) }
    }

    /// The colour of a probability, as far as the terminal has it.
    fn ground(self, probability: f32) -> Rgb {
        match self.0 {
            ColorLevel::TrueColor => Ramp::default().at(probability),
            _ => {
                let step = (probability * XTERM_RAMP.len() as f32) as usize;
                xterm(XTERM_RAMP[step.min(XTERM_RAMP.len() - 1)])
            }
        }
    }

    fn color(self, color: Rgb) -> Color {
        match self.0 {
            ColorLevel::TrueColor => Color::Rgb(RgbColor(color.0, color.1, color.2)),
            _ => Color::Ansi256(Ansi256Color(nearest_xterm(color))),
        }
    }
}

/// A probability as a shade of text, for terminals whose 16 colours the user has chosen: from faint to bold,
/// so that the order survives any palette.
fn shade(probability: f32) -> Style {
    let color = |color: AnsiColor| Style::new().fg_color(Some(Color::Ansi(color)));
    match probability {
        p if p >= 0.6 => color(AnsiColor::BrightYellow).bold(),
        p if p >= 0.3 => color(AnsiColor::BrightGreen),
        p if p >= 0.1 => color(AnsiColor::Cyan),
        p if p >= 0.02 => Style::new(),
        _ => Style::new().dimmed(),
    }
}

/// A difference as a shade of text, for terminals whose 16 colours the user has chosen.
fn signed_shade(share: f32) -> Style {
    let value = 2.0 * share - 1.0;
    let color = if value < 0.0 { AnsiColor::Blue } else { AnsiColor::Red };
    match value.abs() {
        size if size >= 0.5 => Style::new().fg_color(Some(Color::Ansi(color))).bold(),
        size if size >= 0.1 => Style::new().fg_color(Some(Color::Ansi(color))),
        _ => Style::new().dimmed(),
    }
}

/// Viridis in ten of xterm's colours, chosen by hand: the nearest ones would be greys in places, and not
/// always lighter than the one before.
const XTERM_RAMP: [u8; 10] = [53, 54, 24, 30, 36, 77, 112, 148, 184, 220];

/// The colour of an index of xterm's colour cube or greys.
fn xterm(index: u8) -> Rgb {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    match index {
        232.. => Rgb(8 + 10 * (index - 232), 8 + 10 * (index - 232), 8 + 10 * (index - 232)),
        _ => {
            let (step, i) = (|i: u8| STEPS[usize::from(i)], index.saturating_sub(16));
            Rgb(step(i / 36), step(i / 6 % 6), step(i % 6))
        }
    }
}

/// The nearest of xterm's colour cube and greys. The first 16 are the user's own and cannot be relied upon.
fn nearest_xterm(color: Rgb) -> u8 {
    let distance = |other: Rgb| {
        let square = |a: u8, b: u8| (i32::from(a) - i32::from(b)).pow(2);
        square(color.0, other.0) + square(color.1, other.1) + square(color.2, other.2)
    };
    (16..=255).min_by_key(|index| distance(xterm(*index))).unwrap_or(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The colours of a style's text and ground.
    fn colours(style: Style) -> (Rgb, Rgb) {
        let of = |color: Option<Color>| match color {
            Some(Color::Rgb(RgbColor(red, green, blue))) => Rgb(red, green, blue),
            Some(Color::Ansi256(Ansi256Color(index))) => xterm(index),
            other => panic!("{other:?}"),
        };
        (of(style.get_fg_color()), of(style.get_bg_color()))
    }

    #[test]
    fn what_matters_less_can_be_read_on_every_colour_and_echoes_are_told_from_the_rest() {
        for level in [ColorLevel::Ansi256, ColorLevel::TrueColor] {
            for share in (0..=200).map(|step| step as f32 / 200.0) {
                for ink in
                    [Ink::Chip, Ink::ChipFaint, Ink::Echo, Ink::Signed, Ink::SignedFaint, Ink::SignedEcho]
                {
                    let (text, ground) = colours(Paint(level).style(ink(share)));
                    let contrast = text.contrast(ground);
                    assert!(contrast >= READABLE, "{contrast} of {:?} at {level:?}", ink(share));
                }
                let pairs =
                    [[Ink::Chip(share), Ink::Echo(share)], [Ink::Signed(share), Ink::SignedEcho(share)]];
                for [usual, echo] in pairs.map(|pair| pair.map(|ink| Paint(level).style(ink))) {
                    assert_eq!(usual.get_bg_color(), echo.get_bg_color());
                    assert_ne!(usual.get_effects(), echo.get_effects());
                }
            }
        }
        let few = Paint(ColorLevel::Ansi16);
        assert_ne!(few.style(Ink::Chip(0.9)), few.style(Ink::Echo(0.9)));
    }

    #[test]
    fn xterm_colours_are_the_nearest_ones() {
        assert_eq!(nearest_xterm(Rgb::BLACK), 16);
        assert_eq!(nearest_xterm(Rgb::WHITE), 231);
        assert_eq!(nearest_xterm(Rgb(254, 230, 40)), 220);
        assert_eq!(nearest_xterm(Rgb(119, 117, 118)), 243);
    }

    #[test]
    fn the_ramp_gets_lighter_in_256_colours_too() {
        let luminances = XTERM_RAMP.map(|index| xterm(index).luminance());
        assert!(luminances.is_sorted_by(|a, b| a < b), "{luminances:?}");
        assert!(XTERM_RAMP.iter().all(|index| nearest_xterm(xterm(*index)) == *index));
        let paint = Paint(ColorLevel::Ansi256);
        assert_eq!(paint.ground(1.0), xterm(220));
        assert_eq!(paint.ground(f32::NAN), xterm(53));
    }

    #[test]
    fn without_colour_there_is_no_escape_sequence() {
        for ink in [Ink::Faint, Ink::Bad, Ink::Chip(0.5), Ink::Ramp(1.0)] {
            assert_eq!(Paint(ColorLevel::None).style(ink), Style::new());
        }
    }
}
