//! The binary `lens`.
fn main() {}
