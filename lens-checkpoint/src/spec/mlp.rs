//! The MLP as data: gated, plain, or a mixture of experts.

use lens_core::Site;

use super::{LinearSpec, NormSpec, Param, RoutingSpec};

/// An elementwise nonlinearity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// `x * Phi(x)` with the error function.
    Gelu,
    /// The tanh approximation of GELU.
    GeluTanh,
    /// `x * sigmoid(1.702 x)`, the sigmoid approximation of GELU (Hendrycks and Gimpel 2016).
    QuickGelu,
    /// `max(x, 0)`.
    Relu,
    /// `max(x, 0)^2`.
    ReluSquared,
}

/// How a gate acts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gating {
    /// `activation(gate) * up` (Shazeer 2020).
    Plain(Activation),
    /// `activation(factor * gate) * up` (Falcon-H1).
    Scaled {
        /// The nonlinearity.
        activation: Activation,
        /// The factor on the gate.
        factor: f64,
    },
    /// `g * sigmoid(alpha g) * (u + 1)` with `g = min(gate, limit)` and `u` clamped to `[-limit, limit]` (gpt-oss).
    ClampedSwiglu {
        /// Steepness of the sigmoid.
        alpha: f64,
        /// Where gate and up are clamped.
        limit: f64,
    },
}

/// A gated MLP: `down(norm(gating(gate(x), up(x))))`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GatedSpec {
    /// How the gate acts.
    pub gating: Gating,
    /// Gate, `[d_mlp, d_model]`.
    pub gate: LinearSpec,
    /// Up projection, which is gated, `[d_mlp, d_model]`.
    pub up: LinearSpec,
    /// Norm on the neurons (BitNet).
    pub norm: Option<Box<NormSpec>>,
    /// Down projection, `[d_model, d_mlp]`.
    pub down: LinearSpec,
}

/// A plain MLP: `down(activation(up(x)))`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PlainSpec {
    /// The nonlinearity.
    pub activation: Activation,
    /// Up projection, `[d_mlp, d_model]`.
    pub up: LinearSpec,
    /// Down projection, `[d_model, d_mlp]`.
    pub down: LinearSpec,
}

impl PlainSpec {
    /// `down(activation(up(x)))`.
    pub fn new(activation: Activation, up: LinearSpec, down: LinearSpec) -> Self {
        Self { activation, up, down }
    }

    fn params(&self) -> impl Iterator<Item = &Param> {
        self.up.params().chain(self.down.params())
    }
}

/// One expert.
#[derive(Debug, Clone, PartialEq)]
pub enum ExpertSpec {
    /// Gated.
    Gated(GatedSpec),
    /// Plain.
    Plain(PlainSpec),
}

impl From<GatedSpec> for ExpertSpec {
    fn from(gated: GatedSpec) -> Self {
        Self::Gated(gated)
    }
}

impl From<PlainSpec> for ExpertSpec {
    fn from(plain: PlainSpec) -> Self {
        Self::Plain(plain)
    }
}

impl ExpertSpec {
    /// Its down projection, `[width, d_mlp]`.
    pub fn down(&self) -> &LinearSpec {
        match self {
            Self::Gated(gated) => &gated.down,
            Self::Plain(plain) => &plain.down,
        }
    }

    fn params(&self) -> Vec<&Param> {
        match self {
            Self::Gated(gated) => gated.params().collect(),
            Self::Plain(plain) => plain.params().collect(),
        }
    }
}

/// A narrower space that the chosen experts read and write: `up(sum(down(x)))` (Nemotron 3). Routers and shared experts
/// read the stream itself.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LatentSpec {
    /// Into the narrower space, `[d_latent, d_model]`.
    pub down: LinearSpec,
    /// Out of it, `[d_model, d_latent]`, without a bias.
    pub up: LinearSpec,
}

/// A mixture of experts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ExpertsSpec {
    /// Which experts see a token, and with which weights.
    pub routing: RoutingSpec,
    /// The experts.
    pub experts: Vec<ExpertSpec>,
    /// The narrower space that they work in, if it is not the stream.
    pub latent: Option<LatentSpec>,
    /// An expert that sees every token; several of one input are one that is as wide as all of them.
    pub shared: Option<SharedExpert>,
}

/// An expert that sees every token.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SharedExpert {
    /// The expert.
    pub mlp: ExpertSpec,
    /// The gate, `[1, d_model]`, whose sigmoid scales what it computes.
    pub gate: Option<LinearSpec>,
}

