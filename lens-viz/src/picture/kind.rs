//! What a picture shows.

use std::{borrow::Cow, fmt, str::FromStr};

use crate::measure::{Measure, ParseKindError};

/// What a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PictureKind {
    /// One position: a row for every layer and component, a column for every rank, the token in the cell, its
    /// probability as the colour.
    AllLayers,
    /// Like [`AllLayers`](Self::AllLayers), for the important layers alone: those with a token whose probability is
    /// above the threshold, or those that move the prediction most (see [`Importance`](super::Importance)).
    ImportantLayers,
    /// Layers down, positions across, the top-1 token in the cell, a statistic as the colour.
    Grid(Measure),
    /// One position: layers down, heads across, the top-1 token of what the head adds in the cell, a statistic as the
    /// colour.
    Heads(Measure),
    /// One position: probability and rank of tokens from layer to layer.
    Trajectories,
    /// One position: entropy and divergence from the final readout, nats, from layer to layer.
    Curves,
}

impl PictureKind {
    /// Every kind; of the grids of heads, that of probabilities.
    pub fn all() -> Vec<Self> {
        let grids = Measure::all().into_iter().map(Self::Grid);
        let heatmaps = [Self::AllLayers, Self::ImportantLayers].into_iter();
        heatmaps
            .chain(grids)
            .chain([Self::Heads(Measure::default()), Self::Trajectories, Self::Curves])
            .collect()
    }

    /// The grid that is drawn where none was asked for by name.
    pub fn default_grid() -> Self {
        Self::Grid(Measure::default())
    }

    /// The grid of heads that is drawn where none was asked for by name.
    pub(super) fn default_heads() -> Self {
        Self::Heads(Measure::default())
    }

    /// The kind's name, e.g. `all-layers` or `grid-rank`; `grid` is the grid of probabilities.
    pub fn name(self) -> Cow<'static, str> {
        match self {
            Self::AllLayers => "all-layers".into(),
            Self::ImportantLayers => "important-layers".into(),
            Self::Grid(Measure::Probability) => "grid".into(),
            Self::Heads(Measure::Probability) => "heads".into(),
            Self::Heads(measure) => format!("heads-{measure}").replace('_', "-").into(),
            Self::Grid(measure) => format!("grid-{measure}").replace('_', "-").into(),
            Self::Trajectories => "trajectories".into(),
            Self::Curves => "curves".into(),
        }
    }
}

impl fmt::Display for PictureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name())
    }
}

impl FromStr for PictureKind {
    type Err = ParseKindError;

    /// Parses a [`name`](Self::name); `_` may stand for `-`, and after `grid-` any name of a [`Measure`].
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let dashed = name.replace('_', "-");
        let found = Self::all().into_iter().find(|kind| kind.name() == dashed);
        let of = |prefix, kind: fn(Measure) -> Self| dashed.strip_prefix(prefix)?.parse().ok().map(kind);
        let of_measure = || of("grid-", Self::Grid).or_else(|| of("heads-", Self::Heads));
        found.or_else(of_measure).ok_or_else(|| {
            let known: Vec<_> = Self::all().into_iter().map(Self::name).collect();
            let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
            ParseKindError::new("kind of picture", name, &known)
        })
    }
}

#[cfg(test)]
mod tests {
    use lens_core::Statistic;

    use super::*;

    #[test]
    fn names_round_trip() {
        for kind in PictureKind::all() {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        for measure in Measure::all() {
            assert_eq!(measure.to_string().parse(), Ok(measure));
        }
        let heads = PictureKind::Heads(Measure::Of(Statistic::RankOfFinal));
        assert_eq!(heads.to_string().parse(), Ok(heads));
        assert_eq!("important_layers".parse(), Ok(PictureKind::ImportantLayers));
        let kl = PictureKind::Grid(Measure::Of(Statistic::KlToFinal));
        assert_eq!((kl.name().as_ref(), "grid-kl-to-final".parse()), ("grid-kl", Ok(kl)));
    }

    #[test]
    fn a_near_miss_gets_the_near_name() {
        let message = "trajectory".parse::<PictureKind>().unwrap_err().to_string();
        assert!(message.contains("did you mean \"trajectories\"?"), "{message}");
        assert!(message.contains("known: all-layers, important-layers, grid,"), "{message}");
    }
}
