//! What pictures cost: the two heatmaps of one step in 24 layers, as `lens run --out` draws them, and the page.
//!
//! - `pair_svg`: all layers and important layers as SVG;
//! - `pair_png`: the same as PNG, drawing included;
//! - `page`: the HTML page of 128 positions.
//!
//! ```text
//! cargo bench -p lens-benches --bench render
//! ```

use criterion::{Criterion, SamplingMode};
use lens_benches::{Toy, threads};
use lens_core::{LensTrace, Selection};
use lens_viz::{
    page::{PageOptions, page},
    picture::{Fonts, Picture, files, pngs, svg},
};

/// Pixels of a PNG for each of the page, as the command line has it.
const SCALE: f32 = 1.5;

fn pair(trace: &LensTrace) -> Vec<Picture> {
    let drawn = files(trace).into_iter().map(|file| {
        let options = file.options.with_fonts(Fonts::Installed);
        svg(trace, file.kind, &options).expect("a heatmap of 24 layers can be drawn")
    });
    drawn.flatten().collect()
}

fn main() {
    rayon::ThreadPoolBuilder::new().num_threads(threads()).build_global().expect("threads can be started");
    let step = Toy::read(24, 11, Selection::last()).trace();
    let long = Toy::read(24, 128, Selection::all()).trace();
    eprintln!("{} pages of heatmaps, {} threads", pair(&step).len(), threads());

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("render");
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.bench_function("pair_svg", |bencher| bencher.iter(|| pair(&step)));
    group.bench_function("pair_png", |bencher| {
        bencher.iter(|| pngs(&pair(&step), SCALE).expect("what was drawn can be rasterised"));
    });
    group.bench_function("page", |bencher| {
        bencher.iter(|| page(&long, &PageOptions::default()).expect("the page is not too large"));
    });
    group.finish();
    criterion.final_summary();
}
