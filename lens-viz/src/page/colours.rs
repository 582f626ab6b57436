//! The colours of cells, as classes of the style sheet: the page's policy lets no style stand in an attribute.

use crate::ramp::{PALE, Ramp, Rgb, diverging};

/// Steps between the two ends of the scale: finer than an eye tells apart in cells that do not touch.
const STEPS: u8 = 40;

/// The class of a value from 0 to 1.
pub(super) fn level(value: f32) -> u8 {
    (value.clamp(0.0, 1.0) * f32::from(STEPS)).round() as u8
}

/// `.q0` to `.q40` for values and `.d0` to `.d40` for differences, of which 20 is none, each with a text colour that
/// can be read on it, and a paler one for what matters less.
pub(super) fn rules() -> String {
    (0..=STEPS)
        .map(|step| {
            let share = f32::from(step) / f32::from(STEPS);
            let rule = |name: char, colour: Rgb| {
                let [text, quiet] = [colour.text(), colour.quiet_text(PALE)].map(hex);
                let ground = hex(colour);
                let class = format!(".{name}{step}");
                format!(
                    "{class}{{background:{ground};color:{text}}}\n{class}.echoes .token,{class}.quiet{{color:{quiet}}}\n"
                )
            };
            rule('q', Ramp::Viridis.at(share)) + &rule('d', diverging(2.0 * share - 1.0))
        })
        .collect()
}

fn hex(Rgb(red, green, blue): Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_reach_both_ends_and_stay_between_them() {
        assert_eq!([-1.0, 0.0, 0.5, 1.0, 7.0, f32::NAN].map(level), [0, 0, 20, 40, 40, 0]);
        assert!(
            rules().contains(".d20{background:#f7f7f7;color:#000000}\n.d20.echoes .token,.d20.quiet{color:#")
        );
        assert!(
            rules().contains(".q40{background:#fde725;color:#000000}\n.q40.echoes .token,.q40.quiet{color:#")
        );
    }
}
