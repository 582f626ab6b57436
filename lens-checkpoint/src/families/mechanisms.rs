//! What the checkpoints of each family are made of. The table is written by the test that compares it with the specs of
//! every fixture of a family (`tests/mechanisms.rs`), so that it cannot say what no checkpoint has.

use std::{collections::BTreeMap, sync::LazyLock};

use super::Family;
use crate::spec::Mechanisms;

static TABLE: LazyLock<BTreeMap<String, Mechanisms>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("mechanisms.json")).expect("a test of this crate writes it")
});

impl Family {
    /// The mechanisms that checkpoints of the family are known to have, all of which are compared with the reference.
    /// Nothing for a family whose row is not yet written.
    pub fn mechanisms(&self) -> Mechanisms {
        TABLE.get(self.model_types[0]).cloned().unwrap_or_default()
    }
}
