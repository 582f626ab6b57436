//! Parquet files of strangers: what the library that reads them takes for granted is looked at first, because it ends the program
//! where it is not so.

use parquet::{
    arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
    errors::ParquetError,
    file::{
        metadata::{ColumnChunkMetaData, ParquetMetaData},
        reader::ChunkReader,
    },
};

/// A reader of a Parquet file whose columns lie within it.
///
/// # Errors
/// When it is not a Parquet file, or says of a column or its rows what cannot be.
pub(crate) fn open<R: ChunkReader + 'static>(
    file: R,
) -> Result<ParquetRecordBatchReaderBuilder<R>, ParquetError> {
    let bytes = file.len();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)?;
    check(builder.metadata(), bytes).map_err(ParquetError::General)?;
    Ok(builder)
}

/// Looks at every column of every group of rows of a file with so many bytes.
fn check(metadata: &ParquetMetaData, bytes: u64) -> Result<(), String> {
    for (number, group) in metadata.row_groups().iter().enumerate() {
        if group.num_rows() < 0 {
            return Err(format!("group {number} says that it has {} rows", group.num_rows()));
        }
        for column in group.columns() {
            if !lies_within(column, bytes) {
                return Err(format!(
                    "column {:?} of group {number} is said to begin at {} and to have {} bytes and {} values, in a file of \
                     {bytes} bytes",
                    column.column_path().string(),
                    start(column),
                    column.compressed_size(),
                    column.num_values(),
                ));
            }
        }
    }
    Ok(())
}

fn start(column: &ColumnChunkMetaData) -> i64 {
    column.dictionary_page_offset().unwrap_or(column.data_page_offset())
}

fn lies_within(column: &ColumnChunkMetaData, bytes: u64) -> bool {
    let unsigned = |n: i64| u64::try_from(n).ok();
    let end = || unsigned(start(column))?.checked_add(unsigned(column.compressed_size())?);
    let others = [column.data_page_offset(), column.num_values(), column.uncompressed_size()];
    others.into_iter().all(|n| n >= 0) && end().is_some_and(|end| end <= bytes)
}
