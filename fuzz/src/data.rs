//! Prompts, and the parts of a corpus.

use std::{
    fs,
    io::{BufReader, Write as _},
    ops::ControlFlow,
};

use lens_data::{
    PromptError, PromptFormat, Prompts, Store, packed,
    parts::{Parts, merge, of_parquet, to_parquet},
};
use tempfile::NamedTempFile;

/// A file with this ending and these contents.
pub(crate) fn file(ending: &str, data: &[u8]) -> NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(ending).tempfile().expect("a temporary file");
    file.write_all(data).expect("room for it");
    file
}

/// A file of prompts in each format, packed or not, and as Parquet.
///
/// Prompts are numbered from 0 without a gap, and after an error of the file nothing follows. Read byte by byte they are the same.
pub fn prompts_file(data: &[u8]) {
    for format in PromptFormat::ALL {
        for column in [None, Some("text")] {
            let whole = read(data, format, column, 1 << 16);
            assert_eq!(read(data, format, column, 1), whole);
        }
    }
    if let Ok(reader) = packed::bounded(data, 1 << 20) {
        drop(Prompts::new(reader, PromptFormat::Lines, None).map(|prompts| prompts.take(1000).count()));
    }
    if data.starts_with(b"PAR1") {
        let file = file(".parquet", data);
        for column in [None, Some("lens")] {
            let file = file.reopen().expect("it is there");
            drop(Prompts::parquet(file, column).map(|prompts| prompts.take(1000).count()));
        }
    }
}

fn read(data: &[u8], format: PromptFormat, column: Option<&str>, piece: usize) -> Vec<String> {
    let reader = Box::new(BufReader::with_capacity(piece, data));
    let prompts = match Prompts::new(reader, format, column) {
        Ok(prompts) => prompts,
        Err(error) => return vec![error.to_string()],
    };
    let mut seen = Vec::new();
    let mut failed = false;
    for (i, prompt) in prompts.enumerate() {
        assert!(!failed, "something follows an error");
        match &prompt {
            Ok(record) => assert_eq!(record.index, i as u64),
            // A record that is broken is one of many; anything else is the end.
            Err(error) => failed = !matches!(error, PromptError::Record { .. }),
        }
        seen.push(format!("{prompt:?}"));
    }
    seen
}

/// A part of a corpus: its rows as Parquet (if the input begins as such a file does), or the JSON beside them, in which the
/// run, a part and the end are divided by line feeds.
///
/// Rows that are accepted are the same after they were written and read again. What the JSON claims is compared with what is
/// there, or refused.
pub fn parquet_manifest(data: &[u8]) {
    if data.starts_with(b"PAR1") {
        if let Ok(cells) = of_parquet(data.to_vec()) {
            let bytes = to_parquet(&cells).expect("rows can be written");
            let again = of_parquet(bytes).expect("and read");
            // Values that are not numbers are not equal to themselves.
            assert_eq!(format!("{again:?}"), format!("{cells:?}"));
        }
        return;
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut documents = data.split(|byte| *byte == b'\n');
    let names = ["corpus.json", "part-00000000.json", "part-00000001.json", "end.json"];
    for name in names {
        if let Some(document) = documents.next().filter(|document| !document.is_empty()) {
            fs::write(folder.path().join(name), document).expect("room for it");
        }
    }
    // A number that no corpus has.
    if let Some(document) = documents.next().filter(|document| !document.is_empty()) {
        fs::write(folder.path().join("part-18446744073709551615.json"), document).expect("room for it");
    }
    let Ok(store) = Store::open(folder.path().to_str().expect("a plain name")) else { return };
    let Ok(parts) = Parts::open(&store) else { return };
    for number in parts.numbers().take(8) {
        drop(parts.stored(number));
    }
    drop(parts.end());
    for partial in [false, true] {
        drop(merge(&parts, partial, &mut |_, _| ControlFlow::Continue(())));
    }
}
