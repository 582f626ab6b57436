//! What is written reads back as it was.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{io::Cursor, num::NonZeroUsize, sync::Arc};

use arrow_array::{
    Array, RecordBatch,
    cast::AsArray,
    types::{Float32Type, UInt32Type, UInt64Type},
};
use lens_core::{
    Backend, Lens, LensChoice, LensMap, LensSet, LensTrace, Plan, Provenance, Question, Site, Statistic,
    StatisticSet, TokenId, TokenText, TokenTexts, TraceContext, Translator, toy::ToyBackend,
};
use lens_data::{Column, Format, Prompt, Readouts, Table, TableWriter, TokenRow, Tokens};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

/// Texts that a careless writer breaks on.
struct Hostile;

impl TokenTexts for Hostile {
    fn text(&self, id: TokenId) -> TokenText {
        let texts = ["a,b", "\"quoted\"", "line\nfeed", "是", "", "=1+1", " "];
        TokenText { text: Arc::from(texts[id.index() % texts.len()]), bytes: None }
    }
}

fn trace() -> LensTrace {
    let mut toy = ToyBackend::new(3, 8, 14, 3);
    let tokens: Vec<TokenId> = [1, 0, 3, 12].map(TokenId).to_vec();
    let question = Question::default()
        .with_top_k(NonZeroUsize::MIN.saturating_add(2))
        .with_targets(vec![TokenId(5)])
        .with_versus(Some(TokenId(6)))
        .with_statistics(StatisticSet::all());
    let map = |layer| (layer, LensMap::new(8, vec![0.3; 64], None, false).unwrap());
    let jacobian = Translator::jacobian(8, Site::ResidPost, (0..3).map(map), Provenance::default()).unwrap();
    let lenses = [LensChoice::Logit, LensChoice::Translated(jacobian.into())];
    let plan = Plan::default()
        .with_positions("all".parse().unwrap())
        .with_question(question)
        .with_lenses(LensSet::new(lenses).unwrap());
    let reading = Lens::new(&mut toy).read(&tokens, &plan).unwrap();
    LensTrace::new(
        &reading,
        &TraceContext::new(("test", "0"), toy.info(), &tokens, &Hostile).with_n_prompt(3),
    )
}

fn readouts(trace: &LensTrace, format: Format, prompts: u64) -> Vec<u8> {
    let mut table = TableWriter::<Readouts, _>::new(Vec::new(), format).unwrap();
    for index in 0..prompts {
        let prompt = Prompt { index, id: (index > 0).then_some("named") };
        for readout in &trace.readouts {
            table.push(&(prompt, &trace.lens, readout)).unwrap();
        }
    }
    table.finish().unwrap()
}

fn read(bytes: Vec<u8>, format: Format) -> Vec<RecordBatch> {
    match format {
        Format::Parquet => ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes))
            .unwrap()
            .build()
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap(),
        Format::Arrow => arrow_ipc::reader::FileReader::try_new(Cursor::new(bytes), None)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap(),
        other => unreachable!("{other} has no reader here"),
    }
}

