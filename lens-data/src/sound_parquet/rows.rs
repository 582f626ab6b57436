//! The rows of a Parquet file, whatever the library that reads them makes of it.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
};

use arrow_array::RecordBatch;
use parquet::{
    arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
    errors::ParquetError,
    file::reader::ChunkReader,
};

thread_local! {
    static READING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is in the library that reads Parquet, which panics at some broken files: it is caught there and becomes an
/// error. A program's own panic hook has nothing to say of it.
pub fn is_reading_parquet() -> bool {
    READING.get()
}

/// The batches of rows of a file; after an error there are none.
pub(crate) struct Rows {
    batches: Option<ParquetRecordBatchReader>,
}

impl Rows {
    /// The rows that a builder was told to read.
    ///
    /// # Errors
    /// When the file is broken.
    pub(crate) fn of<R: ChunkReader + 'static>(
        builder: ParquetRecordBatchReaderBuilder<R>,
    ) -> Result<Self, ParquetError> {
        Ok(Self { batches: Some(caught(|| builder.build())?) })
    }
}

impl Iterator for Rows {
    type Item = Result<RecordBatch, ParquetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batches = self.batches.take()?;
        let next = caught(|| batches.next().transpose().map_err(ParquetError::from)).transpose()?;
        if next.is_ok() {
            self.batches = Some(batches);
        }
        Some(next)
    }
}

/// What the library reads, or an error where it panics.
pub(super) fn caught<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    READING.set(true);
    let result = catch_unwind(AssertUnwindSafe(read));
    READING.set(false);
    result.unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<String>().map(String::as_str);
        let what = what.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it cannot be read");
        Err(ParquetError::General(format!("the file is broken: {what}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_of_the_library_is_an_error() {
        let broken = caught::<()>(|| {
            assert!(is_reading_parquet());
            panic!("a dictionary of no values")
        });
        assert!(broken.unwrap_err().to_string().contains("a dictionary of no values"));
        assert!(!is_reading_parquet());
        assert_eq!(caught(|| Ok(3)).unwrap(), 3);
    }
}
