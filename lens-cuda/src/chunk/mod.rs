//! The kernels over a chunk of logits, one after the other.
//!
//! The final readouts go first, alone: the divergences of the others need their sums, and what is counted in the others
//! may be their top-1 tokens. None of this waits for the card: all is queued, and then the answers are fetched at once.

mod answers;
mod layout;
mod rows;

use lens_core::{Post, TokenId};

use self::layout::Layout;
pub use self::{answers::Answers, rows::readouts};
use crate::{
    kernel::{Args, BLOCK, Call, FINAL_TOP},
    machine::Machine,
};

/// Products of vectors with the unembedding in a machine's memory: `[rows, width, n_vocab]` in float32. The last of a row's
/// readouts is its final one.
#[derive(Debug, Clone, Copy)]
pub struct Logits {
    address: u64,
    bias: Option<u64>,
    rows: usize,
    width: usize,
    n_vocab: usize,
    post: Post,
}

impl Logits {
    /// Logits at an address, as products alone: the kernels finish them with the unembedding's bias, `[n_vocab]` in
    /// float32 at another address, and with `post`.
    ///
    /// # Safety
    /// The machine that reads them has them there, and the bias as well.
    #[expect(unsafe_code, reason = "addresses go to kernels")]
    pub unsafe fn new(
        address: u64,
        [rows, width, n_vocab]: [usize; 3],
        bias: Option<u64>,
        post: Post,
    ) -> Self {
        Self { address, bias, rows, width, n_vocab, post }
    }

    /// Readouts, final ones included.
    fn readouts(&self) -> usize {
        self.rows * self.width
    }
}

/// A token whose logit and rank are wanted in every readout of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// This one.
    Token(TokenId),
    /// The top-1 of the row's final readout.
    FinalTop,
}

/// What is wanted of every readout besides its log-sum-exp, its moments and its divergence.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// How many of the largest logits; at most the vocabulary is found.
    pub top_k: usize,
    /// Whether total variation and Jensen-Shannon divergence are wanted, which take a second pass.
    pub distances: bool,
    /// For each row, its tokens; tokens are in the vocabulary.
    pub tracked: &'a [Vec<Wanted>],
}

/// Runs the kernels over a chunk.
///
/// # Errors
/// Those of the machine.
pub fn read<M: Machine>(machine: &M, logits: &Logits, ask: &Ask<'_>) -> Result<Answers, M::Error> {
    let n_tracked = ask.tracked.iter().map(Vec::len).max().unwrap_or(0);
    let k = ask.top_k.min(logits.n_vocab);
    let n_blocks = logits.n_vocab.div_ceil(BLOCK);
    let layout = Layout { readouts: logits.readouts(), k, n_tracked, distances: ask.distances };
    let maxima = machine.buffer(logits.readouts() * n_blocks * size_of::<f32>())?;
    let tokens = machine.upload(&padded(ask.tracked, n_tracked))?;
    let written = machine.buffer(layout.bytes())?;
    let at = |start: usize| machine.address(&written) + start as u64;
    let finals = Args {
        logits: logits.address,
        bias: logits.bias.unwrap_or(0),
        tokens: machine.address(&tokens),
        maxima: machine.address(&maxima),
        sums: at(layout.sums().start),
        tracked: at(layout.tracked().start),
        top: at(layout.top().start),
        apart: at(layout.apart().start),
        n_vocab: logits.n_vocab as u32,
        n_blocks: n_blocks as u32,
        width: logits.width as u32,
        n_tracked: n_tracked as u32,
        k: k as u32,
        finals: 1,
        scale: logits.post.scale,
        cap: logits.post.softcap.unwrap_or(0.0),
    };
    let others = Args { finals: 0, ..finals };
    let (n_finals, n_others) = (logits.rows as u32, (logits.rows * (logits.width - 1)) as u32);
    for (blocks, args) in [(n_finals, finals), (n_others, others)] {
        if blocks == 0 {
            continue;
        }
        machine.launch(Call::Sweep(&args), blocks)?;
        machine.launch(Call::Best(&args), blocks)?;
        // A final readout is at no distance from itself.
        if ask.distances && args.finals == 0 {
            machine.launch(Call::Apart(&args), blocks)?;
        }
    }
    let written = machine.download(&written)?;
    Ok(Answers::new(&layout, &written, logits.width, ask.tracked))
}

/// The rows' tokens as the kernels read them, `[rows, n]`: short rows are filled up with any token, which nobody reads.
fn padded(tracked: &[Vec<Wanted>], n: usize) -> Vec<i32> {
    let id = |wanted: &Wanted| match wanted {
        Wanted::Token(token) => token.0 as i32,
        Wanted::FinalTop => FINAL_TOP,
    };
    let row =
        |tokens: &Vec<Wanted>| tokens.iter().map(id).chain(std::iter::repeat(0)).take(n).collect::<Vec<_>>();
    tracked.iter().flat_map(row).collect()
}
