//! What a pickle may build: tables, and tensors over the storages of the zip file.

use super::{
    error::PickleError,
    machine::{Done, Machine, broken},
    node::{Global, Id, Object, Storage, Tensor},
};
use crate::limits;

impl Machine<'_> {
    /// A call: of the two functions that are allowed, what they return.
    pub(super) fn reduce(&mut self) -> Done {
        let call = self.pop_many(2)?;
        let Object::Tuple(arguments) = self.object(call[1]) else {
            return Err(broken("it calls with what is not a tuple"));
        };
        let made = match (self.object(call[0]), arguments.as_slice()) {
            (Object::Global(Global::OrderedDict), []) => Object::Dict(Vec::new()),
            (Object::Global(Global::RebuildTensor), arguments) => Object::Tensor(self.tensor(arguments)?),
            (Object::Global(Global::RebuildParameter), &[data, _, hooks]) => {
                Object::Tensor(self.parameter(data, hooks)?)
            }
            _ => return Err(broken("it calls what is not a function, or with arguments that are not plain")),
        };
        self.push(made)
    }

    /// `_rebuild_parameter(data, requires_grad, hooks)`: the tensor that it is.
    fn parameter(&self, data: Id, hooks: Id) -> Result<Tensor, PickleError> {
        match (self.object(data), self.object(hooks)) {
            (Object::Tensor(tensor), Object::Dict(hooks)) if hooks.is_empty() => Ok(tensor.clone()),
            _ => Err(broken("it builds a parameter of what is not a tensor, or with hooks")),
        }
    }

    /// `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks)`.
    fn tensor(&self, arguments: &[Id]) -> Result<Tensor, PickleError> {
        let &[storage, offset, size, stride, _, hooks] = arguments else {
            return Err(broken("it builds a tensor from other parts than are known"));
        };
        let Object::Storage(storage) = self.object(storage) else {
            return Err(broken("it builds a tensor without a storage"));
        };
        if !matches!(self.object(hooks), Object::Dict(hooks) if hooks.is_empty()) {
            return Err(broken("it builds a tensor with hooks"));
        }
        let offset = self.size(offset)?;
        let (shape, strides) = (self.sizes(size)?, self.sizes(stride)?);
        let outside =
            || PickleError::OutsideStorage { shape: shape.clone(), strides: strides.clone(), offset };
        let start = offset.checked_mul(storage.number.bytes()).filter(|start| *start <= storage.range.len());
        let start = storage.range.start + start.ok_or_else(outside)?;
        let range = start..storage.range.end;
        match storage.number.fit(&shape, &strides, range.len()) {
            true => Ok(Tensor { number: storage.number, shape, strides, range }),
            false => Err(outside()),
        }
    }

    /// A size, an offset or a stride.
    fn size(&self, id: Id) -> Result<usize, PickleError> {
        match self.object(id) {
            Object::Int(value) => usize::try_from(*value).map_err(|_| broken("it has a negative size")),
            _ => Err(broken("it has a size that is not a whole number")),
        }
    }

    fn sizes(&self, id: Id) -> Result<Vec<usize>, PickleError> {
        match self.object(id) {
            Object::Tuple(items) if items.len() <= limits::pickle::MOST_DIMENSIONS => {
                items.iter().map(|id| self.size(*id)).collect()
            }
            _ => Err(broken("it has a shape that is not a tuple of sizes")),
        }
    }

    /// `('storage', class, key, place, numbers)`: an entry of the zip file.
    pub(super) fn storage(&mut self) -> Done {
        const OTHER: PickleError = broken("it refers to something else than a storage");
        let id = self.pop()?;
        let Object::Tuple(parts) = self.object(id) else { return Err(OTHER) };
        let [tag, class, key, place, count] = match *parts.as_slice() {
            [tag, class, key, place, count] => [tag, class, key, place, count],
            // The older form may say that a storage is a part of another; nobody has written that for long.
            [tag, class, key, place, count, part] if *self.object(part) == Object::None => {
                [tag, class, key, place, count]
            }
            _ => return Err(OTHER),
        };
        let (
            Object::Text(tag),
            Object::Global(Global::Storage(number)),
            Object::Text(key),
            Object::Text(place),
        ) = (self.object(tag), self.object(class), self.object(key), self.object(place))
        else {
            return Err(OTHER);
        };
        if tag != "storage" || !is_device(place) {
            return Err(OTHER);
        }
        let expected = self.size(count)?.saturating_mul(number.bytes());
        let range = self.storages.of(key, expected);
        let range = range.ok_or_else(|| broken("it refers to a storage that is not there"))?;
        if expected != range.len() {
            return Err(PickleError::StorageSize { key: key.clone(), expected, actual: range.len() });
        }
        let storage = Storage { key: key.clone(), number: *number, range };
        self.push(Object::Storage(storage))
    }

    /// State of a table beside its items (`_metadata` of a `state_dict`), which nobody needs.
    pub(super) fn build(&mut self) -> Done {
        let state = self.pop()?;
        match (self.object(self.top()?), self.object(state)) {
            (Object::Dict(_), Object::Dict(_)) => Ok(()),
            _ => Err(broken("it sets the state of what is not a table")),
        }
    }
}

/// Whether a text is a place that PyTorch saves storages from: `cpu`, `cuda:0`, `mps`.
fn is_device(place: &str) -> bool {
    let (kind, index) = place.split_once(':').unwrap_or((place, "0"));
    ["cpu", "cuda", "mps", "xpu"].contains(&kind) && index.bytes().all(|byte| byte.is_ascii_digit())
}
