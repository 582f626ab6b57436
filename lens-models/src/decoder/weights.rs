//! From the bytes of a checkpoint to tensors: mapped where they lie, converted, or made.

use std::ops::Range;

use half::{bf16, f16};
use lens_core::VocabRows;
use tch::{Device, Kind, Tensor};

use super::{ModelError, threads::product};
use crate::{
    checkpoint::{Checkpoint, StoredDtype, StoredTensor},
    device::{OnTorch as _, Place},
    made::Made,
    spec::{Cut, LinearSpec, Param, TensorSpec},
};

/// The libtorch kind of a dtype.
pub(super) fn kind_of(dtype: StoredDtype) -> Kind {
    match dtype {
        StoredDtype::F32 => Kind::Float,
        StoredDtype::Bf16 => Kind::BFloat16,
        StoredDtype::F16 => Kind::Half,
    }
}

/// Half the distance from 1 to the next larger number.
pub(super) fn unit_roundoff(kind: Kind) -> f32 {
    match kind {
        Kind::BFloat16 => 2.0f32.powi(-8),
        Kind::Half => 2.0f32.powi(-11),
        _ => 2.0f32.powi(-24),
    }
}

/// Takes tensors out of a checkpoint, to one place. Those that need neither conversion nor another place stay in the
/// map: they must not outlive the checkpoint, which every part that is made of them holds ([`Held`](super::Held)).
#[derive(Clone, Copy)]
pub(super) struct Weights<'a> {
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) dtype: StoredDtype,
    pub(super) place: Place,
}