#[test]
fn columns_read_back_as_the_trace_has_them() {
    let trace = trace();
    for format in [Format::Parquet, Format::Arrow] {
        let (mut rows, mut tracks) = (0, false);
        for batch in read(readouts(&trace, format, 2), format) {
            let column = |name: &str| batch.column_by_name(name).unwrap();
            for row in 0..batch.num_rows() {
                let readout = &trace.readouts[(rows + row) % trace.readouts.len()];
                let prompt = column("prompt").as_primitive::<UInt64Type>().value(row);
                assert_eq!(prompt as usize, (rows + row) / trace.readouts.len());
                assert_eq!(column("id").is_null(row), prompt == 0);
                let layer = column("layer").as_primitive::<UInt32Type>();
                let layer = layer.is_valid(row).then(|| layer.value(row));
                assert_eq!(layer, readout.layer.map(u32::from));
                assert_eq!(column("component").as_string::<i32>().value(row), readout.component.name());
                let lens = column("lens").as_string::<i32>().value(row);
                assert_eq!(Some(lens), readout.lens.as_deref());
                let tracked = column("tracked_id").as_list::<i32>().value(row);
                let ids: Vec<u32> = readout.tracked.iter().map(|token| token.id.0).collect();
                assert_eq!(tracked.as_primitive::<UInt32Type>().values(), &ids[..]);
                let probs = column("tracked_prob").as_list::<i32>().value(row);
                let expected: Vec<f32> = readout.tracked.iter().map(|token| token.prob).collect();
                assert_eq!(probs.as_primitive::<Float32Type>().values(), &expected[..]);
                tracks |= !expected.is_empty();
                for statistic in Statistic::ALL {
                    let column = column(statistic.name());
                    let value =
                        column.is_valid(row).then(|| match column.as_primitive_opt::<Float32Type>() {
                            Some(numbers) => f64::from(numbers.value(row)),
                            None => f64::from(column.as_primitive::<UInt32Type>().value(row)),
                        });
                    assert_eq!(value, readout.get(statistic), "{statistic}");
                }
                let texts = column("top_text").as_list::<i32>().value(row);
                let texts: Vec<&str> = texts.as_string::<i32>().iter().flatten().collect();
                assert_eq!(texts, readout.top.iter().map(|token| &*token.text).collect::<Vec<_>>());
                let ranks = column("target_rank").as_list::<i32>().value(row);
                assert_eq!(ranks.as_primitive::<UInt32Type>().values(), &[readout.targets[0].rank.unwrap()]);
            }
            rows += batch.num_rows();
        }
        assert_eq!(rows, 2 * trace.readouts.len());
        assert!(tracks, "no readout tracks anything");
    }
}

#[test]
fn many_rows_are_written_in_batches() {
    let trace = trace();
    let prompts = 20_000 / trace.readouts.len() as u64;
    let batches = read(readouts(&trace, Format::Arrow, prompts), Format::Arrow);
    assert!(batches.len() > 1);
    assert_eq!(
        batches.iter().map(RecordBatch::num_rows).sum::<usize>(),
        prompts as usize * trace.readouts.len()
    );
}

#[test]
fn csv_has_a_line_of_names_and_lists_as_json() {
    let trace = trace();
    let csv = String::from_utf8(readouts(&trace, Format::Csv, 1)).unwrap();
    let names: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    assert_eq!(names, Column::all::<Readouts>().iter().map(|column| column.name).collect::<Vec<_>>());
    let first = &trace.readouts[0];
    let texts =
        serde_json::to_string(&first.top.iter().map(|token| &*token.text).collect::<Vec<_>>()).unwrap();
    assert!(csv.contains(&format!("\"{}\"", texts.replace('"', "\"\""))), "{csv}");
    let empty = TableWriter::<Readouts, _>::new(Vec::new(), Format::Csv).unwrap().finish().unwrap();
    assert_eq!(String::from_utf8(empty).unwrap().lines().count(), 1);
}

#[test]
fn tokens_carry_the_models_answer() {
    let trace = trace();
    let mut table = TableWriter::<Tokens, _>::new(Vec::new(), Format::Parquet).unwrap();
    for (position, token) in trace.tokens.iter().enumerate() {
        let last = trace.finals.iter().find(|last| last.position == position && position != 1);
        let prompt = Prompt { index: 7, id: None };
        table.push(&TokenRow { prompt, position, token, role: None, last }).unwrap();
    }
    let batches = read(table.finish().unwrap(), Format::Parquet);
    let batch = &batches[0];
    assert_eq!(batch.num_rows(), 4);
    assert_eq!(batch.num_columns(), Tokens::columns().len());
    let probabilities = batch.column_by_name("final_prob").unwrap().as_primitive::<Float32Type>();
    assert_eq!(probabilities.value(2), trace.finals[2].top[0].prob);
    assert!(probabilities.is_null(1));
}

#[test]
fn every_column_says_what_it_means() {
    for column in Column::all::<Readouts>().into_iter().chain(Column::all::<Tokens>()) {
        assert!(column.meaning.len() > 4, "{}", column.name);
    }
}
