//! What a picture shows.

use std::{fmt, str::FromStr};

use lens_core::suggest::did_you_mean;

/// What a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PictureKind {
    /// One position: a row for every layer and component, a column for every rank, the token in the cell, its
    /// probability as the colour.
    AllLayers,
    /// The same for the layers in which something is said with a probability above the threshold.
    ImportantLayers,
    /// Layers up, positions across, the top-1 token in the cell, a statistic as the colour.
    Grid(Statistic),
    /// One position: probability and rank of tokens from layer to layer.
    Trajectories,
    /// Entropy and divergence from the final readout from layer to layer.
    Curves,
}

/// What the colour of a cell says in a [`PictureKind::Grid`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Statistic {
    /// Probability of the top-1 token, from 0 to 1.
    #[default]
    Probability,
    /// Logit of the top-1 token, over the range that the trace has.
    Logit,
    /// Rank of the finally predicted token, from 1 to the size of the vocabulary, logarithmic.
    Rank,
    /// `KL(final ‖ readout)`, nats, from a hundredth to a hundred, logarithmic.
    Kl,
    /// Entropy, nats, from 0 to the logarithm of the size of the vocabulary.
    Entropy,
}

impl Statistic {
    /// Every statistic.
    pub const ALL: [Self; 5] = [Self::Probability, Self::Logit, Self::Rank, Self::Kl, Self::Entropy];

    /// The statistic's name, e.g. `rank`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Probability => "probability",
            Self::Logit => "logit",
            Self::Rank => "rank",
            Self::Kl => "kl",
            Self::Entropy => "entropy",
        }
    }
}

impl PictureKind {
    /// Every kind.
    pub const ALL: [Self; 9] = [
        Self::AllLayers,
        Self::ImportantLayers,
        Self::Grid(Statistic::Probability),
        Self::Grid(Statistic::Logit),
        Self::Grid(Statistic::Rank),
        Self::Grid(Statistic::Kl),
        Self::Grid(Statistic::Entropy),
        Self::Trajectories,
        Self::Curves,
    ];

    /// The grid that is drawn where none was asked for by name.
    pub(super) fn default_grid() -> Self {
        Self::Grid(Statistic::default())
    }

    /// The kind's name, e.g. `all-layers` or `grid-rank`; `grid` is the one of probabilities.
    pub fn name(self) -> &'static str {
        match self {
            Self::AllLayers => "all-layers",
            Self::ImportantLayers => "important-layers",
            Self::Grid(Statistic::Probability) => "grid",
            Self::Grid(Statistic::Logit) => "grid-logit",
            Self::Grid(Statistic::Rank) => "grid-rank",
            Self::Grid(Statistic::Kl) => "grid-kl",
            Self::Grid(Statistic::Entropy) => "grid-entropy",
            Self::Trajectories => "trajectories",
            Self::Curves => "curves",
        }
    }
}

impl fmt::Display for PictureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no [`PictureKind`] or no [`Statistic`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} \"{}\" (known: {known}){hint}", crate::display_safe(name))]
pub struct ParseKindError {
    what: &'static str,
    name: String,
    known: String,
    hint: String,
}

impl FromStr for PictureKind {
    type Err = ParseKindError;

    /// Parses a [`name`](Self::name); `_` may stand for `-`, and `grid-probability` for `grid`.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let dashed = name.replace('_', "-");
        let found = Self::ALL.into_iter().find(|kind| kind.name() == dashed);
        let spelt_out = (dashed == "grid-probability").then_some(Self::Grid(Statistic::Probability));
        found.or(spelt_out).ok_or_else(|| unknown("kind of picture", name, &Self::ALL.map(Self::name)))
    }
}

impl FromStr for Statistic {
    type Err = ParseKindError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|statistic| statistic.name() == name);
        found.ok_or_else(|| unknown("statistic", name, &Self::ALL.map(Self::name)))
    }
}

fn unknown(what: &'static str, name: &str, known: &[&str]) -> ParseKindError {
    let hint = did_you_mean(name, known.iter().copied());
    ParseKindError { what, name: name.to_owned(), known: known.join(", "), hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for kind in PictureKind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        for statistic in Statistic::ALL {
            assert_eq!(statistic.to_string().parse(), Ok(statistic));
        }
        assert_eq!("important_layers".parse(), Ok(PictureKind::ImportantLayers));
    }

    #[test]
    fn a_near_miss_gets_the_near_name() {
        let message = "trajectory".parse::<PictureKind>().unwrap_err().to_string();
        assert!(message.contains("did you mean \"trajectories\"?"), "{message}");
        assert!(message.contains("known: all-layers, important-layers, grid,"), "{message}");
    }
}
