//! Neurons: what each unit of an MLP writes into the stream when it fires.

use lens_core::Selection;

use super::{Directions, DirectionsError, Expert, Origin, Rows, layers};
use crate::{
    checkpoint::Checkpoint,
    host::{HostError, View, Weights},
    spec::{Cut, LayerSpec, LinearSpec, MlpSpec},
};

/// Columns of a down projection.
struct Neurons<'a> {
    /// `[d_mlp, d_model]`
    columns: View<'a>,
    /// The model's own factor on what a branch adds.
    factor: Option<f32>,
}

impl Rows for Neurons<'_> {
    fn read(&self, rows: &[usize], out: &mut Vec<f32>) -> Result<(), HostError> {
        let start = out.len();
        self.columns.rows(rows, out)?;
        if let Some(factor) = self.factor {
            out[start..].iter_mut().for_each(|value| *value *= factor);
        }
        Ok(())
    }
}

impl<'a> Directions<'a> {
    /// The directions that the neurons of some layers write: the columns of their down projections, times the model's own
    /// factor on a branch; where a layer has experts, those of each. `which` selects among the neurons of every MLP.
    ///
    /// # Errors
    /// When a weight cannot be read, or nothing is selected.
    pub fn of_neurons(
        checkpoint: &'a Checkpoint,
        layers: &Selection,
        which: &Selection,
    ) -> Result<Self, DirectionsError> {
        let specs = &checkpoint.outline().spec.layers;
        let layers = layers.resolve(specs.len(), "layer")?;
        let mut directions = Self::new(notes(&layers, specs));
        for layer in layers {
            let spec = &specs[layer];
            for (expert, down) in downs(&spec.mlp) {
                let transposed = down.weight.clone().cut(Cut::Transpose);
                let shape = [None, Some(checkpoint.outline().spec.d_model)];
                let columns = Weights::of(checkpoint).matrix(&transposed, shape)?;
                let n = columns.shape()[0];
                let origin = Origin::Neurons { layer: layer as u16, expert };
                let neurons = Neurons { columns, factor: spec.mlp_factor().map(|factor| factor as f32) };
                directions.push(origin, (n, which, "neuron"), neurons)?;
            }
        }
        Ok(directions)
    }
}

/// The down projections of an MLP.
fn downs(mlp: &MlpSpec) -> Vec<(Option<Expert>, &LinearSpec)> {
    match mlp {
        MlpSpec::Gated(gated) => vec![(None, &gated.down)],
        MlpSpec::Plain { down, .. } => vec![(None, down)],
        MlpSpec::Absent | MlpSpec::Beside(_) => Vec::new(),
        MlpSpec::Xielu(xielu) => vec![(None, &xielu.down)],
        MlpSpec::Experts(experts) => {
            let routed =
                (0..).zip(&experts.experts).map(|(e, expert)| (Some(Expert::Routed(e)), &expert.down));
            let shared = experts.shared.iter().map(|shared| (Some(Expert::Shared), &shared.mlp.down));
            routed.chain(shared).collect()
        }
    }
}

fn notes(layers: &[usize], specs: &[LayerSpec]) -> Vec<String> {
    let biased = layers::where_it_holds(layers, specs, |spec| {
        downs(&spec.mlp).iter().any(|(_, down)| down.bias.is_some())
    });
    let routed = layers::where_it_holds(layers, specs, |spec| matches!(spec.mlp, MlpSpec::Experts(_)));
    let notes = [
        layers::note_on_norm(layers, specs, "the MLP", |spec| spec.mlp_post_norm.as_ref()),
        layers::note_on_wiring(layers, specs),
        layers::note_on_end(layers, specs),
        (!biased.is_empty()).then(|| {
            format!(
                "the bias of the down projection in {} belongs to no neuron and is left out",
                layers::named(&biased)
            )
        }),
        (!routed.is_empty()).then(|| {
            format!(
                "what a neuron of an expert in {} writes is scaled by its router as well, by another factor for every \
                 token: that factor is left out",
                layers::named(&routed)
            )
        }),
    ];
    notes.into_iter().flatten().collect()
}
