//! Which activations are changed, as a user names them.

use std::{fmt, str::FromStr};

use crate::point::{Component, ParsePointError, Site};

/// What stands for every head.
const HEADS: &str = "heads";

/// What is changed of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PatchSite {
    /// A point of every block, or one head of it.
    One(Site),
    /// Every head of every block, one by one.
    Heads,
}

/// The sites to change, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatchSites(Vec<PatchSite>);

impl PatchSites {
    /// These sites, in the order given, each once.
    pub fn new(sites: impl IntoIterator<Item = PatchSite>) -> Self {
        let mut known = Vec::new();
        for site in sites {
            if !known.contains(&site) {
                known.push(site);
            }
        }
        Self(known)
    }

    /// The stream before every block, and what attention and MLP add.
    pub fn usual() -> Self {
        Self::new([Site::ResidPre, Site::AttnOut, Site::MlpOut].map(PatchSite::One))
    }

    /// What attention and MLP add.
    pub fn branches() -> Self {
        Self::new([Site::AttnOut, Site::MlpOut].map(PatchSite::One))
    }

    /// The sites, in the order given.
    pub fn as_slice(&self) -> &[PatchSite] {
        &self.0
    }
}

impl fmt::Display for PatchSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(site) => write!(f, "{site}"),
            Self::Heads => f.write_str(HEADS),
        }
    }
}

impl FromStr for PatchSites {
    type Err = ParseSiteError;

    fn from_str(written: &str) -> Result<Self, Self::Err> {
        let one = |name: &str| match name {
            HEADS | "head" => Ok(PatchSite::Heads),
            name => match name.parse()? {
                Component::Site(site) => Ok(PatchSite::One(site)),
                Component::Embed => Err(ParseSiteError::Embed),
            },
        };
        let sites = written.split(',').map(|name| one(name.trim())).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::new(sites))
    }
}

/// A list of sites that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseSiteError {
    /// A name that is not known.
    #[error(transparent)]
    Name(#[from] ParsePointError),
    /// The embedding, which belongs to no block.
    #[error("embed belongs to no layer: it is the resid_pre of layer 0")]
    Embed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_have_the_names_of_points() {
        let sites: PatchSites = "attn_out, z,heads,head.3,attn_out".parse().unwrap();
        let expected = [
            PatchSite::One(Site::AttnOut),
            PatchSite::One(Site::Z),
            PatchSite::Heads,
            PatchSite::One(Site::Head(3)),
        ];
        assert_eq!(sites.as_slice(), expected);
        assert_eq!("embed".parse::<PatchSites>(), Err(ParseSiteError::Embed));
        let error = "atn_out".parse::<PatchSites>().unwrap_err().to_string();
        assert!(error.contains("did you mean \"attn_out\"?"), "{error}");
    }
}
