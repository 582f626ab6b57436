mod files;
mod hostile;
mod web;

use std::{path::Path, sync::Arc};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::{arrow::ArrowWriter, file::properties::WriterProperties};

use super::*;

/// A Parquet file with some groups of rows, each with pages of some texts; more of it is other columns.
pub(crate) fn parquet(rows: usize) -> Vec<u8> {
    let texts = StringArray::from_iter_values((0..rows).map(|n| format!("text {n} {}", "x".repeat(n % 97))));
    let others =
        Int64Array::from_iter_values((0..rows).map(|n| (n as i64).wrapping_mul(0x5851_F42D_4C95_7F2D)));
    let columns: [(&str, ArrayRef); 2] = [("n", Arc::new(others)), ("text", Arc::new(texts))];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder()
        .set_max_row_group_row_count(Some(rows / 3 + 1))
        .set_dictionary_enabled(false)
        .set_data_page_row_count_limit(100)
        .set_write_batch_size(50)
        .build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn open(inputs: &[&str]) -> Result<Documents, DocumentError> {
    let inputs: Vec<String> = inputs.iter().map(|input| (*input).to_owned()).collect();
    Documents::open(&inputs, None, None)
}

fn text(document: Document) -> String {
    match document.input {
        PromptInput::Text(text) => text,
        other => format!("{other:?}"),
    }
}

/// The texts; those that are broken as `index: message`.
fn texts(documents: &mut Documents) -> Vec<String> {
    documents
        .enumerate()
        .map(|(at, document)| match document {
            Ok(document) => {
                assert_eq!(document.index, at as u64);
                text(document)
            }
            Err(DocumentError::Record { index, reason, .. }) => {
                assert_eq!(index, at as u64);
                format!("{index}: {reason}")
            }
            Err(other) => whole_message(&other),
        })
        .collect()
}

/// A message and all its causes.
fn whole_message(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", whole_message(source)),
        None => error.to_string(),
    }
}

fn shown_path(path: &Path) -> &str {
    path.to_str().unwrap()
}
