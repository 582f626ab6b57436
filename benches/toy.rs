//! What the toy model says, with texts that take some work.

use lens_core::{
    Backend as _, Lens, LensTrace, ModelInfo, Plan, Reading, Selection, TokenId, TokenText, TokenTexts,
    TraceContext, toy::ToyBackend,
};

const N_VOCAB: u32 = 4096;

/// A reading of a toy model, and what a trace of it needs.
pub struct Toy {
    info: ModelInfo,
    tokens: Vec<TokenId>,
    /// What was read.
    pub reading: Reading,
}

/// A word of letters, and, for every eighth token, half a character.
struct Words;

impl TokenTexts for Words {
    fn text(&self, id: TokenId) -> TokenText {
        let mut bytes = format!(" word{id}").into_bytes();
        if id.0.is_multiple_of(8) {
            bytes.extend(b"\xE4\xBD");
        }
        TokenText::from_bytes(&bytes)
    }
}

impl Toy {
    /// Reads every component of some positions.
    ///
    /// # Panics
    /// When the positions are not among the tokens.
    pub fn read(n_layers: u16, n_tokens: u32, positions: Selection) -> Self {
        let mut model = ToyBackend::new(n_layers, 32, N_VOCAB as usize, 1);
        let tokens: Vec<TokenId> = (0..n_tokens).map(|i| TokenId(i * 29 % N_VOCAB)).collect();
        let plan = Plan::default().with_positions(positions);
        let reading = Lens::new(&mut model).read(&tokens, &plan).expect("the plan fits the toy");
        Self { info: model.info().clone(), tokens, reading }
    }

    /// What a trace of the reading says besides; every layer counts as important.
    pub fn context(&self) -> TraceContext<'_> {
        TraceContext::new(("lens-benches", env!("CARGO_PKG_VERSION")), &self.info, &self.tokens, &Words)
            .with_threshold(0.0)
    }

    /// The trace.
    pub fn trace(&self) -> LensTrace {
        LensTrace::new(&self.reading, &self.context())
    }
}
