//! Whole sequences of one length, run together for a tap: what fitting a lens is made of.

use lens_core::TokenId;
use tch::Tensor;

use super::{Decoder, ModelError, Tap, head::Head, held::Held, span::Span, step::Step};

/// Whether libtorch notes what is computed, so that it can go back over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tape {
    /// It does, from the first value on that a tap returns with `requires_grad`. The weights are never differentiated.
    On,
    /// It does not.
    Off,
}

impl Decoder {
    /// Runs sequences of `length` tokens each, one after the other in `tokens`, with `tap` at every point, and returns
    /// the last block's output, `[sequences * length, d_model]`. Tokens that do not fill a sequence are left out. No
    /// sequence sees another, and none can be continued. Edits that are set do not apply.
    ///
    /// What a tape holds reads the weights, which lie in the checkpoint's maps: neither it nor anything that was
    /// computed with [`Tape::On`] may outlive the decoder.
    pub(crate) fn run_batch(
        &mut self,
        tokens: &[TokenId],
        length: usize,
        tape: Tape,
        tap: &mut dyn Tap,
    ) -> Result<Tensor, ModelError> {
        let sequences = tokens.len().checked_div(length).unwrap_or(0);
        let tokens = &tokens[..sequences * length];
        let run = || {
            let spans = vec![Span::whole(length); sequences];
            let step = Step::of_pack(&spans, self.tables(&spans)?, &self.placement.layers)?;
            self.run_step(tokens, &step, tap)
        };
        match tape {
            Tape::On => tch::with_grad(run),
            Tape::Off => tch::no_grad(run),
        }
    }

    /// The way from the stream to logits, in float32 and differentiable.
    pub(crate) fn head(&self) -> Result<Held<Head>, ModelError> {
        Ok(Held::new(self.readout.head()?, &self.checkpoint))
    }
}
