//! Runs the tokenizers crate where its panics and its recursion do no harm.

use std::any::Any;

use lens_core::ByteSize;

/// Stack for the tokenizers crate, whose parser and regular expressions recurse.
const STACK: usize = 64 << 20;

/// The longest part of a panic's message that is passed on.
const SHOWN: usize = 300;

/// The name of the threads that the tokenizers crate and chat templates run on. A panic there is caught and becomes
/// an error.
pub const THREAD: &str = "tokenizer";

/// Runs `work` on a thread of its own with a deep stack; what it said if it panicked. The tokenizers crate panics on
/// contradictory merges and on texts that exhaust its regular expressions.
pub(super) fn isolated<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(THREAD.to_owned()).stack_size(STACK);
        let thread = thread.spawn_scoped(scope, work).map_err(|error| {
            format!("there is no thread for it, which takes {} of memory: {error}", ByteSize(STACK as u64))
        })?;
        thread.join().map_err(|panic| format!("the tokenizers library gave up on it ({})", said(&*panic)))
    })
}

/// What a panic said.
fn said(panic: &(dyn Any + Send)) -> String {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it does not say why");
    match message.char_indices().nth(SHOWN) {
        None => message.to_owned(),
        Some((end, _)) => format!("{}…", &message[..end]),
    }
}
