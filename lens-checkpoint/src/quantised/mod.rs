//! Quantised weights: which tensors of a checkpoint are stored as numbers of a few bits with scales, and how the weights
//! that they stand for are made of them.
//!
//! The config names a method and the tensors say where it was used: a weight that is stored as it is stays as it is. Each
//! format is a file here, and restates the arithmetic of the library that writes it, with the roundings that it has, so
//! that the weights are those of that library's own dequantisation, to the last bit. Activations are not quantised.

mod awq;
mod bits;
mod bitsandbytes;
mod compressed;
mod gptq;
mod mlx;
mod mxfp4;
pub(crate) mod raw;
mod scaled;
mod small;

use std::collections::BTreeSet;

use lens_core::Dtype;
use raw::{RawIndex, Stored};
use serde_json::{Map, Value};

use crate::made::{Files, Made, Make, Part};

/// Finds the tensors of a format.
type Find = fn(&Setting<'_>, &RawIndex, &mut Found) -> Result<(), QuantisedError>;

/// The methods that are read, by the name that config.json has for them.
const METHODS: [(&str, Find); 9] = [
    ("mxfp4", mxfp4::find),
    ("fp8", scaled::find),
    ("fbgemm_fp8", scaled::find),
    ("modelopt", scaled::find),
    ("gptq", gptq::find),
    ("awq", awq::find),
    ("bitsandbytes", bitsandbytes::find),
    ("compressed-tensors", compressed::find),
    (MLX, mlx::find),
];

/// MLX names no method: it has a section of its own.
const MLX: &str = "mlx";

/// What names of scales and zeros of activations and caches end with: they change nothing about weights.
const OF_ACTIVATIONS: [&str; 9] = [
    ".input_scale",
    ".activation_scale",
    ".activation_scale_inv",
    ".input_scale_ub",
    ".input_zero_point",
    ".output_scale",
    ".output_zero_point",
    ".k_scale",
    ".v_scale",
];

/// How the weights of a checkpoint are quantised.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quantisation {
    /// The method, as config.json names it.
    pub method: String,
    /// Bits of the stored numbers, each once.
    pub bits: Vec<usize>,
    /// How many tensors are stored so.
    pub tensors: usize,
}

/// A tensor that is to stand in the index in place of its parts.
#[derive(Debug)]
pub(crate) struct MadeTensor {
    pub(crate) made: Made,
    /// What the values are exact in, or rounded to.
    pub(crate) dtype: Dtype,
    /// Whether the shape is said by the content of a tensor that is not at hand.
    pub(crate) is_shape_unknown: bool,
}

/// All quantised tensors of a checkpoint.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) tensors: Vec<MadeTensor>,
    /// Stored tensors that are no weights by themselves.
    pub(crate) consumed: BTreeSet<String>,
    pub(crate) quantisation: Quantisation,
    pub(crate) notes: Vec<String>,
}

/// Quantised weights that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantisedError {
    /// A method, or a kind of one, that is not read.
    #[error(
        "the checkpoint is quantised ({method}) in a way that is not read (methods that are: {known}). Use the original \
         checkpoint, or dequantise this one with the library that wrote it and save it as bf16 safetensors"
    )]
    Method {
        /// The method, and what of it is not read.
        method: String,
        /// The methods that are read.
        known: String,
    },
    /// config.json names a method, but no tensor is stored so.
    #[error(
        "config.json says that the checkpoint is quantised ({method}), but none of its tensors is stored so: config.json \
         and weights are not of the same checkpoint, or the weights were dequantised; then remove that section"
    )]
    Nothing {
        /// The method.
        method: String,
    },
    /// A key of the section on quantisation.
    #[error(
        "config.json: the section on quantisation ({method}) has the {key} {got}, and should have {expected}"
    )]
    Key {
        /// The method.
        method: String,
        /// The key.
        key: &'static str,
        /// What it says.
        got: String,
        /// What it may say.
        expected: String,
    },
    /// A part of a quantised weight is missing.
    #[error("the checkpoint lacks {name}, a part of a quantised weight")]
    Missing {
        /// Its name.
        name: String,
    },
    /// A part of a type that the format does not have.
    #[error("{name}, a part of a quantised weight, is stored as {ty}, and should be {expected}")]
    Type {
        /// The part.
        name: String,
        /// Its type.
        ty: String,
        /// What it should be.
        expected: &'static str,
    },
    /// A part in another shape than the others imply.
    #[error(
        "{name}, a part of a quantised weight, is stored as {stored:?}; the other parts imply {expected:?}"
    )]
    Shape {
        /// The part.
        name: String,
        /// Its shape.
        stored: Vec<usize>,
        /// The shape that it should have.
        expected: Vec<usize>,
    },
    /// A part that is wrong in itself.
    #[error("{name}, a part of a quantised weight, {reason}")]
    Tensor {
        /// The part.
        name: String,
        /// What is wrong, as the end of the sentence.
        reason: String,
    },
}

