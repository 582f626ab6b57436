//! Colours that stand for probabilities.

/// A colour in sRGB, eight bits a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rgb(pub u8, pub u8, pub u8);

/// The least contrast of text of any size (WCAG 2.2, 1.4.3).
pub(crate) const READABLE: f32 = 4.5;

/// How far the text of a token that only repeats its position's own goes into the colour below it, at most.
pub(crate) const PALE: f32 = 0.55;

impl Rgb {
    /// Black.
    pub const BLACK: Self = Self(0, 0, 0);
    /// White.
    pub const WHITE: Self = Self(255, 255, 255);

    /// Relative luminance in `[0, 1]` (WCAG 2.2).
    pub fn luminance(self) -> f32 {
        let linear = |channel: u8| {
            let c = f32::from(channel) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    /// Contrast ratio to another colour, from 1 to 21 (WCAG 2.2).
    pub fn contrast(self, other: Self) -> f32 {
        let (a, b) = (self.luminance(), other.luminance());
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// Black or white, whichever reads better on this colour. Its contrast is never below 4.5.
    pub fn text(self) -> Self {
        if self.contrast(Self::BLACK) >= self.contrast(Self::WHITE) { Self::BLACK } else { Self::WHITE }
    }

    /// Text on this colour that matters less: as far as `most` of the way into it, but never so far that its contrast falls
    /// below 4.5 (WCAG 2.2, text of any size). On colours in the middle it is [`text`](Self::text) itself, so that
    /// it has to differ in something else, too.
    pub(crate) fn quiet_text(self, most: f32) -> Self {
        const STEPS: u8 = 32;
        let text = self.text();
        let quiet = |step: u8| text.mix(self, most * f32::from(step) / f32::from(STEPS));
        (0..=STEPS).rev().map(quiet).find(|quiet| quiet.contrast(self) >= READABLE).unwrap_or(text)
    }

    /// The colour `share` of the way to another one.
    pub fn mix(self, other: Self, share: f32) -> Self {
        let mix = |a: u8, b: u8| (f32::from(a) + share * (f32::from(b) - f32::from(a))).round() as u8;
        Self(mix(self.0, other.0), mix(self.1, other.1), mix(self.2, other.2))
    }
}

/// A perceptually even, colour-blind-safe ramp from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Ramp {
    /// Viridis (Smith and van der Walt 2015), dark violet to yellow: equal steps look equal, also in grey.
    #[default]
    Viridis,
    /// Cividis (Nuñez, Anderton and Renslow 2018), dark blue to yellow: looks nearly the same to every kind of
    /// colour vision.
    Cividis,
}

impl Ramp {
    /// The colour of a value; values outside `[0, 1]` take the nearest end, and NaN the lower one.
    pub fn at(self, value: f32) -> Rgb {
        let anchors = match self {
            Self::Viridis => &VIRIDIS,
            Self::Cividis => &CIVIDIS,
        };
        let value = if value.is_nan() { 0.0 } else { value.clamp(0.0, 1.0) };
        between(anchors, value)
    }
}

/// The colour of a difference from -1 to 1: blue below zero, red above it, both darker the farther from zero (RdBu of
/// ColorBrewer, Harrower and Brewer 2003, which no common kind of colour vision mistakes). Values outside take the
/// nearest end, and NaN the middle.
pub(crate) fn diverging(value: f32) -> Rgb {
    let value = if value.is_nan() { 0.0 } else { value.clamp(-1.0, 1.0) };
    let anchors = if value < 0.0 { &BLUES } else { &REDS };
    between(anchors, value.abs())
}

/// The colour at a share of the way along evenly spaced ones.
fn between(anchors: &[Rgb], share: f32) -> Rgb {
    let place = share * (anchors.len() - 1) as f32;
    let below = (place as usize).min(anchors.len() - 2);
    anchors[below].mix(anchors[below + 1], place - below as f32)
}

/// From no difference to the largest one below zero.
const BLUES: [Rgb; 6] = [
    Rgb(247, 247, 247),
    Rgb(209, 229, 240),
    Rgb(146, 197, 222),
    Rgb(67, 147, 195),
    Rgb(33, 102, 172),
    Rgb(5, 48, 97),
];

/// From no difference to the largest one above zero.
const REDS: [Rgb; 6] = [
    Rgb(247, 247, 247),
    Rgb(253, 219, 199),
    Rgb(244, 165, 130),
    Rgb(214, 96, 77),
    Rgb(178, 24, 43),
    Rgb(103, 0, 31),
];

/// Nine evenly spaced colours of viridis; between them it is straight to within what an eye can tell.
const VIRIDIS: [Rgb; 9] = [
    Rgb(68, 1, 84),
    Rgb(71, 45, 123),
    Rgb(59, 82, 139),
    Rgb(44, 114, 142),
    Rgb(33, 144, 140),
    Rgb(39, 173, 129),
    Rgb(93, 200, 99),
    Rgb(170, 220, 50),
    Rgb(253, 231, 37),
];

/// Nine evenly spaced colours of cividis.
const CIVIDIS: [Rgb; 9] = [
    Rgb(0, 34, 78),
    Rgb(26, 56, 111),
    Rgb(67, 78, 108),
    Rgb(97, 101, 111),
    Rgb(124, 123, 120),
    Rgb(155, 147, 118),
    Rgb(187, 173, 108),
    Rgb(221, 201, 88),
    Rgb(254, 232, 56),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_lighter_and_text_can_be_read_on_it() {
        for ramp in [Ramp::Viridis, Ramp::Cividis] {
            let mut before = -1.0;
            for step in 0..=100 {
                let colour = ramp.at(step as f32 / 100.0);
                assert!(colour.luminance() > before, "step {step} of {ramp:?} is not lighter than the last");
                assert!(colour.contrast(colour.text()) >= 4.5, "text on {colour:?} has too little contrast");
                before = colour.luminance();
            }
        }
    }

    #[test]
    fn differences_are_darker_the_farther_from_zero_and_text_can_be_read_on_them() {
        for sign in [-1.0, 1.0] {
            let mut before = 2.0;
            for step in 0..=100 {
                let colour = diverging(sign * step as f32 / 100.0);
                assert!(colour.luminance() < before, "step {step} is not darker than the last");
                assert!(colour.contrast(colour.text()) >= 4.5, "text on {colour:?} has too little contrast");
                before = colour.luminance();
            }
        }
        assert_eq!([f32::NAN, 9.0, -9.0].map(diverging), [0.0, 1.0, -1.0].map(diverging));
    }

    #[test]
    fn quiet_text_can_be_read_on_every_colour_and_is_paler_where_there_is_room_for_it() {
        let colours = || {
            let steps = (0..=1000).map(|step| step as f32 / 1000.0);
            steps.flat_map(|share| {
                [Ramp::Viridis.at(share), Ramp::Cividis.at(share), diverging(2.0 * share - 1.0)]
            })
        };
        // And greys, and the corners and edges of the cube, which no ramp has yet.
        let channel = |step: u8| step * 51;
        let cube = (0..216u8).map(|i| Rgb(channel(i / 36), channel(i / 6 % 6), channel(i % 6)));
        let greys = (0..=255u8).map(|grey| Rgb(grey, grey, grey));
        let mut paler = 0;
        for colour in colours().chain(cube).chain(greys) {
            for most in [0.2, 0.45, PALE, 1.0] {
                let quiet = colour.quiet_text(most);
                assert!(quiet.contrast(colour) >= READABLE, "{quiet:?} on {colour:?}");
                assert!(quiet.contrast(colour) <= colour.contrast(colour.text()), "{quiet:?} on {colour:?}");
                paler += usize::from(quiet.contrast(colour) < 0.8 * colour.contrast(colour.text()));
            }
        }
        assert!(paler > 4000, "{paler}");
    }

    #[test]
    fn values_outside_take_the_ends() {
        assert_eq!(Ramp::Viridis.at(-1.0), VIRIDIS[0]);
        assert_eq!(Ramp::Viridis.at(f32::NAN), VIRIDIS[0]);
        assert_eq!(Ramp::Viridis.at(1.0), VIRIDIS[8]);
        assert_eq!(Ramp::Viridis.at(f32::INFINITY), VIRIDIS[8]);
    }
}
