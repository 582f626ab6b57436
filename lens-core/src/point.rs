//! Points of the residual stream and their names.

use std::{
    fmt,
    str::FromStr,
    sync::{LazyLock, OnceLock},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::suggest::did_you_mean;

/// A place inside a block, in order of execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// Input of the block, `[pos, d_model]`.
    ResidPre,
    /// Per-head attention result before the output projection, `[pos, n_heads, d_head]`.
    Z,
    /// What one head adds to the stream through its part of the output projection, `[pos, d_model]`, by its number. A
    /// norm after attention is taken with the statistics that it has at the position.
    Head(u16),
    /// What attention adds to the stream, after any post-norm and residual multiplier, `[pos, d_model]`.
    AttnOut,
    /// `resid_pre + attn_out`, `[pos, d_model]`. In a parallel block nothing reads it; it is still the sum.
    ResidMid,
    /// What the MLP or the experts add to the stream, after any post-norm and multiplier, `[pos, d_model]`.
    MlpOut,
    /// Output of the block, `resid_mid + mlp_out`, `[pos, d_model]`.
    ResidPost,
}

impl Site {
    /// Every site that a forward pass meets, in order of execution. Heads are made of `z` afterwards.
    pub const ALL: [Self; 6] =
        [Self::ResidPre, Self::Z, Self::AttnOut, Self::ResidMid, Self::MlpOut, Self::ResidPost];

    /// The site's name, e.g. `attn_out` or `head.3`.
    pub fn name(self) -> &'static str {
        match self {
            Self::ResidPre => "resid_pre",
            Self::Z => "z",
            Self::Head(head) => head_name(head),
            Self::AttnOut => "attn_out",
            Self::ResidMid => "resid_mid",
            Self::MlpOut => "mlp_out",
            Self::ResidPost => "resid_post",
        }
    }

    /// The head, if the site is one.
    pub fn head(self) -> Option<u16> {
        match self {
            Self::Head(head) => Some(head),
            _ => None,
        }
    }

    /// Whether its vectors are in the space of the residual stream, so that they can be decoded into tokens.
    pub fn is_readable(self) -> bool {
        self != Self::Z
    }

    /// The name that LogitLens4LLMs gives this site, where it has one.
    pub fn predecessor_name(self) -> Option<&'static str> {
        match self {
            Self::AttnOut => Some("attention_mechanism"),
            Self::ResidMid => Some("intermediate_residual"),
            Self::MlpOut => Some("mlp_output"),
            Self::ResidPost => Some("block_output"),
            Self::ResidPre | Self::Z | Self::Head(_) => None,
        }
    }

    fn named(name: &str) -> Option<Self> {
        if let Some(head) = name.strip_prefix(HEAD) {
            return canonical_number(head).map(Self::Head);
        }
        Self::ALL.into_iter().find(|site| site.name() == name || site.predecessor_name() == Some(name))
    }
}

/// What stands before the number in the name of a head.
const HEAD: &str = "head.";

/// The name of a head, made when it is first asked for.
fn head_name(head: u16) -> &'static str {
    static NAMES: LazyLock<Box<[OnceLock<Box<str>>]>> =
        LazyLock::new(|| (0..=u16::MAX).map(|_| OnceLock::new()).collect());
    NAMES[usize::from(head)].get_or_init(|| format!("{HEAD}{head}").into())
}

/// A number as a name has it: digits alone, and no zero before them, which would make a second name.
fn canonical_number(digits: &str) -> Option<u16> {
    // u16::from_str takes a leading "+".
    let canonical = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if canonical { digits.parse().ok() } else { None }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A kind of point, without its layer: the embedding or a [`Site`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// What enters block 0, `[pos, d_model]`.
    Embed,
    /// A site of a block.
    Site(Site),
}

impl Component {
    /// Every component that can be decoded into tokens, in order of execution; heads are more of them.
    pub const READABLE: [Self; 6] = [
        Self::Embed,
        Self::Site(Site::ResidPre),
        Self::Site(Site::AttnOut),
        Self::Site(Site::ResidMid),
        Self::Site(Site::MlpOut),
        Self::Site(Site::ResidPost),
    ];

    /// The component's name, e.g. `embed` or `mlp_out`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embed => "embed",
            Self::Site(site) => site.name(),
        }
    }

    /// The head, if the component is one.
    pub fn head(self) -> Option<u16> {
        match self {
            Self::Embed => None,
            Self::Site(site) => site.head(),
        }
    }

    /// Whether it can be decoded into tokens.
    pub fn is_readable(self) -> bool {
        match self {
            Self::Embed => true,
            Self::Site(site) => site.is_readable(),
        }
    }

    fn names() -> impl Iterator<Item = &'static str> {
        std::iter::once("embed")
            .chain(Site::ALL.into_iter().map(Site::name))
            .chain(Site::ALL.into_iter().filter_map(Site::predecessor_name))
    }
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Component {
    type Err = ParsePointError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == "embed" {
            return Ok(Self::Embed);
        }
        Site::named(name).map(Self::Site).ok_or_else(|| ParsePointError::Component {
            name: name.to_owned(),
            hint: did_you_mean(name, Self::names()),
        })
    }
}

