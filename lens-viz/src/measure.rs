//! What a cell of a grid shows of a readout: the probability or logit of its top-1 token, or one of its statistics.

use std::{fmt, str::FromStr};

use lens_core::{Component, LensTrace, ReadoutTrace, Statistic, Unit, suggest::did_you_mean};

use crate::digits::{digits, percent};
use crate::sheet::{label::Label, line::Sheet};

/// What the number and the colour of a cell say of a readout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Measure {
    /// Probability of the top-1 token, from 0 to 1.
    #[default]
    Probability,
    /// Logit of the top-1 token.
    Logit,
    /// A statistic of the whole readout.
    Of(Statistic),
}

impl Measure {
    /// Every measure.
    pub fn all() -> Vec<Self> {
        [Self::Probability, Self::Logit].into_iter().chain(Statistic::ALL.map(Self::Of)).collect()
    }

    /// The measure's name, e.g. `rank`, `kl` or `margin`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Probability => "probability",
            Self::Logit => "logit",
            // The shorter names came first and stay.
            Self::Of(Statistic::RankOfFinal) => "rank",
            Self::Of(Statistic::KlToFinal) => "kl",
            Self::Of(statistic) => statistic.name(),
        }
    }

    /// The number, where the readout has it.
    pub(crate) fn value(self, readout: &ReadoutTrace) -> Option<f64> {
        match self {
            Self::Probability => readout.top.first().map(|token| token.prob.into()),
            Self::Logit => readout.top.first().map(|token| token.logit.into()),
            Self::Of(statistic) => readout.get(statistic),
        }
    }

    /// The number as a cell shows it, empty where the readout does not have it.
    pub(crate) fn digits(self, readout: &ReadoutTrace) -> String {
        let text = match self {
            Self::Probability => readout.top.first().map(|token| percent(token.prob, true)),
            Self::Logit => readout.top.first().map(|token| format!("{:.1}", token.logit)),
            Self::Of(statistic) => digits(readout, statistic),
        };
        text.unwrap_or_default()
    }

    /// What it measures, where all that is shown is of one component, of what, and in what unit.
    pub(crate) fn describe(self, of: Option<Component>) -> String {
        let unit = match self {
            Self::Probability => "%",
            Self::Logit => "",
            Self::Of(statistic) => statistic.unit().name(),
        };
        let title = self.title(of);
        if unit.is_empty() { title } else { format!("{title}, {unit}") }
    }

    /// The same without the unit.
    pub(crate) fn title(self, of: Option<Component>) -> String {
        let of = |word| of.map_or(String::new(), |component| format!(" {word} {component}"));
        match self {
            Self::Probability => format!("probability of the top-1 token{}", of("of")),
            Self::Logit => format!("logit of the top-1 token{}", of("of")),
            Self::Of(statistic) => {
                let of = of(if statistic.unit() == Unit::Rank { "in" } else { "of" });
                format!("{}{of}", statistic.title())
            }
        }
    }

    /// The measure's name in the error of a trace that lacks it.
    pub(crate) fn missing(self) -> String {
        match self {
            Self::Probability | Self::Logit => "readout of these layers, positions and components".to_owned(),
            Self::Of(statistic) if statistic.title() == statistic.name() => statistic.name().to_owned(),
            Self::Of(statistic) => format!("{} ({statistic})", statistic.title()),
        }
    }
}

/// Which tokens the logit difference of a trace is of, where it has one.
pub(crate) fn compared(trace: &LensTrace) -> Option<String> {
    let versus = trace.versus.as_ref()?;
    let target = trace.finals.iter().find_map(|last| last.targets.first())?;
    let name = |text: &str| Label::new(text, &Sheet::UNBOUNDED).plain();
    Some(format!("{} less {}", name(&target.token.text), name(&versus.text)))
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is neither a [`Measure`] nor a kind of picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} \"{}\" (known: {known}){hint}", crate::safe::display_safe(name))]
pub struct ParseKindError {
    what: &'static str,
    name: String,
    known: String,
    hint: String,
}

impl ParseKindError {
    pub(crate) fn new(what: &'static str, name: &str, known: &[&str]) -> Self {
        let hint = did_you_mean(name, known.iter().copied());
        Self { what, name: name.to_owned(), known: known.join(", "), hint }
    }
}

impl FromStr for Measure {
    type Err = ParseKindError;

    /// Parses a [`name`](Self::name), or the whole name of a statistic such as `kl_to_final`; `-` may stand for `_`.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let name_ = name.replace('-', "_");
        let found = Self::all().into_iter().find(|measure| measure.name() == name_);
        found.or_else(|| Statistic::named(&name_).map(Self::Of)).ok_or_else(|| {
            let known: Vec<&str> = Self::all().into_iter().map(Self::name).collect();
            ParseKindError::new("statistic", name, &known)
        })
    }
}
