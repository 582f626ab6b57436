//! The key that is part of the server's address.

use std::fmt::Write as _;

use subtle::ConstantTimeEq as _;

/// Bytes that are drawn: 256 bits.
const BYTES: usize = 32;

/// A key that nobody guesses. It is never printed by accident: `Debug` hides it.
#[derive(Clone)]
pub(crate) struct Key(String);

impl Key {
    /// Draws a key.
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the key. How long that takes says nothing of where they differ.
    pub(crate) fn fits(&self, offered: &[u8]) -> bool {
        self.0.as_bytes().ct_eq(offered).into()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_long_differ_and_are_not_printed() {
        let (one, other) = (Key::new().unwrap(), Key::new().unwrap());
        assert_eq!(one.as_str().len(), 2 * BYTES);
        assert!(one.fits(one.as_str().as_bytes()) && !one.fits(other.as_str().as_bytes()));
        for wrong in [&b""[..], &one.as_str().as_bytes()[1..], one.as_str().to_uppercase().as_bytes()] {
            assert!(!one.fits(wrong) || one.as_str().to_uppercase() == one.as_str());
        }
        assert!(!format!("{one:?}").contains(one.as_str()));
    }
}