impl Weights<'_> {
    /// A stored tensor, in the decoder's dtype.
    pub(super) fn tensor(&self, spec: &TensorSpec) -> Result<Tensor, ModelError> {
        self.settle(&self.stored(spec, None)?)
    }

    /// A tensor as it is stored, in the map; of one that is made, the asked slices of its first dimension alone, in the
    /// decoder's dtype.
    fn stored(&self, spec: &TensorSpec, rows: Option<Range<usize>>) -> Result<Tensor, ModelError> {
        let (stored, dtype) = self.known(spec)?;
        match &stored.made {
            Some(made) => self.make(made, rows.unwrap_or(0..stored.shape.first().copied().unwrap_or(1))),
            None => self.map(stored, dtype),
        }
    }

    fn known(&self, spec: &TensorSpec) -> Result<(&StoredTensor, StoredDtype), ModelError> {
        let stored = self.checkpoint.outline().tensors.get(&spec.name);
        stored
            .and_then(|stored| Some((stored, stored.dtype.clone().ok()?)))
            .ok_or_else(|| ModelError::NotInLedger { name: spec.name.clone() })
    }

    /// Some slices of the first dimension of a tensor that is made, in the decoder's dtype.
    fn make(&self, made: &Made, rows: Range<usize>) -> Result<Tensor, ModelError> {
        let mut shape: Vec<i64> = made.shape().iter().map(|n| *n as i64).collect();
        if let Some(first) = shape.first_mut() {
            *first = rows.len() as i64;
        }
        let tensor = Tensor::f_empty(&shape, (kind_of(self.dtype), Device::Cpu))?;
        let length = tensor.numel() * self.dtype.bytes();
        if length > 0 {
            // SAFETY: a new contiguous tensor on the processor holds `numel` values of its kind at its data pointer,
            // nobody else knows of it, and every pattern of bits is a value.
            #[expect(unsafe_code, reason = "a weight is made where it stays")]
            let out = unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast::<u8>(), length) };
            self.checkpoint.write(made, Some(rows), self.dtype, out)?;
        }
        Ok(tensor)
    }

    /// Gives what is stored its place and its dtype. It travels as it is stored and is converted there; of a matrix
    /// that several parts share each takes its own rows. On the way only what is not contiguous is copied in host
    /// memory.
    fn settle(&self, stored: &Tensor) -> Result<Tensor, ModelError> {
        Ok(stored.f_to_device(self.place.device())?.f_to_kind(kind_of(self.dtype))?)
    }

    /// A parameter: its tensors, stacked and cut.
    pub(super) fn param(&self, param: &Param) -> Result<Tensor, ModelError> {
        let (rows, cuts) = self.first_rows(param);
        let stored = |spec| self.stored(spec, rows.clone());
        let mut tensors = param.tensors.iter().map(stored).collect::<Result<Vec<_>, _>>()?;
        let mut tensor = match tensors.len() {
            1 => tensors.remove(0),
            _ => Tensor::f_stack(&tensors, 0)?,
        };
        for step in cuts {
            tensor = cut(&tensor, &step)?;
        }
        self.settle(&tensor)
    }

    /// A parameter in float32, whatever the decoder's dtype.
    pub(super) fn wide_param(&self, param: &Param) -> Result<Tensor, ModelError> {
        Self { dtype: StoredDtype::F32, ..*self }.param(param)
    }

    /// Of a parameter that begins with some slices of a made tensor's first dimension, such as one expert of a stack:
    /// which they are, and what is left to cut once they are made alone. Otherwise all that is to be cut.
    fn first_rows(&self, param: &Param) -> (Option<Range<usize>>, Vec<Cut>) {
        let made = |spec: &TensorSpec| self.known(spec).is_ok_and(|(stored, _)| stored.made.is_some());
        let one = matches!(param.tensors.as_slice(), [tensor] if made(tensor));
        let mut cuts = param.cuts.clone();
        match cuts.first() {
            Some(Cut::Index(index)) if one => {
                let index = *index;
                cuts[0] = Cut::Index(0);
                (Some(index..index + 1), cuts)
            }
            Some(Cut::Rows(rows)) if one => {
                let rows = rows.clone();
                cuts.remove(0);
                (Some(rows), cuts)
            }
            _ => (None, cuts),
        }
    }

    /// A parameter that may be absent.
    pub(super) fn optional(&self, param: Option<&Param>) -> Result<Option<Tensor>, ModelError> {
        param.map(|param| self.param(param)).transpose()
    }

    /// A linear map.
    pub(super) fn linear(&self, spec: &LinearSpec) -> Result<Linear, ModelError> {
        Ok(Linear { weight: self.param(&spec.weight)?, bias: self.optional(spec.bias.as_ref())? })
    }

    /// A linear map in float32, whatever the decoder's dtype.
    pub(super) fn wide_linear(&self, spec: &LinearSpec) -> Result<Linear, ModelError> {
        Self { dtype: StoredDtype::F32, ..*self }.linear(spec)
    }

    fn map(&self, stored: &StoredTensor, dtype: StoredDtype) -> Result<Tensor, ModelError> {
        let bytes = self.checkpoint.tensor_bytes(stored);
        let shape: Vec<i64> = stored.shape.iter().map(|n| *n as i64).collect();
        if !(bytes.as_ptr() as usize).is_multiple_of(dtype.bytes()) {
            // A header of odd length: rare, and the one case in which a tensor is copied as it is.
            return Ok(Tensor::f_from_data_size(bytes, &shape, kind_of(dtype))?);
        }
        let strides: Vec<i64> = (0..shape.len()).map(|i| shape[i + 1..].iter().product::<i64>()).collect();
        // SAFETY: the header was checked, so `bytes` holds exactly shape x dtype; the address is aligned. The
        // part that the tensor becomes holds the checkpoint, and with it the map (`Held`). The map is read-only
        // and no operation in this crate writes to a weight.
        #[expect(unsafe_code, reason = "weights are used where they are mapped")]
        let tensor =
            unsafe { Tensor::f_from_blob(bytes.as_ptr(), &shape, &strides, kind_of(dtype), Device::Cpu) }?;
        Ok(tensor)
    }
}

/// One step from a stored tensor to a weight; all but interleaved heads are views.
fn cut(tensor: &Tensor, step: &Cut) -> Result<Tensor, ModelError> {
    let range = |range: &std::ops::Range<usize>| (range.start as i64, range.len() as i64);
    Ok(match step {
        Cut::Transpose => tensor.f_transpose(-1, -2)?,
        Cut::Rows(rows) => {
            let (start, length) = range(rows);
            tensor.f_narrow(0, start, length)?
        }
        Cut::Heads { groups, slots, take } => {
            let size = tensor.size();
            let d_head = size[0] / (groups * slots) as i64;
            let (start, length) = range(take);
            let mut shape = vec![*groups as i64, *slots as i64, d_head];
            shape.extend(&size[1..]);
            let heads = tensor.f_reshape(&shape)?.f_narrow(1, start, length)?;
            let mut shape = vec![*groups as i64 * length * d_head];
            shape.extend(&size[1..]);
            heads.f_reshape(&shape)?
        }
        Cut::Index(index) => tensor.f_select(0, *index as i64)?,
        Cut::Every { start, step } => tensor.f_slice(0, *start as i64, None, *step as i64)?,
    })
}

