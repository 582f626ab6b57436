//! What a decoder is made of, in words: the mechanisms that its spec has, each once.

use std::collections::BTreeSet;

use lens_core::NormKind;
use serde::{Deserialize, Serialize};

use super::{
    AttentionSpec, DecoderSpec, ExpertsSpec, LayerSpec, Mask, MixerSpec, MlpSpec, NormSpec, Pairing,
    Position, PositionRows, QkScope, Rope, RopeScaling, RoutingSpec, Scores, Wiring,
};

/// The mechanisms of one decoder or of several, by their kind. Each list is sorted and names a thing once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Mechanisms {
    /// What positions meet in.
    pub mixers: BTreeSet<String>,
    /// What attention has besides.
    pub attention: BTreeSet<String>,
    /// Which earlier positions attention sees.
    pub masks: BTreeSet<String>,
    /// How positions are taken into account.
    pub positions: BTreeSet<String>,
    /// How branches meet the stream.
    pub wiring: BTreeSet<String>,
    /// Which norms there are, and where they stand.
    pub norms: BTreeSet<String>,
    /// What MLPs are.
    pub mlps: BTreeSet<String>,
}

impl Mechanisms {
    /// Those of a decoder.
    pub fn of(spec: &DecoderSpec) -> Self {
        let mut found = Self::default();
        match spec.embed.positions.as_ref().map(|table| &table.rows) {
            Some(PositionRows::Learned(_)) => found.position("learned"),
            Some(PositionRows::Sines(_)) => found.position("sines"),
            None => {}
        }
        let placed = spec.embed.positions.is_some();
        for layer in &spec.layers {
            found.layer(layer, placed);
        }
        match &spec.readout.norm {
            Some(norm) => found.norm(norm),
            None => found.norm_word("no final one"),
        }
        if spec.embed.norm.is_some() {
            found.norm_word("on the embedding");
        }
        found
    }

    /// Takes in what `others` has.
    pub fn extend(&mut self, others: Self) {
        for (mine, others) in self.lists_mut().into_iter().zip(others.into_lists()) {
            mine.extend(others);
        }
    }

