//! Chat templates: texts and tokens as transformers has them, who says what, and templates that do harm.

// The helpers of the tests are tests, too.
#![allow(clippy::unwrap_used)]

mod extras;
mod files;
mod hostile;
mod oracle;
mod roles;

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use lens_checkpoint::{ChatError, ChatTemplate, Message};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures")
}

/// A template without tokens.
fn template(source: &str) -> Result<ChatTemplate, ChatError> {
    ChatTemplate::new::<&str, &str>(source, [])
}

/// The time on the fixtures' clock, 2024-07-26 12:34:56.
fn then() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_721_997_296)
}

fn say(messages: &[(&str, &str)]) -> Vec<Message> {
    messages.iter().map(|(role, content)| Message::new(*role, *content)).collect()
}
