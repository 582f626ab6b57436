//! The 256 colours of a film.

use std::{collections::HashMap, sync::Mutex};

use crate::{
    picture::canvas::{ALARM, INK},
    ramp::{Ramp, Rgb},
};

/// Colours of cells: more than one tells apart side by side.
const GROUNDS: u8 = 36;
/// Steps from a ground to the text on it: the edges of letters.
const EDGES: u8 = 4;
/// Greys from white to ink.
const GREYS: u8 = 24;
/// Values of red, green and blue of everything else, such as signs in colours.
const OTHERS: [u8; 3] = [48, 144, 240];

/// Colours, and the nearest of them to any other.
pub(super) struct Palette {
    colours: Vec<Rgb>,
    known: Mutex<HashMap<[u8; 3], u8>>,
}

impl Palette {
    /// The colours of cells in a ramp, each with its way to the text on it, greys, and a few of everything.
    pub(super) fn new(ramp: Ramp) -> Self {
        let share = |i: u8, n: u8| f32::from(i) / f32::from(n);
        let grounds = (0..GROUNDS).map(|i| ramp.at(share(i, GROUNDS - 1)));
        let edged = grounds
            .flat_map(|ground| (0..=EDGES).map(move |i| ground.mix(ground.text(), share(i, EDGES + 1))));
        let greys = (0..GREYS).map(|i| Rgb::WHITE.mix(INK, share(i, GREYS - 1)));
        let others = OTHERS.into_iter().flat_map(|r| {
            OTHERS.into_iter().flat_map(move |g| OTHERS.into_iter().map(move |b| Rgb(r, g, b)))
        });
        let colours = edged.chain(greys).chain(others).chain([ALARM, Rgb::BLACK]).collect();
        Self { colours, known: Mutex::default() }
    }

    /// Red, green and blue of each colour.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.colours.iter().flat_map(|Rgb(r, g, b)| [*r, *g, *b]).collect()
    }

    /// The number of the nearest colour for each pixel.
    pub(super) fn indices(&self, colours: &[u8]) -> Vec<u8> {
        // Most pixels are as the one before. What has been looked up is shared by all frames.
        let mut last = ([0; 3], self.nearest([0; 3]));
        let mut here: HashMap<[u8; 3], u8> =
            self.known.lock().map_or_else(|_| HashMap::new(), |it| it.clone());
        let before = here.len();
        let mut index = |colour: &[u8; 3]| {
            if *colour != last.0 {
                last = (*colour, *here.entry(*colour).or_insert_with(|| self.nearest(*colour)));
            }
            last.1
        };
        let indices = colours.as_chunks::<3>().0.iter().map(&mut index).collect();
        if here.len() > before
            && let Ok(mut known) = self.known.lock()
        {
            known.extend(here);
        }
        indices
    }

    fn nearest(&self, [r, g, b]: [u8; 3]) -> u8 {
        let square = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
        let distance = |it: &Rgb| 3 * square(it.0, r) + 4 * square(it.1, g) + 2 * square(it.2, b);
        let nearest = (0..=u8::MAX).zip(&self.colours).min_by_key(|(_, colour)| distance(colour));
        nearest.map_or(0, |(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_text_and_paper_have_their_colours() {
        for ramp in [Ramp::Viridis, Ramp::Cividis] {
            let palette = Palette::new(ramp);
            assert!(palette.colours.len() <= 256);
            let shown = |Rgb(r, g, b): Rgb| palette.colours[usize::from(palette.indices(&[r, g, b])[0])];
            for exact in [Rgb::WHITE, INK, Rgb::BLACK, ALARM, ramp.at(0.0), ramp.at(1.0)] {
                assert_eq!(shown(exact), exact);
            }
            for i in 0..=1000 {
                let Rgb(r, g, b) = ramp.at(i as f32 / 1000.0);
                let near = shown(Rgb(r, g, b));
                let off = near.0.abs_diff(r).max(near.1.abs_diff(g)).max(near.2.abs_diff(b));
                assert!(off <= 10, "{r} {g} {b} is {near:?}");
            }
        }
    }
}
