//! A walk over a structure of Thrift's compact protocol, in which Parquet writes what describes its columns and pages.
//!
//! The library steps over what it does not know by counting what is said to be there: a list of two billion truth values has no
//! bytes to run out of, and takes it seconds. Here every element has a byte at least, so that a walk takes no longer than what is
//! walked over; and every field that the library knows is what it takes it for ([`Known`]), so that it goes the same way.
//! The source is the [specification](https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md).

use std::io::{self, Read};

use super::known::{Fields, Known};

/// Structures within structures; Parquet has less than ten.
const DEEPEST: usize = 32;

/// Walks over one structure with these fields at the beginning of `read` and returns its bytes, at most `most`.
///
/// # Errors
/// When it is cut off, longer than that, deeper than any in Parquet, has lists of truth values or maps, of which Parquet has none, or
/// something else in a field than what is known to stand there.
pub(super) fn structure(read: &mut impl Read, most: usize, fields: Fields) -> io::Result<Vec<u8>> {
    let mut walk = Walk { read, seen: Vec::new(), most };
    walk.value(STRUCT, Some(Known::Structure(fields)), DEEPEST)?;
    Ok(walk.seen)
}

/// The types of the protocol that are told apart.
const BYTE: u8 = 3;
const INTEGERS: [u8; 3] = [4, 5, 6];
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LISTS: [u8; 2] = [9, 10];
const STRUCT: u8 = 12;
const UUID: u8 = 13;

struct Walk<'r, R> {
    read: &'r mut R,
    seen: Vec<u8>,
    most: usize,
}

impl<R: Read> Walk<'_, R> {
    /// A value of a type of the protocol, with what is known of its place.
    fn value(&mut self, kind: u8, known: Option<Known>, depth: usize) -> io::Result<()> {
        if let Some(known) = known.filter(|known| !known.is(kind)) {
            return Err(broken(&format!("it has something of type {kind} where Parquet has {known}")));
        }
        let Some(depth) = depth.checked_sub(1) else { return Err(broken("it is nested too deeply")) };
        match kind {
            BYTE => self.take(1),
            kind if INTEGERS.contains(&kind) => self.integer().map(drop),
            DOUBLE => self.take(8),
            UUID => self.take(16),
            BINARY => {
                let bytes = self.integer()?;
                self.take(bytes)
            }
            kind if LISTS.contains(&kind) => match known {
                Some(Known::List(of)) => self.list(Some(*of), depth),
                _ => self.list(None, depth),
            },
            STRUCT => match known {
                Some(Known::Structure(fields)) => self.fields(fields, depth),
                _ => self.fields(&[], depth),
            },
            kind => {
                Err(broken(&format!("it has something of type {kind}, and Parquet has none of those there")))
            }
        }
    }

    fn fields(&mut self, fields: Fields, depth: usize) -> io::Result<()> {
        let mut number = 0i16;
        loop {
            let head = self.byte()?;
            if head == 0 {
                return Ok(());
            }
            number = match head >> 4 {
                // The field's number, where it is not a little more than the one before; of a longer one its last 16 bits.
                0 => zigzag(self.integer()?) as i16,
                more => number
                    .checked_add(i16::from(more))
                    .ok_or_else(|| broken("it has a field of too large a number"))?,
            };
            let known = fields.iter().find(|(of, _)| *of == number).map(|(_, known)| *known);
            match (head & 0xf, known) {
                // The type says which it is.
                (1 | 2, None | Some(Known::Truth)) => {}
                (kind, known) => self.value(kind, known, depth)?,
            }
        }
    }

    fn list(&mut self, of: Option<Known>, depth: usize) -> io::Result<()> {
        let head = self.byte()?;
        let n = match head >> 4 {
            15 => self.integer()?,
            n => n.into(),
        };
        for _ in 0..n {
            self.value(head & 0xf, of, depth)?;
        }
        Ok(())
    }

    /// A number of seven bits a byte.
    fn integer(&mut self) -> io::Result<u64> {
        let mut number = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(broken("it has a number of more than ten bytes"))
    }

    fn byte(&mut self) -> io::Result<u8> {
        self.take(1)?;
        Ok(self.seen[self.seen.len() - 1])
    }

    fn take(&mut self, bytes: u64) -> io::Result<()> {
        if bytes > (self.most - self.seen.len()) as u64 {
            return Err(broken(&format!("it is longer than {} bytes", self.most)));
        }
        match self.read.by_ref().take(bytes).read_to_end(&mut self.seen)? as u64 {
            read if read == bytes => Ok(()),
            _ => Err(broken("it is cut off")),
        }
    }
}

/// A signed number that was written as an unsigned one.
fn zigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

fn broken(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("what describes the file's columns is broken: {what}"))
}

#[cfg(test)]
mod tests {
    use super::{
        super::known::{FILE, PAGE},
        *,
    };

    fn walked(bytes: &[u8]) -> Result<usize, String> {
        walked_as(&[], bytes)
    }

