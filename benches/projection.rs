//! The fused projection beside libtorch.
//!
//! - `fused`: everything that the lens keeps of a readout: top-10, log-sum-exp, entropy and the divergence to
//!   the final readout of its position.
//! - `libtorch_gemm`: the bare product, nothing else.
//! - `libtorch_naive`: the product, softmax in float32 and top-10.
//!
//! `cargo bench -p lens-benches --bench projection` runs the shapes that the project promises something
//! about. For one shape of your own, set any of `LENS_BENCH_D`, `LENS_BENCH_V` and `LENS_BENCH_N`, and
//! `LENS_BENCH_DTYPE` (`bf16`, `f16` or `f32`); `LENS_BENCH_THREADS` is the number of threads of both sides (2):
//!
//! ```text
//! LENS_BENCH_D=2048 LENS_BENCH_V=128256 LENS_BENCH_N=64 cargo bench -p lens-benches --bench projection
//! ```
//!
//! `fused` runs the kernel that the library would choose, or the one that `LENS_KERNEL` names. Kernels side by side in one
//! run: `LENS_BENCH_KERNELS=amxbf16,avx512bf16` adds `fused_amxbf16` and `fused_avx512bf16` to each shape.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, measurement::WallTime};
use half::{bf16, f16};
use lens_benches::{Shape, dtype, noise, threads};
use lens_core::projection::{Job, Kernel, Post, Unembedding, VocabRows};
use rayon::{ThreadPool, ThreadPoolBuilder};
use tch::{Kind, Tensor};

const BF16: [Shape; 14] = [
    Shape::new(896, 151_936, 4),
    Shape::new(896, 151_936, 16),
    Shape::new(896, 151_936, 32),
    Shape::new(896, 151_936, 64),
    Shape::new(896, 151_936, 96),
    Shape::new(896, 151_936, 128),
    Shape::new(896, 151_936, 512),
    Shape::new(896, 151_936, 1056),
    Shape::new(4096, 128_256, 4),
    Shape::new(4096, 128_256, 64),
    Shape::new(4096, 128_256, 128),
    Shape::new(4096, 64_128, 512),
    Shape::new(8192, 32_064, 16),
    Shape::new(8192, 32_064, 128),
];
const F32: [Shape; 2] = [Shape::new(896, 151_936, 96), Shape::new(896, 151_936, 512)];

/// Readouts of one position: 24 layers of 4 points.
const POINTS: usize = 96;

/// Rows in the dtype that a group is about.
enum Rows {
    F32(Vec<f32>),
    Bf16(Vec<bf16>),
    F16(Vec<f16>),
}

impl Rows {
    fn new(dtype: &str, shape: &Shape) -> Self {
        let values = noise(shape.n_vocab * shape.d_model, 0.05);
        match dtype {
            "f32" => Self::F32(values.collect()),
            "bf16" => Self::Bf16(values.map(bf16::from_f32).collect()),
            "f16" => Self::F16(values.map(f16::from_f32).collect()),
            _ => panic!("LENS_BENCH_DTYPE = \"{dtype}\" is none of bf16, f16, f32"),
        }
    }

    fn borrow(&self) -> VocabRows<'_> {
        match self {
            Self::F32(rows) => VocabRows::F32(rows),
            Self::Bf16(rows) => VocabRows::Bf16(rows),
            Self::F16(rows) => VocabRows::F16(rows),
        }
    }

    fn tensor(&self, shape: &Shape) -> Tensor {
        let size = [shape.n_vocab as i64, shape.d_model as i64];
        // By bytes and kind: tch takes a slice of `bf16` for half precision.
        match self {
            Self::F32(rows) => Tensor::f_from_data_size(bytemuck::cast_slice(rows), &size, Kind::Float),
            Self::Bf16(rows) => Tensor::f_from_data_size(bytemuck::cast_slice(rows), &size, Kind::BFloat16),
            Self::F16(rows) => Tensor::f_from_data_size(bytemuck::cast_slice(rows), &size, Kind::Half),
        }
        .expect("the rows fill the matrix")
    }
}

/// The kernel that the library would choose, and those that `LENS_BENCH_KERNELS` names, each with its name in the report.
fn kernels() -> Vec<(String, Kernel)> {
    let chosen = Kernel::chosen().unwrap_or_else(|error| panic!("{error}"));
    let names = std::env::var("LENS_BENCH_KERNELS").unwrap_or_default();
    let named = names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(|name| {
        let kernel = Kernel::named(name).unwrap_or_else(|error| panic!("LENS_BENCH_KERNELS: {error}"));
        (format!("fused_{name}"), kernel)
    });
    std::iter::once(("fused".to_owned(), chosen)).chain(named).collect()
}

/// Says what is measured on what.
fn introduce(threads: usize) {
    let list = |kernels: Vec<Kernel>| kernels.iter().map(Kernel::to_string).collect::<Vec<_>>().join(", ");
    let amx = if Kernel::AmxBf16.is_available() { "AMX" } else { "no AMX" };
    let measured = list(kernels().into_iter().map(|(_, kernel)| kernel).collect());
    eprintln!(
        "kernel {measured}, {threads} threads; this machine has {amx} and can run {}",
        list(Kernel::available())
    );
}

