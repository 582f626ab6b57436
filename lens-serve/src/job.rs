//! A question with its answer's other end.

use crate::{
    question::{Apart, Client, Reading},
    told::Told,
};

/// What is to be done.
pub(crate) enum What {
    Read(Reading),
    Apart(Apart),
    Patch,
}

impl What {
    /// Whether this ends whatever else its page asked: a new prompt does, a question about what was read does not.
    fn replaces(&self, other: &Self) -> bool {
        matches!(self, Self::Read(_)) || !matches!(other, Self::Read(_))
    }
}

/// A question, whose it is, and where the answer goes.
pub(crate) struct Job {
    pub(crate) client: Client,
    pub(crate) what: What,
    pub(crate) told: Told,
}

impl Job {
    pub(crate) fn replaces(&self, client: &Client, what: &What) -> bool {
        self.client == *client && self.what.replaces(what)
    }
}