    /// The lists, each with its name.
    pub fn lists(&self) -> [(&'static str, &BTreeSet<String>); 7] {
        [
            ("mixers", &self.mixers),
            ("attention", &self.attention),
            ("masks", &self.masks),
            ("positions", &self.positions),
            ("wiring", &self.wiring),
            ("norms", &self.norms),
            ("mlps", &self.mlps),
        ]
    }

    fn lists_mut(&mut self) -> [&mut BTreeSet<String>; 7] {
        let Self { mixers, attention, masks, positions, wiring, norms, mlps } = self;
        [mixers, attention, masks, positions, wiring, norms, mlps]
    }

    fn into_lists(self) -> [BTreeSet<String>; 7] {
        [self.mixers, self.attention, self.masks, self.positions, self.wiring, self.norms, self.mlps]
    }

    fn layer(&mut self, layer: &LayerSpec, placed: bool) {
        self.mixer(&layer.mixer, placed);
        self.mlp(&layer.mlp);
        let (mlp, sums) = match &layer.wiring {
            Wiring::Sequential { mlp_norm } | Wiring::Parallel { mlp_norm } => {
                (mlp_norm.as_ref(), [None, None])
            }
            Wiring::PostNorm { attn_norm, mlp_norm } => (None, [Some(attn_norm), Some(mlp_norm)]),
            Wiring::NormedResidual { mlp_norm, .. } => (Some(mlp_norm), [None, None]),
        };
        let before = [layer.attn_norm.as_ref(), mlp];
        let after = [layer.attn_post_norm.as_ref(), layer.mlp_post_norm.as_ref()];
        let places = [(before, "before branches"), (after, "after branches"), (sums, "after sums")];
        for (norms, place) in places {
            norms.into_iter().flatten().for_each(|norm| self.placed_norm(norm, place));
        }
        let wiring = match &layer.wiring {
            Wiring::Sequential { .. } => "sequential",
            Wiring::Parallel { .. } => "parallel",
            Wiring::PostNorm { .. } => "norms after sums",
            Wiring::NormedResidual { .. } => "onto the normed stream",
        };
        self.wiring.insert(wiring.to_owned());
        if let Some(end) = &layer.end {
            self.wiring.insert("a factor on the stream".to_owned());
            if let Some(branch) = &end.branch {
                self.wiring.insert("a vector of the token".to_owned());
                self.placed_norm(&branch.norm, "after branches");
            }
        }
    }

    fn mixer(&mut self, mixer: &MixerSpec, placed: bool) {
        let name = match mixer {
            MixerSpec::Attention(_) => "attention",
            MixerSpec::LatentAttention(_) => "latent attention",
            MixerSpec::GatedDelta(_) => "gated delta net",
            MixerSpec::Mamba(_) => "Mamba",
            MixerSpec::Mamba2(_) => "Mamba-2",
            MixerSpec::SideBySide(_) => "attention beside Mamba-2",
            MixerSpec::Absent => "none",
            MixerSpec::ShortConvolution(_) => "short convolution",
            MixerSpec::Lightning(_) => "lightning attention",
        };
        self.mixers.insert(name.to_owned());
        match mixer {
            MixerSpec::Attention(attention) => self.attention(attention, placed),
            MixerSpec::SideBySide(both) => self.attention(&both.attention, placed),
            MixerSpec::LatentAttention(latent) => {
                self.masks.insert("full".to_owned());
                match &latent.rope {
                    // Some of what a head compares is rotated, and the rest is not.
                    Some(rope) => self.rope(rope, latent.d_key()),
                    None => self.position("none"),
                }
                if latent.growth.is_some() {
                    self.attention.insert("growing queries".to_owned());
                }
            }
            MixerSpec::GatedDelta(_) | MixerSpec::Mamba(_) | MixerSpec::Mamba2(_) => {}
            MixerSpec::ShortConvolution(_) | MixerSpec::Lightning(_) | MixerSpec::Absent => {}
        }
    }

    fn attention(&mut self, attention: &AttentionSpec, placed: bool) {
        self.masks.insert(
            match attention.mask {
                Mask::Causal => "full",
                Mask::Sliding { .. } => "window",
                Mask::Chunked { .. } => "chunks",
            }
            .to_owned(),
        );
        match &attention.position {
            Position::None if placed => {}
            Position::None => self.position("none"),
            Position::Rotary(rope) => self.rope(rope, attention.d_head),
            Position::Alibi(_) => self.position("ALiBi"),
        }
        let grouped = attention.n_kv_heads < attention.n_heads;
        let norm = attention.qk_norm.as_ref().map(|norm| match norm.scope {
            QkScope::Head => "query-key norms",
            QkScope::RotatedHead => "query-key norms after RoPE",
            QkScope::AllHeads => "query-key norms over all heads",
        });
        let has = [
            (grouped && attention.n_kv_heads == 1, "one key-value head"),
            (grouped && attention.n_kv_heads > 1, "grouped queries"),
            (attention.d_value != attention.d_head, "values of another width"),
            (attention.v_norm.is_some(), "value norms"),
            (attention.value_factor.is_some(), "factor on values"),
            (attention.borrows(), "shared keys and values"),
            (attention.differential.is_some(), "differential"),
            (attention.z_norm.is_some(), "norm on what heads weigh"),
            (attention.gate.is_some(), "gate"),
            (attention.sinks.is_some(), "sinks"),
            (attention.softcap.is_some(), "soft cap"),
            (attention.clip.is_some(), "clipping"),
            (attention.growth.is_some(), "growing queries"),
        ];
        let named = has.into_iter().filter_map(|(has, name)| has.then_some(name));
        self.attention.extend(named.chain(norm).map(str::to_owned));
    }

    fn rope(&mut self, rope: &Rope, d_head: usize) {
        let share = if rope.width() < d_head { "partial RoPE" } else { "RoPE" };
        self.position(share);
        match rope.pairing {
            Pairing::HalfSplit => {}
            Pairing::Interleaved => self.position("interleaved"),
            Pairing::HalfSplitBackwards => self.position("backwards"),
        }
        match rope.scaling {
            RopeScaling::Default => {}
            RopeScaling::Linear { .. } => self.position("linear"),
            RopeScaling::Dynamic { .. } => self.position("dynamic"),
            RopeScaling::Llama3 { .. } => self.position("llama3"),
            RopeScaling::Yarn { .. } => self.position("YaRN"),
            RopeScaling::Proportional { .. } => self.position("proportional"),
            RopeScaling::LongRope { .. } => self.position("LongRoPE"),
        }
    }

    fn mlp(&mut self, mlp: &MlpSpec) {
        let name = match mlp {
            MlpSpec::Gated(gated) => {
                if gated.norm.is_some() {
                    self.mlp_word("norm on neurons");
                }
                "gated"
            }
            MlpSpec::Plain(_) => "plain",
            MlpSpec::Xielu(_) => "xIELU",
            MlpSpec::Absent => "none",
            MlpSpec::Experts(experts) => return self.experts(experts),
            MlpSpec::Beside(both) => {
                for [before, after] in [&both.around_dense, &both.around_experts] {
                    self.placed_norm(before, "before branches");
                    self.placed_norm(after, "after branches");
                }
                self.experts(&both.experts);
                "experts beside a dense one"
            }
        };
        self.mlp_word(name);
    }

    fn experts(&mut self, experts: &ExpertsSpec) {
        match &experts.shared {
            None => {}
            Some(shared) if shared.gate.is_some() => self.mlp_word("gated shared expert"),
            Some(_) => self.mlp_word("shared expert"),
        }
        if experts.latent.is_some() {
            self.mlp_word("experts in a narrower space");
        }
        self.routing(&experts.routing);
    }

    fn routing(&mut self, routing: &RoutingSpec) {
        self.mlp_word(match routing.scores {
            Scores::Softmax => "experts by softmax",
            Scores::Sigmoid => "experts by sigmoid",
            Scores::SoftmaxOfChosen => "experts by softmax of the chosen",
            Scores::SigmoidOfChosen => "experts by sigmoid of the chosen",
            Scores::SparseMixer { .. } => "experts by SparseMixer",
        });
        if routing.correction.is_some() {
            self.mlp_word("corrected choice");
        }
        if routing.groups.is_some() {
            self.mlp_word("groups of experts");
        }
    }

    fn norm(&mut self, norm: &NormSpec) {
        self.norm_word(match (norm.kind, &norm.weight) {
            (NormKind::Rms, Some(_)) => "RMS",
            (NormKind::Rms, None) => "RMS without weights",
            (NormKind::Layer, Some(_)) => "layer",
            (NormKind::Layer, None) => "layer without weights",
        });
    }

    fn placed_norm(&mut self, norm: &NormSpec, place: &str) {
        self.norm(norm);
        self.norm_word(place);
    }

    fn norm_word(&mut self, word: &str) {
        self.norms.insert(word.to_owned());
    }

    fn position(&mut self, word: &str) {
        self.positions.insert(word.to_owned());
    }

    fn mlp_word(&mut self, word: &str) {
        self.mlps.insert(word.to_owned());
    }
}
