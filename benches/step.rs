//! One step of the lens, in process, on a checkpoint of Qwen2.5-0.5B's shape.
//!
//! - `forward`: the model over the prompt, every point of the last position captured;
//! - `read`: the readouts of what was captured;
//! - `whole`: both and the self-check, as [`Lens::read`] does it;
//! - `all_positions`: the same for every position of the prompt.
//!
//! ```text
//! cargo bench -p lens-benches --bench step
//! ```
//!
//! The checkpoint, of random numbers, is made at the first run (1 GB, `cargo xtask make-checkpoint`);
//! `LENS_BENCH_CHECKPOINT` names the folder of another one. `LENS_BENCH_THREADS` is the number of threads (2).

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode};
use lens_benches::threads;
use lens_core::{
    Backend as _, Column, Component, ComponentSelection, Forward, Lens, Next, Plan, Point, PointSet,
    Question, ReadRequest, Selection, TokenId,
};
use lens_models::{Checkpoint, Decoder, LoadOptions, source};

const SHAPE: &str = "qwen2.5-0.5b";

/// Lengths of the prompts.
const PROMPTS: [usize; 2] = [11, 128];

/// The checkpoint that the environment names, or a made one; nothing if that cannot be made.
fn checkpoint() -> Option<PathBuf> {
    if let Some(named) = env::var_os("LENS_BENCH_CHECKPOINT") {
        return Some(named.into());
    }
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join(SHAPE);
    if !made.join("config.json").exists() {
        let mut chore = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        chore.current_dir(env!("CARGO_MANIFEST_DIR"));
        chore.args(["xtask", "make-checkpoint", SHAPE]).arg(&made);
        // It says itself why it failed: for want of room, most likely.
        chore.status().ok().filter(std::process::ExitStatus::success)?;
    }
    Some(made)
}

fn load(folder: &Path) -> Result<Decoder, Box<dyn std::error::Error>> {
    let name = folder.to_str().ok_or("the folder's name is not UTF-8")?;
    let options = source::SourceOptions::from_env();
    let checkpoint = Checkpoint::open(&source::locate(name, &options, &mut source::Silent)?)?;
    Ok(Decoder::load(checkpoint, &LoadOptions::default())?)
}

/// Every point that a default plan reads.
fn points(model: &Decoder) -> PointSet {
    let info = model.info();
    let of = |component: &Component| match component {
        Component::Embed => vec![Point::Embed],
        Component::Site(site) => (0..info.n_layers).map(|layer| Point::block(layer, *site)).collect(),
    };
    ComponentSelection::all().as_slice().iter().flat_map(of).filter(|point| info.has(*point)).collect()
}

fn steps(criterion: &mut Criterion, model: &mut Decoder) {
    let points = points(model);
    let mut group = criterion.benchmark_group("step");
    group
        .sample_size(10)
        .sampling_mode(SamplingMode::Flat)
        .warm_up_time(Duration::from_secs(2))
        .measurement_time(Duration::from_secs(5));
    for n in PROMPTS {
        let tokens: Vec<TokenId> = (0..n as u32).map(|i| TokenId(1000 + 37 * i)).collect();
        let last = [n - 1];
        let forward = Forward::new(&tokens, &points, &last).with_total(n).with_room(n);
        group.bench_function(BenchmarkId::new("forward", n), |bencher| {
            bencher.iter(|| model.forward(&forward).expect("the model runs"));
        });

        let captured = model.forward(&forward).expect("the model runs");
        let columns = points.as_slice().iter().zip(&captured);
        let hidden: Vec<_> = columns.map(|(point, vectors)| Column::plain(*point, vectors)).collect();
        let ask = Question::default();
        let request = ReadRequest::new(
            &hidden,
            captured.last().expect("points were captured"),
            &last,
            &[Next::Nothing],
            &ask,
        );
        group.bench_function(BenchmarkId::new("read", n), |bencher| {
            bencher.iter(|| model.read(&request).expect("what the model computes is finite"));
        });

        let plan = Plan::default();
        group.bench_function(BenchmarkId::new("whole", n), |bencher| {
            bencher.iter(|| Lens::new(model).read(&tokens, &plan).expect("the plan fits the model"));
        });
        if n == 128 {
            let plan = plan.with_positions(Selection::all());
            group.bench_function(BenchmarkId::new("all_positions", n), |bencher| {
                bencher.iter(|| Lens::new(model).read(&tokens, &plan).expect("the plan fits the model"));
            });
        }
    }
    group.finish();
}

fn main() {
    let Some(folder) = checkpoint() else {
        eprintln!("skipped: no checkpoint to run (LENS_BENCH_CHECKPOINT names one)");
        return;
    };
    let threads = threads();
    tch::set_num_threads(threads as i32);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("threads can be started");
    let mut model = load(&folder).unwrap_or_else(|error| panic!("cannot load {}: {error}", folder.display()));
    eprintln!("{}, {} points, {threads} threads", folder.display(), points(&model).len());
    let mut criterion = Criterion::default().configure_from_args();
    steps(&mut criterion, &mut model);
    criterion.final_summary();
}
