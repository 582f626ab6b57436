//! In float32 a forward pass has the same bits for any number of threads, in every family.

use std::num::NonZeroUsize;

use lens_core::{Backend, Forward, Generate, Lens, Plan, Point, PointSet, Selection, Site, TokenId};
use lens_models::Decoder;
use lens_tests::{Golden, checkpoint_names, decoder, in_a_process_of_its_own};
use tch::Tensor;

/// An odd number leaves rows over. More of them are tried operation by operation, beside the code.
const THREADS: [i32; 2] = [2, 3];

/// Everything that may be captured, and what every head of attention adds.
fn everything(model: &mut Decoder, tokens: &[TokenId], points: &PointSet) -> Vec<(Point, Tensor)> {
    let rows: Vec<usize> = (0..tokens.len()).collect();
    let captured = model.forward(&Forward::new(tokens, points, &rows)).expect("a run");
    let mut all: Vec<(Point, Tensor)> = Vec::new();
    for (&point, hidden) in points.as_slice().iter().zip(captured) {
        if let Point::Block { layer, site: Site::Z } = point {
            let heads: Vec<u16> = (0..model.info().heads_of(layer).n).collect();
            let parts = model.split_heads(layer, &hidden, &heads).expect("heads");
            all.extend(parts.into_iter().map(|part| (point, part)));
        }
        all.push((point, hidden));
    }
    all
}

/// One test: threads of several would wait for each other's turns.
#[test]
fn the_number_of_threads_changes_no_bit() {
    if in_a_process_of_its_own("threads::the_number_of_threads_changes_no_bit") {
        checkpoint_names().iter().for_each(|name| {
            of_what_is_captured(name);
            of_a_continuation(name);
        });
    }
}

fn of_what_is_captured(name: &str) {
    let golden = Golden::of(name);
    let mut model = decoder(name);
    let info = model.info().clone();
    let z = (0..info.n_layers).filter(|layer| info.heads_of(*layer).n > 0);
    let z = z.map(|layer| Point::block(layer, Site::Z));
    let points: PointSet = golden.points.iter().copied().chain(z).collect();
    for length in [golden.tokens.len(), 7] {
        let tokens = &golden.tokens[..length];
        let mut on = |threads| {
            tch::set_num_threads(threads);
            everything(&mut model, tokens, &points)
        };
        let one = on(1);
        for threads in THREADS {
            for ((point, one), (_, other)) in one.iter().zip(on(threads)) {
                assert!(one.equal(&other), "{name}: {point} of {length} tokens on {threads} threads");
            }
        }
    }
}

/// Steps of one token and what is kept between them, beyond the end of windows.
fn of_a_continuation(name: &str) {
    let plan = Plan::default().with_positions(Selection::all());
    let tokens = Golden::of(name).tokens;
    let (prompt, n) = tokens.split_at(5);
    let n = Generate::greedy(NonZeroUsize::new(n.len()).expect("a continuation has tokens"));
    let mut model = decoder(name);
    let mut on = |threads| {
        tch::set_num_threads(threads);
        let generated = Lens::new(&mut model).generate(prompt, &plan, &n, |_| None).expect("a run");
        (generated.tokens, generated.reading.readouts)
    };
    let one = on(1);
    for threads in THREADS {
        assert!(on(threads) == one, "a continuation of {name} on {threads} threads");
    }
}
