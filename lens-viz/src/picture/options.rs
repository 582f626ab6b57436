//! What can be chosen about a picture.

use std::num::{NonZeroU16, NonZeroUsize};

use lens_core::{Component, TokenId};

use super::{Fonts, PictureError, Spread};
use crate::ramp::Ramp;

/// By what rule a layer counts as important.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Importance {
    /// One of `attn_out`, `mlp_out` and `resid_post` has a token whose probability is above the threshold.
    #[default]
    Probability,
    /// It moves the prediction more than twice as much as an even share: [`lens_core::important_by_movement`].
    Movement,
}

/// What a picture shows and how. The default is a good picture of any trace.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PictureOptions {
    /// Which lens, by its name; `None` is the trace's first. Lenses are never mixed in one picture.
    pub lens: Option<String>,
    /// For pictures of one position: which; `None` is the last one read.
    pub position: Option<usize>,
    /// For grids: which positions; empty means all that were read.
    pub positions: Vec<usize>,
    /// Which components. Empty means all that were read, and in grids and trajectories the residual stream as each
    /// layer leaves it (`resid_post`).
    pub components: Vec<Component>,
    /// Which layers; empty means all that were read.
    pub layers: Vec<u16>,
    /// One layer in `stride` is shown, counted from the first; the last one always is.
    pub stride: NonZeroU16,
    /// For heatmaps of one position: the most ranks that are shown.
    pub top: NonZeroUsize,
    /// For trajectories: which tokens, by id. Empty means the targets of the run and the tokens that are top-1
    /// somewhere, the most probable first.
    pub tokens: Vec<TokenId>,
    /// By what rule a layer counts as important.
    pub importance: Importance,
    /// Probability above which a layer counts as important, in `[0, 1]`; `None` is the run's own.
    pub threshold: Option<f32>,
    /// The ends of the colour scale, in the statistic's own unit, instead of the fixed ones.
    pub range: Option<(f32, f32)>,
    /// The colours.
    pub ramp: Ramp,
    /// How they are spread over the values of a statistic.
    pub spread: Spread,
    /// The most pixels a page is wide, 96 to an inch; `None` is 1000 for heatmaps and grids and 720 for curves.
    pub width: Option<u32>,
    /// The title above the picture; `None` says what the picture shows.
    pub title: Option<String>,
    /// Which characters may be used.
    pub fonts: Fonts,
}

impl Default for PictureOptions {
    fn default() -> Self {
        Self {
            lens: None,
            position: None,
            positions: Vec::new(),
            components: Vec::new(),
            layers: Vec::new(),
            stride: NonZeroU16::MIN,
            top: const { NonZeroUsize::new(10).expect("ten is not zero") },
            tokens: Vec::new(),
            importance: Importance::default(),
            threshold: None,
            range: None,
            ramp: Ramp::default(),
            spread: Spread::default(),
            width: None,
            title: None,
            fonts: Fonts::default(),
        }
    }
}

impl PictureOptions {
    lens_core::setters! {
        /// Which lens, by its name; `None` is the trace's first.
        with_lens => lens: Option<String>,
        /// For pictures of one position: which; `None` is the last one read.
        with_position => position: Option<usize>,
        /// For grids: which positions; empty means all that were read.
        with_positions => positions: Vec<usize>,
        /// Which components. Empty means all that were read, and in grids and trajectories the residual stream as each
        /// layer leaves it (`resid_post`).
        with_components => components: Vec<Component>,
        /// Which layers; empty means all that were read.
        with_layers => layers: Vec<u16>,
        /// One layer in `stride` is shown, counted from the first; the last one always is.
        with_stride => stride: NonZeroU16,
        /// For heatmaps of one position: the most ranks that are shown.
        with_top => top: NonZeroUsize,
        /// For trajectories: which tokens, by id. Empty means the targets of the run and the tokens that are top-1
        /// somewhere, the most probable first.
        with_tokens => tokens: Vec<TokenId>,
        /// By what rule a layer counts as important.
        with_importance => importance: Importance,
        /// Probability above which a layer counts as important, in `[0, 1]`; `None` is the run's own.
        with_threshold => threshold: Option<f32>,
        /// The ends of the colour scale, in the statistic's own unit, instead of the fixed ones.
        with_range => range: Option<(f32, f32)>,
        /// The colours.
        with_ramp => ramp: Ramp,
        /// How they are spread over the values of a statistic.
        with_spread => spread: Spread,
        /// The most pixels a page is wide, 96 to an inch; `None` is 1000 for heatmaps and grids and 720 for curves.
        with_width => width: Option<u32>,
        /// The title above the picture; `None` says what the picture shows.
        with_title => title: Option<String>,
        /// Which characters may be used.
        with_fonts => fonts: Fonts,
    }
}

/// The widths that a page may have.
pub(super) const WIDTHS: (u32, u32) = (160, 10_000);

impl PictureOptions {
    pub(crate) fn check(&self) -> Result<(), PictureError> {
        if let Some(width) = self.width.filter(|width| !(WIDTHS.0..=WIDTHS.1).contains(width)) {
            return Err(PictureError::Width { width, least: WIDTHS.0, most: WIDTHS.1 });
        }
        if let Some(threshold) = self.threshold.filter(|threshold| !(0.0..=1.0).contains(threshold)) {
            return Err(PictureError::Threshold { threshold });
        }
        match self.range {
            // Written so that NaN is refused too.
            Some((low, high)) if !(low < high && low.is_finite() && high.is_finite()) => {
                Err(PictureError::Range { low, high, least: None })
            }
            _ => Ok(()),
        }
    }

    /// The page's width in pixels.
    pub(super) fn width_or(&self, default: u32) -> f64 {
        f64::from(self.width.unwrap_or(default))
    }
}
