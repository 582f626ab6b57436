//! The hub's access token, which is never shown.

use std::fmt;

use ureq::http::HeaderValue;

use super::SourceError;

/// An access token of the hub.
///
/// `Debug` and `Display` print a placeholder, so that a token cannot end up in an error, a log or a report.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Cleans a token as the hub's own tools do: without surrounding space and line ends; `None` where
    /// nothing is left.
    pub fn new(raw: &str) -> Option<Self> {
        let clean: String = raw.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        let clean = clean.trim();
        (!clean.is_empty()).then(|| Self(clean.to_owned()))
    }

    /// The header that carries the token, marked as sensitive for whoever would log it.
    pub(super) fn authorization(&self, origin: &str) -> Result<HeaderValue, SourceError> {
        let bad = || SourceError::BadToken { origin: origin.to_owned() };
        if !self.0.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(bad());
        }
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0)).map_err(|_| bad())?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(redacted)")
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}
