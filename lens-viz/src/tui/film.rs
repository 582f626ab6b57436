//! The film of a continuation: what each layer would have written, token by token.

use std::time::Duration;

use lens_core::ReadoutTrace;

use super::run::Run;
use crate::source::Place;

/// Where a film stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Film {
    /// The frame that is shown, from 0.
    pub(super) frame: usize,
    pub(super) playing: bool,
    /// How long a frame stays.
    pub(super) pace: Duration,
    waited: Duration,
}

impl Default for Film {
    fn default() -> Self {
        Self { frame: 0, playing: false, pace: Duration::from_millis(400), waited: Duration::ZERO }
    }
}

impl Film {
    const FASTEST: Duration = Duration::from_millis(50);
    const SLOWEST: Duration = Duration::from_millis(3200);

    /// Plays from here, or from the beginning if this is the end; stops if it plays.
    pub(super) fn toggle(&mut self, frames: usize) {
        self.playing = !self.playing && frames > 1;
        self.waited = Duration::ZERO;
        if self.playing && self.frame + 1 >= frames {
            self.frame = 0;
        }
    }

    /// Goes on as time does; whether the frame is another one now.
    pub(super) fn tick(&mut self, elapsed: Duration, frames: usize) -> bool {
        if !self.playing {
            return false;
        }
        self.waited += elapsed;
        let before = self.frame;
        while self.waited >= self.pace && self.frame + 1 < frames {
            self.waited -= self.pace;
            self.frame += 1;
        }
        if self.frame + 1 >= frames {
            self.playing = false;
        }
        self.frame != before || !self.playing
    }

    /// Goes some frames on or back, and stops there.
    pub(super) fn go(&mut self, by: isize, frames: usize) {
        self.playing = false;
        self.frame = self.frame.saturating_add_signed(by).min(frames.saturating_sub(1));
    }

    /// The beginning of another film, at the same pace.
    pub(super) fn rewound(self) -> Self {
        Self { pace: self.pace, ..Self::default() }
    }

    pub(super) fn faster(&mut self) {
        self.pace = (self.pace / 2).max(Self::FASTEST);
    }

    pub(super) fn slower(&mut self) {
        self.pace = (self.pace * 2).min(Self::SLOWEST);
    }
}

/// The positions of a film's frames: those at which tokens were written; where nothing was, all that were read.
pub(super) fn frames(run: &Run) -> Vec<usize> {
    let steps = run.trace().map_or(&[][..], |trace| &trace.steps);
    if steps.is_empty() { run.positions().to_vec() } else { steps.iter().map(|step| step.position).collect() }
}

/// Whether the frames are of a continuation.
pub(super) fn is_written(run: &Run) -> bool {
    run.trace().is_some_and(|trace| !trace.steps.is_empty())
}

/// What a place would have written at each frame.
pub(super) fn line<'a>(
    run: &'a Run,
    lens: usize,
    place: Place,
    frames: &'a [usize],
) -> impl DoubleEndedIterator<Item = Option<&'a ReadoutTrace>> {
    frames.iter().map(move |position| run.at(lens, *position, place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_film_plays_to_its_end_and_from_there_begins_again() {
        let mut film = Film::default();
        film.toggle(3);
        assert!(film.playing && !film.tick(Duration::from_millis(399), 3));
        assert!(film.tick(Duration::from_millis(1), 3));
        assert_eq!((film.frame, film.playing), (1, true));
        assert!(film.tick(Duration::from_secs(60), 3));
        assert_eq!((film.frame, film.playing), (2, false));
        film.toggle(3);
        assert_eq!((film.frame, film.playing), (0, true));
        film.go(9, 3);
        assert_eq!((film.frame, film.playing), (2, false));
        film.toggle(1);
        assert!(!film.playing, "there is nothing to play");
    }
}
