//! What a trace costs: every point of every position of 128 tokens in 24 layers.
//!
//! - `new`: from a reading to the trace, each token's text looked up once;
//! - `write`: the trace as JSON, into a buffer that goes nowhere.
//!
//! ```text
//! cargo bench -p lens-benches --bench trace
//! ```

use std::hint::black_box;
use std::io::{self, BufWriter, Write as _};

use criterion::{Criterion, Throughput};
use lens_benches::Toy;
use lens_core::{LensTrace, Selection};

fn main() {
    let toy = Toy::read(24, 128, Selection::all());
    let trace = toy.trace();
    let json = serde_json::to_vec(&trace).expect("a trace is JSON");
    eprintln!("{} readouts, {} bytes of JSON", toy.reading.readouts.len(), json.len());

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("trace");
    group.throughput(Throughput::Elements(toy.reading.readouts.len() as u64));
    group.bench_function("new", |bencher| {
        bencher.iter(|| LensTrace::new(&toy.reading, &toy.context()));
    });
    group.throughput(Throughput::Bytes(json.len() as u64));
    group.bench_function("write", |bencher| {
        bencher.iter(|| {
            let mut out = BufWriter::with_capacity(1 << 16, io::sink());
            serde_json::to_writer(&mut out, black_box(&trace)).expect("a trace is JSON");
            out.flush().expect("nothing fails to go nowhere");
        });
    });
    group.finish();
    criterion.final_summary();
}
