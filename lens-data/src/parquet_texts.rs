//! The texts of a Parquet file, as data sets on the hub come.

use std::{io, iter, vec};

use arrow_array::{
    Array, ArrowPrimitiveType, RecordBatch,
    cast::AsArray,
    types::{Int32Type, Int64Type, UInt32Type, UInt64Type},
};
use arrow_schema::DataType;
use parquet::{arrow::ProjectionMask, errors::ParquetError, file::reader::ChunkReader};

use crate::{
    prompt_error::PromptError,
    record::{Parsed, PromptInput},
    sound_parquet::{self, Rows},
};

/// Rows that are read together.
const BATCH: usize = 256;

/// A row's text and id.
type Row = (Option<String>, Option<String>);

/// One column of a Parquet file, row by row, and its column `id` if it has one of texts or whole numbers; of the others
/// nothing is read.
pub(crate) struct ParquetTexts {
    batches: Rows,
    rows: vec::IntoIter<Row>,
    /// The names of the columns of texts and of ids.
    text: String,
    id: Option<String>,
    /// Rows that were read, in all batches but the current one and in it.
    seen: u64,
    /// Rows of the file.
    total: u64,
}

impl ParquetTexts {
    /// The texts of `column`, or of `text` or `prompt` if none is named.
    pub(crate) fn open<R: ChunkReader + 'static>(file: R, column: Option<&str>) -> Result<Self, PromptError> {
        let builder = sound_parquet::open(file).map_err(unreadable)?;
        let fields = builder.schema().fields();
        let at = |name: &str| fields.iter().position(|field| field.name() == name);
        let chosen = match column {
            Some(name) => at(name),
            None => at("text").or_else(|| at("prompt")),
        };
        let Some(chosen) = chosen else {
            return Err(PromptError::NoColumn {
                wanted: column.unwrap_or("text").to_owned(),
                names: fields.iter().map(|field| field.name().clone()).collect(),
            });
        };
        let field = &fields[chosen];
        if !matches!(field.data_type(), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View) {
            return Err(PromptError::Read(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("column {:?} holds {}, not texts", field.name(), field.data_type()),
            )));
        }
        let id = at("id").filter(|id| *id != chosen && is_of_ids(fields[*id].data_type()));
        let (text, id_name) = (field.name().clone(), id.map(|id| fields[id].name().clone()));
        let total = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default();
        let mask = ProjectionMask::roots(builder.parquet_schema(), [chosen].into_iter().chain(id));
        let batches = Rows::of(builder.with_projection(mask).with_batch_size(BATCH)).map_err(unreadable)?;
        Ok(Self { batches, rows: Vec::new().into_iter(), text, id: id_name, seen: 0, total })
    }

    /// How many rows were read, of how many.
    pub(crate) fn rows(&self) -> (u64, u64) {
        (self.seen, self.total)
    }
}

impl Iterator for ParquetTexts {
    /// A row's number, from 1, and what it says.
    type Item = Result<(u64, Parsed), PromptError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(row) = self.rows.next() {
                self.seen += 1;
                let parsed = match row {
                    (Some(text), id) => Ok((id, PromptInput::Text(text))),
                    (None, id) => Err((id, "the row has no text".to_owned())),
                };
                return Some(Ok((self.seen, parsed)));
            }
            match self.batches.next()? {
                Ok(batch) => {
                    let ids = self.id.as_deref().map_or_else(Vec::new, |id| values(&batch, id));
                    let ids = ids.into_iter().chain(iter::repeat(None));
                    self.rows =
                        values(&batch, &self.text).into_iter().zip(ids).collect::<Vec<_>>().into_iter();
                }
                Err(error) => return Some(Err(PromptError::Read(io::Error::other(error)))),
            }
        }
    }
}

/// Whether a column can name documents.
fn is_of_ids(kind: &DataType) -> bool {
    use DataType as D;
    matches!(kind, D::Utf8 | D::LargeUtf8 | D::Utf8View | D::Int32 | D::Int64 | D::UInt32 | D::UInt64)
}