impl Serialize for Component {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Component {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A point of the residual stream. Ordered as the forward pass meets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// What enters block 0, `[pos, d_model]`: token embedding, learned position and embedding scale, all applied.
    Embed,
    /// A site of a block; layers count from 0.
    Block {
        /// Index of the block.
        layer: u16,
        /// Place inside the block.
        site: Site,
    },
}

impl Point {
    /// The point whose readout is the final one, in a model with `n_layers` blocks: the last block's output, or `embed`
    /// where there is no block.
    pub fn last(n_layers: u16) -> Self {
        n_layers.checked_sub(1).map_or(Self::Embed, |layer| Self::block(layer, Site::ResidPost))
    }

    /// The point at `site` of block `layer`.
    pub fn block(layer: u16, site: Site) -> Self {
        Self::Block { layer, site }
    }

    /// The block, or `None` for `embed`.
    pub fn layer(self) -> Option<u16> {
        match self {
            Self::Embed => None,
            Self::Block { layer, .. } => Some(layer),
        }
    }

    /// The layer and the head of a point that is one.
    pub fn head(self) -> Option<(u16, u16)> {
        match self {
            Self::Block { layer, site: Site::Head(head) } => Some((layer, head)),
            _ => None,
        }
    }

    /// Its component.
    pub fn component(self) -> Component {
        match self {
            Self::Embed => Component::Embed,
            Self::Block { site, .. } => Component::Site(site),
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embed => f.pad("embed"),
            Self::Block { layer, site } => f.pad(&format!("L{layer}.{site}")),
        }
    }
}

impl FromStr for Point {
    type Err = ParsePointError;

    /// Parses `embed` or `L{layer}.{site}`; sites may have LogitLens4LLMs's names. Nothing else is accepted.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        if name == "embed" {
            return Ok(Self::Embed);
        }
        let bad_form = || ParsePointError::Form { name: name.to_owned() };
        let (layer, site) =
            name.strip_prefix('L').and_then(|rest| rest.split_once('.')).ok_or_else(bad_form)?;
        let layer = canonical_number(layer).ok_or_else(bad_form)?;
        match site.parse()? {
            Component::Site(site) => Ok(Self::Block { layer, site }),
            Component::Embed => Err(bad_form()),
        }
    }
}

/// A name that is not a point or a component.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParsePointError {
    /// The name is neither `embed` nor `L{layer}.{site}`.
    #[error("\"{name}\" is not a point: write `embed` or `L{{layer}}.{{site}}`, for example `L3.attn_out`")]
    Form {
        /// What was given.
        name: String,
    },
    /// The name has a component that is not known.
    #[error(
        "unknown component \"{name}\" (known: embed, resid_pre, z, attn_out, resid_mid, mlp_out, resid_post, \
         heads as head.0, and attention_mechanism, intermediate_residual, mlp_output, block_output){hint}"
    )]
    Component {
        /// What was given.
        name: String,
        /// A known name that is near, as a clause such as `; did you mean "mlp_out"?`, or nothing.
        hint: String,
    },
}

/// A set of points, kept in order of execution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PointSet(Vec<Point>);

impl PointSet {
    /// Whether the set has `point`.
    pub fn contains(&self, point: Point) -> bool {
        self.0.binary_search(&point).is_ok()
    }

    /// The points, in order of execution.
    pub fn as_slice(&self) -> &[Point] {
        &self.0
    }

    /// Number of points.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The index of `point` in [`as_slice`](Self::as_slice), if it is in the set.
    pub fn index_of(&self, point: Point) -> Option<usize> {
        self.0.binary_search(&point).ok()
    }
}

impl FromIterator<Point> for PointSet {
    fn from_iter<I: IntoIterator<Item = Point>>(points: I) -> Self {
        let mut points: Vec<_> = points.into_iter().collect();
        points.sort_unstable();
        points.dedup();
        Self(points)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_order_is_execution() {
        let points: PointSet = (0..3)
            .flat_map(|layer| Site::ALL.into_iter().rev().map(move |site| Point::block(layer, site)))
            .chain([Point::Embed])
            .collect();
        assert_eq!(points.as_slice()[0], Point::Embed);
        assert_eq!(points.as_slice()[1], Point::block(0, Site::ResidPre));
        for point in points.as_slice() {
            assert_eq!(point.to_string().parse::<Point>(), Ok(*point));
        }
    }

    #[test]
    fn heads_come_between_z_and_what_attention_adds() {
        let at = |site| Point::block(2, site);
        assert_eq!("L2.head.11".parse(), Ok(at(Site::Head(11))));
        assert_eq!(at(Site::Head(11)).to_string(), "L2.head.11");
        assert!(at(Site::Z) < at(Site::Head(0)) && at(Site::Head(2)) < at(Site::Head(11)));
        assert!(at(Site::Head(u16::MAX)) < at(Site::AttnOut));
        for bad in ["head", "head.", "head.x", "head.+1", "head.01", "head.70000", "heads"] {
            assert!(bad.parse::<Component>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn predecessor_names_are_aliases() {
        assert_eq!("L12.block_output".parse(), Ok(Point::block(12, Site::ResidPost)));
        assert_eq!("attention_mechanism".parse(), Ok(Component::Site(Site::AttnOut)));
    }

    #[test]
    fn a_near_miss_is_refused_with_the_near_name() {
        for bad in ["L+1.z", "L01.z", "l1.z", "L1", "1.z", "L1.embed", "L70000.z", "", "embed ", "L1.Z"] {
            assert!(bad.parse::<Point>().is_err(), "{bad:?} was accepted");
        }
        let message = "L3.atn_out".parse::<Point>().unwrap_err().to_string();
        assert!(message.contains("did you mean \"attn_out\"?"), "{message}");
    }
}
