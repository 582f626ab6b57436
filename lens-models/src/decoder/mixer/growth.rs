//! Queries that grow with their positions.

use tch::Tensor;

use crate::{
    decoder::{ModelError, step::Step},
    spec::QueryGrowth,
};

/// Queries, `[pos, heads, d_head]`, times the factor that grows with their positions, if there is one.
pub(super) fn grown(growth: Option<&QueryGrowth>, q: Tensor, step: &Step) -> Result<Tensor, ModelError> {
    let Some(growth) = growth else { return Ok(q) };
    let factors: Vec<f32> = step.positions.iter().map(|position| growth.at(*position) as f32).collect();
    if factors.iter().all(|factor| *factor == 1.0) {
        return Ok(q);
    }
    let factors = Tensor::f_from_slice(&factors)?.f_view([-1, 1, 1])?;
    Ok(q.f_mul(&factors.f_to_kind(q.kind())?.f_to_device(q.device())?)?)
}
