//! A decoder as data: what config.json means once it has been understood.
//!
//! A family resolves every choice here, when a model is loaded. The forward pass reads the spec and never asks
//! which family it came from.

mod end;
mod mechanisms;
mod mixer;
mod mlp;
mod norm;
mod param;
mod positions;
mod rope;
mod routing;

use lens_core::{Point, PointSet, Post, Site};

pub use end::{EndSpec, PerLayerBranch, PerLayerEmbedding};
pub use mechanisms::Mechanisms;
pub use mixer::{
    Alibi, AlibiPrecision, AttentionGate, AttentionSpec, DifferentialSpec, FilterSpec, GateFunction,
    GateNorm, GateScope, GatedDeltaSpec, LatentAttentionSpec, LatentQuery, LightningSpec, Mamba2Factors,
    Mamba2Spec, MambaSpec, Mask, MixerSpec, Position, QkNorm, QkScope, QueryGrowth, ScanNorms, Sharing,
    ShortConvolutionSpec, SideBySideSpec,
};
pub use mlp::{
    Activation, BesideSpec, ExpertSpec, ExpertsSpec, GatedSpec, Gating, LatentSpec, MlpSpec, PlainSpec,
    SharedExpert, XieluSpec,
};
pub use norm::{NormSpec, Rounding};
pub use param::{Cut, LinearSpec, Param, TensorSpec};
pub use positions::{PositionRows, PositionTable, Sines};
pub use rope::{Pairing, Rope, RopeScaling};
pub use routing::{Divisor, GroupScore, Groups, RoutingSpec, Scores, Weighted};

/// How a block's branches meet the residual stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Wiring {
    /// The MLP reads the stream after the mixer's output was added.
    Sequential {
        /// Norm before the MLP.
        mlp_norm: Option<NormSpec>,
    },
    /// Attention and MLP read the same stream; nothing reads `resid_mid`.
    Parallel {
        /// Norm before the MLP; without it the MLP reads what attention reads.
        mlp_norm: Option<NormSpec>,
    },
    /// A norm after each sum, as in the first transformer: branches are not summands of the stream.
    PostNorm {
        /// Norm after the sum with the mixer's output.
        attn_norm: NormSpec,
        /// Norm after the sum with the MLP's output.
        mlp_norm: NormSpec,
    },
    /// Branches are added to the normed stream instead of the stream itself.
    NormedResidual {
        /// Norm before the MLP and before the second sum.
        mlp_norm: NormSpec,
        /// Factors on the normed stream in the first and in the second sum.
        stream: [f64; 2],
    },
}

impl Wiring {
    /// The sites that are not additive parts of the stream and therefore do not exist.
    pub fn absent_sites(&self) -> &'static [Site] {
        match self {
            Self::Sequential { .. } | Self::Parallel { .. } => &[],
            Self::PostNorm { .. } | Self::NormedResidual { .. } => {
                &[Site::AttnOut, Site::ResidMid, Site::MlpOut]
            }
        }
    }

    fn params(&self) -> Vec<&Param> {
        match self {
            Self::Sequential { mlp_norm } | Self::Parallel { mlp_norm } => {
                mlp_norm.iter().flat_map(NormSpec::params).collect()
            }
            Self::PostNorm { attn_norm, mlp_norm } => attn_norm.params().chain(mlp_norm.params()).collect(),
            Self::NormedResidual { mlp_norm, .. } => mlp_norm.params().collect(),
        }
    }
}

/// One block.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LayerSpec {
    /// Norm before the mixer.
    pub attn_norm: Option<NormSpec>,
    /// Attention, or what stands in its place.
    pub mixer: MixerSpec,
    /// Norm on what the mixer computed, before it is added.
    pub attn_post_norm: Option<NormSpec>,
    /// How the branches meet the stream.
    pub wiring: Wiring,
    /// The MLP.
    pub mlp: MlpSpec,
    /// Norm on the MLP's output, before it is added.
    pub mlp_post_norm: Option<NormSpec>,
    /// Factor on what attention and MLP add.
    pub multiplier: Option<f64>,
    /// One more factor on what the MLP alone adds.
    pub mlp_multiplier: Option<f64>,
    /// What happens to the stream after the MLP, if anything does: then `mlp_out` is no point, because the output is not
    /// `resid_mid` and something added to it.
    pub end: Option<EndSpec>,
}

impl LayerSpec {
    /// A sequential block with a norm before each branch: the common case, to be changed from there.
    pub fn pre_norm(
        attn_norm: NormSpec,
        mixer: impl Into<MixerSpec>,
        mlp_norm: NormSpec,
        mlp: MlpSpec,
    ) -> Self {
        Self {
            attn_norm: Some(attn_norm),
            mixer: mixer.into(),
            attn_post_norm: None,
            wiring: Wiring::Sequential { mlp_norm: Some(mlp_norm) },
            mlp,
            mlp_post_norm: None,
            multiplier: None,
            mlp_multiplier: None,
            end: None,
        }
    }

