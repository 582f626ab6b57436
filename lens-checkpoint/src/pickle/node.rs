//! What a pickle builds: objects that know each other by number, so that what is shared is not copied.

use std::ops::Range;

use lens_core::Dtype;

use crate::view::{ValueType, View, fits};

/// The number of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(pub(super) u32);

/// Something that a pickle builds.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Object {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A name that is allowed.
    Global(Global),
    /// The numbers of tensors.
    Storage(Storage),
    Tensor(Tensor),
}

/// The names that a pickle may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Number),
}

impl Global {
    /// The name, if it is allowed.
    pub(super) fn named(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", storage) => Self::Storage(Number::of(storage)?),
            _ => return None,
        })
    }
}

/// The numbers of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Number {
    /// Numbers that can be read.
    Value(ValueType),
    /// Whole numbers and truth values, which files hold beside weights and nobody reads: their name, and the bytes of one.
    Other(&'static str, usize),
}

impl Number {
    /// Those of a class of storages.
    fn of(class: &str) -> Option<Self> {
        Some(match class {
            "HalfStorage" => Self::Value(ValueType::Model(Dtype::F16)),
            "BFloat16Storage" => Self::Value(ValueType::Model(Dtype::Bf16)),
            "FloatStorage" => Self::Value(ValueType::Model(Dtype::F32)),
            "DoubleStorage" => Self::Value(ValueType::F64),
            "LongStorage" => Self::Other("int64", 8),
            "IntStorage" => Self::Other("int32", 4),
            "ShortStorage" => Self::Other("int16", 2),
            "CharStorage" => Self::Other("int8", 1),
            "ByteStorage" => Self::Other("uint8", 1),
            "BoolStorage" => Self::Other("bool", 1),
            _ => return None,
        })
    }

    /// Bytes of one number.
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::Value(ty) => ty.bytes(),
            Self::Other(_, bytes) => bytes,
        }
    }

    /// Whether every number of a tensor lies in `length` bytes. Of those that nobody reads only the count matters.
    pub(super) fn fit(self, shape: &[usize], strides: &[usize], length: usize) -> bool {
        match self {
            Self::Value(ty) => fits(ty, shape, strides, length),
            Self::Other(..) => shape.len() == strides.len(),
        }
    }
}

/// Where the numbers of tensors lie in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    /// What the pickle calls it.
    pub(super) key: String,
    pub(super) number: Number,
    pub(super) range: Range<usize>,
}

/// A tensor: a view of a storage.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) number: Number,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
    /// From its first element to the end of its storage.
    pub(crate) range: Range<usize>,
}

impl Tensor {
    /// The view, which fits: that was checked when the tensor was built.
    pub(super) fn view<'a>(&self, file: &'a [u8]) -> Option<View<'a>> {
        let Number::Value(ty) = self.number else { return None };
        View::strided(file.get(self.range.clone())?, ty, &self.shape, &self.strides)
    }
}

/// An object of a file, to look at.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    file: &'a [u8],
    objects: &'a [Object],
    object: &'a Object,
}

impl<'a> Node<'a> {
    pub(super) fn new(file: &'a [u8], objects: &'a [Object], id: Id) -> Self {
        Self { file, objects, object: objects.get(id.0 as usize).unwrap_or(&Object::None) }
    }

    fn at(self, id: Id) -> Self {
        Self::new(self.file, self.objects, id)
    }

    /// The entries of a table, in order.
    pub(crate) fn entries(self) -> Option<impl Iterator<Item = (Self, Self)>> {
        let Object::Dict(entries) = self.object else { return None };
        Some(entries.iter().map(move |(key, value)| (self.at(*key), self.at(*value))))
    }

    /// The entry of a table under a text. Of two under one text, the last, as in Python.
    pub(crate) fn get(self, key: &str) -> Option<Self> {
        self.entries()?.filter(|(name, _)| name.text() == Some(key)).last().map(|(_, value)| value)
    }

    /// The elements of a list or a tuple.
    pub(crate) fn items(self) -> Option<impl Iterator<Item = Self>> {
        let (Object::List(ids) | Object::Tuple(ids)) = self.object else { return None };
        Some(ids.iter().map(move |id| self.at(*id)))
    }

    pub(crate) fn text(self) -> Option<&'a str> {
        if let Object::Text(text) = self.object { Some(text) } else { None }
    }

    pub(crate) fn int(self) -> Option<i64> {
        if let Object::Int(value) = self.object { Some(*value) } else { None }
    }

    pub(crate) fn is_none(self) -> bool {
        *self.object == Object::None
    }

    /// A tensor as it was saved.
    pub(crate) fn stored(self) -> Option<&'a Tensor> {
        if let Object::Tensor(tensor) = self.object { Some(tensor) } else { None }
    }

    pub(crate) fn tensor(self) -> Option<View<'a>> {
        if let Object::Tensor(tensor) = self.object { tensor.view(self.file) } else { None }
    }

    /// A text, a number or a truth value as text; `None` for everything else.
    pub(crate) fn plain(self) -> Option<String> {
        Some(match self.object {
            Object::Text(text) => text.clone(),
            Object::Int(value) => value.to_string(),
            Object::Float(value) => value.to_string(),
            Object::Bool(value) => value.to_string(),
            _ => return None,
        })
    }

    /// What it is, for a message.
    pub(crate) fn what(self) -> &'static str {
        match self.object {
            Object::None => "None",
            Object::Bool(_) => "a truth value",
            Object::Int(_) | Object::Float(_) => "a number",
            Object::Text(_) => "a text",
            Object::Tuple(_) | Object::List(_) => "a list",
            Object::Dict(_) => "a table",
            Object::Tensor(Tensor { number: Number::Other(..), .. }) => "a tensor of whole numbers",
            Object::Tensor(_) => "a tensor",
            Object::Global(_) | Object::Storage(_) => "something that is not data",
        }
    }
}