fn settle(group: &mut BenchmarkGroup<'_, WallTime>) {
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_secs(1))
        .measurement_time(Duration::from_secs(3));
}

fn projection(criterion: &mut Criterion, pool: &ThreadPool, dtype: &str, shapes: &[Shape]) {
    let mut group = criterion.benchmark_group(format!("projection_{dtype}"));
    settle(&mut group);
    let mut held: Option<(Shape, Rows)> = None;
    for shape in shapes {
        // Shapes that differ in the number of readouts share their rows.
        let rows = match held.take() {
            Some((of, rows)) if (of.d_model, of.n_vocab) == (shape.d_model, shape.n_vocab) => rows,
            _ => Rows::new(dtype, shape),
        };
        group.throughput(Throughput::Elements(shape.operations()));
        let readouts: Vec<f32> = noise(shape.n * shape.d_model, 3.0).collect();
        let finals: Vec<u32> =
            (0..shape.n).map(|i| ((i / POINTS * POINTS + POINTS).min(shape.n) - 1) as u32).collect();
        let unembedding = Unembedding::new(rows.borrow(), shape.d_model, None, Post::default())
            .expect("the rows form a matrix");
        let job = Job {
            readouts: &readouts,
            top_k: 10,
            entropy: true,
            variance: true,
            finals: Some(&finals),
            distances: false,
            tracked: &[],
        };
        for (name, kernel) in kernels() {
            let fused = || unembedding.project_with(kernel, black_box(&job)).expect("the job fits");
            group.bench_function(BenchmarkId::new(name, shape.name()), |bencher| {
                bencher.iter(|| pool.install(fused));
            });
        }

        let weights = rows.tensor(shape);
        let inputs = Tensor::f_from_slice(&readouts)
            .and_then(|inputs| inputs.f_reshape([shape.n as i64, shape.d_model as i64]))
            .and_then(|inputs| inputs.f_to_kind(weights.kind()))
            .expect("the readouts fill the matrix");
        let product = || inputs.f_linear::<Tensor>(&weights, None).expect("the shapes fit");
        group.bench_function(BenchmarkId::new("libtorch_gemm", shape.name()), |bencher| {
            bencher.iter(product);
        });
        if dtype == "bf16" {
            group.bench_function(BenchmarkId::new("libtorch_naive", shape.name()), |bencher| {
                bencher.iter(|| {
                    product()
                        .f_softmax(-1, Kind::Float)
                        .and_then(|probabilities| probabilities.f_topk(10, -1, true, true))
                        .expect("the product has a last dimension")
                });
            });
        }
        drop(weights);
        held = Some((*shape, rows));
    }
    group.finish();
}

/// What is kept of each logit, under a product too narrow to hide it.
fn top_k(criterion: &mut Criterion, pool: &ThreadPool) {
    let shape = Shape::new(16, 151_936, 96);
    let rows = Rows::new("f32", &shape);
    let readouts: Vec<f32> = noise(shape.n * shape.d_model, 30.0).collect();
    let unembedding = Unembedding::new(rows.borrow(), shape.d_model, None, Post::default())
        .expect("the rows form a matrix");
    let mut group = criterion.benchmark_group("top_k");
    settle(&mut group);
    group.throughput(Throughput::Elements((shape.n * shape.n_vocab) as u64));
    for top_k in [1, 10, 100, 1000] {
        let job = Job {
            readouts: &readouts,
            top_k,
            entropy: false,
            variance: false,
            finals: None,
            distances: false,
            tracked: &[],
        };
        group.bench_function(BenchmarkId::new("fused", top_k), |bencher| {
            bencher.iter(|| pool.install(|| unembedding.project(black_box(&job)).expect("the job fits")));
        });
        let inputs = Tensor::f_from_slice(&readouts)
            .and_then(|inputs| inputs.f_reshape([shape.n as i64, shape.d_model as i64]))
            .expect("the readouts fill the matrix");
        let logits = inputs.f_linear::<Tensor>(&rows.tensor(&shape), None).expect("the shapes fit");
        group.bench_function(BenchmarkId::new("libtorch_topk", top_k), |bencher| {
            bencher.iter(|| logits.f_topk(top_k as i64, -1, true, true).expect("k is below the vocabulary"));
        });
    }
    group.finish();
}

fn main() {
    let threads = threads();
    tch::set_num_threads(threads as i32);
    let _no_grad = tch::no_grad_guard();
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    introduce(threads);
    let mut criterion = Criterion::default().configure_from_args();
    match Shape::from_env() {
        Some(shape) => projection(&mut criterion, &pool, &dtype(), &[shape]),
        None => {
            projection(&mut criterion, &pool, "bf16", &BF16);
            projection(&mut criterion, &pool, "f32", &F32);
            top_k(&mut criterion, &pool);
        }
    }
    criterion.final_summary();
}