    /// A block that is a mixer alone, with a norm before it: no point between its input and its output but `attn_out`.
    pub fn mixer_alone(norm: NormSpec, mixer: impl Into<MixerSpec>) -> Self {
        Self {
            wiring: Wiring::Sequential { mlp_norm: None },
            mlp: MlpSpec::Absent,
            ..Self::pre_norm(norm.clone(), mixer, norm, MlpSpec::Absent)
        }
    }

    /// A block that is an MLP alone, with a norm before it: no point between its input and its output but `mlp_out`.
    pub fn mlp_alone(norm: NormSpec, mlp: MlpSpec) -> Self {
        Self { attn_norm: None, ..Self::pre_norm(norm.clone(), MixerSpec::Absent, norm, mlp) }
    }

    /// Everything that is loaded for the block.
    pub(crate) fn params(&self) -> impl Iterator<Item = &Param> {
        let norms = [&self.attn_norm, &self.attn_post_norm, &self.mlp_post_norm];
        let norms = norms.into_iter().flatten().flat_map(NormSpec::params);
        let end = self.end.iter().flat_map(EndSpec::params);
        norms.chain(self.mixer.params()).chain(self.wiring.params()).chain(self.mlp.params()).chain(end)
    }

    /// The attention of the block, if that is its mixer and keeps keys and values.
    pub fn attention(&self) -> Option<&AttentionSpec> {
        match &self.mixer {
            MixerSpec::Attention(attention) => Some(attention),
            MixerSpec::SideBySide(both) => Some(&both.attention),
            MixerSpec::LatentAttention(_) | MixerSpec::GatedDelta(_) | MixerSpec::ShortConvolution(_) => None,
            MixerSpec::Mamba(_) | MixerSpec::Mamba2(_) | MixerSpec::Lightning(_) | MixerSpec::Absent => None,
        }
    }

    /// The factor between what attention computes of a normed stream's values and what it adds.
    pub(crate) fn attention_factor(&self) -> f64 {
        let values = self.attention().and_then(|attention| attention.value_factor);
        let multiplier = self.multiplier.unwrap_or(1.0) * values.unwrap_or(1.0);
        match &self.mixer {
            MixerSpec::SideBySide(both) => multiplier * both.attention_in * both.attention_out,
            _ => multiplier,
        }
    }

    /// The factor on what the MLP adds, if it is not one.
    pub fn mlp_factor(&self) -> Option<f64> {
        match (self.multiplier, self.mlp_multiplier) {
            (Some(both), Some(mlp)) => Some(both * mlp),
            (both, mlp) => both.or(mlp),
        }
    }

    /// The sites that this block does not have.
    pub fn absent_sites(&self) -> impl Iterator<Item = Site> {
        let branches = self.mixer.absent_sites().iter().chain(self.mlp.absent_sites());
        let end = self.end.iter().map(|_| Site::MlpOut);
        self.wiring.absent_sites().iter().chain(branches).copied().chain(end)
    }
}

/// A factor on the embedding.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum EmbedScale {
    /// As it is.
    Factor(f64),
    /// Rounded to the model's dtype first, as Gemma does: sqrt(3072) is 55.5 in bfloat16.
    RoundedFactor(f64),
}

/// The embedding: from tokens to the residual stream.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EmbedSpec {
    /// Token embedding, `[n_vocab, d_embed]`.
    pub tokens: TensorSpec,
    /// Factor on the token embedding.
    pub scale: Option<EmbedScale>,
    /// From `d_embed` to `d_model`, where they differ.
    pub project: Option<LinearSpec>,
    /// A vector for each position, added to the token embedding.
    pub positions: Option<PositionTable>,
    /// Norm after all of these.
    pub norm: Option<NormSpec>,
    /// A vector of each token for each block, which the blocks read beside the stream.
    pub per_layer: Option<PerLayerEmbedding>,
}

impl EmbedSpec {
    /// An embedding `[n_vocab, d_model]` and nothing else.
    pub fn plain(name: impl Into<String>, n_vocab: usize, d_model: usize) -> Self {
        Self {
            tokens: TensorSpec::new(name, [n_vocab, d_model]),
            scale: None,
            project: None,
            positions: None,
            norm: None,
            per_layer: None,
        }
    }
}

/// The way from the residual stream to logits: `post(W_U · project(norm(x)) + b_U)`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReadoutSpec {
    /// The final norm.
    pub norm: Option<NormSpec>,
    /// From `d_model` to the width of the unembedding, where they differ.
    pub project: Option<LinearSpec>,
    /// `W_U`, `[n_vocab, d_embed]`; a tied model names the embedding again.
    pub unembed: TensorSpec,
    /// `b_U`, `[n_vocab]`.
    pub bias: Option<Param>,
    /// Logit scale and soft cap.
    pub post: Post,
}

