//! What is compared of two traces, and how a difference is written.

use lens_core::{Component, ReadoutTrace, TokenId, Unit};

use super::{pairing::Pairing, scores::all, two::Difference};
use crate::{
    measure::Measure,
    sheet::{label::Label, line::Sheet},
};

/// The number that two traces are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Contrast {
    /// A measure of the readout, in its own unit. Ranks are compared as logarithms to the base 10.
    Of(Measure),
    /// The probability, from 0 to 1, of a token, by its id in the first trace.
    Token(TokenId),
}

impl Default for Contrast {
    fn default() -> Self {
        Self::Of(Measure::default())
    }
}

impl Contrast {
    /// The factor from the number's own unit to that of the difference: probabilities are compared in percentage
    /// points.
    fn factor(self) -> f64 {
        match self {
            Self::Token(_) | Self::Of(Measure::Probability) => 100.0,
            Self::Of(_) => 1.0,
        }
    }

    /// Whether orders of magnitude are compared.
    fn is_logarithmic(self) -> bool {
        matches!(self, Self::Of(Measure::Of(statistic)) if statistic.unit() == Unit::Rank)
    }

    /// The first less the second, as it is written; `None` where one of them does not say it.
    pub(crate) fn value(self, first: &ReadoutTrace, second: &ReadoutTrace, pairing: &Pairing) -> Option<f64> {
        let (one, other) = match self {
            Self::Of(measure) => (measure.value(first)?, measure.value(second)?),
            Self::Token(id) => {
                let token = first.score(id)?;
                let other = all(second).find(|other| pairing.is_same(token, other))?;
                (token.prob.into(), other.prob.into())
            }
        };
        let of = |number: f64| if self.is_logarithmic() { number.log10() } else { number };
        Some((of(one) - of(other)) * self.factor()).filter(|value| value.is_finite())
    }

    /// The name of what is compared, without its unit; `of` is the component, where there is only one.
    fn title(self, difference: &Difference<'_>, of: Option<Component>) -> String {
        match self {
            Self::Of(measure) => measure.title(of),
            Self::Token(id) => {
                let text = difference.text(id).map(|text| Label::new(text, &Sheet::UNBOUNDED).plain());
                let text = text.unwrap_or_else(|| format!("<id {id}>"));
                let of = of.map_or(String::new(), |component| format!(" in {component}"));
                format!("probability of {text}{of}")
            }
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Token(_) | Self::Of(Measure::Probability) => "percentage points",
            Self::Of(Measure::Logit) => "logits",
            Self::Of(Measure::Of(statistic)) if statistic.unit() == Unit::Rank => "orders of magnitude",
            Self::Of(Measure::Of(statistic)) => statistic.unit().name(),
        }
    }

    /// The legend: what is compared, of which traces, and in which unit.
    pub(crate) fn describe(self, difference: &Difference<'_>, of: Option<Component>) -> String {
        let (title, names, unit) = (self.title(difference, of), difference.names(), self.unit());
        if unit.is_empty() { format!("{title}, {names}") } else { format!("{title}, {names}, {unit}") }
    }

    /// Names what the traces lack where no cell has a difference.
    pub(crate) fn missing(self) -> String {
        match self {
            Self::Of(measure) => format!("{} at a place that both have", measure.missing()),
            Self::Token(id) => {
                format!("probability of token {id} at a place that both have: make it a target of both runs")
            }
        }
    }
}