/// What config.json says of quantisation, and what is at hand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting<'a> {
    method: &'a str,
    section: &'a Map<String, Value>,
    /// The contents of the weight files, if they are at hand.
    files: Option<Files<'a>>,
    /// The model's own dtype.
    dtype: Dtype,
}

impl<'a> Setting<'a> {
    fn text(&self, key: &str) -> Option<&'a str> {
        self.section.get(key)?.as_str()
    }

    fn flag(&self, key: &str) -> bool {
        self.section.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    fn count(&self, key: &'static str) -> Result<usize, QuantisedError> {
        let count =
            self.section.get(key).and_then(Value::as_u64).and_then(|count| usize::try_from(count).ok());
        count.filter(|count| *count > 0).ok_or_else(|| self.wrong(key, "a whole number above 0".to_owned()))
    }

    fn one_of(&self, key: &'static str, known: &[usize]) -> Result<usize, QuantisedError> {
        let expected = || format!("one of {known:?}");
        let count = self.count(key).map_err(|_| self.wrong(key, expected()))?;
        known.contains(&count).then_some(count).ok_or_else(|| self.wrong(key, expected()))
    }

    /// Two numbers, where the key is there at all.
    fn pair(&self, key: &'static str) -> Result<Option<[usize; 2]>, QuantisedError> {
        match self.section.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => {
                pair(value).map(Some).ok_or_else(|| self.wrong(key, "two numbers above 0".to_owned()))
            }
        }
    }

    /// Inputs of a group, by the config, where `groups` cover `width` inputs; all of them where it says -1.
    fn group_size(&self, width: usize, groups: usize, scales: &Stored) -> Result<usize, QuantisedError> {
        const KEY: &str = "group_size";
        let size = match self.section.get(KEY).and_then(Value::as_i64) {
            Some(-1) => width,
            _ => self.count(KEY)?,
        };
        match size > 0 && width.div_ceil(size) == groups {
            true => Ok(size),
            false => Err(QuantisedError::Tensor {
                name: scales.part.name.clone(),
                reason: format!(
                    "has {groups} groups, which are not those of {width} inputs in groups of {size}"
                ),
            }),
        }
    }

    fn wrong(&self, key: &'static str, expected: String) -> QuantisedError {
        let got = self.section.get(key).map_or_else(|| "missing".to_owned(), Value::to_string);
        QuantisedError::Key { method: self.method.to_owned(), key, got, expected }
    }

    fn refused(&self, what: &str) -> QuantisedError {
        QuantisedError::Method { method: format!("{}, {what}", self.method), known: known() }
    }
}

fn pair(value: &Value) -> Option<[usize; 2]> {
    let numbers: Vec<usize> = value.as_array()?.iter().filter_map(|n| n.as_u64()?.try_into().ok()).collect();
    <[usize; 2]>::try_from(numbers).ok().filter(|numbers| !numbers.contains(&0))
}

fn known() -> String {
    METHODS.map(|(name, _)| name).join(", ")
}

/// What a format found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    tensors: Vec<MadeTensor>,
    consumed: BTreeSet<String>,
    bits: BTreeSet<usize>,
}

impl Found {
    /// A tensor, the dtype in which its values are, and the bits of the stored numbers.
    fn push(&mut self, made: Made, dtype: Dtype, bits: usize) {
        self.add(MadeTensor { made, dtype, is_shape_unknown: false }, bits);
    }

    /// A tensor whose shape only the contents of the files say.
    fn push_unknown(&mut self, name: &str, how: impl Make + 'static, dtype: Dtype, bits: usize) {
        let made = Made::new(name, [], how);
        self.add(MadeTensor { made, dtype, is_shape_unknown: true }, bits);
        // Parts that only the whole has are told by their names.
        self.consumed.extend(["nested_absmax", "nested_quant_map"].map(|end| format!("{name}.{end}")));
        self.consumed.insert(format!("{name}_shape"));
    }

    fn add(&mut self, tensor: MadeTensor, bits: usize) {
        self.consumed.extend(tensor.made.parts().into_iter().map(|part| part.name.clone()));
        self.tensors.push(tensor);
        self.bits.insert(bits);
    }

