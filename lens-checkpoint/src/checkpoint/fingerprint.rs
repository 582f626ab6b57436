//! What tells checkpoints apart without reading all of them.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::{Bytes, Checkpoint};

/// Bytes of a sample.
const SAMPLE: usize = 4096;

/// Bytes from the beginning of a sample to that of the next.
const STRIDE: usize = 1 << 20;

impl Checkpoint {
    /// The SHA-256, in hexadecimal, of the config, of what adapters say, and of samples of the weight files: their lengths, their beginnings and
    /// ends, and 4 KiB of every MiB. Copies of a checkpoint have the same one wherever they lie. Another training of the
    /// model, another type of its weights and another quantisation have another; a change of fewer than some thousand
    /// weights may go unseen.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.outline().config.to_string());
        // Their files are among the weights; this is how much of them is added.
        for adapter in &self.outline().adapters {
            let numbers = [adapter.matrices, adapter.replaced, usize::from(adapter.dora)];
            numbers.into_iter().for_each(|n| hash.update((n as u64).to_le_bytes()));
            adapter.ranks.iter().for_each(|rank| hash.update((*rank as u64).to_le_bytes()));
            adapter.scales.iter().for_each(|scale| hash.update(scale.to_le_bytes()));
        }
        for file in self.shards.iter().map(Bytes::as_slice) {
            hash.update((file.len() as u64).to_le_bytes());
            hash.update(&file[..file.len().min(STRIDE)]);
            for start in (STRIDE..file.len()).step_by(STRIDE) {
                hash.update(&file[start..file.len().min(start + SAMPLE)]);
            }
            hash.update(&file[file.len().saturating_sub(SAMPLE)..]);
        }
        hash.finalize().iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{checkpoint::Checkpoint, demo};

    #[test]
    fn copies_are_alike_and_other_weights_are_not() {
        let demo = demo::checkpoint().unwrap();
        assert_eq!(demo.fingerprint(), demo::checkpoint().unwrap().fingerprint());
        let bytes = demo.shards[0].as_slice();
        let with = |change: fn(&mut [u8])| {
            let mut copy = bytes.to_vec();
            change(&mut copy);
            let config = demo.outline().config.to_string();
            let copy: &'static [u8] = copy.leak();
            Checkpoint::embedded("copy", config.as_bytes(), copy, b"{}").unwrap().fingerprint()
        };
        assert_eq!(with(|_| ()), demo.fingerprint());
        assert_ne!(with(|copy| *copy.last_mut().unwrap() ^= 1), demo.fingerprint());
        assert_ne!(with(|copy| copy[(1 << 20) - 1] ^= 1), demo.fingerprint());
    }
}
