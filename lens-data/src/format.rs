//! From rows to bytes: Parquet, Arrow, CSV.

use std::{fmt, io::Write, marker::PhantomData, str::FromStr, sync::Arc};

use arrow_array::{
    Array, ArrayRef, ListArray, RecordBatch, StringArray,
    cast::AsArray,
    types::{Float32Type, UInt32Type},
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use lens_core::suggest::did_you_mean;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    errors::ParquetError,
    file::properties::WriterProperties,
};
use serde::Serialize;

use crate::column::{Cells, Table, schema};

/// Rows that are collected before they are written.
const BATCH: usize = 8192;

/// Rows of a row group of Parquet.
const ROW_GROUP: usize = 1 << 16;

/// The form of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Apache Parquet, compressed with Zstandard.
    Parquet,
    /// Arrow's IPC file format, also known as Feather 2.
    Arrow,
    /// Comma-separated values with a first line of column names; lists are JSON arrays.
    Csv,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Parquet, Self::Arrow, Self::Csv];

    /// Its name, which is also the usual ending of its files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Csv => "csv",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no [`Format`] has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown format {name:?} (known: parquet, arrow, csv){hint}")]
pub struct ParseFormatError {
    name: String,
    hint: String,
}

impl FromStr for Format {
    type Err = ParseFormatError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| ParseFormatError {
            name: name.to_owned(),
            hint: did_you_mean(name, Self::ALL.map(Self::name)),
        })
    }
}

/// A table that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// Parquet's own failure, or that of what it writes to.
    #[error("cannot write the table as Parquet")]
    Parquet(#[from] ParquetError),
    /// Arrow's own failure, or that of what it writes to.
    #[error("cannot write the table")]
    Arrow(#[from] ArrowError),
}

/// Writes rows of one table, batch by batch.
pub struct TableWriter<T: Table, W: Write + Send> {
    cells: Cells,
    schema: SchemaRef,
    out: Out<W>,
    table: PhantomData<T>,
}

enum Out<W: Write + Send> {
    Parquet(ArrowWriter<W>),
    Arrow(arrow_ipc::writer::FileWriter<W>),
    Csv(Box<arrow_csv::Writer<W>>),
}

impl<T: Table, W: Write + Send> TableWriter<T, W> {
    /// Begins a table.
    ///
    /// # Errors
    /// When its head cannot be written.
    pub fn new(out: W, format: Format) -> Result<Self, DataError> {
        let schema = schema::<T>();
        let out = match format {
            Format::Parquet => {
                let properties = WriterProperties::builder()
                    // A row group is kept in memory until it is whole.
                    .set_max_row_group_row_count(Some(ROW_GROUP))
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .build();
                Out::Parquet(ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties))?)
            }
            Format::Arrow => Out::Arrow(arrow_ipc::writer::FileWriter::try_new(out, &schema)?),
            Format::Csv => Out::Csv(Box::new(arrow_csv::WriterBuilder::new().with_header(true).build(out))),
        };
        let mut table = Self { cells: Cells::new::<T>(), schema, out, table: PhantomData };
        if format == Format::Csv {
            table.flush()?; // its line of names, even where no row follows
        }
        Ok(table)
    }

    /// Adds a row.
    ///
    /// # Errors
    /// When a batch cannot be written.
    pub fn push(&mut self, row: &T::Row<'_>) -> Result<(), DataError> {
        T::append(row, &mut self.cells);
        if self.cells.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), DataError> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), self.cells.take())?;
        match &mut self.out {
            Out::Parquet(out) => out.write(&batch)?,
            Out::Arrow(out) => out.write(&batch)?,
            Out::Csv(out) => out.write(&flat(&batch)?)?,
        }
        Ok(())
    }

    /// Writes what is left and ends the table; returns the writer.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<W, DataError> {
        if self.cells.len() > 0 {
            self.flush()?;
        }
        Ok(match self.out {
            Out::Parquet(out) => out.into_inner()?,
            Out::Arrow(out) => out.into_inner()?,
            Out::Csv(out) => out.into_inner(),
        })
    }
}

/// The same batch with lists as JSON arrays.
fn flat(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let mut fields = Vec::with_capacity(batch.num_columns());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
        match column.as_list_opt::<i32>() {
            None => {
                fields.push(Arc::clone(field));
                columns.push(Arc::clone(column));
            }
            Some(lists) => {
                fields.push(Arc::new(Field::new(field.name(), DataType::Utf8, false)));
                columns
                    .push(Arc::new(StringArray::from_iter_values((0..lists.len()).map(|i| json(lists, i)))));
            }
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn json(lists: &ListArray, index: usize) -> String {
    let items = lists.value(index);
    if let Some(ids) = items.as_primitive_opt::<UInt32Type>() {
        return written(&ids.iter().collect::<Vec<_>>());
    }
    if let Some(numbers) = items.as_primitive_opt::<Float32Type>() {
        return written(&numbers.values().iter().collect::<Vec<_>>());
    }
    written(&items.as_string::<i32>().iter().collect::<Vec<_>>())
}

fn written(items: &impl Serialize) -> String {
    serde_json::to_string(items).expect("numbers and texts have a JSON form")
}
