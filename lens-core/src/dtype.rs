//! The types that weights are used in.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A type of weights that a decoder can run with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// IEEE single precision.
    F32,
    /// bfloat16.
    Bf16,
    /// IEEE half precision.
    F16,
}

impl Dtype {
    /// Its name: `f32`, `bf16` or `f16`.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    /// Size of one value, in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 | Self::F16 => 2,
        }
    }

    /// Half the distance from 1 to the next larger number of this type: the relative error that one rounding may make.
    pub fn unit_roundoff(self) -> f32 {
        match self {
            Self::F32 => f32::EPSILON / 2.0,
            Self::Bf16 => half::bf16::EPSILON.to_f32() / 2.0,
            Self::F16 => half::f16::EPSILON.to_f32() / 2.0,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_knows_a_dtype_by_its_name() {
        for dtype in [Dtype::F32, Dtype::Bf16, Dtype::F16] {
            let json = serde_json::to_string(&dtype).unwrap();
            assert_eq!(json, format!("\"{dtype}\""));
            assert_eq!(serde_json::from_str::<Dtype>(&json).unwrap(), dtype);
        }
    }

    #[test]
    fn one_rounding_is_half_the_step_after_one() {
        assert_eq!(Dtype::F32.unit_roundoff(), 2f32.powi(-24));
        assert_eq!(Dtype::Bf16.unit_roundoff(), 2f32.powi(-8));
        assert_eq!(Dtype::F16.unit_roundoff(), 2f32.powi(-11));
    }
}
