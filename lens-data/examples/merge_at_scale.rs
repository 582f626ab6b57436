//! What it takes to put many parts of a corpus together: time, bytes and memory.
//!
//!     cargo run --release -p lens-data --example merge_at_scale -- [PARTS] [LAYERS] [FOLDER]
//!
//! The parts are of a toy model with as many layers, one lens and one component; what matters to the merge is their
//! number and that of their columns.

use std::{
    collections::BTreeMap,
    error::Error,
    ops::ControlFlow,
    time::{Duration, Instant},
};

use lens_core::{
    Lens, Plan, TokenId,
    corpus::{CorpusOptions, CorpusStatistics, Spelling, script_of},
    toy::ToyBackend,
};
use lens_data::{
    Store,
    parts::{Manifest, Parts, Run, merge, to_parquet},
};

/// Different statistics; of more parts, several hold the same.
const DIFFERENT: u64 = 16;

struct Toy;

impl Spelling for Toy {
    fn script(&self, token: TokenId) -> &str {
        script_of(["a", "漢", "1", "ж"][token.index() % 4])
    }

    fn language(&self, _: &[TokenId]) -> Option<&str> {
        None
    }

    fn bytes(&self, _: TokenId) -> Option<usize> {
        Some(4)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| arguments.next().map_or(Ok(default), |number| number.parse());
    let (parts, layers) = (number(10_000)?, number(32)?);
    let folder = arguments.next().unwrap_or_else(|| "target/merge_at_scale".to_owned());
    let store = Store::open(&folder)?;
    let began = Instant::now();
    let bytes = make(&store, parts, u16::try_from(layers)?)?;
    println!("{parts} parts of {layers} columns: {} KB each, made in {:.1?}", bytes / 1000, began.elapsed());

    let (began, before) = (Instant::now(), memory());
    let merged = merge(&Parts::open(&store)?, false, &mut |_, _| ControlFlow::Continue(()))?;
    let merged = merged.ok_or("it was stopped")?;
    let took = began.elapsed();
    let report = merged.statistics.report(0.95);
    println!("{} documents, {} positions", report.documents, report.positions);
    println!("merged in {took:.1?}: {:.2?} a part", took / u32::try_from(parts.max(1))?);
    if let (Some(before), Some(after)) = (before, memory()) {
        println!("memory at its peak: {after} MB, {} MB more than before", after.saturating_sub(before));
    }
    println!("report in {:.1?}", timed(|| merged.statistics.report(0.95)));
    Ok(())
}

/// Makes the parts; returns the bytes of one.
fn make(store: &Store, parts: u64, layers: u16) -> Result<usize, Box<dyn Error>> {
    let options = CorpusOptions::default();
    let part_documents = std::num::NonZeroU64::MIN;
    let run = Run::new(options, part_documents, BTreeMap::new());
    let begun = Parts::begin(store, &run)?;
    let mut model = ToyBackend::new(layers, 16, 50, 7);
    let plan = options.ask(Plan::default().with_components("resid_post".parse()?));
    let (mut bytes, mut texts) = (0, Vec::new());
    let mut tables = Vec::new();
    for part in 0..DIFFERENT.min(parts) {
        let tokens: Vec<TokenId> =
            (0..256u64).map(|k| TokenId(((part * 7 + k * k + 3 * k) % 50) as u32)).collect();
        let reading = Lens::new(&mut model).read(&tokens, &plan)?;
        let mut statistics = CorpusStatistics::new(options);
        statistics.add(part, &tokens, &reading, &Toy)?;
        statistics.end_documents();
        tables.push((statistics.positions(), to_parquet(&statistics.cells())?));
    }
    for part in 0..parts {
        let (positions, table) = &tables[(part % DIFFERENT) as usize];
        bytes = table.len();
        let text = format!("{part:064x}");
        let manifest =
            Manifest::new(begun.run(), part, text.clone()).with_documents(1).with_positions(*positions);
        begun.write(manifest, vec![(Manifest::statistics(part), table.clone())])?;
        texts.push(text);
    }
    begun.write_end(parts, &texts)?;
    Ok(bytes)
}

fn timed<T>(what: impl FnOnce() -> T) -> Duration {
    let began = Instant::now();
    let _ = what();
    began.elapsed()
}

/// The most memory that the process has had, in MB, where the system says it.
fn memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1000)
}