/// `y = W x + b`.
#[derive(Debug)]
pub(super) struct Linear {
    weight: Tensor,       // [out, in]
    bias: Option<Tensor>, // [out]
}

impl Linear {
    /// The weight, `[out, in]`.
    pub(super) fn weight(&self) -> &Tensor {
        &self.weight
    }

    #[cfg(test)]
    pub(super) fn new(weight: Tensor, bias: Option<Tensor>) -> Self {
        Self { weight, bias }
    }

    /// Several maps of one input in one, whose outputs follow each other; `None` where only some have a bias. This copies
    /// the weights.
    pub(super) fn joined(parts: &[Self]) -> Result<Option<Self>, ModelError> {
        let biases: Vec<&Tensor> = parts.iter().filter_map(|part| part.bias.as_ref()).collect();
        if !biases.is_empty() && biases.len() != parts.len() {
            return Ok(None);
        }
        let weights: Vec<&Tensor> = parts.iter().map(|part| &part.weight).collect();
        let bias = if biases.is_empty() { None } else { Some(Tensor::f_cat(&biases, 0)?) };
        Ok(Some(Self { weight: Tensor::f_cat(&weights, 0)?, bias }))
    }

    /// The bias, `[out]`.
    pub(super) fn bias(&self) -> Option<&Tensor> {
        self.bias.as_ref()
    }

    /// `[.., in]` to `[.., out]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        product(x, &self.weight, self.bias.as_ref())
    }
}

/// The values of a matrix in host memory, where they lie.
pub(super) fn host_rows(matrix: &Tensor) -> Result<VocabRows<'_>, ModelError> {
    let (kind, n) = (matrix.kind(), matrix.numel());
    if matrix.device() != Device::Cpu || !matrix.is_contiguous() {
        return Err(ModelError::NotOnHost);
    }
    let start = matrix.data_ptr();
    // SAFETY: a contiguous CPU tensor holds `n` values of its kind at its data pointer, aligned for that kind,
    // for as long as the tensor is borrowed; nothing writes to it.
    #[expect(unsafe_code, reason = "the unembedding is read where it is mapped")]
    unsafe {
        match kind {
            Kind::Float => Ok(VocabRows::F32(std::slice::from_raw_parts(start.cast::<f32>(), n))),
            Kind::BFloat16 => Ok(VocabRows::Bf16(std::slice::from_raw_parts(start.cast::<bf16>(), n))),
            Kind::Half => Ok(VocabRows::F16(std::slice::from_raw_parts(start.cast::<f16>(), n))),
            _ => Err(ModelError::NotOnHost),
        }
    }
}

/// `x Wᵀ` for `x`, `[rows, width]` float32 in host memory, and a matrix W, `[width, width]`, that is multiplied where
/// it lies: `[rows, width]`, with the same bits for any number of threads.
pub(super) fn times_transposed(x: &Tensor, matrix: &[f32], width: usize) -> Result<Tensor, ModelError> {
    assert_eq!(matrix.len(), width * width, "a map is a square matrix");
    let n = width as i64;
    // SAFETY: the assertion says that the shape is that of `matrix`, which outlives the tensor: it ends with this
    // function, and the product owns its memory. Nothing writes to it.
    #[expect(unsafe_code, reason = "a lens is as large as a part of the model, and is used where it is")]
    let matrix = unsafe {
        Tensor::f_from_blob(matrix.as_ptr().cast::<u8>(), &[n, n], &[n, 1], Kind::Float, Device::Cpu)
    }?;
    product(x, &matrix, None)
}

/// The values of a tensor as float32, appended to `out`.
pub(super) fn append_values(tensor: &Tensor, out: &mut Vec<f32>) -> Result<(), ModelError> {
    let tensor = tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?;
    let (start, n) = (out.len(), tensor.numel());
    out.resize(start + n, 0.0);
    Ok(tensor.f_copy_data(&mut out[start..], n)?)
}

/// The values of a tensor as float32.
pub(super) fn values(tensor: &Tensor) -> Result<Vec<f32>, ModelError> {
    let mut out = Vec::new();
    append_values(tensor, &mut out)?;
    Ok(out)
}
