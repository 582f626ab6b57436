//! The numbers that a readout has besides its tokens.
//!
//! A statistic is one file here and one row in the list below. Everything that writes, reads or shows statistics (the
//! trace, tables, pictures, the page, the command line) asks this list which statistics there are, and each statistic
//! for its name, unit, range and which way is closer to the final readout.

mod definition;
mod values;

use std::{fmt, str::FromStr};

pub use definition::{Closer, Evidence, Limits, Needs, Range, Unit, VectorFacts};
pub use values::{StatisticSet, Statistics};

use crate::suggest::did_you_mean;
use definition::Definition;

/// Declares the modules, the enum and the table from one list.
macro_rules! statistics {
    ($($module:ident => $variant:ident, $about:literal;)*) => {
        $(mod $module;)*

        /// A number that a readout has besides its tokens.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Statistic {
            $(#[doc = $about] $variant,)*
        }

        impl Statistic {
            /// Every statistic, in the order in which they are written and shown.
            pub const ALL: [Self; [$(Self::$variant),*].len()] = [$(Self::$variant),*];

            const fn definition(self) -> &'static Definition {
                match self {
                    $(Self::$variant => &$module::DEFINITION,)*
                }
            }
        }
    };
}

statistics! {
    entropy => Entropy, "Entropy of the readout, nats.";
    kl_to_final => KlToFinal, "`KL(final ‖ readout)`, nats.";
    js_to_final => JsToFinal, "Jensen-Shannon divergence to the final readout, nats.";
    tv_to_final => TvToFinal, "Total variation to the final readout: half the L1 distance, from 0 to 1.";
    rank_of_final => RankOfFinal, "Rank, in this readout, of the final readout's top-1 token.";
    cross_entropy => CrossEntropy, "`-ln p` of the token that comes next in the sequence, nats.";
    rank_of_next => RankOfNext, "Rank, in this readout, of the token that comes next in the sequence.";
    margin => Margin, "Difference of the two largest logits.";
    varentropy => Varentropy, "Variance of the surprise under the readout, nats².";
    norm => Norm, "Length (L2) of the captured vector.";
    cosine_to_final => CosineToFinal, "Cosine of the angle between the captured vector and the final residual.";
    logit_diff => LogitDiff, "Logit of the first target less that of the token that it is compared with.";
}

impl Statistic {
    /// Its name in traces, tables and options, such as `kl_to_final`.
    pub const fn name(self) -> &'static str {
        self.definition().name
    }

    /// What it measures, for titles and legends, such as `KL(final ‖ readout)`.
    pub const fn title(self) -> &'static str {
        self.definition().title
    }

    /// The unit of its values.
    pub const fn unit(self) -> Unit {
        self.definition().unit
    }

    /// The values that a colour scale or an axis for it spans.
    pub const fn range(self) -> Range {
        self.definition().range
    }

    /// The values that it can have at all, up to rounding.
    pub const fn limits(self) -> Limits {
        self.definition().limits
    }

    /// Which values are closer to the final readout, or surer.
    pub const fn closer(self) -> Closer {
        self.definition().closer
    }

    /// What has to be computed for it.
    pub const fn needs(self) -> Needs {
        self.definition().needs
    }

    /// Whether a question asks for it unless it says otherwise.
    pub const fn is_default(self) -> bool {
        self.definition().by_default
    }

    /// Its value for one readout; `None` where it has none, such as the rank of the final top-1 token in the final
    /// readout itself.
    pub fn of(self, evidence: &Evidence<'_>) -> Option<f64> {
        (self.definition().value)(evidence)
    }

    /// The statistic of exactly this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|statistic| statistic.name() == name)
    }
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no [`Statistic`] has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown statistic {name:?} (known: {known}){hint}")]
pub struct ParseStatisticError {
    name: String,
    known: String,
    hint: String,
}

impl FromStr for Statistic {
    type Err = ParseStatisticError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::named(name).ok_or_else(|| {
            let known = Self::ALL.map(Self::name);
            let hint = did_you_mean(name, known);
            ParseStatisticError { name: name.to_owned(), known: known.join(", "), hint }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_read_back() {
        for (i, statistic) in Statistic::ALL.into_iter().enumerate() {
            assert_eq!(statistic.name().parse(), Ok(statistic));
            assert_eq!(statistic as usize, i);
            assert!(!statistic.title().is_empty());
        }
        let error = "kl_to_finale".parse::<Statistic>().unwrap_err().to_string();
        assert!(error.contains("did you mean \"kl_to_final\"?"), "{error}");
    }
}
