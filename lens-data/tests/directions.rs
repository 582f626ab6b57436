//! Decoded directions read back as they were written.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use arrow_array::{
    Array,
    cast::AsArray,
    types::{Float32Type, UInt32Type, UInt64Type},
};
use lens_data::{DirectionRow, DirectionToken, Directions, Format, TableWriter};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

const TOP: [DirectionToken<'static>; 2] = [
    DirectionToken { id: 7, text: "a,b", logit: 2.5 },
    DirectionToken { id: 3, text: "\"q\"\n", logit: 1.0 },
];
const BOTTOM: [DirectionToken<'static>; 1] = [DirectionToken { id: 9, text: "是", logit: -4.0 }];

const ROWS: [DirectionRow<'static>; 2] = [
    DirectionRow {
        source: "L3.h1",
        layer: Some(3),
        row: 1,
        token: Some((5, " x")),
        norm: 1.5,
        mode: "folded",
        cosine: Some(0.25),
        top: &TOP,
        bottom: &BOTTOM,
    },
    DirectionRow {
        source: "W_dec[70000]",
        layer: None,
        row: 70_000,
        token: None,
        norm: 0.0,
        mode: "none",
        cosine: None,
        top: &[],
        bottom: &[],
    },
];

fn written(format: Format) -> Vec<u8> {
    let mut table = TableWriter::<Directions, _>::new(Vec::new(), format).unwrap();
    ROWS.iter().for_each(|row| table.push(row).unwrap());
    table.finish().unwrap()
}

#[test]
fn parquet_keeps_every_cell() {
    let bytes = bytes::Bytes::from(written(Format::Parquet));
    let batch =
        ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap().build().unwrap().next().unwrap().unwrap();
    let column = |name: &str| batch.column_by_name(name).unwrap();
    assert_eq!(column("source").as_string::<i32>().value(1), "W_dec[70000]");
    assert_eq!(column("row").as_primitive::<UInt64Type>().values(), &[1, 70_000]);
    assert_eq!(column("layer").as_primitive::<UInt32Type>().value(0), 3);
    assert!(column("layer").is_null(1) && column("token_text").is_null(1) && column("cosine").is_null(1));
    assert_eq!(column("token_id").as_primitive::<UInt32Type>().value(0), 5);
    let top = column("top_id").as_list::<i32>().value(0);
    assert_eq!(top.as_primitive::<UInt32Type>().values(), &[7, 3]);
    let texts = column("top_text").as_list::<i32>().value(0);
    assert_eq!(texts.as_string::<i32>().value(1), "\"q\"\n");
    let bottom = column("bottom_logit").as_list::<i32>().value(0);
    assert_eq!(bottom.as_primitive::<Float32Type>().values(), &[-4.0]);
    assert_eq!(column("bottom_id").as_list::<i32>().value(1).len(), 0);
}

#[test]
fn csv_has_lists_as_json() {
    let text = String::from_utf8(written(Format::Csv)).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2);
    assert_eq!(&rows[0][9], r#"["a,b","\"q\"\n"]"#);
    assert_eq!((&rows[1][1], &rows[1][8]), ("", "[]"));
}
