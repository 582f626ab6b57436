//! NumPy's npy format: a head that describes an array, then its values.
//!
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>

use lens_core::Dtype;

use crate::limits;
use crate::view::ValueType;

/// What an npy file begins with.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";

/// What the head says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) ty: Result<ValueType, String>,
    pub(crate) column_major: bool,
    pub(crate) shape: Vec<usize>,
    /// Bytes of the head, where the values begin.
    pub(crate) length: usize,
}

/// Reads the head at the start of `bytes`.
pub(crate) fn head(bytes: &[u8]) -> Result<Head, String> {
    let short = || "it ends inside the head of an npy array".to_owned();
    let rest = bytes.strip_prefix(MAGIC).ok_or("it is not an npy array")?;
    let (&major, rest) = rest.split_first().ok_or_else(short)?;
    let rest = rest.get(1..).ok_or_else(short)?;
    let (n, rest) = match major {
        1 => {
            let (n, rest) = rest.split_first_chunk::<2>().ok_or_else(short)?;
            (usize::from(u16::from_le_bytes(*n)), rest)
        }
        2 | 3 => {
            let (n, rest) = rest.split_first_chunk::<4>().ok_or_else(short)?;
            (u32::from_le_bytes(*n) as usize, rest)
        }
        other => return Err(format!("its npy version is {other}, known are 1 to 3")),
    };
    if n > limits::archives::LONGEST_NPY_HEAD {
        return Err(format!("its npy head claims {n} bytes"));
    }
    let length = bytes.len() - rest.len() + n;
    let text = std::str::from_utf8(rest.get(..n).ok_or_else(short)?);
    let text = text.map_err(|_| "its npy head is not text".to_owned())?;
    let said = |key: &str| value(text, key).ok_or_else(|| format!("its npy head does not say {key}"));
    let column_major = match said("fortran_order")? {
        rest if rest.starts_with("False") => false,
        rest if rest.starts_with("True") => true,
        _ => return Err("its npy head says neither True nor False for fortran_order".to_owned()),
    };
    Ok(Head { ty: value_type(said("descr")?), column_major, shape: shape(said("shape")?)?, length })
}

/// What follows a key of the dictionary that the head is.
fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let quoted = ['\'', '"'].map(|quote| format!("{quote}{key}{quote}"));
    let rest = quoted.iter().find_map(|quoted| text.split_once(quoted.as_str()))?.1;
    rest.trim_start().strip_prefix(':').map(str::trim_start)
}

/// `(3, 4)`, `(3,)` or `()`.
fn shape(text: &str) -> Result<Vec<usize>, String> {
    let wrong = || "its npy head has no tuple of numbers for shape".to_owned();
    let inner = text.strip_prefix('(').and_then(|text| text.split_once(')')).ok_or_else(wrong)?.0;
    let numbers = inner.split(',').map(str::trim).filter(|number| !number.is_empty());
    numbers.map(|number| number.trim_end_matches('L').parse().map_err(|_| wrong())).collect()
}

/// `'<f4'`; what is no such text, such as the list of a structured array, is none of ours.
fn value_type(text: &str) -> Result<ValueType, String> {
    let quote = text.chars().next().filter(|quote| ['\'', '"'].contains(quote));
    let name = quote.and_then(|quote| text[1..].split_once(quote)).map(|(name, _)| name);
    match name {
        Some("<f4") => Ok(ValueType::Model(Dtype::F32)),
        Some("<f2") => Ok(ValueType::Model(Dtype::F16)),
        Some("<f8") => Ok(ValueType::F64),
        Some(name) => Err(name.to_owned()),
        None => Err("structured".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An array as NumPy writes it.
    fn written(descr: &str, order: &str, shape: &str, data: &[u8]) -> Vec<u8> {
        let head = format!("{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n");
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend((head.len() as u16).to_le_bytes());
        bytes.extend(head.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn a_head_says_type_order_and_shape() {
        for (descr, ty) in [
            ("'<f4'", Ok(ValueType::Model(Dtype::F32))),
            ("'<f2'", Ok(ValueType::Model(Dtype::F16))),
            ("'<f8'", Ok(ValueType::F64)),
            ("'>f4'", Err(">f4".to_owned())),
            ("'|V2'", Err("|V2".to_owned())),
            ("[('a', '<f4')]", Err("structured".to_owned())),
        ] {
            let bytes = written(descr, "False", "(2, 3)", &[]);
            let head = head(&bytes).unwrap();
            assert_eq!((head.ty, head.column_major, head.length), (ty, false, bytes.len()), "{descr}");
            assert_eq!(head.shape, [2, 3]);
        }
        assert_eq!(head(&written("'<f4'", "True", "(5,)", &[])).unwrap().shape, [5]);
        assert_eq!(head(&written("'<f4'", "True", "()", &[])).unwrap().shape, [0usize; 0]);
    }

    #[test]
    fn a_head_that_is_cut_or_lies_is_refused() {
        let bytes = written("'<f4'", "False", "(2, 3)", &[]);
        for end in 0..bytes.len() {
            assert!(head(&bytes[..end]).is_err(), "{end} of {} bytes were read", bytes.len());
        }
        for (order, shape) in [("false", "(2,)"), ("False", "2"), ("False", "(-1,)"), ("False", "(2, 'x')")] {
            assert!(head(&written("'<f4'", order, shape, &[])).is_err(), "{order} {shape}");
        }
        let mut long = b"\x93NUMPY\x02\x00".to_vec();
        long.extend(u32::MAX.to_le_bytes());
        assert!(head(&long).unwrap_err().contains("claims"));
    }
}
