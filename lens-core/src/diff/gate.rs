//! Conditions on what a comparison found, for programs that have to say yes or no.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    report::{DiffReport, DiffRow, Estimated, FinalDiff},
    tally::{Place, Spread},
};
use crate::{point::Point, suggest::did_you_mean};

/// A number of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiffMeasure {
    /// KL(A ‖ B), nats.
    Kl,
    /// Jensen-Shannon divergence, nats.
    Js,
    /// Share of positions with the same most probable token.
    Top1,
    /// 1 divided by the rank in B of A's most probable token.
    ReciprocalRank,
    /// Of the final readouts alone: the surprise of B less that of A, nats.
    CrossEntropy,
    /// Of a point: `|a - b| / |a|`.
    Relative,
    /// Of a point: the cosine of the vectors.
    Cosine,
    /// Of a component: `|a - b| / |a|` where both have A's inputs. Of the final readouts: KL(A ‖ B), nats, where both read
    /// A's last state.
    Own,
}

impl DiffMeasure {
    /// Every measure.
    pub const ALL: [Self; 8] = [
        Self::Kl,
        Self::Js,
        Self::Top1,
        Self::ReciprocalRank,
        Self::CrossEntropy,
        Self::Relative,
        Self::Cosine,
        Self::Own,
    ];

    /// Its name in conditions and in files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kl => "kl",
            Self::Js => "js",
            Self::Top1 => "top1",
            Self::ReciprocalRank => "reciprocal_rank",
            Self::CrossEntropy => "cross_entropy",
            Self::Relative => "relative",
            Self::Cosine => "cosine",
            Self::Own => "own",
        }
    }

    /// Whether it is made of readouts.
    pub(super) fn is_of_readouts(self) -> bool {
        matches!(self, Self::Kl | Self::Js | Self::Top1 | Self::ReciprocalRank | Self::CrossEntropy)
    }

    fn is_of(self, point: bool) -> bool {
        match self {
            Self::CrossEntropy => !point,
            Self::Relative | Self::Cosine => point,
            Self::Kl | Self::Js | Self::Top1 | Self::ReciprocalRank | Self::Own => true,
        }
    }

    /// The number of a point.
    pub fn of_row(self, row: &DiffRow) -> Option<Spread> {
        match self {
            Self::Kl => row.kl,
            Self::Js => row.js,
            Self::Top1 => row.top1,
            Self::ReciprocalRank => row.reciprocal_rank,
            Self::CrossEntropy => None,
            Self::Relative => Some(row.relative),
            Self::Cosine => Some(row.cosine),
            Self::Own => row.own,
        }
    }

    /// The number of the final readouts.
    pub fn of_final(self, finals: &FinalDiff) -> Option<Estimated> {
        match self {
            Self::Kl => Some(finals.kl),
            Self::Js => Some(finals.js),
            Self::Top1 => Some(finals.top1),
            Self::ReciprocalRank => Some(finals.reciprocal_rank),
            Self::CrossEntropy => finals.cross_entropy,
            Self::Own => Some(finals.own),
            Self::Relative | Self::Cosine => None,
        }
    }
}

impl fmt::Display for DiffMeasure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Which number over the positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    Mean,
    Min,
    Max,
}

impl Over {
    const ALL: [(&'static str, Self); 3] = [("mean", Self::Mean), ("min", Self::Min), ("max", Self::Max)];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, over)| over)
    }

    fn of(self, spread: &Spread) -> (f64, Option<Place>) {
        match self {
            Self::Mean => (spread.mean, None),
            Self::Min => (spread.min, Some(spread.at_min)),
            Self::Max => (spread.max, Some(spread.at_max)),
        }
    }
}

/// How a number is compared with the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Above,
    AtLeast,
    Below,
    AtMost,
}

