//! The way from the residual stream to logits, in host memory.

use half::{bf16, f16};
use lens_core::{DirectionNorm, DirectionReadout, FinalNorm, Post, Unembedding, VocabRows};
use rayon::prelude::*;

use super::{HostError, Weights};
use crate::{
    checkpoint::{Checkpoint, StoredDtype},
    made::{Made, MadeError},
};

/// Final norm and unembedding of a checkpoint. The unembedding stays in the map, unless another type is asked for.
#[derive(Debug)]
pub struct ReadoutWeights<'a> {
    norm: FinalNorm,
    /// `[d_embed, d_model]`
    project: Option<Vec<f32>>,
    unembed: Rows<'a>,
    width: usize,
    bias: Option<Vec<f32>>,
    post: Post,
}

/// Rows of the unembedding: where they are mapped, or converted.
#[derive(Debug)]
enum Rows<'a> {
    Mapped(VocabRows<'a>),
    F32(Vec<f32>),
    Bf16(Vec<bf16>),
    F16(Vec<f16>),
}

impl<'a> ReadoutWeights<'a> {
    /// The readout of a checkpoint, with the unembedding in `dtype`, or as it is stored.
    ///
    /// # Errors
    /// When a tensor of it cannot be read.
    pub fn of(checkpoint: &'a Checkpoint, dtype: Option<StoredDtype>) -> Result<Self, HostError> {
        let (weights, spec) = (Weights::of(checkpoint), &checkpoint.outline().spec);
        let readout = &spec.readout;
        let (unembed, stored) = weights.tensor(&readout.unembed)?;
        let wanted = dtype.unwrap_or(stored);
        let width = readout.unembed.shape.last().copied().unwrap_or(0);
        let project = match &readout.project {
            None => None,
            Some(project) => {
                let shape = [Some(width), Some(spec.d_model)];
                Some(weights.matrix(&project.weight, shape)?.to_vec()?)
            }
        };
        Ok(Self {
            norm: weights.norm(readout.norm.as_ref(), spec.d_model)?,
            project,
            unembed: match &unembed.made {
                Some(made) => Rows::made(checkpoint, made, wanted)?,
                None => Rows::new(checkpoint.tensor_bytes(unembed), stored, wanted),
            },
            width,
            bias: weights.vector(readout.bias.as_ref())?,
            post: readout.post,
        })
    }

    /// The final norm.
    pub fn norm(&self) -> &FinalNorm {
        &self.norm
    }

    /// Width of the residual stream.
    pub fn d_model(&self) -> usize {
        self.norm.d_model()
    }

    /// The type of the rows of the unembedding as they are used.
    pub fn dtype(&self) -> StoredDtype {
        match self.unembed.borrow() {
            VocabRows::F32(_) => StoredDtype::F32,
            VocabRows::Bf16(_) => StoredDtype::Bf16,
            VocabRows::F16(_) => StoredDtype::F16,
        }
    }

    /// Scale and cap of the logits.
    pub fn post(&self) -> Post {
        self.post
    }

    /// Whether the logits have a bias of their own.
    pub fn has_bias(&self) -> bool {
        self.bias.is_some()
    }

    /// What decodes directions.
    ///
    /// # Errors
    /// When norm and unembedding do not fit each other.
    pub fn directions(&self, mode: DirectionNorm) -> Result<DirectionReadout<'_>, HostError> {
        let unembedding =
            Unembedding::new(self.unembed.borrow(), self.width, self.bias.as_deref(), self.post)?;
        Ok(DirectionReadout::new(&self.norm, self.project.as_deref(), unembedding, mode)?)
    }
}

impl<'a> Rows<'a> {
    fn new(bytes: &'a [u8], stored: StoredDtype, wanted: StoredDtype) -> Self {
        if stored == wanted
            && let Some(mapped) = mapped(bytes, stored)
        {
            return Self::Mapped(mapped);
        }
        match wanted {
            StoredDtype::F32 => Self::F32(converted(bytes, stored, |value| value)),
            StoredDtype::Bf16 => Self::Bf16(converted(bytes, stored, bf16::from_f32)),
            StoredDtype::F16 => Self::F16(converted(bytes, stored, f16::from_f32)),
        }
    }

    /// Rows that are made, straight in the type that is wanted.
    fn made(checkpoint: &Checkpoint, made: &Made, wanted: StoredDtype) -> Result<Self, MadeError> {
        let count = made.shape().iter().product();
        let write = |out: &mut [u8]| checkpoint.write(made, None, wanted, out);
        Ok(match wanted {
            StoredDtype::F32 => Self::F32(filled(vec![0.0; count], write)?),
            StoredDtype::Bf16 => Self::Bf16(filled(vec![bf16::ZERO; count], write)?),
            StoredDtype::F16 => Self::F16(filled(vec![f16::ZERO; count], write)?),
        })
    }

    fn borrow(&self) -> VocabRows<'_> {
        match self {
            Self::Mapped(rows) => *rows,
            Self::F32(rows) => VocabRows::F32(rows),
            Self::Bf16(rows) => VocabRows::Bf16(rows),
            Self::F16(rows) => VocabRows::F16(rows),
        }
    }
}

fn filled<T: bytemuck::NoUninit + bytemuck::AnyBitPattern>(
    mut values: Vec<T>,
    write: impl FnOnce(&mut [u8]) -> Result<(), MadeError>,
) -> Result<Vec<T>, MadeError> {
    write(bytemuck::cast_slice_mut(&mut values))?;
    Ok(values)
}

/// Values where they lie; `None` where they are not aligned, as after a header of odd length.
fn mapped(bytes: &[u8], dtype: StoredDtype) -> Option<VocabRows<'_>> {
    match dtype {
        StoredDtype::F32 => bytemuck::try_cast_slice(bytes).ok().map(VocabRows::F32),
        StoredDtype::Bf16 => bytemuck::try_cast_slice(bytes).ok().map(VocabRows::Bf16),
        StoredDtype::F16 => bytemuck::try_cast_slice(bytes).ok().map(VocabRows::F16),
    }
}

fn converted<T: Send>(bytes: &[u8], stored: StoredDtype, to: impl Fn(f32) -> T + Sync) -> Vec<T> {
    match stored {
        StoredDtype::F32 => {
            bytes.as_chunks::<4>().0.par_iter().map(|bytes| to(f32::from_le_bytes(*bytes))).collect()
        }
        StoredDtype::Bf16 => {
            let (values, _) = bytes.as_chunks::<2>();
            values.par_iter().map(|bytes| to(bf16::from_le_bytes(*bytes).to_f32())).collect()
        }
        StoredDtype::F16 => {
            let (values, _) = bytes.as_chunks::<2>();
            values.par_iter().map(|bytes| to(f16::from_le_bytes(*bytes).to_f32())).collect()
        }
    }
}
