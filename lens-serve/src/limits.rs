//! How much is too much.

use std::time::Duration;

/// How much a server takes on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest prompt, in tokens.
    pub prompt: usize,
    /// The most tokens that the model writes at a time.
    pub written: usize,
    /// The most tokens that are kept of each readout.
    pub top_k: usize,
    /// The most tokens that are followed at every readout because somebody has pinned them.
    pub targets: usize,
    /// The largest question, in bytes.
    pub body: usize,
    /// The largest picture of a run that a page is sent, in bytes.
    pub data: usize,
    /// Questions that wait while another is answered.
    pub waiting: usize,
    /// Connections that are open at a time; what comes beyond is closed unheard.
    pub connections: usize,
    /// How long a connection may take to say what it wants.
    pub patience: Duration,
    /// How long whoever has asked may leave an answer lying.
    pub unread: Duration,
}

impl Default for Limits {
    /// 1,024 tokens of a prompt, 256 written ones, 50 kept and 16 followed; 256 KiB of a question and 24 MiB of an answer; 8
    /// questions that wait, 64 connections, 5 seconds to ask and 30 to listen.
    fn default() -> Self {
        Self {
            prompt: 1024,
            written: 256,
            top_k: 50,
            targets: 16,
            body: 256 << 10,
            data: 24 << 20,
            waiting: 8,
            connections: 64,
            patience: Duration::from_secs(5),
            unread: Duration::from_secs(30),
        }
    }
}

impl Limits {
    lens_core::setters! {
        /// The longest prompt, in tokens.
        with_prompt => prompt: usize,
        /// The most tokens that the model writes at a time.
        with_written => written: usize,
        /// The most tokens that are kept of each readout.
        with_top_k => top_k: usize,
        /// The most tokens that are followed.
        with_targets => targets: usize,
        /// The largest question, in bytes.
        with_body => body: usize,
        /// The largest picture of a run that a page is sent, in bytes.
        with_data => data: usize,
        /// Questions that wait while another is answered.
        with_waiting => waiting: usize,
        /// Connections that are open at a time.
        with_connections => connections: usize,
        /// How long a connection may take to say what it wants.
        with_patience => patience: Duration,
        /// How long whoever has asked may leave an answer lying.
        with_unread => unread: Duration,
    }
}
