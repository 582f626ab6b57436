//! What differs between two traces: a statistic, or the probability of a token, at every point and position.
//!
//! ```
//! use lens_core::{Backend, Lens, LensTrace, Plan, TokenId, TraceContext, toy::ToyBackend};
//! use lens_viz::{Named, difference::{Contrast, Difference}, picture::{PictureOptions, difference}};
//!
//! # let trace = |seed| {
//! #     let mut model = ToyBackend::new(3, 16, 50, seed);
//! #     let tokens: Vec<TokenId> = [3, 14, 15, 9].map(TokenId).to_vec();
//! #     let reading = Lens::new(&mut model).read(&tokens, &Plan::default())?;
//! #     Ok::<_, Box<dyn std::error::Error>>(LensTrace::new(&reading, &TraceContext {
//! #         generator: ("example", "1.0"), model: model.info(), prompt: None, tokens: &tokens,
//! #         n_prompt: tokens.len(), texts: &(), threshold: 0.03,
//! #     }))
//! # };
//! let (before, after): (LensTrace, LensTrace) = (trace(1)?, trace(2)?);
//! let change = Difference::new(Named::new("after", &after), Named::new("before", &before))?;
//! let contrast = Contrast::Of("kl".parse()?);
//! let pages = difference(&change, contrast, &PictureOptions::default())?;
//! assert!(pages[0].svg.contains("after − before, nats"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cells;
mod pairing;

use lens_core::{Component, ReadoutTrace, TokenId, TopTrace, Unit};

use crate::{
    Measure, Named,
    picture::source::Source,
    terminal::{label::Label, line::Sheet},
};

pub(crate) use cells::{Cells, Pair};
pub(crate) use pairing::Pairing;

/// Two traces that can be compared: the first minus the second.
pub struct Difference<'a> {
    pub(crate) first: Named<'a>,
    pub(crate) second: Named<'a>,
    pub(crate) pairing: Pairing,
    pub(crate) sources: [Source<'a>; 2],
}

/// Traces that cannot be compared.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DifferenceError {
    /// One of them has no readout.
    #[error("{name} holds no readout: there is nothing to compare")]
    Empty {
        /// Which.
        name: String,
    },
    /// They share no point and position.
    #[error(
        "{first} and {second} have no readout of the same layer, component and position: {first} holds {of_first}, \
         {second} {of_second}; run both with the same --layers, --components and --positions"
    )]
    Apart {
        /// The first trace's name.
        first: String,
        /// The second trace's name.
        second: String,
        /// What the first one holds.
        of_first: String,
        /// What the second one holds.
        of_second: String,
    },
}

impl<'a> Difference<'a> {
    /// Lays two traces over one another. Positions are paired by number, and where the prompts differ in length, from
    /// the prompts' last tokens backwards; layers are paired by number. [`notes`](Self::notes) says what was assumed.
    ///
    /// # Errors
    /// When a trace has no readout, or the two have none of the same point and position.
    pub fn new(first: Named<'a>, second: Named<'a>) -> Result<Self, DifferenceError> {
        let source = |named: &Named<'a>| {
            Source::new(named.trace).map_err(|_| DifferenceError::Empty { name: named.name.clone() })
        };
        let sources = [source(&first)?, source(&second)?];
        let pairing = Pairing::of(first.trace, second.trace);
        let has_partner = |readout: &ReadoutTrace| {
            let place = crate::picture::source::place(readout);
            pairing.partner(readout.position).is_some_and(|position| sources[1].at(position, place).is_some())
        };
        if !first.trace.readouts.iter().any(has_partner) {
            return Err(DifferenceError::Apart {
                of_first: sources[0].extent(),
                of_second: sources[1].extent(),
                first: first.name,
                second: second.name,
            });
        }
        Ok(Self { first, second, pairing, sources })
    }

    /// What was assumed, and in what the traces differ besides their readouts: sentences for a person.
    pub fn notes(&self) -> &[String] {
        &self.pairing.notes
    }

    /// `first − second`, as legends say it.
    pub(crate) fn names(&self) -> String {
        format!("{} − {}", self.first.name, self.second.name)
    }

    /// The text of a token that either trace names.
    fn text(&self, id: TokenId) -> Option<&str> {
        let in_readouts =
            |source: &Source<'a>| source.trace.readouts.iter().find_map(|readout| scored(readout, id));
        self.sources.iter().find_map(in_readouts).map(|token| &*token.text)
    }
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Contrast {
    /// A number of the readout. Ranks are compared as logarithms to the base 10.
    Of(Measure),
    /// The probability of a token, by its id in the first trace.
    Token(TokenId),
}

impl Default for Contrast {
    fn default() -> Self {
        Self::Of(Measure::default())
    }
}

impl Contrast {
    /// What is written for one unit of the difference: probabilities are compared in percentage points.
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
    fn value(self, first: &ReadoutTrace, second: &ReadoutTrace, pairing: &Pairing) -> Option<f64> {
        let (one, other) = match self {
            Self::Of(measure) => (measure.value(first)?, measure.value(second)?),
            Self::Token(id) => {
                let token = scored(first, id)?;
                let other = all(second).find(|other| pairing.is_same(token, other))?;
                (token.prob.into(), other.prob.into())
            }
        };
        let of = |number: f64| if self.is_logarithmic() { number.log10() } else { number };
        Some((of(one) - of(other)) * self.factor()).filter(|value| value.is_finite())
    }

    /// What is compared, without its unit; `of` is the component, where there is only one.
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

    /// What is compared, of which traces, and in which unit.
    pub(crate) fn describe(self, difference: &Difference<'_>, of: Option<Component>) -> String {
        let (title, names, unit) = (self.title(difference, of), difference.names(), self.unit());
        if unit.is_empty() { format!("{title}, {names}") } else { format!("{title}, {names}, {unit}") }
    }

    /// What a difference of these traces lacks that cannot be drawn.
    fn missing(self) -> String {
        match self {
            Self::Of(measure) => format!("{} at a place that both have", measure.missing()),
            Self::Token(id) => format!(
                "probability of token {id} at a place that both have: make it a target of both runs (--target)"
            ),
        }
    }
}

/// Every token that a readout gives a probability.
fn all(readout: &ReadoutTrace) -> impl Iterator<Item = &TopTrace> {
    readout.top.iter().chain(readout.targets.iter().map(|target| &target.token))
}

fn scored(readout: &ReadoutTrace, id: TokenId) -> Option<&TopTrace> {
    all(readout).find(|token| token.id == id)
}

/// A difference as a cell shows it: with its sign, in at most six columns.
pub(crate) fn signed(value: f64) -> String {
    let digits = match value.abs() {
        v if v < 9.995 => 2,
        v if v < 999.5 => 1,
        _ => 0,
    };
    let text = format!("{value:+.digits$}");
    match &text[1..] {
        zero if zero.chars().all(|c| matches!(c, '0' | '.')) => zero.to_owned(),
        _ if text.len() > 6 => format!("{value:+.0e}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::signed;

    #[test]
    fn differences_have_a_sign_unless_they_are_nothing() {
        let shown = [0.0, -0.001, 0.25, -12.34, 100.0, -12345.0, 1_234_567.0].map(signed);
        assert_eq!(shown, ["0.00", "0.00", "+0.25", "-12.3", "+100.0", "-12345", "+1e6"]);
    }
}
