//! The statistics of a part as Parquet, one row for each measure of a column.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray, UInt32Array, UInt64Array,
    builder::{Float64Builder, Int64Builder, ListBuilder, StringBuilder, UInt64Builder},
    cast::AsArray,
    types::{Float64Type, Int64Type, UInt32Type, UInt64Type},
};
use lens_core::corpus::Cell;
use parquet::{
    arrow::ArrowWriter,
    basic::{Compression, ZstdLevel},
    file::properties::WriterProperties,
};

use crate::{format::DataError, sound_parquet};

/// Writes rows as a Parquet file.
///
/// # Errors
/// When they cannot be written, which no rows are known to cause.
pub fn to_parquet(cells: &[Cell]) -> Result<Vec<u8>, DataError> {
    let text =
        |of: fn(&Cell) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(cells.iter().map(of))) };
    let layers: UInt32Array = cells.iter().map(|cell| cell.layer.map(u32::from)).collect();
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("lens", text(|cell| &cell.lens), false),
        ("layer", Arc::new(layers) as ArrayRef, true),
        ("component", text(|cell| &cell.component), false),
        ("measure", text(|cell| &cell.measure), false),
        ("keys", keys(cells), true),
        ("labels", labels(cells), true),
        ("counts", counts(cells), true),
        ("values", values(cells), true),
    ])?;
    let properties =
        WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties))?;
    writer.write(&batch)?;
    Ok(writer.into_inner()?)
}

fn keys(cells: &[Cell]) -> ArrayRef {
    let mut lists = ListBuilder::new(Int64Builder::new());
    cells.iter().for_each(|cell| lists.append_value(cell.keys.iter().map(|key| Some(*key))));
    Arc::new(lists.finish())
}

fn labels(cells: &[Cell]) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    cells.iter().for_each(|cell| lists.append_value(cell.labels.iter().map(Some)));
    Arc::new(lists.finish())
}

fn counts(cells: &[Cell]) -> ArrayRef {
    let mut lists = ListBuilder::new(UInt64Builder::new());
    cells.iter().for_each(|cell| lists.append_value(cell.counts.iter().map(|n| Some(*n))));
    Arc::new(lists.finish())
}

fn values(cells: &[Cell]) -> ArrayRef {
    let mut lists = ListBuilder::new(Float64Builder::new());
    cells.iter().for_each(|cell| lists.append_value(cell.values.iter().map(|value| Some(*value))));
    Arc::new(lists.finish())
}

/// The rows of a Parquet file that [`to_parquet`] wrote.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn of_parquet(bytes: Vec<u8>) -> Result<Vec<Cell>, String> {
    let builder = sound_parquet::open(bytes::Bytes::from(bytes)).map_err(|error| error.to_string())?;
    let mut cells = Vec::new();
    for batch in sound_parquet::Rows::of(builder).map_err(|error| error.to_string())? {
        let batch = batch.map_err(|error| error.to_string())?;
        let read = of_batch(&batch).ok_or_else(|| {
            let names: Vec<String> = batch.schema().fields().iter().map(ToString::to_string).collect();
            format!("its columns are not those of a part: {}", names.join(", "))
        })?;
        cells.extend(read);
    }
    Ok(cells)
}

fn of_batch(batch: &RecordBatch) -> Option<Vec<Cell>> {
    let text = |name: &str| batch.column_by_name(name)?.as_string_opt::<i32>();
    let list = |name: &str| batch.column_by_name(name)?.as_list_opt::<i32>();
    let (lens, component, measure) = (text("lens")?, text("component")?, text("measure")?);
    let layer = batch.column_by_name("layer")?.as_primitive_opt::<UInt32Type>()?;
    let (keys, labels, counts, values) = (list("keys")?, list("labels")?, list("counts")?, list("values")?);
    (0..batch.num_rows())
        .map(|i| {
            let numbers = |lists: &ListArray| lists.value(i);
            let keys: Int64Array = numbers(keys).as_primitive_opt::<Int64Type>()?.clone();
            let counts: UInt64Array = numbers(counts).as_primitive_opt::<UInt64Type>()?.clone();
            let values: Float64Array = numbers(values).as_primitive_opt::<Float64Type>()?.clone();
            let labels = numbers(labels);
            let labels = labels.as_string_opt::<i32>()?;
            Some(Cell {
                lens: lens.value(i).to_owned(),
                layer: if layer.is_null(i) { None } else { Some(u16::try_from(layer.value(i)).ok()?) },
                component: component.value(i).to_owned(),
                measure: measure.value(i).to_owned(),
                keys: keys.values().to_vec(),
                labels: labels.iter().map(|label| label.map(str::to_owned)).collect::<Option<_>>()?,
                counts: counts.values().to_vec(),
                values: values.values().to_vec(),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_as_they_were() {
        let cells = vec![
            Cell {
                lens: "logit".to_owned(),
                layer: Some(3),
                component: "resid_post".to_owned(),
                measure: "entropy.sketch".to_owned(),
                keys: vec![-4, 0, 700],
                counts: vec![1, 2, u64::MAX],
                ..Cell::default()
            },
            Cell {
                labels: vec!["Han".to_owned()],
                values: vec![0.1, f64::INFINITY, -0.0],
                ..Cell::default()
            },
        ];
        let bytes = to_parquet(&cells).unwrap();
        assert_eq!(of_parquet(bytes.clone()).unwrap(), cells);
        assert_eq!(of_parquet(to_parquet(&[]).unwrap()).unwrap(), []);
        for end in [0, 3, bytes.len() / 2, bytes.len() - 1] {
            assert!(of_parquet(bytes[..end].to_vec()).is_err(), "cut at {end}");
        }
    }

    #[test]
    fn another_table_is_refused() {
        let column: ArrayRef = Arc::new(StringArray::from_iter_values(["a"]));
        let batch = RecordBatch::try_from_iter([("text", column)]).unwrap();
        let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        let message = of_parquet(writer.into_inner().unwrap()).unwrap_err();
        assert!(message.contains("not those of a part"), "{message}");
    }
}
