//! A config.json in the making.

use serde_json::{Map, Value as Json};

use super::keys::Keys;

/// A config in the making.
pub(super) struct Made<'k, 'h, 'a> {
    pub(super) keys: &'k Keys<'h, 'a>,
    pub(super) config: Map<String, Json>,
}

impl Made<'_, '_, '_> {
    pub(super) fn set(&mut self, key: &str, value: impl Into<Json>) {
        self.config.insert(key.to_owned(), value.into());
    }

    /// A number under another name, where the file has it.
    pub(super) fn number(&mut self, own: &str, key: &str) -> Result<(), String> {
        if let Some(x) = self.keys.number(own)? {
            self.set(key, x);
        }
        Ok(())
    }

    pub(super) fn size(&mut self, own: &str, key: &str) -> Result<(), String> {
        let size = self.keys.required(own)?;
        self.set(key, size);
        Ok(())
    }
}
