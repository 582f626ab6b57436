//! Parquet files of strangers: what the library that reads them takes for granted is looked at first, because it ends the program
//! where it is not so, or counts for hours. Where it panics all the same, that is an error.

mod known;
mod rows;
mod thrift;

use std::io::{Chain, Cursor, Read as _};

use bytes::Bytes;
use parquet::{
    arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder},
    errors::ParquetError,
    file::{
        FOOTER_SIZE,
        metadata::{ColumnChunkMetaData, FooterTail, ParquetMetaData},
        reader::{ChunkReader, Length},
    },
};

pub(crate) use rows::Rows;
pub use rows::is_reading_parquet;

/// The longest header of a page, bytes: it may name the least and the largest value of the page.
const LONGEST_HEADER: usize = 16 << 20;

/// A reader of a Parquet file whose columns lie within it.
///
/// # Errors
/// When it is not a Parquet file, or says of a column or its rows what cannot be.
pub(crate) fn open<R: ChunkReader + 'static>(
    file: R,
) -> Result<ParquetRecordBatchReaderBuilder<Sound<R>>, ParquetError> {
    walk_footer(&file)?;
    let metadata = rows::caught(|| ArrowReaderMetadata::load(&file, ArrowReaderOptions::default()))?;
    check(metadata.metadata(), file.len()).map_err(ParquetError::General)?;
    Ok(ParquetRecordBatchReaderBuilder::new_with_metadata(Sound(file), metadata))
}

/// Walks over what stands at the end of a file, if it has one: of others, the library says what is wrong.
fn walk_footer(file: &impl ChunkReader) -> Result<(), ParquetError> {
    let Some(tail) = file.len().checked_sub(FOOTER_SIZE as u64) else { return Ok(()) };
    let mut last = [0; FOOTER_SIZE];
    file.get_read(tail)?.read_exact(&mut last)?;
    let length = FooterTail::try_new(&last)?.metadata_length();
    let Some(start) = tail.checked_sub(length as u64) else { return Ok(()) };
    thrift::structure(&mut &*file.get_bytes(start, length)?, length, known::FILE)?;
    Ok(())
}

/// A file, of which the library reads the header of a page only after it was walked over.
#[derive(Debug)]
pub(crate) struct Sound<R>(R);

impl<R: Length> Length for Sound<R> {
    fn len(&self) -> u64 {
        self.0.len()
    }
}

impl<R: ChunkReader> ChunkReader for Sound<R> {
    type T = Chain<Cursor<Vec<u8>>, R::T>;

    /// From the header of a page on: pages are all that is read in this way once a file is open.
    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let mut read = self.0.get_read(start)?;
        let header = thrift::structure(&mut read, LONGEST_HEADER, known::PAGE)?;
        Ok(Cursor::new(header).chain(read))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.0.get_bytes(start, length)
    }
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