impl SharedExpert {
    fn params(&self) -> impl Iterator<Item = &Param> {
        self.mlp.params().into_iter().chain(self.gate.iter().flat_map(LinearSpec::params))
    }
}

/// A plain MLP with xIELU (Huang and Schlag 2024): of `x > 0` it makes `a_p x^2 + b x`, and of the others
/// `a_n (e^min(x, eps) - 1 - x) + b x`, where `a_p = softplus(alpha_p)` and `a_n = b + softplus(alpha_n)`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct XieluSpec {
    /// Up projection, `[d_mlp, d_model]`.
    pub up: LinearSpec,
    /// Down projection, `[d_model, d_mlp]`.
    pub down: LinearSpec,
    /// Bends positive values, `[1]`.
    pub alpha_p: Param,
    /// Bends negative values, `[1]`.
    pub alpha_n: Param,
    /// `b`, a number; 0.5 where it is not stored.
    pub beta: Option<Param>,
    /// `eps`, a number; -1e-6 where it is not stored.
    pub eps: Option<Param>,
}

impl XieluSpec {
    fn params(&self) -> impl Iterator<Item = &Param> {
        let linears = self.up.params().chain(self.down.params());
        linears.chain([&self.alpha_p, &self.alpha_n]).chain(&self.beta).chain(&self.eps)
    }
}

/// A dense MLP and a mixture of experts side by side, each between norms of its own (Gemma 4). Both, and the router, read
/// the stream itself; the block has no norm before them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct BesideSpec {
    /// The dense MLP.
    pub dense: GatedSpec,
    /// Norms before and after it.
    pub around_dense: [NormSpec; 2],
    /// The experts, whose router norms the stream by itself.
    pub experts: ExpertsSpec,
    /// Norms before and after them.
    pub around_experts: [NormSpec; 2],
}

impl BesideSpec {
    fn params(&self) -> impl Iterator<Item = &Param> {
        let norms = self.around_dense.iter().chain(&self.around_experts).flat_map(NormSpec::params);
        self.dense.params().chain(self.experts.params()).chain(norms)
    }
}

/// The MLP of one block.
#[derive(Debug, Clone, PartialEq)]
pub enum MlpSpec {
    /// Gated.
    Gated(GatedSpec),
    /// Plain.
    Plain(PlainSpec),
    /// Plain, with a nonlinearity that is learned.
    Xielu(Box<XieluSpec>),
    /// None: the block is a mixer alone.
    Absent,
    /// A mixture of experts.
    Experts(Box<ExpertsSpec>),
    /// A dense one beside a mixture of experts.
    Beside(Box<BesideSpec>),
}

impl ExpertsSpec {
    fn params(&self) -> impl Iterator<Item = &Param> {
        let each = self.experts.iter().flat_map(ExpertSpec::params);
        let latent = self.latent.iter().flat_map(|latent| [&latent.down, &latent.up]);
        let shared = self.shared.iter().flat_map(SharedExpert::params);
        self.routing.params().chain(each).chain(latent.flat_map(LinearSpec::params)).chain(shared)
    }
}

impl GatedSpec {
    /// `down(gating(gate(x), up(x)))`, without a norm.
    pub fn new(gating: Gating, [gate, up, down]: [LinearSpec; 3]) -> Self {
        Self { gating, gate, up, norm: None, down }
    }

    fn params(&self) -> impl Iterator<Item = &Param> {
        let linears = [&self.gate, &self.up, &self.down].into_iter().flat_map(LinearSpec::params);
        linears.chain(self.norm.iter().flat_map(|norm| norm.params()))
    }
}

impl MlpSpec {
    /// `down(activation(up(x)))`.
    pub fn plain(activation: Activation, up: LinearSpec, down: LinearSpec) -> Self {
        Self::Plain(PlainSpec::new(activation, up, down))
    }

    /// The sites that a block with this MLP does not have.
    pub fn absent_sites(&self) -> &'static [Site] {
        match self {
            Self::Absent => &[Site::ResidMid, Site::MlpOut],
            Self::Gated(_) | Self::Plain(_) | Self::Xielu(_) | Self::Experts(_) | Self::Beside(_) => &[],
        }
    }

    /// Its parameters.
    pub fn params(&self) -> Vec<&Param> {
        match self {
            Self::Gated(gated) => gated.params().collect(),
            Self::Plain(plain) => plain.params().collect(),
            Self::Xielu(xielu) => xielu.params().collect(),
            Self::Absent => Vec::new(),
            Self::Experts(experts) => experts.params().collect(),
            Self::Beside(both) => both.params().collect(),
        }
    }
}
