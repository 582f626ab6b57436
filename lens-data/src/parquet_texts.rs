//! The texts of a Parquet file, as data sets on the hub come.

use std::{io, vec};

use arrow_array::{Array, RecordBatch, cast::AsArray};
use arrow_schema::DataType;
use parquet::{
    arrow::{
        ProjectionMask,
        arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
    },
    errors::ParquetError,
    file::reader::ChunkReader,
};

use crate::{
    prompt_error::PromptError,
    record::{Parsed, PromptInput},
};

/// Rows that are read together.
const BATCH: usize = 256;

/// One column of a Parquet file, row by row; of the others nothing is read.
pub(crate) struct ParquetTexts {
    batches: ParquetRecordBatchReader,
    rows: vec::IntoIter<Option<String>>,
    /// Rows that were read, in all batches but the current one and in it.
    seen: u64,
    /// Rows of the file.
    total: u64,
}

impl ParquetTexts {
    /// The texts of `column`, or of `text` or `prompt` if none is named.
    pub(crate) fn open<R: ChunkReader + 'static>(file: R, column: Option<&str>) -> Result<Self, PromptError> {
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(unreadable)?;
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
        let total = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or_default();
        let mask = ProjectionMask::roots(builder.parquet_schema(), [chosen]);
        let batches = builder.with_projection(mask).with_batch_size(BATCH).build().map_err(unreadable)?;
        Ok(Self { batches, rows: Vec::new().into_iter(), seen: 0, total })
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
                let text = row.ok_or_else(|| (None, "the row has no text".to_owned()));
                return Some(Ok((self.seen, text.map(|text| (None, PromptInput::Text(text))))));
            }
            match self.batches.next()? {
                Ok(batch) => self.rows = texts(&batch).into_iter(),
                Err(error) => return Some(Err(PromptError::Read(io::Error::other(error)))),
            }
        }
    }
}

/// The texts of a batch of one column.
fn texts(batch: &RecordBatch) -> Vec<Option<String>> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    let Some(column) = batch.columns().first() else { return Vec::new() };
    if let Some(texts) = column.as_string_opt::<i32>() {
        texts.iter().map(owned).collect()
    } else if let Some(texts) = column.as_string_opt::<i64>() {
        texts.iter().map(owned).collect()
    } else if let Some(texts) = column.as_string_view_opt() {
        texts.iter().map(owned).collect()
    } else {
        vec![None; column.len()]
    }
}

fn unreadable(error: ParquetError) -> PromptError {
    PromptError::Read(io::Error::other(error))
}

#[cfg(test)]
mod tests {
    use std::{fs::File, sync::Arc};

    use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray};
    use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};

    use crate::{PromptInput, Prompts};

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
    fn a_column_that_is_not_there_or_holds_no_texts_is_refused() {
        let refused = |column| Prompts::parquet(file(1), Some(column)).map(drop).unwrap_err().to_string();
        let message = refused("body");
        assert!(message.contains("no column \"body\"; it has n, text"), "{message}");
        assert!(refused("n").contains("cannot be read"));
        let not_parquet = tempfile::tempfile().unwrap();
        assert!(Prompts::parquet(not_parquet, None).is_err());
    }
}
