//! A machine in host memory.
#![allow(unsafe_code, reason = "kernels are run on buffers")]

use lens_core::Post;
use lens_cuda::{Call, CudaError, HostKernels, Launch as _, Logits, Machine, Source};

/// Host memory.
pub(crate) struct Memory {
    kernels: HostKernels,
}

impl Memory {
    /// A machine for models that finish their logits so.
    pub(crate) fn new(post: Post, bias: Option<&[f32]>) -> Self {
        Self { kernels: HostKernels::of(Source::of(post, bias.is_some())).unwrap() }
    }
}

// SAFETY: buffers are vectors, which stay where they are; a kernel is done when `launch` returns.
unsafe impl Machine for Memory {
    type Buffer = Vec<u64>;
    type Error = CudaError;

    fn buffer(&self, bytes: usize) -> Result<Vec<u64>, CudaError> {
        // What nobody writes must not look like an answer.
        Ok(vec![0xdead_beef_dead_beef; bytes.div_ceil(8)])
    }

    fn upload(&self, numbers: &[i32]) -> Result<Vec<u64>, CudaError> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_ne_bytes()).collect();
        let word = |bytes: &[u8]| {
            let mut word = [0; 8];
            word[..bytes.len()].copy_from_slice(bytes);
            u64::from_ne_bytes(word)
        };
        Ok(bytes.chunks(8).map(word).collect())
    }

    fn address(&self, buffer: &Vec<u64>) -> u64 {
        buffer.as_ptr() as u64
    }

    fn download(&self, buffer: &Vec<u64>) -> Result<Vec<u8>, CudaError> {
        Ok(buffer.iter().flat_map(|word| word.to_ne_bytes()).collect())
    }

    fn launch(&self, call: Call<'_>, blocks: u32) -> Result<(), CudaError> {
        // SAFETY: only lens_cuda makes arguments, over buffers of this machine.
        unsafe { self.kernels.launch(call, blocks) }
    }
}

/// Logits in host memory.
pub(crate) fn logits(products: &[f32], shape: [usize; 3], bias: Option<&[f32]>, post: Post) -> Logits {
    assert_eq!(products.len(), shape.into_iter().product::<usize>());
    assert!(bias.is_none_or(|bias| bias.len() == shape[2]));
    // SAFETY: both are in host memory, and as long as they should be.
    unsafe { Logits::new(products.as_ptr() as u64, shape, bias.map(|bias| bias.as_ptr() as u64), post) }
}