impl Sign {
    /// The longer ones first: one begins like another.
    const ALL: [(&'static str, Self); 4] =
        [(">=", Self::AtLeast), ("<=", Self::AtMost), (">", Self::Above), ("<", Self::Below)];

    fn holds(self, value: f64, limit: f64) -> bool {
        match self {
            Self::Above => value > limit,
            Self::AtLeast => value >= limit,
            Self::Below => value < limit,
            Self::AtMost => value <= limit,
        }
    }
}

/// When a comparison is to count as failed: `[POINT.]MEASURE[.mean|.min|.max]`, one of `>`, `>=`, `<` and `<=`, and a number.
///
/// Without a point it is about the final readouts; without more, about the mean over positions.
///
/// ```
/// use lens_core::diff::Condition;
/// for sound in ["kl>0.01", "top1 < 0.99", "kl.max>0.5", "L12.mlp_out.relative>0.1", "L3.head.2.own.max>=1e-3"] {
///     assert_eq!(sound.parse::<Condition>().unwrap().to_string(), sound);
/// }
/// assert!("kll>1".parse::<Condition>().unwrap_err().to_string().contains("did you mean \"kl\"?"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    written: String,
    /// `None` is the final readout.
    point: Option<Point>,
    measure: DiffMeasure,
    over: Over,
    sign: Sign,
    limit: f64,
}

impl Condition {
    /// The point that it is about; `None` is the final readouts.
    pub fn point(&self) -> Option<Point> {
        self.point
    }

    /// The number that it is about.
    pub fn measure(&self) -> DiffMeasure {
        self.measure
    }

    /// What the report says of it.
    ///
    /// # Errors
    /// When the report does not have the number.
    pub fn judge(&self, report: &DiffReport) -> Result<Judged, ConditionError> {
        let missing = || ConditionError::NotMeasured { written: self.written.clone() };
        let spread = match self.point {
            None => self.measure.of_final(&report.finals).map(|estimated| estimated.spread),
            Some(point) => report.row(point).and_then(|row| self.measure.of_row(row)),
        };
        let (value, at) = self.over.of(&spread.ok_or_else(missing)?);
        Ok(Judged { condition: self.written.clone(), value, failed: self.sign.holds(value, self.limit), at })
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.written)
    }
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(written: &str) -> Result<Self, ConditionError> {
        let form = || ConditionError::Form { written: written.to_owned() };
        let at = written.find(['<', '>']).ok_or_else(form)?;
        let (left, rest) = written.split_at(at);
        let (sign, limit) = Sign::ALL
            .into_iter()
            .find_map(|(name, sign)| Some((sign, rest.strip_prefix(name)?)))
            .ok_or_else(form)?;
        let limit = limit.trim();
        let number = limit.parse::<f64>().ok().filter(|limit| limit.is_finite());
        let limit = number.ok_or_else(|| ConditionError::Limit { limit: limit.to_owned() })?;

        let mut parts: Vec<&str> = left.trim().split('.').collect();
        let mut over = Over::Mean;
        if let Some(named) = parts.last().and_then(|last| Over::named(last)) {
            over = named;
            parts.pop();
        }
        let name = parts.pop().filter(|name| !name.is_empty()).ok_or_else(form)?;
        let place = parts.join(".");
        let known = || DiffMeasure::ALL.into_iter().filter(|one| one.is_of(!place.is_empty()));
        let Some(measure) = DiffMeasure::ALL.into_iter().find(|measure| measure.name() == name) else {
            let names: Vec<&str> = known().map(DiffMeasure::name).collect();
            // What is no measure may be a misspelt mean, min or max after one.
            let ends: Vec<&str> = Over::ALL.iter().map(|(name, _)| *name).collect();
            let hint = did_you_mean(name, names.iter().chain(&ends).copied());
            return Err(ConditionError::Measure { name: name.to_owned(), known: names.join(", "), hint });
        };
        let point = match &*place {
            "" => None,
            place => Some(place.parse::<Point>().map_err(|source| ConditionError::Point { source })?),
        };
        if !measure.is_of(point.is_some()) {
            let known: Vec<&str> = known().map(DiffMeasure::name).collect();
            let of = if point.is_some() { "a point" } else { "the final readouts" };
            return Err(ConditionError::NotOf { measure, of, known: known.join(", ") });
        }
        Ok(Self { written: written.to_owned(), point, measure, over, sign, limit })
    }
}

