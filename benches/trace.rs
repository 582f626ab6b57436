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
use lens_core::toy::ToyBackend;
use lens_core::{
    Backend as _, Lens, LensTrace, Plan, Selection, TokenId, TokenText, TokenTexts, TraceContext,
};

const N_LAYERS: u16 = 24;
const N_TOKENS: u32 = 128;
const N_VOCAB: u32 = 4096;

/// Texts that take some work: a word of letters, and, for every eighth token, half a character.
struct Words;

impl TokenTexts for Words {
    fn text(&self, id: TokenId) -> TokenText {
        let mut bytes = format!(" word{id}").into_bytes();
        if id.0.is_multiple_of(8) {
            bytes.extend(b"\xE4\xBD");
        }
        TokenText::from_bytes(&bytes)
    }
}

fn main() {
    let mut model = ToyBackend::new(N_LAYERS, 32, N_VOCAB as usize, 1);
    let tokens: Vec<TokenId> = (0..N_TOKENS).map(|i| TokenId(i * 29 % N_VOCAB)).collect();
    let plan = Plan { positions: Selection::all(), ..Plan::default() };
    let reading = Lens::new(&mut model).read(&tokens, &plan).expect("the plan fits the toy");
    let context = TraceContext {
        generator: ("lens-benches", env!("CARGO_PKG_VERSION")),
        model: model.info(),
        prompt: None,
        tokens: &tokens,
        n_prompt: tokens.len(),
        texts: &Words,
        threshold: 0.5,
    };
    let trace = LensTrace::new(&reading, &context);
    let json = serde_json::to_vec(&trace).expect("a trace is JSON");
    eprintln!("{} readouts, {} bytes of JSON", reading.readouts.len(), json.len());

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("trace");
    group.throughput(Throughput::Elements(reading.readouts.len() as u64));
    group.bench_function("new", |bencher| {
        bencher.iter(|| LensTrace::new(&reading, &context));
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
