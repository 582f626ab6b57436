//! Files of PyTorch's `torch.save`, read as data: the tensors of their tables, by name.

use super::place::{FileTensor, Order, Place};
use crate::{
    host::ValueType,
    pickle::{self, NamedTensor, Number, PickleError},
    zip,
};

/// How the older form begins.
const LEGACY: &[u8] = b"\x80\x02\x8a\x0a";

/// Whether a file is one: a zip with a pickle in it, or the older form.
pub(super) fn is_saved(bytes: &[u8]) -> bool {
    let has_pickle =
        || zip::entries(bytes).is_ok_and(|entries| entries.keys().any(|name| name.ends_with("data.pkl")));
    bytes.starts_with(LEGACY) || (bytes.starts_with(b"PK") && has_pickle())
}

/// The tensors of such a file.
pub(super) fn tensors(bytes: &[u8]) -> Result<Vec<FileTensor>, PickleError> {
    let tensor = |NamedTensor { name, tensor }: NamedTensor| FileTensor {
        name,
        shape: tensor.shape,
        ty: ty(tensor.number),
        order: Order::Strides(tensor.strides),
        place: Place::File(tensor.range),
    };
    Ok(pickle::tensors(bytes)?.into_iter().map(tensor).collect())
}

fn ty(number: Number) -> Result<ValueType, String> {
    match number {
        Number::Value(ty) => Ok(ty),
        Number::Other(name, _) => Err(name.to_owned()),
    }
}