/// A condition and what a report says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Judged {
    /// The condition as it was written.
    pub condition: String,
    /// The number that it is about.
    pub value: f64,
    /// Whether the condition holds, so that the comparison counts as failed.
    pub failed: bool,
    /// Where the number was found, if it is that of one position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Place>,
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: it is {}", self.condition, self.value)?;
        match self.at {
            Some(Place { sequence, position }) => {
                write!(f, ", at position {position} of sequence {sequence}")
            }
            None => Ok(()),
        }
    }
}

/// What is not a condition, or cannot be decided.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionError {
    /// It has another form.
    #[error(
        "{written:?} is not a condition: write a number and a limit, such as kl>0.01, top1<0.99, kl.max>0.5 or \
         L12.mlp_out.relative>0.1"
    )]
    Form {
        /// What was given.
        written: String,
    },
    /// The limit is not a number.
    #[error("{limit:?} is not a number to compare with")]
    Limit {
        /// What was given.
        limit: String,
    },
    /// The number has a name that is not known.
    #[error("unknown number {name:?} (known: {known}, each with .mean, .min or .max){hint}")]
    Measure {
        /// What was given.
        name: String,
        /// Those that there are.
        known: String,
        /// A near name, as a clause.
        hint: String,
    },
    /// The point is none.
    #[error(transparent)]
    Point {
        /// What is wrong with it.
        source: crate::point::ParsePointError,
    },
    /// The number is known, but not there.
    #[error("there is no {measure} of {of} (there is {known})")]
    NotOf {
        /// The number.
        measure: DiffMeasure,
        /// What it was asked of.
        of: &'static str,
        /// What there is.
        known: String,
    },
    /// What it is about was not measured.
    #[error("{written:?} cannot be decided: that was not measured")]
    NotMeasured {
        /// The condition.
        written: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(written: &str) -> String {
        written.parse::<Condition>().expect_err(written).to_string()
    }

    #[test]
    fn every_part_of_a_condition_is_read() {
        let condition: Condition = "L12.head.3.own.max >= 1e-3".parse().unwrap();
        assert_eq!(condition.point, Some("L12.head.3".parse().unwrap()));
        assert_eq!((condition.measure, condition.over), (DiffMeasure::Own, Over::Max));
        assert_eq!((condition.sign, condition.limit), (Sign::AtLeast, 1e-3));
        let condition: Condition = "cross_entropy<-0.5".parse().unwrap();
        assert_eq!((condition.point, condition.sign, condition.limit), (None, Sign::Below, -0.5));
        assert_eq!("embed.cosine.min<0.9".parse::<Condition>().unwrap().point, Some(Point::Embed));
    }

    #[test]
    fn what_is_no_condition_is_refused_with_what_is_near() {
        for (written, says) in [
            ("kl", "is not a condition"),
            (">1", "is not a condition"),
            ("", "is not a condition"),
            ("kl>", "not a number"),
            ("kl>nan", "not a number"),
            ("kl>inf", "not a number"),
            ("kl==1", "is not a condition"),
            ("kl>>1", "not a number"),
            ("kll>1", "did you mean \"kl\"?"),
            ("topp1<1", "did you mean \"top1\"?"),
            ("kl.maximum>1", "did you mean \"max\"?"),
            ("L1.mlp_oot.kl>1", "did you mean \"mlp_out\"?"),
            ("L1.mlp_out.relativ>1", "did you mean \"relative\"?"),
            ("L1.mlp_out.cross_entropy>1", "no cross_entropy of a point"),
            ("relative>1", "no relative of the final readouts"),
            ("Lx.mlp_out.kl>1", "is not a point"),
        ] {
            let message = refused(written);
            assert!(message.contains(says), "{written}: {message}");
        }
    }

    #[test]
    fn signs_are_exact_at_the_limit() {
        let of = |sign: &str| Sign::ALL.into_iter().find(|(name, _)| *name == sign).unwrap().1;
        let holds = |sign| [0.5, 1.0, 1.5].map(|value| of(sign).holds(value, 1.0));
        assert_eq!(holds(">"), [false, false, true]);
        assert_eq!(holds(">="), [false, true, true]);
        assert_eq!(holds("<"), [true, false, false]);
        assert_eq!(holds("<="), [true, true, false]);
    }
}
