//! Neurons: what each unit of an MLP writes into the stream when it fires.

use lens_core::Selection;

use super::{Directions, DirectionsError, Expert, Origin, Rows, layers};
use crate::{
    checkpoint::Checkpoint,
    host::{HostError, HostLinear, View, Weights},
    spec::{Cut, LatentSpec, LayerSpec, LinearSpec, MlpSpec},
};

/// Columns of a down projection.
struct Neurons<'a> {
    /// `[d_mlp, width]`
    columns: View<'a>,
    /// From the narrower space that they lie in to the stream, if they lie in one.
    widen: Option<HostLinear>,
    /// The model's own factor on what a branch adds.
    factor: Option<f32>,
}

impl Rows for Neurons<'_> {
    fn read(&self, rows: &[usize], out: &mut Vec<f32>) -> Result<(), HostError> {
        let start = out.len();
        match &self.widen {
            None => self.columns.rows(rows, out)?,
            Some(widen) => {
                let mut narrow = Vec::new();
                self.columns.rows(rows, &mut narrow)?;
                narrow.chunks_exact(widen.d_in()).for_each(|column| widen.apply(column, out));
            }
        }
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
                let (weights, d_model) = (Weights::of(checkpoint), checkpoint.outline().spec.d_model);
                let transposed = down.weight.clone().cut(Cut::Transpose);
                let widen =
                    latent(&spec.mlp, expert).map(|latent| widen(weights, latent, d_model)).transpose()?;
                let width = widen.as_ref().map_or(d_model, HostLinear::d_in);
                let columns = weights.matrix(&transposed, [None, Some(width)])?;
                let n = columns.shape()[0];
                let origin = Origin::Neurons { layer: layer as u16, expert };
                let neurons =
                    Neurons { columns, widen, factor: spec.mlp_factor().map(|factor| factor as f32) };
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
        MlpSpec::Plain(plain) => vec![(None, &plain.down)],
        MlpSpec::Absent | MlpSpec::Beside(_) => Vec::new(),
        MlpSpec::Xielu(xielu) => vec![(None, &xielu.down)],
        MlpSpec::Experts(experts) => {
            let routed =
                (0..).zip(&experts.experts).map(|(e, expert)| (Some(Expert::Routed(e)), expert.down()));
            let shared = experts.shared.iter().map(|shared| (Some(Expert::Shared), shared.mlp.down()));
            routed.chain(shared).collect()
        }
    }
}

/// The narrower space that an expert writes into, if it is not the stream.
fn latent(mlp: &MlpSpec, expert: Option<Expert>) -> Option<&LatentSpec> {
    match (mlp, expert) {
        (MlpSpec::Experts(experts), Some(Expert::Routed(_))) => experts.latent.as_ref(),
        _ => None,
    }
}

/// The map from it to the stream.
fn widen(weights: Weights<'_>, latent: &LatentSpec, d_model: usize) -> Result<HostLinear, HostError> {
    let up = weights.matrix(&latent.up.weight, [Some(d_model), None])?;
    Ok(HostLinear::new(up.to_vec()?, None, up.shape()[1]))
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
