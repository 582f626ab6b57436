//! What was read of a config: each key that a family looked at, by its whole name.

use std::{cell::RefCell, collections::BTreeSet};

use serde_json::{Map, Value};

use crate::limits;

/// Where a section lies in config.json: the keys that lead to it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Place([&'static str; limits::config::DEEPEST]);

impl Place {
    /// The section at `key` of this one.
    pub(super) fn section(mut self, key: &'static str) -> Self {
        match self.0.iter_mut().find(|part| part.is_empty()) {
            Some(part) => *part = key,
            None => debug_assert!(false, "{key} lies deeper than any section"),
        }
        self
    }

    /// The whole name of `key` in this section, such as `rope_scaling.factor`.
    pub(super) fn name(self, key: &str) -> String {
        let parts = self.0.into_iter().filter(|part| !part.is_empty());
        parts.chain([key]).collect::<Vec<_>>().join(".")
    }
}

/// The keys of a config that were looked at, and what the reader should know of what they were taken for.
#[derive(Debug, Default)]
pub struct Reads {
    keys: RefCell<BTreeSet<String>>,
    sections: RefCell<BTreeSet<String>>,
    remarks: RefCell<Vec<String>>,
}

impl Reads {
    pub(super) fn key(&self, name: String) {
        self.keys.borrow_mut().insert(name);
    }

    pub(super) fn section(&self, name: String) {
        self.sections.borrow_mut().insert(name);
    }

    pub(super) fn remark(&self, note: &str) {
        self.remarks.borrow_mut().push(note.to_owned());
    }

    pub(super) fn remarks(&self) -> Vec<String> {
        self.remarks.borrow().clone()
    }

    /// The keys of `config` that nobody looked at, with their whole names. Of a section that was opened each key
    /// counts, and one that was not opened counts as a whole.
    pub(super) fn unread<'v>(&self, config: &'v Map<String, Value>) -> Vec<(String, &'v Value)> {
        let mut unread = Vec::new();
        self.collect(config, "", &mut unread);
        unread
    }

    fn collect<'v>(&self, keys: &'v Map<String, Value>, parent: &str, unread: &mut Vec<(String, &'v Value)>) {
        for (key, value) in keys {
            let name = if parent.is_empty() { key.clone() } else { format!("{parent}.{key}") };
            match value {
                Value::Object(section) if self.sections.borrow().contains(&name) => {
                    self.collect(section, &name, unread);
                }
                _ if self.keys.borrow().contains(&name) => {}
                _ => unread.push((name, value)),
            }
        }
    }
}
