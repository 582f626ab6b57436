//! Stochastic gradient descent with Nesterov momentum, and Adam, on float32 parameters: restated from PyTorch's
//! documentation, with all that they keep in the open so that it can be written down.

use std::{fmt, str::FromStr};

use tch::Tensor;

use crate::decoder::ModelError;

/// How parameters follow their gradients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Optimiser {
    /// `b ← μ b + g`, `p ← p - η (g + μ b)`. The usual learning rate η is `1 - μ`.
    #[default]
    Sgd,
    /// Adam with the largest second moment seen (AMSGrad, Reddi et al. 2018), β₂ = 0.999. The usual learning rate is
    /// 0.001.
    Adam,
}

/// What Adam divides by at least.
const EPSILON: f64 = 1e-8;
/// How slowly Adam's second moment forgets.
const BETA_2: f64 = 0.999;

impl Optimiser {
    /// Every optimiser.
    pub const ALL: [Self; 2] = [Self::Sgd, Self::Adam];

    /// Its name: `sgd` or `adam`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgd => "sgd",
            Self::Adam => "adam",
        }
    }

    /// The learning rate that a scale of one means.
    pub(super) fn usual_rate(self, momentum: f64) -> f64 {
        match self {
            // Momentum lets a gradient act 1 / (1 - μ) times.
            Self::Sgd => 1.0 - momentum,
            Self::Adam => 1e-3,
        }
    }

    /// Steps in which the learning rate rises, of `steps`.
    pub(super) fn usual_warmup(self, steps: u64) -> u64 {
        match self {
            Self::Sgd => 0,
            Self::Adam => (steps / 5).min(1000),
        }
    }

    /// Tensors that it keeps for every parameter.
    fn slots(self) -> usize {
        match self {
            Self::Sgd => 1,
            Self::Adam => 3,
        }
    }
}

impl fmt::Display for Optimiser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that no [`Optimiser`] has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown optimiser {name:?} (known: sgd, adam)")]
pub struct ParseOptimiserError {
    name: String,
}

impl FromStr for Optimiser {
    type Err = ParseOptimiserError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = Self::ALL.into_iter().find(|optimiser| optimiser.name() == name);
        known.ok_or_else(|| ParseOptimiserError { name: name.to_owned() })
    }
}

/// What a step is taken with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rates {
    /// η.
    pub(super) learning_rate: f64,
    /// μ, or β₁.
    pub(super) momentum: f64,
    /// What of a parameter is added to its gradient.
    pub(super) weight_decay: f64,
}

/// What an optimiser keeps: for every slot a tensor of each parameter's shape.
#[derive(Debug)]
pub(super) struct Moments {
    optimiser: Optimiser,
    pub(super) slots: Vec<Vec<Tensor>>,
}

impl Moments {
    /// Before the first step.
    pub(super) fn new(optimiser: Optimiser, parameters: &[Tensor]) -> Result<Self, ModelError> {
        let slot = || parameters.iter().map(Tensor::f_zeros_like).collect::<Result<Vec<_>, _>>();
        let slots = (0..optimiser.slots()).map(|_| slot()).collect::<Result<_, _>>()?;
        Ok(Self { optimiser, slots })
    }

    /// Moves the parameters in place. `step` counts from 0; the gradients are used up.
    pub(super) fn step(
        &mut self,
        parameters: &mut [Tensor],
        gradients: &mut [Tensor],
        step: u64,
        rates: Rates,
    ) -> Result<(), ModelError> {
        for (i, (parameter, gradient)) in parameters.iter_mut().zip(gradients).enumerate() {
            let _ = gradient.f_add_(&parameter.f_mul_scalar(rates.weight_decay)?)?;
            let change = match self.optimiser {
                Optimiser::Sgd => self.nesterov(i, gradient, rates)?,
                Optimiser::Adam => self.adam(i, gradient, step, rates)?,
            };
            let _ = parameter.f_sub_(&change)?;
        }
        Ok(())
    }

    fn nesterov(&mut self, i: usize, gradient: &Tensor, rates: Rates) -> Result<Tensor, ModelError> {
        let velocity = &mut self.slots[0][i];
        let _ = velocity.f_mul_scalar_(rates.momentum)?.f_add_(gradient)?;
        let change = velocity.f_mul_scalar(rates.momentum)?.f_add_(gradient)?;
        Ok(change.f_mul_scalar(rates.learning_rate)?)
    }

    fn adam(&mut self, i: usize, gradient: &Tensor, step: u64, rates: Rates) -> Result<Tensor, ModelError> {
        let beta_1 = rates.momentum;
        let count = step.saturating_add(1).min(i32::MAX as u64) as i32;
        let mean = &mut self.slots[0][i];
        let _ = mean.f_mul_scalar_(beta_1)?.f_add_(&gradient.f_mul_scalar(1.0 - beta_1)?)?;
        let mean = mean.f_mul_scalar(rates.learning_rate / (1.0 - beta_1.powi(count)))?;
        let square = &mut self.slots[1][i];
        let _ = square.f_mul_scalar_(BETA_2)?.f_add_(&gradient.f_square()?.f_mul_scalar_(1.0 - BETA_2)?)?;
        let largest = self.slots[2][i].f_maximum(&self.slots[1][i])?;
        let scale = largest.f_div_scalar(1.0 - BETA_2.powi(count))?.f_sqrt_()?.f_add_scalar_(EPSILON)?;
        self.slots[2][i] = largest;
        Ok(mean.f_div(&scale)?)
    }
}

/// Scales gradients down to a norm of `most` over all of them together, and returns the norm that they had.
pub(super) fn clip(gradients: &mut [Tensor], most: f64) -> Result<f64, ModelError> {
    let mut squares = 0.0;
    for gradient in gradients.iter() {
        squares += gradient.f_square()?.f_sum(tch::Kind::Float)?.f_double_value(&[])?;
    }
    let norm = squares.sqrt();
    // What PyTorch adds, so that a norm of zero divides nothing by zero.
    let factor = most / (norm + 1e-6);
    if factor < 1.0 {
        for gradient in gradients {
            let _ = gradient.f_mul_scalar_(factor)?;
        }
    }
    Ok(norm)
}
