//! How far the reading of a corpus has come.

use std::time::Instant;

use lens_cli::progress::Running;

/// A bar of what was read of the texts, with the tokens of each second.
pub(super) struct Watching {
    bar: Running,
    total: Option<u64>,
    tokens: u64,
    /// When the first token was read.
    began: Option<Instant>,
}

impl Watching {
    pub(super) fn new(total: Option<u64>) -> Self {
        Self { bar: Running::new("reading the corpus"), total, tokens: 0, began: None }
    }

    /// So many tokens more were read.
    pub(super) fn tokens(&mut self, more: usize) {
        self.tokens += more as u64;
        let began = *self.began.get_or_insert_with(Instant::now);
        let seconds = began.elapsed().as_secs_f64();
        let rate = if seconds > 0.0 { self.tokens as f64 / seconds } else { 0.0 };
        self.bar.count(self.tokens, &format!("tokens read, {rate:.0} a second"));
    }

    /// The texts were read up to here.
    pub(super) fn read_up_to(&self, bytes: u64) {
        if let Some(total) = self.total {
            self.bar.corpus(bytes, total);
        }
    }
}
