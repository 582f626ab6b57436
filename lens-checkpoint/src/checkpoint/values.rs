//! The values of a checkpoint's tensors: where they are mapped, or made.

use std::{
    borrow::Cow,
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

use super::{Bytes, Checkpoint, CheckpointError, StoredDtype, StoredTensor};
use crate::made::{Files, Made, MadeError, Maker};

/// How many made tensors are kept for who reads one row after the other: those of one layer that a head needs.
const KEPT: usize = 3;

/// The tensors that were made last, by name, in their own dtype.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<VecDeque<(String, Arc<Vec<u8>>)>>);

impl Maker for Checkpoint {
    fn kept(&self, made: &Made, dtype: StoredDtype) -> Result<Arc<Vec<u8>>, MadeError> {
        let recent = || self.recent.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, values)) = recent().iter().find(|(name, _)| name == made.name()) {
            return Ok(Arc::clone(values));
        }
        let values = Arc::new(self.make(made, dtype)?);
        let mut recent = recent();
        recent.push_back((made.name().to_owned(), Arc::clone(&values)));
        if recent.len() > KEPT {
            recent.pop_front();
        }
        Ok(values)
    }
}

impl Checkpoint {
    /// The values of a tensor in its own dtype, little-endian and row-major: where they are mapped, or made anew.
    ///
    /// # Errors
    /// When the tensor is made, and what it is made of is broken.
    pub fn values(&self, tensor: &StoredTensor) -> Result<Cow<'_, [u8]>, MadeError> {
        let (Some(made), Ok(dtype)) = (&tensor.made, &tensor.dtype) else {
            return Ok(Cow::Borrowed(self.tensor_bytes(tensor)));
        };
        self.make(made, *dtype).map(Cow::Owned)
    }

    /// Writes some slices of a made tensor's first dimension, or all, in `dtype`, little-endian.
    ///
    /// # Errors
    /// When what it is made of is broken.
    ///
    /// # Panics
    /// When `out` is not exactly as long as those rows.
    pub fn write(
        &self,
        made: &Made,
        rows: Option<Range<usize>>,
        dtype: StoredDtype,
        out: &mut [u8],
    ) -> Result<(), MadeError> {
        made.write(Files(&self.files()), rows, dtype, out)
    }

    /// The bytes of a tensor that is stored as it is, little-endian and row-major; none of one that is made, whose
    /// [`Checkpoint::values`] are to be asked for.
    pub fn tensor_bytes(&self, tensor: &StoredTensor) -> &[u8] {
        let shard = self.shards.get(tensor.shard).map_or(&[][..], Bytes::as_slice);
        shard.get(tensor.range.clone()).unwrap_or_default()
    }

    fn make(&self, made: &Made, dtype: StoredDtype) -> Result<Vec<u8>, MadeError> {
        let mut out = vec![0; made.shape().iter().product::<usize>() * dtype.bytes()];
        self.write(made, None, dtype, &mut out)?;
        Ok(out)
    }

    fn files(&self) -> Vec<&[u8]> {
        self.shards.iter().map(Bytes::as_slice).collect()
    }

    /// What the reader should know of an unembedding that is stored, differs from the embedding, and is tied to it by
    /// the config.
    pub(super) fn note_on_tie(&self) -> Result<Option<String>, CheckpointError> {
        let spec = &self.outline.spec;
        let Some(name) = spec.tied_and_stored else { return Ok(None) };
        let embed = spec.embed.tokens.name.as_str();
        let values =
            |name: &str| self.outline.tensors.get(name).map(|tensor| self.values(tensor)).transpose();
        if values(name)? == values(embed)? {
            return Ok(None);
        }
        let (read, version) = if spec.is_tied() { (embed, "4") } else { (name, "5") };
        Ok(Some(format!(
            "config.json says tie_word_embeddings = true, but {name} is stored and differs from {embed}: logits are \
             read with {read}, as transformers {version} does with such a file"
        )))
    }
}
