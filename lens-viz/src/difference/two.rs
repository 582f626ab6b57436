//! Two traces that can be compared.

use lens_core::{ReadoutTrace, TokenId};

use super::pairing::Pairing;
use crate::named::Named;
use crate::source::{Source, place};

/// Two traces laid over one another: differences are the first minus the second.
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
        /// The trace's name.
        name: String,
    },
    /// One of them has the readouts of several lenses.
    #[error("{name} has several lenses ({}): compare one at a time, see LensTrace::of_lens", lenses.join(", "))]
    Lenses {
        /// The trace's name.
        name: String,
        /// The names of its lenses.
        lenses: Vec<String>,
    },
    /// They share no point and position.
    #[error(
        "{first} and {second} have no readout of the same layer, component and position: {first} holds {of_first}, \
         {second} {of_second}; read both with the same layers, components and positions"
    )]
    Apart {
        /// The first trace's name.
        first: String,
        /// The second trace's name.
        second: String,
        /// The layers, positions and components of the first.
        of_first: String,
        /// The layers, positions and components of the second.
        of_second: String,
    },
}

impl<'a> Difference<'a> {
    /// Lays two traces over one another. Positions are paired by number, and where the prompts differ in length, from
    /// the prompts' last tokens backwards; layers are paired by number. [`notes`](Self::notes) says what was assumed.
    ///
    /// # Errors
    /// When a trace has no readout or those of several lenses, or the two have none of the same point and position.
    pub fn new(first: Named<'a>, second: Named<'a>) -> Result<Self, DifferenceError> {
        let source = |named: &Named<'a>| {
            let lenses = named.trace.lens_names();
            if lenses.len() > 1 {
                let lenses = lenses.into_iter().map(str::to_owned).collect();
                return Err(DifferenceError::Lenses { name: named.name.clone(), lenses });
            }
            Source::of(named.trace).ok_or_else(|| DifferenceError::Empty { name: named.name.clone() })
        };
        let sources = [source(&first)?, source(&second)?];
        let pairing = Pairing::of(first.trace, second.trace);
        let has_partner = |readout: &ReadoutTrace| {
            let place = place(readout);
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

    /// Sentences for a person: what was assumed, and in what the traces differ besides their readouts.
    pub fn notes(&self) -> &[String] {
        &self.pairing.notes
    }

    /// `first − second`, as legends say it.
    pub(crate) fn names(&self) -> String {
        format!("{} − {}", self.first.name, self.second.name)
    }

    /// The text of a token that either trace names.
    pub(super) fn text(&self, id: TokenId) -> Option<&str> {
        let in_readouts =
            |source: &Source<'a>| source.trace.readouts.iter().find_map(|readout| readout.score(id));
        self.sources.iter().find_map(in_readouts).map(|token| &*token.text)
    }
}
