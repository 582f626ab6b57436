//! Memory, and what runs kernels on it.

use crate::kernel::Call;

/// What has memory and runs kernels on it, in the order in which it is asked to.
///
/// # Safety
/// A buffer is as large as was asked for, aligned to eight bytes, at its address until it is dropped, and what is queued
/// before a buffer is dropped may still use it.
#[expect(unsafe_code, reason = "addresses go to kernels")]
pub unsafe trait Machine {
    /// Memory.
    type Buffer;
    /// What can go wrong.
    type Error;

    /// Memory for as many bytes, which hold anything.
    ///
    /// # Errors
    /// When there is not that much.
    fn buffer(&self, bytes: usize) -> Result<Self::Buffer, Self::Error>;

    /// Memory that holds these numbers.
    ///
    /// # Errors
    /// When there is not that much.
    fn upload(&self, numbers: &[i32]) -> Result<Self::Buffer, Self::Error>;

    /// Where a buffer begins, as the kernels see it.
    fn address(&self, buffer: &Self::Buffer) -> u64;

    /// Waits for what was queued, and copies a buffer.
    ///
    /// # Errors
    /// When something that was queued failed.
    fn download(&self, buffer: &Self::Buffer) -> Result<Vec<u8>, Self::Error>;

    /// Queues a kernel with as many blocks of threads.
    ///
    /// # Errors
    /// When it cannot be started.
    fn launch(&self, call: Call<'_>, blocks: u32) -> Result<(), Self::Error>;
}