/// The values of a column of a batch, as texts.
fn values(batch: &RecordBatch, name: &str) -> Vec<Option<String>> {
    let Some(column) = batch.column_by_name(name) else { return vec![None; batch.num_rows()] };
    let owned = |text: Option<&str>| text.map(str::to_owned);
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().iter().map(owned).collect(),
        DataType::LargeUtf8 => column.as_string::<i64>().iter().map(owned).collect(),
        DataType::Utf8View => column.as_string_view().iter().map(owned).collect(),
        DataType::Int32 => numbers::<Int32Type>(column),
        DataType::Int64 => numbers::<Int64Type>(column),
        DataType::UInt32 => numbers::<UInt32Type>(column),
        DataType::UInt64 => numbers::<UInt64Type>(column),
        _ => vec![None; column.len()],
    }
}

fn numbers<T: ArrowPrimitiveType<Native: ToString>>(column: &dyn Array) -> Vec<Option<String>> {
    column.as_primitive::<T>().iter().map(|n| n.map(|n| n.to_string())).collect()
}

fn unreadable(error: ParquetError) -> PromptError {
    PromptError::Read(io::Error::other(error))
}

#[cfg(test)]
mod tests {
    use std::{fs::File, sync::Arc};

    use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray};
    use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};

    use crate::{PromptError, PromptInput, Prompts};

    /// A file as the hub has them: Snappy, more columns than the text.
    fn file(rows: usize) -> File {
        let texts: Vec<Option<String>> = (0..rows).map(|i| (i != 2).then(|| format!("text {i}"))).collect();
        let columns: [(&str, ArrayRef); 2] = [
            ("n", Arc::new(Int32Array::from_iter_values(0..rows as i32))),
            ("text", Arc::new(StringArray::from(texts))),
        ];
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
                .unwrap();
        let out = tempfile::NamedTempFile::new().unwrap();
        let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
        let mut writer =
            ArrowWriter::try_new(out.reopen().unwrap(), batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        out.reopen().unwrap()
    }

    #[test]
    fn every_row_is_a_text_and_one_without_is_passed_over() {
        let records: Vec<_> = Prompts::parquet(file(600), None).unwrap().collect();
        assert_eq!(records.len(), 600);
        let error = records[2].as_ref().unwrap_err();
        assert!(error.is_passing() && error.to_string().contains("line 3: the row has no text"), "{error}");
        let last = records[599].as_ref().unwrap();
        assert_eq!((last.index, &last.input), (599, &PromptInput::Text("text 599".to_owned())));
    }

    #[test]
    fn a_column_of_ids_names_the_rows() {
        let ids: [(ArrayRef, [Option<&str>; 2]); 3] = [
            (Arc::new(StringArray::from(vec![Some("a"), None])), [Some("a"), None]),
            (Arc::new(Int32Array::from(vec![7, -8])), [Some("7"), Some("-8")]),
            (Arc::new(arrow_array::Float64Array::from(vec![0.5, 1.5])), [None, None]),
        ];
        for (ids, expected) in ids {
            let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("x"), None]));
            let batch = RecordBatch::try_from_iter_with_nullable([("text", texts, true), ("id", ids, true)]);
            let batch = batch.unwrap();
            let out = tempfile::NamedTempFile::new().unwrap();
            let mut writer = ArrowWriter::try_new(out.reopen().unwrap(), batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
            let read: Vec<Option<String>> = Prompts::parquet(out.reopen().unwrap(), None)
                .unwrap()
                .map(|record| match record {
                    Ok(record) => record.id,
                    Err(PromptError::Record { id, .. }) => id,
                    Err(error) => panic!("{error}"),
                })
                .collect();
            assert_eq!(read, expected.map(|id| id.map(str::to_owned)));
        }
    }

    #[test]
    fn a_column_that_is_not_there_or_holds_no_texts_is_refused() {
        let refused = |column| Prompts::parquet(file(1), Some(column)).map(drop).unwrap_err().to_string();
        let message = refused("body");
        assert!(message.contains("no column \"body\"; it has n, text"), "{message}");
        assert!(refused("n").contains("cannot be read"));
        let not_parquet = tempfile::tempfile().unwrap();
        assert!(Prompts::parquet(not_parquet, None).is_err());
    }
}
