//! Why nothing was changed.

use super::{align::AlignError, cell::Cell};
use crate::{
    backend::BackendError,
    point::{Point, Site},
    selection::SelectionError,
    token::TokenId,
};

/// Why a sweep over places could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// There is no token to run.
    #[error("a prompt has no tokens: there is no position to read")]
    NoTokens,
    /// A position that a sequence does not have.
    #[error("there is no position {position}: the prompt has {length} tokens")]
    NoPosition {
        /// The position asked for.
        position: usize,
        /// Tokens of the sequence.
        length: usize,
    },
    /// A position after the one that is read.
    #[error("position {position} comes after position {read}, which is read: nothing there can change it")]
    AfterRead {
        /// The position asked for.
        position: usize,
        /// The position that is read.
        read: usize,
    },
    /// A position is named twice.
    #[error("position {position} is to be changed twice")]
    Twice {
        /// The position.
        position: usize,
    },
    /// Layers or positions that the model or the prompt does not have.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The positions of the two prompts do not correspond.
    #[error(transparent)]
    Align(#[from] AlignError),
    /// A site that blocks lack.
    #[error("this {family} model has no {site} in {}", listed(layers))]
    NoSite {
        /// The site.
        site: Site,
        /// The model's family.
        family: String,
        /// The layers without it, of those asked for.
        layers: Vec<u16>,
    },
    /// Heads of blocks whose mixers have none.
    #[error(
        "this {family} model has no heads in {}: what mixes positions there is not divided into any",
        listed(layers)
    )]
    NoHeads {
        /// The model's family.
        family: String,
        /// The layers without heads, of those asked for.
        layers: Vec<u16>,
    },
    /// A head that a block does not have.
    #[error("layer {layer} has no head {head}: its heads are 0 to {}", n.saturating_sub(1))]
    NoHead {
        /// The layer.
        layer: u16,
        /// The head.
        head: u16,
        /// How many heads it has.
        n: usize,
    },
    /// A state that is not one of the stream between blocks.
    #[error("a patchscope takes the stream before or after a block, resid_pre or resid_post, and not {site}")]
    NotAState {
        /// The site.
        site: Site,
    },
    /// Nothing is to be changed.
    #[error("there is no place to change")]
    Nothing,
    /// More places than anybody looks at.
    #[error("{cells} places are more than {most}: choose fewer sites, layers or positions")]
    TooMany {
        /// How many there are.
        cells: usize,
        /// How many there may be.
        most: usize,
    },
    /// Activations that do not fit the memory that they may take.
    #[error(
        "keeping the activations of {rows} positions at {points} points would take {} MiB, more than {} MiB: choose fewer \
         sites, layers or positions",
        bytes >> 20,
        most >> 20
    )]
    TooLarge {
        /// Positions that are kept.
        rows: usize,
        /// Points that are kept.
        points: usize,
        /// Bytes that they take.
        bytes: usize,
        /// Bytes that they may take.
        most: usize,
    },
    /// A mean over no prompt.
    #[error("there is no prompt to take a mean over")]
    NoPrompts,
    /// The two tokens to compare are one.
    #[error("the target and the token to compare it with are the same, {token}: their difference is zero")]
    SameToken {
        /// The token.
        token: TokenId,
    },
    /// Both prompts have the same answer, and nobody said what to compare.
    #[error("both prompts are answered by the same token, {token}: name the two tokens to compare")]
    SameAnswer {
        /// The token.
        token: TokenId,
    },
    /// A logit difference with one token.
    #[error("a logit difference needs a token to compare the target with")]
    NoVersus,
    /// A logit without a token.
    #[error("a logit is that of a token: name the target")]
    NoTarget,
    /// A run with a change cannot go on.
    #[error("{cell}: {source}")]
    Cell {
        /// The place.
        cell: Cell,
        /// What went wrong there.
        #[source]
        source: BackendError,
    },
    /// A number of a readout is NaN or infinite although its logits are not.
    #[error("{what} is NaN or infinite after the change of {cell}")]
    NotFinite {
        /// The number's name.
        what: &'static str,
        /// The place.
        cell: Cell,
    },
    /// The watcher ended the sweep.
    #[error("stopped after {done} of {total} places")]
    Stopped {
        /// Places that were done.
        done: usize,
        /// Places that were to be done.
        total: usize,
    },
    /// The backend failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
}

/// Layers in words: `layer 3`, `layers 0, 2 and 5`.
pub(super) fn listed(layers: &[u16]) -> String {
    let numbers: Vec<String> = layers.iter().map(u16::to_string).collect();
    match numbers.as_slice() {
        [] => "any layer".to_owned(),
        [one] => format!("layer {one}"),
        [first @ .., last] => format!("layers {} and {last}", first.join(", ")),
    }
}

/// A backend that ran through a point without capturing it.
pub(super) fn not_captured(point: Point) -> PatchError {
    BackendError::Other(format!("the model was said to have {point}, and did not capture it").into()).into()
}
