//! Values of a GGUF file's metadata.

use super::cursor::Cursor;
use crate::limits;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    /// An integer of any width.
    Int(i128),
    /// A number in single precision, as the shortest decimal that means it, or in double precision.
    Float(f64),
    Bool(bool),
    Text(&'a str),
    Ints(Vec<i64>),
    Floats(Vec<f32>),
    Bools(Vec<bool>),
    Texts(Vec<&'a str>),
    /// An array of a kind that nothing here reads.
    Other,
}

/// The number that was meant: what a converter had as 0.000001 is stored in single precision, and the nearest number
/// in double precision is another.
pub(crate) fn meant(x: f32) -> f64 {
    if x.is_finite() { x.to_string().parse().unwrap_or_else(|_| x.into()) } else { x.into() }
}

impl<'a> Value<'a> {
    /// Reads a value of the type with this number.
    pub(super) fn read(cursor: &mut Cursor<'a>, kind: u32) -> Result<Self, String> {
        Ok(match kind {
            0..=5 | 10 | 11 => Self::Int(integer(cursor, kind)?),
            6 => Self::Float(meant(f32::from_le_bytes(cursor.array()?))),
            7 => Self::Bool(cursor.array::<1>()? != [0]),
            8 => Self::Text(cursor.text()?),
            9 => Self::list(cursor)?,
            12 => Self::Float(f64::from_le_bytes(cursor.array()?)),
            _ => return Err(format!("its metadata has a value of type {kind}")),
        })
    }

    fn list(cursor: &mut Cursor<'a>) -> Result<Self, String> {
        let kind = cursor.u32()?;
        let n = cursor.size()?;
        let least = match kind {
            0 | 1 | 7 => 1,
            2 | 3 => 2,
            4..=6 => 4,
            8 | 10..=12 => 8,
            9 => 12,
            _ => return Err(format!("its metadata has a list of values of type {kind}")),
        };
        // Before anything is allocated: every element takes so many bytes at least.
        if n.checked_mul(least).is_none_or(|bytes| bytes > cursor.left()) {
            cursor.is_at_end = true;
            return Err(format!("its metadata has a list of {n} values, more than the file has bytes for"));
        }
        Ok(match kind {
            7 => Self::Bools((0..n).map(|_| Ok(cursor.array::<1>()? != [0])).collect::<Result<_, String>>()?),
            8 => Self::Texts((0..n).map(|_| cursor.text()).collect::<Result<_, _>>()?),
            6 => {
                let float = |_| Ok(f32::from_le_bytes(cursor.array()?));
                Self::Floats((0..n).map(float).collect::<Result<_, String>>()?)
            }
            9 | 12 => {
                (0..n).try_for_each(|_| skip(cursor, kind, 1))?;
                Self::Other
            }
            _ => {
                let int = |_| {
                    let int = integer(cursor, kind)?;
                    i64::try_from(int).map_err(|_| format!("its metadata has the number {int} in a list"))
                };
                Self::Ints((0..n).map(int).collect::<Result<_, String>>()?)
            }
        })
    }

    /// What it is, for a message: not all of a long one.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Int(int) => int.to_string(),
            Self::Float(float) => float.to_string(),
            Self::Bool(flag) => flag.to_string(),
            Self::Text(text) => format!("{:?}", crate::config::cut(text)),
            Self::Ints(list) => format!("a list of {} integers", list.len()),
            Self::Floats(list) => format!("a list of {} numbers", list.len()),
            Self::Bools(list) => format!("a list of {} flags", list.len()),
            Self::Texts(list) => format!("a list of {} texts", list.len()),
            Self::Other => "a list".to_owned(),
        }
    }
}

fn integer(cursor: &mut Cursor<'_>, kind: u32) -> Result<i128, String> {
    Ok(match kind {
        0 => cursor.array::<1>().map(u8::from_le_bytes)?.into(),
        1 => cursor.array().map(i8::from_le_bytes)?.into(),
        2 => cursor.array().map(u16::from_le_bytes)?.into(),
        3 => cursor.array().map(i16::from_le_bytes)?.into(),
        4 => cursor.u32()?.into(),
        5 => cursor.array().map(i32::from_le_bytes)?.into(),
        10 => cursor.u64()?.into(),
        _ => cursor.array().map(i64::from_le_bytes)?.into(),
    })
}

/// Passes over a value, however deep it is nested.
fn skip(cursor: &mut Cursor<'_>, kind: u32, depth: usize) -> Result<(), String> {
    match kind {
        0 | 1 | 7 => cursor.take(1).map(drop),
        2 | 3 => cursor.take(2).map(drop),
        4..=6 => cursor.take(4).map(drop),
        10..=12 => cursor.take(8).map(drop),
        8 => cursor.text().map(drop),
        9 if depth < limits::gguf::DEEPEST => {
            let kind = cursor.u32()?;
            let n = cursor.size()?;
            // Every element takes at least a byte, so what is longer than the file ends with an error.
            (0..n).try_for_each(|_| skip(cursor, kind, depth + 1))
        }
        _ => Err(format!("its metadata has a value of type {kind}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_decimal_that_was_meant() {
        assert_eq!(meant(1e-6), 1e-6);
        assert_eq!(meant(0.1), 0.1);
        assert_eq!(meant(500_000.0), 5e5);
        assert!(meant(f32::NAN).is_nan());
    }

    #[test]
    fn a_list_that_claims_more_than_there_is_is_refused_before_it_is_made() {
        for (kind, n) in [(4u32, u64::MAX), (8, 1 << 40), (0, 100), (9, u64::MAX / 2)] {
            let bytes = [&kind.to_le_bytes()[..], &n.to_le_bytes(), &[0; 40]].concat();
            let error = Value::read(&mut Cursor::new(&bytes), 9).unwrap_err();
            assert!(error.contains("more than the file has bytes for"), "{error}");
        }
    }

    #[test]
    fn lists_of_lists_are_passed_over_but_not_without_end() {
        let mut bytes = Vec::new();
        for _ in 0..3 {
            bytes.extend(9u32.to_le_bytes());
            bytes.extend(1u64.to_le_bytes());
        }
        let deep = bytes.repeat(9);
        bytes.extend(0u32.to_le_bytes());
        bytes.extend(2u64.to_le_bytes());
        bytes.extend([1, 2]);
        assert_eq!(Value::read(&mut Cursor::new(&bytes), 9), Ok(Value::Other));
        assert!(Value::read(&mut Cursor::new(&deep), 9).is_err());
    }
}