    fn walked_as(fields: Fields, bytes: &[u8]) -> Result<usize, String> {
        structure(&mut &*bytes, 1 << 20, fields).map(|seen| seen.len()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_structure_ends_where_it_ends() {
        assert_eq!(walked(&[0, 9, 9]), Ok(1));
        // A truth value, a byte, an integer, a double, a text, a list of two integers, a structure, a field with a number.
        let all = [
            0x11, 0x13, 7, 0x15, 0x80, 1, 0x17, 1, 2, 3, 4, 5, 6, 7, 8, 0x18, 2, b'a', b'b', 0x19, 0x25, 1,
            2, 0x1c, 0, 0x03, 40, 1, 0,
        ];
        assert_eq!(walked(&all), Ok(all.len()));
        for end in 0..all.len() {
            assert!(walked(&all[..end]).unwrap_err().contains("cut off"), "{end}");
        }
        let long: Vec<u8> = [0x19, 0xf3, 200, 1].into_iter().chain([1; 200]).chain([0]).collect();
        assert_eq!(walked(&long), Ok(205));
    }

    #[test]
    fn nothing_is_counted_that_has_no_bytes() {
        // Two billion truth values; two billion bytes, of which there are three; a text of 2^60 bytes; a map.
        assert!(walked(&[0x19, 0xf1, 0xff, 0xff, 0xff, 0xff, 7, 0]).unwrap_err().contains("type 1"));
        assert!(walked(&[0x19, 0xf3, 0xff, 0xff, 0xff, 0xff, 7, 1, 2, 3]).unwrap_err().contains("cut off"));
        assert!(
            walked(&[0x18, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10])
                .unwrap_err()
                .contains("longer")
        );
        assert!(walked(&[0x1b, 1, 0x33, 1, 1, 0]).unwrap_err().contains("type 11"));
        assert!(walked(&[0x15; 40].map(|_| 0xff)).unwrap_err().contains("type 15"));
        assert!(walked(&[0x15, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).is_err());
        assert!(walked(&[0x1c; 100]).unwrap_err().contains("too deeply"));
    }

    /// The library would read what it expects, and be in the middle of a value after it.
    #[test]
    fn a_known_field_is_what_it_is_known_as() {
        let of_page = |bytes: &[u8]| walked_as(PAGE, bytes);
        // The kind of a page, its sizes, and the header of a dictionary, which is sorted; then a field that nobody knows.
        let sound = [0x15, 4, 0x15, 8, 0x15, 8, 0x4c, 0x15, 2, 0x15, 0, 0x11, 0, 0x38, 1, b'x', 0];
        assert_eq!(of_page(&sound), Ok(sound.len()));
        for (at, kind, what) in
            [(0, 0x18, "an integer"), (6, 0x48, "a structure"), (11, 0x15, "a truth value")]
        {
            let mut other = sound;
            other[at] = kind;
            let error = of_page(&other).unwrap_err();
            assert!(error.contains(&format!("where Parquet has {what}")), "{error}");
        }
        // The same by a number that is written out, and by one whose last 16 bits are that number.
        for number in [&[2][..], &[0x82, 0x80, 8][..]] {
            let other = [&[0x08][..], number, &[1, b'x', 0]].concat();
            assert!(of_page(&other).unwrap_err().contains("where Parquet has an integer"));
        }
        assert!(of_page(&[0x05, 0xfe, 0xff, 3, 0, 0x15, 0, 0]).unwrap_err().contains("too large a number"));
    }

    #[test]
    fn lists_are_of_what_they_are_known_to_be_of() {
        let of_file = |bytes: &[u8]| walked_as(FILE, bytes);
        // One group of rows with one column, whose encodings are a list of integers.
        let sound = [0x49, 0x1c, 0x19, 0x1c, 0x3c, 0x29, 0x15, 0, 0, 0, 0, 0];
        assert_eq!(of_file(&sound), Ok(sound.len()));
        let error = |at: usize, kind: u8| {
            let mut other = sound;
            other[at] = kind;
            of_file(&other).unwrap_err()
        };
        assert!(error(6, 0x17).contains("where Parquet has an integer"));
        assert!(error(3, 0x18).contains("where Parquet has a structure"));
    }

    /// `known.rs` says what this version of the library reads: of another one it has to be looked at again.
    #[test]
    fn the_library_is_the_one_whose_fields_are_known() {
        let locked = include_str!("../../../Cargo.lock");
        assert!(
            locked.contains("name = \"parquet\"\nversion = \"60.1."),
            "compare known.rs with the new version"
        );
    }

    /// However many structures lie in lists of lists, a walk has not more steps than bytes.
    #[test]
    fn a_walk_takes_no_longer_than_its_bytes() {
        let nested: Vec<u8> = [0x19].into_iter().chain([0xe9; 20]).chain([0xec; 1000]).collect();
        assert!(walked(&nested).is_err());
    }
}
