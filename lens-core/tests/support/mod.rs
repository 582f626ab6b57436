//! A second implementation of the toy model, in float64, and backends that are wrong on purpose.

#![allow(dead_code, unused_imports, reason = "each test program uses some of it")]

mod compare;
mod counted;
mod reference;
mod tampered;

pub(crate) use compare::{assert_equals_reference, assert_same};
pub(crate) use counted::{Counted, Ran};
pub(crate) use reference::{Distribution, Reference};
pub(crate) use tampered::{Fault, Tampered};
