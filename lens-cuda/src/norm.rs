//! The norm before the unembedding, and the facts of the vectors that it goes over anyway.

use lens_core::{NormKind, NormMode, VectorFacts};

use crate::{
    kernel::{Call, Facts, NormArgs, Written as _, records},
    machine::Machine,
};

/// Whether numbers are bfloat16 or float32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Narrow {
    /// bfloat16.
    Yes,
    /// float32.
    No,
}

impl Narrow {
    fn bytes(self) -> usize {
        match self {
            Self::Yes => 2,
            Self::No => 4,
        }
    }

    fn flag(self) -> u32 {
        u32::from(self == Self::Yes)
    }
}

/// Captured vectors in a machine's memory, `[rows, width, d]`; the last of a row is its final residual.
#[derive(Debug, Clone, Copy)]
pub struct Vectors {
    address: u64,
    rows: usize,
    width: usize,
    d: usize,
    narrow: Narrow,
}

impl Vectors {
    /// Vectors at an address.
    ///
    /// # Safety
    /// The machine that reads them has as many numbers there, of that type.
    #[expect(unsafe_code, reason = "addresses go to kernels")]
    pub unsafe fn new(address: u64, [rows, width, d]: [usize; 3], narrow: Narrow) -> Self {
        Self { address, rows, width, d, narrow }
    }
}

/// A norm whose weight and bias are in a machine's memory.
#[derive(Debug, Clone, Copy)]
pub struct Norms {
    kind: Option<NormKind>,
    eps: f64,
    weight: u64,
    bias: u64,
}

impl Norms {
    /// A norm of a kind, `None` for none at all, with weight and bias, `[d]` in float64, at their addresses.
    ///
    /// # Safety
    /// The machine that uses it has them there, as long as the vectors.
    #[expect(unsafe_code, reason = "addresses go to kernels")]
    pub unsafe fn new(kind: Option<NormKind>, eps: f64, weight: Option<u64>, bias: Option<u64>) -> Self {
        Self { kind, eps, weight: weight.unwrap_or(0), bias: bias.unwrap_or(0) }
    }
}

/// Vectors that are ready for the product.
#[derive(Debug)]
pub struct Normed<B> {
    /// `[rows, width, d]`.
    pub vectors: B,
    /// `[rows, width]`, if they were asked for.
    facts: Option<B>,
    width: usize,
}

impl<B> Normed<B> {
    /// The facts of the vectors, `[rows, width]`, if they were asked for; waits for them.
    ///
    /// # Errors
    /// Those of the machine.
    pub fn facts<M: Machine<Buffer = B>>(&self, machine: &M) -> Result<Option<Vec<VectorFacts>>, M::Error> {
        let Some(written) = &self.facts else { return Ok(None) };
        Ok(Some(facts_of(&records(&machine.download(written)?), self.width)))
    }
}

/// Norms vectors as `mode` says, but the final residual always by its own scale; rounds them to `narrow`.
///
/// # Errors
/// Those of the machine.
pub fn normed<M: Machine>(
    machine: &M,
    vectors: &Vectors,
    norm: &Norms,
    mode: NormMode,
    narrow: Narrow,
    facts: bool,
) -> Result<Normed<M::Buffer>, M::Error> {
    let Vectors { address, rows, width, d, narrow: narrow_x } = *vectors;
    let n = rows * width;
    let out = machine.buffer(n * d * narrow.bytes())?;
    let written = if facts { Some(machine.buffer(n * Facts::BYTES)?) } else { None };
    let args = NormArgs {
        x: address,
        weight: norm.weight,
        bias: norm.bias,
        out: machine.address(&out),
        facts: written.as_ref().map_or(0, |written| machine.address(written)),
        eps: norm.eps,
        width: width as u32,
        d: d as u32,
        kind: match norm.kind {
            None => 0,
            Some(NormKind::Rms) => 1,
            Some(NormKind::Layer) => 2,
        },
        mode: match mode {
            NormMode::Recomputed => 0,
            NormMode::FinalScale => 1,
            NormMode::None => 2,
        },
        narrow_x: narrow_x.flag(),
        narrow_out: narrow.flag(),
    };
    if n > 0 {
        machine.launch(Call::Norms(&args), n as u32)?;
    }
    Ok(Normed { vectors: out, facts: written, width })
}

fn facts_of(facts: &[Facts], width: usize) -> Vec<VectorFacts> {
    let of = |(i, own): (usize, &Facts)| VectorFacts {
        square: own.square,
        final_square: facts[i / width * width + width - 1].square,
        dot: own.dot,
        is_final: i % width == width - 1,
    };
    facts.iter().enumerate().map(of).collect()
}
