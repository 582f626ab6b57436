//! The whole main job: what the model writes, and how each token formed layer by layer.
//!
//! ```text
//! cargo run -p lens-models --example generate
//! ```

use lens_core::{Component, Site};
use lens_models::{Request, Session};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut session = Session::open("demo")?; // or a folder, or a hub id
    let request = Request::text("The capital of France is").max_new_tokens(3);
    let trace = session.run(&request)?;

    for step in &trace.steps {
        println!("\n{:?} with p = {:.3}", step.token.text, step.token.prob);
        let outputs = trace.readouts.iter().filter(|readout| {
            readout.position == step.position && readout.component == Component::Site(Site::ResidPost)
        });
        for (layer, readout) in outputs.enumerate() {
            let top = &readout.top[0];
            println!("  layer {layer}: {:?} ({:.1} %)", top.text, 100.0 * top.prob);
        }
    }
    Ok(())
}
