//! Hashes that tell files and models apart.

use sha2::{Digest as _, Sha256};

use crate::checkpoint::Checkpoint;

/// The SHA-256 of some bytes, in hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The SHA-256, in hexadecimal, of a model's unembedding: the bytes of the tensor that readouts are decoded with, as the
/// checkpoint stores them (little-endian, row-major, in the stored dtype). `None` where the checkpoint lacks the tensor,
/// or cannot make it of what is stored.
///
/// A copy of the model in another dtype has another hash. It is made once for a checkpoint: other threads that ask
/// meanwhile wait for it.
pub fn unembed_sha256(checkpoint: &Checkpoint) -> Option<&str> {
    let hash = || {
        let outline = checkpoint.outline();
        let tensor = outline.tensors.get(&outline.spec.readout.unembed.name)?;
        Some(sha256(&checkpoint.values(tensor).ok()?))
    };
    checkpoint.unembed_sha256.get_or_init(hash).as_deref()
}
