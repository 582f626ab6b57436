//! Both heatmaps of one step: 24 layers, five components, ten tokens of many scripts in each.

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

use std::{hint::black_box, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use lens_core::{Component, LensTrace};
use lens_viz::picture::{Fonts, Picture, PictureKind, PictureOptions, pngs, svg};
use synthetic::{MIXED, Shape, trace};

fn pair(trace: &LensTrace, fonts: Fonts) -> Vec<Picture> {
    let options = PictureOptions::default().with_fonts(fonts);
    [PictureKind::AllLayers, PictureKind::ImportantLayers]
        .into_iter()
        .flat_map(|kind| svg(trace, kind, &options).expect("a whole trace is drawn"))
        .collect()
}

fn render(c: &mut Criterion) {
    let trace = trace(&Shape {
        layers: 24,
        components: &Component::READABLE[1..],
        positions: 10..11,
        top: 10,
        texts: &MIXED,
    });
    let mut group = c.benchmark_group("both heatmaps of one step");
    group.sample_size(20).measurement_time(Duration::from_secs(8));
    group.bench_function("svg", |b| b.iter(|| pair(black_box(&trace), Fonts::Viewer)));
    for scale in [1.0, 1.5, 2.0] {
        group.bench_function(format!("png at scale {scale}"), |b| {
            b.iter(|| {
                let pages = pair(black_box(&trace), Fonts::Installed);
                pngs(&pages, scale).expect("the pictures are drawn")
            });
        });
    }
    group.finish();
}

criterion_group!(benches, render);
criterion_main!(benches);