/// A whole decoder.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct DecoderSpec {
    /// `model_type` of the config, or of the family that was assumed.
    pub family: String,
    /// Width of the residual stream.
    pub d_model: usize,
    /// The embedding.
    pub embed: EmbedSpec,
    /// The blocks, in order.
    pub layers: Vec<LayerSpec>,
    /// Final norm and unembedding.
    pub readout: ReadoutSpec,
    /// A stored unembedding that the config ties to the embedding all the same: which of the two is read depends on
    /// the version of transformers that wrote the file.
    pub tied_and_stored: Option<&'static str>,
    /// The length, in tokens, that the model was made for; longer sequences may run, but their readouts are guesswork.
    pub context: Option<usize>,
    /// Tensors that a checkpoint may hold and that the decoder does not use.
    pub ignored: Ignored,
}

/// Tensors that a checkpoint may hold and that the decoder does not use: buffers, and the parts of a model that see
/// images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ignored {
    /// How their names end.
    pub suffixes: &'static [&'static str],
    /// How their names begin.
    pub prefixes: &'static [&'static str],
    /// The first block that is not part of the decoder: those after the last predict further tokens in one pass.
    pub blocks_from: Option<usize>,
    /// The first block that reads keys and values of another, and may all the same have parameters to make its own.
    pub borrowing_from: Option<usize>,
}

impl Ignored {
    /// Whether a tensor may be left over.
    pub fn covers(&self, name: &str) -> bool {
        self.suffixes.iter().any(|end| name.ends_with(end))
            || self.prefixes.iter().any(|start| name.starts_with(start))
            || self.blocks_from.is_some_and(|first| block_of(name).is_some_and(|block| block >= first))
            || self.borrowing_from.is_some_and(|first| {
                let makes = ["k_proj", "v_proj", "k_norm", "v_norm"];
                let is_one = makes.iter().any(|part| name.contains(&format!(".self_attn.{part}.")));
                is_one && block_of(name).is_some_and(|block| block >= first)
            })
    }
}

/// The index of the block that a tensor is named after, as in `model.layers.7.mlp.gate.weight`.
fn block_of(name: &str) -> Option<usize> {
    let (_, rest) = name.split_once("layers.")?;
    rest.split('.').next()?.parse().ok()
}

impl DecoderSpec {
    /// Every tensor that the model is made of; one that is used twice appears twice.
    pub fn tensors(&self) -> Vec<&TensorSpec> {
        let params = self.params().into_iter().flat_map(|param| &param.tensors);
        [&self.embed.tokens, &self.readout.unembed].into_iter().chain(params).collect()
    }

    /// Every parameter but the embedding and the unembedding of tokens.
    pub(crate) fn params(&self) -> Vec<&Param> {
        let embed = &self.embed;
        (embed.project.iter().flat_map(LinearSpec::params))
            .chain(embed.positions.iter().filter_map(PositionTable::param))
            .chain(embed.norm.iter().flat_map(NormSpec::params))
            .chain(embed.per_layer.iter().flat_map(PerLayerEmbedding::params))
            .chain(self.layers.iter().flat_map(LayerSpec::params))
            .chain(self.readout.norm.iter().flat_map(NormSpec::params))
            .chain(self.readout.project.iter().flat_map(LinearSpec::params))
            .chain(&self.readout.bias)
            .collect()
    }

    /// Rows of the unembedding.
    pub fn n_vocab(&self) -> usize {
        self.readout.unembed.shape[0]
    }

    /// Whether the unembedding is the embedding.
    pub fn is_tied(&self) -> bool {
        self.readout.unembed.name == self.embed.tokens.name
    }

    /// Whether attention and MLP read the same stream.
    pub fn is_parallel(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer.wiring, Wiring::Parallel { .. }))
    }

    /// Whether some layer chooses among experts.
    pub fn is_routed(&self) -> bool {
        self.layers.iter().any(|layer| matches!(layer.mlp, MlpSpec::Experts(_) | MlpSpec::Beside(_)))
    }

    /// The points that this model does not have.
    pub fn absent_points(&self) -> PointSet {
        let layers = (0..).zip(&self.layers);
        layers.flat_map(|(i, layer)| layer.absent_sites().map(move |site| Point::block(i, site))).collect()
    }

    /// The layers whose mixer is attention, with their index, to be changed.
    pub(crate) fn attentions_mut(&mut self) -> impl Iterator<Item = (usize, &mut AttentionSpec)> {
        self.layers.iter_mut().enumerate().filter_map(|(i, layer)| match &mut layer.mixer {
            MixerSpec::Attention(attention) => Some((i, attention)),
            MixerSpec::SideBySide(both) => Some((i, &mut both.attention)),
            MixerSpec::LatentAttention(_) | MixerSpec::GatedDelta(_) | MixerSpec::ShortConvolution(_) => None,
            MixerSpec::Mamba(_) | MixerSpec::Mamba2(_) | MixerSpec::Lightning(_) | MixerSpec::Absent => None,
        })
    }
}
