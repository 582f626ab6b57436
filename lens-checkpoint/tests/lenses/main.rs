//! Lenses in every layout that is read, files that must be refused, and files that are written.
//!
//! `tests/fixtures/make_lens_files.py` made the files, with the formula that [`number`] restates.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod hostile;
mod layouts;
mod written;

use std::{error::Error, path::PathBuf};

use lens_checkpoint::lenses::{LensFile, LensFileError, open};
use lens_core::{LensKind, LensMap, Point, Site};

/// Width of the lenses.
const D: usize = 3;

/// The values that the script gives to matrix and bias number `which`.
fn number(which: u16, row: usize, column: usize) -> f32 {
    ((usize::from(which) * 31 + row * 7 + column * 3) % 17) as f32 / 8.0 - 1.0
}

fn matrix(which: u16, d: usize) -> Vec<f32> {
    (0..d * d).map(|at| number(which, at / d, at % d)).collect()
}

fn vector(which: u16, d: usize) -> Vec<f32> {
    (0..d).map(|column| number(which, 5, column)).collect()
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/lenses/files").join(name)
}

fn lens(name: &str) -> LensFile {
    open(&path(name)).unwrap_or_else(|error| panic!("{name}: {}", whole(&error)))
}

/// An error and its causes, as one text.
fn whole(error: &LensFileError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn refused(name: &str) -> String {
    whole(&open(&path(name)).expect_err(name))
}

/// What a lens holds: its kind, and its maps by point.
fn maps(lens: &LensFile) -> (LensKind, Vec<(Point, LensMap)>) {
    let translator = &lens.translator;
    let of = |point| (point, (**translator.map(point).unwrap()).clone());
    (translator.kind(), translator.points().map(of).collect())
}

/// The tuned lens of the formula, for `layers`, of which map `which(layer)` is the formula's.
fn tuned(
    layers: impl IntoIterator<Item = u16>,
    which: impl Fn(u16) -> u16,
    d: usize,
) -> Vec<(Point, LensMap)> {
    let map = |which| LensMap::new(d, matrix(which, d), Some(vector(which, d)), true).unwrap();
    layers.into_iter().map(|layer| (Point::block(layer, Site::ResidPre), map(which(layer)))).collect()
}

/// The Jacobian lens of the formula at a site.
fn jacobian(layers: impl IntoIterator<Item = u16>, site: Site) -> Vec<(Point, LensMap)> {
    let map = |layer| LensMap::new(D, matrix(layer, D), None, false).unwrap();
    layers.into_iter().map(|layer| (Point::block(layer, site), map(layer))).collect()
}
