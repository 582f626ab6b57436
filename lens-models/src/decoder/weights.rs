//! From the bytes of a checkpoint to tensors: mapped where they lie, or converted.

use half::{bf16, f16};
use lens_core::VocabRows;
use tch::{Device, Kind, Tensor};

use super::ModelError;
use crate::{
    checkpoint::{Checkpoint, StoredDtype, StoredTensor},
    spec::{LinearSpec, TensorSpec},
};

/// The libtorch kind of a dtype.
pub(super) fn kind_of(dtype: StoredDtype) -> Kind {
    match dtype {
        StoredDtype::F32 => Kind::Float,
        StoredDtype::Bf16 => Kind::BFloat16,
        StoredDtype::F16 => Kind::Half,
    }
}

/// Takes tensors out of a checkpoint. Those that need no conversion stay in the map: they must not outlive the
/// checkpoint, which the decoder owns beside them.
pub(super) struct Weights<'a> {
    pub(super) checkpoint: &'a Checkpoint,
    pub(super) dtype: StoredDtype,
}

impl Weights<'_> {
    /// A tensor of the ledger, in the decoder's dtype.
    pub(super) fn tensor(&self, spec: &TensorSpec) -> Result<Tensor, ModelError> {
        let stored = self.checkpoint.outline().tensors.get(&spec.name);
        let (stored, dtype) = stored
            .and_then(|stored| Some((stored, stored.dtype.clone().ok()?)))
            .ok_or_else(|| ModelError::NotInLedger { name: spec.name.clone() })?;
        let mapped = self.map(stored, dtype)?;
        Ok(mapped.f_to_kind(kind_of(self.dtype))?)
    }

    /// A tensor that may be absent.
    pub(super) fn optional(&self, spec: Option<&TensorSpec>) -> Result<Option<Tensor>, ModelError> {
        spec.map(|spec| self.tensor(spec)).transpose()
    }

    /// A linear map.
    pub(super) fn linear(&self, spec: &LinearSpec) -> Result<Linear, ModelError> {
        Ok(Linear { weight: self.tensor(&spec.weight)?, bias: self.optional(spec.bias.as_ref())? })
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
        // decoder keeps the checkpoint, and with it the map, for as long as its tensors. The map is read-only
        // and no operation in this crate writes to a weight.
        #[expect(unsafe_code, reason = "weights are used where they are mapped")]
        let tensor =
            unsafe { Tensor::f_from_blob(bytes.as_ptr(), &shape, &strides, kind_of(dtype), Device::Cpu) }?;
        Ok(tensor)
    }
}

/// `y = W x + b`.
#[derive(Debug)]
pub(super) struct Linear {
    weight: Tensor,       // [out, in]
    bias: Option<Tensor>, // [out]
}

impl Linear {
    /// `[.., in]` to `[.., out]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        Ok(x.f_linear(&self.weight, self.bias.as_ref())?)
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
