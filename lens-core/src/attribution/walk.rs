//! From the last block to the first: every branch meets the direction that leads from its place to the logit.

use super::{
    capture::Captured,
    changed::Changed,
    error::AttributionError,
    parts::{BlockParts, BlockValues, BranchParts, Dissect, FixedNorm, OutputMap, dot},
    result::{LayerContributions, NeuronContribution},
    rounding,
};
use crate::point::{Point, Site};

/// The walk over the blocks, last to first.
pub(super) struct Walk<'a, B: Dissect> {
    pub(super) backend: &'a B,
    pub(super) captured: &'a Captured<B::Hidden>,
    /// What the stream at the current place is multiplied with, `[d_model]`.
    pub(super) direction: Vec<f64>,
    /// How many neurons to keep.
    pub(super) most_neurons: usize,
    /// The neurons that contribute most so far, the largest first.
    pub(super) neurons: Vec<NeuronContribution>,
    /// What rounding adds, where the dtype rounds.
    pub(super) rounding: Option<f64>,
    /// Which activations were changed.
    pub(super) edits: Changed,
    /// What the changes add, last first.
    pub(super) changes: Vec<(Point, f64)>,
    /// Biases of norms on the stream, last layer first.
    pub(super) stream_norms: Vec<(u16, f64)>,
    /// What there is to say of each layer, last first.
    pub(super) facts: Vec<LayerFacts>,
}

/// What has to be said of a layer's contributions.
#[derive(Debug, Clone, Copy)]
pub(super) struct LayerFacts {
    pub(super) layer: u16,
    /// Heads pass a norm before they are added.
    pub(super) normed_heads: bool,
    /// Neurons pass a norm before they are added.
    pub(super) normed_neurons: bool,
    /// Branches reach the stream only through norms of the stream.
    pub(super) normed_stream: bool,
    /// The stream is multiplied by a number after the branches were added.
    pub(super) scaled_stream: bool,
    /// There is a mixer, and it has no heads.
    pub(super) headless: bool,
    /// There is no mixer.
    pub(super) no_mixer: bool,
    /// There is no MLP.
    pub(super) no_mlp: bool,
}

/// What a branch contributes.
struct Branch {
    /// What it adds, without what an intervention changed of it.
    whole: f64,
    /// What that changed.
    changed: Option<f64>,
    /// The contributions of the units of each input, and the biases' part; `None` without inputs.
    units: Option<(Vec<Units>, f64)>,
}

/// The contributions of the units that enter one projection.
struct Units {
    map: OutputMap,
    contributions: Vec<f64>,
}

