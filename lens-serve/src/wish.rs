//! What whoever has asked wants of the answer now.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

const GO_ON: u8 = 0;
const STOP: u8 = 1;
const DROP: u8 = 2;

/// Whether an answer is still wanted; shared by who asks and who answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wish(Arc<AtomicU8>);

impl Wish {
    /// What is there is enough.
    pub(crate) fn stop(&self) {
        let _ = self.0.compare_exchange(GO_ON, STOP, Ordering::SeqCst, Ordering::SeqCst);
    }

    /// Nothing of it is wanted.
    pub(crate) fn drop(&self) {
        self.0.store(DROP, Ordering::SeqCst);
    }

    /// Whether there is nothing more to compute.
    pub(crate) fn is_over(&self) -> bool {
        self.0.load(Ordering::SeqCst) != GO_ON
    }

    /// Whether nobody listens any more.
    pub(crate) fn is_dropped(&self) -> bool {
        self.0.load(Ordering::SeqCst) == DROP
    }
}
