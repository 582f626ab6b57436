//! The binary `lens`: what needs no model is done here, and the rest is handed over to `lens-engine`.

use std::process::ExitCode;

use lens_cli::{Program, advice, engine};

fn main() -> ExitCode {
    Program { models: |_, _| engine::hand_over(), advice: advice::of }.run()
}
