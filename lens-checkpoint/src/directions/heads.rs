//! The OV circuit: what a head writes when it attends to one token and to nothing else (Elhage et al. 2021).

use std::sync::Arc;

use lens_core::{FinalNorm, Selection, TokenId};

use super::{
    Directions, DirectionsError, Origin, Rows, layers,
    values::{Values, has_values},
};
use crate::{
    checkpoint::Checkpoint,
    host::{EmbeddingWeights, HostError, View, Weights},
    spec::{AttentionSpec, Cut, LayerSpec, LinearSpec, MixerSpec},
};

/// The heads of one layer.
struct Heads<'a> {
    norm: FinalNorm,
    values: Values<'a>,
    /// `[n_heads * d_value, d_model]`
    o: View<'a>,
    d_value: usize,
    /// The weight of the norm on what all heads weighed, `[n_heads * d_value]`, if there is one.
    weight: Option<Vec<f32>>,
    /// The model's own factor on what a branch adds.
    factor: f64,
}

/// The heads of one layer on one token: `W_O,h W_V,h norm(embedding)`.
struct OnToken<'a> {
    heads: Arc<Heads<'a>>,
    embedding: Arc<EmbeddingWeights<'a>>,
    token: TokenId,
}

impl Rows for OnToken<'_> {
    fn read(&self, rows: &[usize], out: &mut Vec<f32>) -> Result<(), HostError> {
        let mut x = self.embedding.row(self.token)?;
        let scale = self.heads.norm.scale(&x);
        self.heads.norm.apply(&mut x, scale);
        rows.iter().try_for_each(|head| self.heads.write(*head, &x, out))
    }
}

impl<'a> Heads<'a> {
    /// The heads of a layer, if its mixer has any; and how many there are.
    fn of(checkpoint: &'a Checkpoint, layer: &LayerSpec) -> Result<Option<(Self, usize)>, HostError> {
        let (weights, d_model) = (Weights::of(checkpoint), checkpoint.outline().spec.d_model);
        let Some(values) = Values::of(weights, &layer.mixer, d_model)? else { return Ok(None) };
        let Some((output, [n_heads, d_value])) = output_of(layer) else { return Ok(None) };
        let z_norm = layer.attention().and_then(|attention| attention.z_norm.as_ref());
        // Its width is that of all heads, or this is an error.
        weights.norm(z_norm, n_heads * d_value)?;
        let weight = weights.vector(z_norm.and_then(|norm| norm.weight.as_ref()))?;
        let offset = z_norm.map_or(0.0, |norm| norm.offset as f32);
        let o = output.weight.clone().cut(Cut::Transpose);
        let heads = Self {
            norm: weights.norm(layer.attn_norm.as_ref(), d_model)?,
            values,
            o: weights.matrix(&o, [Some(n_heads * d_value), Some(d_model)])?,
            d_value,
            weight: weight.map(|weight| weight.into_iter().map(|w| w + offset).collect()),
            factor: layer.attention_factor(),
        };
        Ok(Some((heads, n_heads)))
    }

    /// Appends what a head writes of `x`, `[d_model]`.
    fn write(&self, head: usize, x: &[f32], out: &mut Vec<f32>) -> Result<(), HostError> {
        let mut value = self.values.of_head(head, x)?; // [d_value]
        if let Some(weight) = &self.weight {
            value.iter_mut().zip(&weight[head * self.d_value..]).for_each(|(value, weight)| *value *= weight);
        }
        let mut rows = Vec::new(); // [d_value, d_model]
        let own: Vec<usize> = (head * self.d_value..(head + 1) * self.d_value).collect();
        self.o.rows(&own, &mut rows)?;
        let mut written = vec![0.0f64; x.len()];
        for (row, value) in rows.chunks_exact(x.len()).zip(value) {
            written.iter_mut().zip(row).for_each(|(sum, w)| *sum += f64::from(*w) * f64::from(value));
        }
        out.extend(written.into_iter().map(|sum| (sum * self.factor) as f32));
        Ok(())
    }
}

/// The projection that the heads of a layer write through, how many there are, and the width of their values.
fn output_of(layer: &LayerSpec) -> Option<(&LinearSpec, [usize; 2])> {
    match layer.attention() {
        Some(attention) => Some((&attention.o, attention.z_shape())),
        None => layer.mixer.output().zip(layer.mixer.z_shape()),
    }
}

