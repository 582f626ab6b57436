//! Readouts of two decoders side by side.

use lens_core::diff::{Compare, CompareError, PairReadout, Side};

use super::Decoder;

impl Compare for Decoder {
    /// An unembedding that is on a device is copied to the host once, and stays there: both products, and what is made of
    /// them, are the host's.
    fn with_readouts<T>(
        &self,
        other: &Self,
        with: impl FnOnce(PairReadout<'_>) -> Result<T, CompareError>,
    ) -> Result<T, CompareError> {
        let failed = |side| move |source| CompareError::Rows { side, source };
        let a = self.readout.in_host_memory().map_err(failed(Side::A))?;
        let b = other.readout.in_host_memory().map_err(failed(Side::B))?;
        with(PairReadout::new(a, b))
    }
}