    /// A stored tensor that says something and is no part of the values.
    fn also_consumes(&mut self, part: &Part) {
        self.consumed.insert(part.name.clone());
    }
}

/// The section of config.json on quantisation, with the method that it names, if it has one that says something.
pub(crate) fn section(config: &Value) -> Option<(&str, &Map<String, Value>)> {
    let of = |config: &'_ Value, key: &str| -> Option<()> {
        config.get(key)?.as_object().filter(|section| !section.is_empty()).map(|_| ())
    };
    let places = [Some(config), config.get("text_config")];
    let (place, key) = places.into_iter().flatten().find_map(|place| {
        let keys = ["quantization_config", "compression_config", "quantization"];
        keys.into_iter().find(|key| of(place, key).is_some()).map(|key| (place, key))
    })?;
    let section = place.get(key)?.as_object()?;
    let method = match section.get("quant_method").and_then(Value::as_str) {
        Some(method) => method,
        None if section.contains_key("bits") && section.contains_key("group_size") => MLX,
        None => "unknown method",
    };
    Some((method, section))
}

/// The config without its sections on quantisation, which the model's family does not read.
pub(crate) fn without_section(config: &Value) -> Value {
    let mut config = config.clone();
    let keys = ["quantization_config", "compression_config", "quantization"];
    let strip = |place: &mut Value| {
        if let Some(place) = place.as_object_mut() {
            keys.into_iter().for_each(|key| drop(place.remove(key)));
        }
    };
    strip(&mut config);
    if let Some(text) = config.get_mut("text_config") {
        strip(text);
    }
    config
}

/// The quantised tensors of a checkpoint, if its config says that there are any. Without the files some shapes remain
/// unknown.
///
/// # Errors
/// When the method is not read, or tensors and config do not fit each other.
pub(crate) fn resolve(
    config: &Value,
    raw: &RawIndex,
    files: Option<Files<'_>>,
) -> Result<Option<Resolved>, QuantisedError> {
    let Some((method, section)) = section(config) else { return Ok(None) };
    let find = METHODS.iter().find(|(name, _)| *name == method).map(|(_, find)| find);
    let find = find.ok_or_else(|| QuantisedError::Method { method: method.to_owned(), known: known() })?;
    let setting = Setting { method, section, files, dtype: own_dtype(config) };
    if let Some(algorithm) = setting.text("quant_algo").filter(|algorithm| *algorithm != "FP8") {
        return Err(setting.refused(&format!("quant_algo {algorithm:?}, of which FP8 is read")));
    }
    let mut found = Found::default();
    find(&setting, raw, &mut found)?;
    if found.tensors.is_empty() {
        return Err(QuantisedError::Nothing { method: method.to_owned() });
    }
    let of_activations = |name: &&String| OF_ACTIVATIONS.iter().any(|end| name.ends_with(end));
    let dropped: Vec<String> = raw.0.keys().filter(of_activations).cloned().collect();
    let quantisation = Quantisation {
        method: method.to_owned(),
        bits: found.bits.into_iter().collect(),
        tensors: found.tensors.len(),
    };
    let mut notes = vec![quantisation.note()];
    if let Some(first) = dropped.first() {
        notes.push(format!(
            "{} scales of activations ({first}, …) are left out: activations are not quantised here",
            dropped.len()
        ));
    }
    found.consumed.extend(dropped);
    Ok(Some(Resolved { tensors: found.tensors, consumed: found.consumed, quantisation, notes }))
}

impl Quantisation {
    /// `4` or `4 and 8`.
    pub fn bits_listed(&self) -> String {
        self.bits.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    }

    fn note(&self) -> String {
        let (n, method, bits) = (self.tensors, &self.method, self.bits_listed());
        format!(
            "{n} tensors are quantised ({method}, {bits} bits): each is dequantised when it is loaded, and what runs are \
             the dequantised weights, with activations that are not quantised"
        )
    }
}

/// The dtype that the model has by its config.
fn own_dtype(config: &Value) -> Dtype {
    let of = |config: &Value| {
        let name = config.get("torch_dtype").or_else(|| config.get("dtype"))?.as_str()?;
        Some(match name {
            "float32" => Dtype::F32,
            "float16" => Dtype::F16,
            _ => Dtype::Bf16,
        })
    };
    of(config).or_else(|| of(config.get("text_config")?)).unwrap_or(Dtype::Bf16)
}