impl<'a> Directions<'a> {
    /// What the heads of some layers write when they attend to one of `tokens` alone: the token's embedding through the
    /// layer's own input norm, the head's values and its part of the output projection. Biases are left out: they are not
    /// the token's. `which` selects among the heads of every layer.
    ///
    /// # Errors
    /// When no layer has heads, no token is named, a weight cannot be read, or nothing is selected.
    pub fn of_heads(
        checkpoint: &'a Checkpoint,
        layers: &Selection,
        which: &Selection,
        tokens: &[TokenId],
    ) -> Result<Self, DirectionsError> {
        if tokens.is_empty() {
            return Err(DirectionsError::NoToken);
        }
        let spec = &checkpoint.outline().spec;
        let layers = layers.resolve(spec.layers.len(), "layer")?;
        let attending = layers::where_it_holds(&layers, &spec.layers, |layer| has_values(&layer.mixer));
        if attending.is_empty() {
            return Err(DirectionsError::Nothing { what: "heads" });
        }
        let mut directions = Self::new(notes(&layers, &attending, &spec.layers));
        if spec.embed.positions.is_some() {
            directions
                .notes
                .push("the learned positions are not added: a token by itself is at none".to_owned());
        }
        let embedding = Arc::new(EmbeddingWeights::of(checkpoint)?);
        tokens.iter().try_for_each(|token| embedding.knows(token.index()))?;
        for layer in attending {
            let layer_spec = &spec.layers[layer];
            let Some((heads, n_heads)) = Heads::of(checkpoint, layer_spec)? else { continue };
            let heads = Arc::new(heads);
            for token in tokens {
                let origin = Origin::Heads { layer: layer as u16, token: *token };
                let on_token =
                    OnToken { heads: Arc::clone(&heads), embedding: Arc::clone(&embedding), token: *token };
                directions.push(origin, (n_heads, which, "head"), on_token)?;
            }
        }
        Ok(directions)
    }
}

fn notes(chosen: &[usize], layers: &[usize], specs: &[LayerSpec]) -> Vec<String> {
    let frozen = "a head's circuit is its values and its output on one token, read by the layer's own input norm with the \
                  statistics of that token's embedding: what earlier layers write, and every other position, is left out";
    let left: Vec<usize> = chosen.iter().copied().filter(|layer| !layers.contains(layer)).collect();
    let (other, without): (Vec<usize>, Vec<usize>) =
        left.into_iter().partition(|layer| specs[*layer].attention().is_some());
    let has = |holds: &dyn Fn(&AttentionSpec) -> bool| {
        layers::where_it_holds(layers, specs, |spec| spec.attention().is_some_and(holds))
    };
    let biased = layers::where_it_holds(layers, specs, |spec| {
        let values = spec.attention().is_some_and(|attention| attention.v.bias.is_some());
        values || output_of(spec).is_some_and(|(output, _)| output.bias.is_some())
    });
    let narrowed = layers::where_it_holds(layers, specs, |spec| match &spec.mixer {
        MixerSpec::LatentAttention(attention) => attention.down.bias.is_some(),
        _ => false,
    });
    let clipped = has(&|attention| attention.clip.is_some());
    let gated = has(&|attention| attention.gate.is_some());
    let normed = has(&|attention| attention.z_norm.is_some());
    let said = |layers: &[usize], says: &str| {
        (!layers.is_empty()).then(|| format!("{} {says}", layers::named(layers)))
    };
    let notes = [
        Some(frozen.to_owned()),
        said(&without, "are left out: they have no attention"),
        said(&other, "are left out: what their heads read is not a map of their own normed stream"),
        (!biased.is_empty()).then(|| {
            format!(
                "biases of values and output in {} belong to no token and are left out",
                layers::named(&biased)
            )
        }),
        said(&narrowed, "norm the narrow vector that values are made of after a bias: that bias is in it"),
        said(&clipped, "clamp the values that attention reads: that is left out"),
        said(
            &gated,
            "gate what heads weigh, by a factor that is another at every position: that is left out",
        ),
        said(
            &normed,
            "norm what all heads weigh together: the weights of that norm are in it, and its scale, which is that of all \
             heads, is left out",
        ),
        layers::note_on_norm(layers, specs, "attention", |spec| spec.attn_post_norm.as_ref()),
        layers::note_on_wiring(layers, specs),
        layers::note_on_end(layers, specs),
    ];
    notes.into_iter().flatten().collect()
}
