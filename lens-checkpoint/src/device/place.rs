//! The name of a place where a model can run.

use std::{fmt, str::FromStr};

use lens_core::suggest::did_you_mean;

/// A place where layers can run and weights can lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    /// The processor. Above 0 it is the same processor under another name: activations are copied from one name to
    /// the other as between two devices, so that a map of devices can be tried without any.
    Cpu(u8),
    /// A CUDA device, by its number.
    Cuda(u8),
    /// Apple's graphics processor.
    Mps,
}

impl Place {
    /// The processor.
    pub const HOST: Self = Self::Cpu(0);

    /// Whether it is the processor, under whatever name.
    pub fn is_host(self) -> bool {
        matches!(self, Self::Cpu(_))
    }
}

/// A name that no device has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown device {name:?} (known: cpu, cuda, cuda:1, mps){hint}")]
pub struct UnknownDevice {
    /// The name.
    pub name: String,
    /// A known name that may be meant, as a clause, or nothing.
    pub hint: String,
}

impl Default for Place {
    fn default() -> Self {
        Self::HOST
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu(0) => f.write_str("cpu"),
            Self::Cpu(n) => write!(f, "cpu:{n}"),
            Self::Cuda(n) => write!(f, "cuda:{n}"),
            Self::Mps => f.write_str("mps"),
        }
    }
}

impl FromStr for Place {
    type Err = UnknownDevice;

    fn from_str(written: &str) -> Result<Self, UnknownDevice> {
        let unknown = || UnknownDevice {
            name: written.to_owned(),
            hint: did_you_mean(written, ["cpu", "cuda", "mps"]),
        };
        let (name, number) = match written.split_once(':') {
            None => (written, 0),
            Some((name, number)) => {
                let digits = number.bytes().all(|byte| byte.is_ascii_digit());
                (name, number.parse().ok().filter(|_| digits).ok_or_else(unknown)?)
            }
        };
        match name {
            "cpu" => Ok(Self::Cpu(number)),
            "cuda" => Ok(Self::Cuda(number)),
            "mps" if number == 0 => Ok(Self::Mps),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_as_they_are_written() {
        for name in ["cpu", "cpu:1", "cuda:0", "cuda:12", "mps"] {
            assert_eq!(name.parse::<Place>().unwrap().to_string(), name);
        }
        assert_eq!("cuda".parse::<Place>().unwrap(), Place::Cuda(0));
    }

    #[test]
    fn a_wrong_name_is_refused_with_the_near_one() {
        let error = "cdua".parse::<Place>().unwrap_err().to_string();
        assert!(error.contains("did you mean \"cuda\""), "{error}");
        for wrong in ["", "cuda:", "cuda:x", "cuda:-1", "cuda:+1", "cuda:256", "mps:1", "gpu:0"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong:?} was accepted");
        }
    }
}
