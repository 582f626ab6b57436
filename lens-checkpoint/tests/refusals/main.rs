//! Broken, hostile and unsupported checkpoints: refused, quickly, with a message that says what, which, and
//! what to do.

// The helpers of the tests are tests, too.
#![allow(clippy::unwrap_used)]

mod assumed;
mod config;
mod copy;
mod mutations;
mod names;
mod quantised;
mod torch;
mod weights;

use std::{error::Error, path::PathBuf};

/// The folder of checkpoint fixtures.
fn fixtures() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/checkpoints")
}

/// Everything that an error says, its causes included.
fn said(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Asserts that a message has all of these words.
#[track_caller]
fn assert_says(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
}
