//! The way to a kernel.
#![allow(unsafe_code, reason = "kernels work on addresses")]

use crate::{error::CudaError, kernel::Call};

/// What starts kernels.
pub trait Launch {
    /// Queues a kernel, with `blocks` blocks of threads.
    ///
    /// # Errors
    /// When it cannot be started. What goes wrong while it runs may be seen later, by whoever waits for it.
    ///
    /// # Safety
    /// The addresses in its argument are where the kernels run, as large as they take them to be, and stay until it is done.
    unsafe fn launch(&self, call: Call<'_>, blocks: u32) -> Result<(), CudaError>;
}