impl<B: Dissect> Walk<'_, B> {
    /// Takes a block apart and moves on to its input.
    pub(super) fn block(&mut self, layer: u16) -> Result<LayerContributions, AttributionError> {
        let asks = (&self.edits, self.rounding.is_some());
        let beyond = rounding::in_block(self.backend, self.captured, layer, &self.direction, asks)?;
        if let Some(rounding) = &mut self.rounding {
            *rounding += beyond.rounding;
        }
        let parts = self.parts(layer)?;
        let after = parts.changes_the_stream().then(|| self.direction.clone());
        let mut bias = self.through(parts.after_mlp.as_ref());
        let mlp = self.branch(layer, Site::MlpOut, &parts.mlp)?;
        bias += self.through(parts.after_attention.as_ref());
        let attention = self.branch(layer, Site::AttnOut, &parts.attention)?;
        bias += self.through(parts.before.as_ref());
        if let Some(after) = after {
            self.stream_norms.push((layer, bias));
            let [mlp, attention] =
                [&mlp, &attention].map(|branch| branch.whole + branch.changed.unwrap_or(0.0));
            let before = attention + self.input(layer)?;
            let sum = bias + mlp + before + self.changed_middle(layer, before)?;
            self.beyond_norms(layer, &after, sum)?;
        }
        self.note_changes(layer, beyond.changes, &mlp, &attention);
        self.enter(layer)?;
        self.facts.push(LayerFacts {
            layer,
            normed_heads: parts.attention.norm.is_some() && attention.units.is_some(),
            normed_neurons: parts.mlp.norm.is_some() && mlp.units.is_some(),
            normed_stream: parts.changes_the_stream() && !parts.scales_the_stream(),
            scaled_stream: parts.scales_the_stream(),
            headless: attention.units.is_none() && !parts.attention.is_absent,
            no_mixer: parts.attention.is_absent,
            no_mlp: parts.mlp.is_absent,
        });
        let mut contributions = LayerContributions {
            attn_out: attention.whole,
            mlp_out: mlp.whole,
            ..LayerContributions::default()
        };
        if let Some((units, bias)) = attention.units {
            contributions.heads = units.into_iter().flat_map(|units| units.contributions).collect();
            contributions.attention_bias = Some(bias);
        }
        if let Some((units, bias)) = mlp.units {
            contributions.neurons = Some(units.iter().flat_map(|units| &units.contributions).sum());
            contributions.mlp_bias = Some(bias);
            self.keep_largest(layer, &units, &parts.mlp);
        }
        Ok(contributions)
    }

    /// What interventions changed in a block, last first.
    fn note_changes(&mut self, layer: u16, sums: Vec<(Point, f64)>, mlp: &Branch, attention: &Branch) {
        let of_branch = |site, branch: &Branch| Some((Point::block(layer, site), branch.changed?));
        let branches = [of_branch(Site::MlpOut, mlp), of_branch(Site::AttnOut, attention)];
        let mut changes: Vec<(Point, f64)> = sums.into_iter().chain(branches.into_iter().flatten()).collect();
        changes.sort_by_key(|(point, _)| std::cmp::Reverse(*point));
        self.changes.append(&mut changes);
    }

    /// What the output of a block with norms on the stream is beyond the `sum` of its parts.
    fn beyond_norms(&mut self, layer: u16, after: &[f64], sum: f64) -> Result<(), AttributionError> {
        let point = Point::block(layer, Site::ResidPost);
        if self.edits.has(point) {
            if let Some(output) = self.captured.values(self.backend, point)? {
                self.changes.push((point, dot(after, &output) - sum));
            }
        } else if let Some(rounding) = &mut self.rounding {
            *rounding += rounding::through_norms(self.backend, self.captured, layer, after, sum)?;
        }
        Ok(())
    }

    /// What an intervention adds to the stream between the branches of a block whose sums are not compared: what is there,
    /// less what is known to come there.
    fn changed_middle(&mut self, layer: u16, known: f64) -> Result<f64, AttributionError> {
        let point = Point::block(layer, Site::ResidMid);
        if !self.edits.has(point) {
            return Ok(0.0);
        }
        let Some(values) = self.captured.values(self.backend, point)? else { return Ok(0.0) };
        let change = dot(&self.direction, &values) - known;
        self.changes.push((point, change));
        Ok(change)
    }

    /// Leads the direction through what was changed between the output of a block, or the embedding, and the input of the
    /// next.
    pub(super) fn enter(&mut self, layer: u16) -> Result<(), AttributionError> {
        let point = Point::block(layer, Site::ResidPre);
        if !self.edits.has(point) {
            return Ok(());
        }
        let before = match layer.checked_sub(1) {
            Some(before) => Point::block(before, Site::ResidPost),
            None => Point::Embed,
        };
        let values = |point| self.captured.values(self.backend, point);
        if let (Some(before), Some(after)) = (values(before)?, values(point)?) {
            self.changes.push((point, dot(&self.direction, &after) - dot(&self.direction, &before)));
        }
        Ok(())
    }

    /// What the block's input contributes.
    fn input(&self, layer: u16) -> Result<f64, AttributionError> {
        let values = self.captured.values(self.backend, Point::block(layer, Site::ResidPre))?;
        Ok(values.map_or(0.0, |values| dot(&self.direction, &values)))
    }

    fn parts(&self, layer: u16) -> Result<BlockParts, AttributionError> {
        let at = |site| self.captured.get(Point::block(layer, site));
        let resid_pre = at(Site::ResidPre).ok_or(AttributionError::NoOutput { branch: "input", layer })?;
        let is_changed = self.edits.has(Point::block(layer, Site::ResidPost));
        let values = BlockValues {
            resid_pre,
            z: at(Site::Z),
            resid_mid: at(Site::ResidMid),
            resid_post: at(Site::ResidPost).filter(|_| !is_changed),
        };
        Ok(self.backend.dissect(layer, &values)?)
    }

    /// Leads the direction through a norm on the stream; what the norm's bias contributes.
    fn through(&mut self, norm: Option<&FixedNorm>) -> f64 {
        let Some(norm) = norm else { return 0.0 };
        let (direction, bias) = norm.pull_back(&self.direction);
        self.direction = direction;
        bias
    }

    /// What a branch contributes as a whole, and by its units.
    fn branch(&self, layer: u16, site: Site, parts: &BranchParts) -> Result<Branch, AttributionError> {
        if parts.is_absent {
            return Ok(Branch { whole: 0.0, changed: None, units: None });
        }
        let captured = self.captured.values(self.backend, Point::block(layer, site))?;
        let branch = if site == Site::AttnOut { "attention" } else { "MLP" };
        let output = captured.as_ref().or(parts.output.as_ref());
        let output = output.ok_or(AttributionError::NoOutput { branch, layer })?;
        let whole = dot(&self.direction, output);
        if parts.inputs.is_empty() {
            return Ok(Branch { whole, changed: None, units: None });
        }
        let mut direction: Vec<f64> = self.direction.iter().map(|g| g * parts.multiplier).collect();
        let mut bias = 0.0;
        if let Some(norm) = &parts.norm {
            (direction, bias) = norm.pull_back(&direction);
        }
        let mut units = Vec::with_capacity(parts.inputs.len());
        for input in &parts.inputs {
            bias += input.weight * dot(&direction, input.bias.as_deref().unwrap_or_default());
            let pulled = self.backend.pull_back(layer, input.map, &direction)?;
            let values = input.values.chunks(input.width).zip(pulled.chunks(input.width));
            let contributions = values.map(|(values, pulled)| input.weight * dot(pulled, values)).collect();
            units.push(Units { map: input.map, contributions });
        }
        let changed = self.edits.has(Point::block(layer, site)).then(|| {
            let own = units.iter().flat_map(|units: &Units| &units.contributions).sum::<f64>() + bias;
            whole - own
        });
        Ok(Branch { whole: whole - changed.unwrap_or(0.0), changed, units: Some((units, bias)) })
    }

    /// Keeps a layer's neurons that are among the largest.
    fn keep_largest(&mut self, layer: u16, units: &[Units], parts: &BranchParts) {
        for (units, input) in units.iter().zip(&parts.inputs) {
            let neurons = units.contributions.iter().zip(&input.values).enumerate();
            self.neurons.extend(neurons.map(|(neuron, (contribution, value))| NeuronContribution {
                layer,
                map: units.map,
                neuron,
                activation: f64::from(*value),
                contribution: *contribution,
            }));
        }
        self.neurons.sort_by(|a, b| {
            let size = b.contribution.abs().total_cmp(&a.contribution.abs());
            size.then((a.layer, a.map, a.neuron).cmp(&(b.layer, b.map, b.neuron)))
        });
        self.neurons.truncate(self.most_neurons);
    }
}
