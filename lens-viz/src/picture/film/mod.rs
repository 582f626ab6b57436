//! A film of a continuation: each token as the layers come to it, as an animated GIF.
//!
//! A column for each token that the model wrote, a row for each layer, the top-1 token and its probability in each cell.
//! The cells of a column come from the first layer to the last, then the token is written below them and into the text
//! above. A column that has no more room begins a new page.
//!
//! Frames are drawn a few at a time and written at once, and only what has changed of them; nothing is kept but the picture
//! that is seen. What a film needs in memory depends on the size of its picture, and not on how long it is.

mod frame;
mod palette;
mod screen;

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use lens_core::{LensTrace, StepTrace};
use rayon::prelude::{IntoParallelIterator, ParallelIterator};

use super::{PictureError, PictureOptions, raster, scale::Scale};
use crate::measure::Measure;
use crate::source::{Place, Source, only_component};
use frame::Stage;
use palette::Palette;
use screen::{Area, Pixels, Screen};

/// Pixels of a film's width, unless asked otherwise.
const WIDTH: u32 = 800;
/// Rows that a film has room for; of more layers, one in so many is shown.
const MOST_ROWS: usize = 28;
/// Frames in which the layers of one token come, at most, and in which those of all tokens come, about.
const MOST_PARTS: usize = 12;
const ALL_PARTS: usize = 600;
/// Steps whose frames are drawn side by side: a bound on memory.
const AT_ONCE: usize = 8;

/// Hundredths of a second: before the first token, for each part of its layers, and after the last token.
const BEFORE: u16 = 100;
const PART: u16 = 7;
const AFTER: u16 = 300;
/// Hundredths of a second that a written token stands, by how many there are.
const STANDS: (usize, usize, usize) = (12, 6000, 60);

/// Why there is no film.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilmError {
    /// The trace cannot be filmed, or an option asks for what is not there.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The film cannot be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

/// A film of a trace that can be made: what may be wrong with trace and options has been looked at.
pub struct Film<'a> {
    source: Source<'a>,
    steps: Vec<&'a StepTrace>,
    places: Vec<Place>,
    /// One layer in so many is shown.
    stride: usize,
    scale: Scale,
    options: PictureOptions,
    /// Pixels for each of the picture's.
    times: f32,
}

impl<'a> Film<'a> {
    /// The film of a trace of one lens ([`LensTrace::of_lens`]), `times` as large as it is laid out (width 800 unless
    /// `options` have another). Of `options`, positions, components, layers, stride, colours, width, title and fonts count.
    ///
    /// # Errors
    /// When the model wrote nothing, what led to it was not read, or an option asks for what is not there.
    pub fn new(trace: &'a LensTrace, options: &PictureOptions, times: f32) -> Result<Self, PictureError> {
        options.check()?;
        if trace.steps.is_empty() {
            let what = "token that the model wrote, and a film shows how each was formed".to_owned();
            return Err(PictureError::Empty { what });
        }
        let source = Source::new(trace)?;
        let positions = source.positions(&options.positions)?;
        let steps = trace.steps.iter().filter(|step| positions.binary_search(&step.position).is_ok());
        let steps: Vec<&StepTrace> = steps.collect();
        let mut places = source.places(&source.stream(&options.components)?, options)?;
        if steps.is_empty() || places.is_empty() {
            let what =
                "readout of these layers and components that led to a token that the model wrote".to_owned();
            return Err(PictureError::Empty { what });
        }
        let stride = places.len().div_ceil(MOST_ROWS).max(1);
        let last = places.len() - 1;
        let mut at = 0..;
        // The last layer is the model's answer: it is always shown.
        places.retain(|_| at.next().is_some_and(|i| i == last || i % stride == 0));
        let shown = steps.iter().flat_map(|step| {
            places.iter().filter_map(|place| Measure::Probability.value(source.at(step.position, *place)?))
        });
        let scale = Scale::new(Measure::Probability, trace.model.n_vocab, shown, options)?;
        let scale = scale.named(&Measure::Probability.describe(only_component(&places)));
        let film = Self { source, steps, places, stride, scale, options: options.clone(), times };
        film.stage().check(times)?;
        Ok(film)
    }

    fn stage(&self) -> Stage<'_> {
        Stage::new(self, self.options.width_or(WIDTH))
    }

    /// Writes the film as a GIF that begins again at its end. The characters that no font has are returned.
    ///
    /// # Errors
    /// When a frame cannot be drawn, or `out` cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> Result<BTreeSet<char>, FilmError> {
        let stage = self.stage();
        let palette = Palette::new(self.options.ramp);
        let per_page = stage.columns();
        let (first, unknown) = self.still(&stage, &palette, 0, 0..0)?;
        let mut missing: BTreeSet<char> = unknown.into_iter().collect();
        let mut screen = Screen::begin(out, &palette, first, BEFORE)?;
        for begin in (0..self.steps.len()).step_by(AT_ONCE) {
            let chunk = begin..(begin + AT_ONCE).min(self.steps.len());
            let draw = |step: usize| {
                let page = step - step % per_page;
                self.still(&stage, &palette, step + 1, page..step + 1)
            };
            let stills: Vec<_> = chunk.clone().into_par_iter().map(draw).collect::<Result<_, _>>()?;
            for (step, (pixels, unknown)) in chunk.zip(stills) {
                missing.extend(unknown);
                if step > 0 && step % per_page == 0 {
                    let (empty, _) = self.still(&stage, &palette, step, step..step)?;
                    screen.show(&empty, Area::ALL, PART)?;
                }
                for area in stage.parts(step % per_page, self.parts(), self.times) {
                    screen.show(&pixels, area, PART)?;
                }
                screen.show(&pixels, Area::ALL, self.stands(step))?;
            }
        }
        screen.end()?;
        Ok(missing)
    }

    /// In how many parts the layers of a token come.
    fn parts(&self) -> usize {
        (ALL_PARTS / self.steps.len()).clamp(1, MOST_PARTS).min(self.places.len())
    }

    fn stands(&self, step: usize) -> u16 {
        let (least, all, most) = STANDS;
        if step + 1 == self.steps.len() { AFTER } else { (all / self.steps.len()).clamp(least, most) as u16 }
    }

    /// One picture: so many tokens in the text, and these steps in the columns.
    fn still(
        &self,
        stage: &Stage<'_>,
        palette: &Palette,
        steps: usize,
        columns: std::ops::Range<usize>,
    ) -> Result<(Pixels, Vec<char>), PictureError> {
        let picture = stage.draw(steps, columns)?;
        let (width, height, colours) = raster::pixels(&picture.svg, self.times)?;
        Ok((Pixels { width, height, indices: palette.indices(&colours) }, picture.missing))
    }
}
