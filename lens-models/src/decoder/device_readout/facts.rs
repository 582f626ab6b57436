//! What statistics need to know of the captured vectors themselves.

use lens_core::{Question, VectorFacts};
use tch::{Kind, Tensor};

use super::{ModelError, numbers, product::wide};

/// Lengths of captured vectors `[rows, points + 1, d_model]`, and their products with the final residual, which is the last
/// of each row: `[rows, points + 1]`. `None` if no statistic needs them.
pub(super) fn vector_facts(
    vectors: &Tensor,
    question: &Question,
) -> Result<Option<Vec<VectorFacts>>, ModelError> {
    if !question.statistics.needs().vector {
        return Ok(None);
    }
    let kind = wide(vectors.device());
    let (x, width) = (vectors.f_to_kind(kind)?, vectors.size()[1] as usize);
    let last = x.f_narrow(1, width as i64 - 1, 1)?;
    let sum = |product: Tensor| -> Result<Vec<f64>, ModelError> {
        numbers(&product.f_sum_dim_intlist([-1].as_slice(), false, kind)?, Kind::Double)
    };
    let (squares, dots) = (sum(x.f_square()?)?, sum(x.f_mul(&last)?)?);
    let facts = squares.iter().zip(&dots).enumerate().map(|(i, (square, dot))| VectorFacts {
        square: *square,
        final_square: squares[i / width * width + width - 1],
        dot: *dot,
        is_final: i % width == width - 1,
    });
    Ok(Some(facts.collect()))
}
