//! What a lens does to a captured vector before the final norm and the unembedding.
//!
//! The plain lens does nothing. Every other lens is a dense affine map per point: `x' = x + W x + b` (tuned) or
//! `x' = J x` (Jacobian). Maps are applied once to all captured rows, by the backend, and everything after that is the
//! one readout path that the plain lens takes: a lens kind is one constructor here and one loader.
//!
//! ```
//! use lens_core::{LensChoice, LensMap, LensSet, Lens, Plan, Translator, toy::ToyBackend, TokenId};
//!
//! let mut model = ToyBackend::new(2, 4, 20, 7); // 2 layers, d_model 4, 20 tokens, seed 7
//! let nothing = || LensMap::new(4, vec![0.0; 16], Some(vec![0.0; 4]), true); // x + 0 x + 0
//! let tuned = Translator::tuned(4, [(0, nothing()?), (1, nothing()?)], Default::default())?;
//! let lenses = LensSet::new([LensChoice::Logit, LensChoice::Translated(tuned.into())])?;
//! let plan = Plan::default().with_lenses(lenses).with_components("resid_pre".parse()?);
//! let reading = Lens::new(&mut model).read(&[TokenId(3)], &plan)?;
//! for (lens, point, readout) in reading.all_at(0) {
//!     println!("{} at {point}: {}", plan.lenses.name(lens), readout.top[0].id);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod affine;
mod set;

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::point::{Component, Point, Site};

pub use affine::{LensMap, MapShapeError};
pub use set::{LensChoice, LensSet, LensSetError};

/// What a lens does to a vector before it is decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LensKind {
    /// Nothing: the plain logit lens.
    Logit,
    /// Tuned lens: `x + W_i x + b_i` at the input of block i (Belrose et al. 2023).
    Tuned,
    /// Jacobian lens: `J_l x`, with `J_l` the mean Jacobian from a point of block l to the final residual.
    Jacobian,
}

impl LensKind {
    /// Its name in traces and options: `logit`, `tuned` or `jacobian`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logit => "logit",
            Self::Tuned => "tuned",
            Self::Jacobian => "jacobian",
        }
    }
}

impl fmt::Display for LensKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where a lens comes from. Everything is optional, since files differ in what they say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Provenance {
    /// Path or hub address that it was loaded from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// SHA-256 of the file with the maps, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The model that the lens was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_model: Option<String>,
    /// That model's revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_revision: Option<String>,
    /// What else the file says of itself, such as `n_prompts`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, String>,
}

impl Provenance {
    crate::setters! {
        /// Path or hub address that it was loaded from.
        with_source => source: Option<String>,
        /// SHA-256 of the file with the maps, in hexadecimal.
        with_sha256 => sha256: Option<String>,
        /// The model that the lens was made for.
        with_base_model => base_model: Option<String>,
        /// That model's revision.
        with_base_revision => base_revision: Option<String>,
        /// What else the file says of itself.
        with_details => details: BTreeMap<String, String>,
    }
}

/// A lens that translates: its kind, where it comes from, and a map for every point that it knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Translator {
    kind: LensKind,
    d_model: usize,
    provenance: Provenance,
    maps: BTreeMap<Point, Arc<LensMap>>,
}

impl Translator {
    /// A tuned lens: a map for the input of each block given, `L{i}.resid_pre`.
    ///
    /// # Errors
    /// When there is no map, or one has another width than `d_model`.
    pub fn tuned(
        d_model: usize,
        maps: impl IntoIterator<Item = (u16, LensMap)>,
        provenance: Provenance,
    ) -> Result<Self, MapShapeError> {
        let at = |(layer, map)| (Point::block(layer, Site::ResidPre), map);
        Self::new(LensKind::Tuned, d_model, maps.into_iter().map(at), provenance)
    }

    /// A Jacobian lens: a map for `site` of each block given; [`Site::ResidPost`] unless its file says otherwise.
    ///
    /// # Errors
    /// When there is no map, or one has another width than `d_model`.
    pub fn jacobian(
        d_model: usize,
        site: Site,
        maps: impl IntoIterator<Item = (u16, LensMap)>,
        provenance: Provenance,
    ) -> Result<Self, MapShapeError> {
        let at = |(layer, map)| (Point::block(layer, site), map);
        Self::new(LensKind::Jacobian, d_model, maps.into_iter().map(at), provenance)
    }

    /// A lens of any kind: a map for each point given.
    ///
    /// # Errors
    /// When there is no map, one has another width than `d_model`, two are for one point, or one is for a point that is
    /// not a vector of the stream.
    pub fn new(
        kind: LensKind,
        d_model: usize,
        maps: impl IntoIterator<Item = (Point, LensMap)>,
        provenance: Provenance,
    ) -> Result<Self, MapShapeError> {
        let mut lens = Self { kind, d_model, provenance, maps: BTreeMap::new() };
        for (point, map) in maps {
            lens.insert(point, map.into())?;
        }
        if lens.maps.is_empty() { Err(MapShapeError::NoMap) } else { Ok(lens) }
    }

    fn insert(&mut self, point: Point, map: Arc<LensMap>) -> Result<(), MapShapeError> {
        if map.d_model() != self.d_model {
            let (width, d_model) = (map.d_model(), self.d_model);
            return Err(MapShapeError::OtherWidth { point, width, d_model });
        }
        if matches!(point.component(), Component::Site(Site::Z | Site::Head(_))) {
            return Err(MapShapeError::NotInTheStream { point });
        }
        match self.maps.insert(point, map) {
            None => Ok(()),
            Some(_) => Err(MapShapeError::Twice { point }),
        }
    }

    /// This lens with one more map.
    ///
    /// # Errors
    /// As for [`Translator::new`].
    pub fn with_map(mut self, point: Point, map: LensMap) -> Result<Self, MapShapeError> {
        self.insert(point, map.into())?;
        Ok(self)
    }

    /// This lens from another source.
    #[must_use]
    pub fn with_provenance(self, provenance: Provenance) -> Self {
        Self { provenance, ..self }
    }

    /// What kind of lens it is.
    pub fn kind(&self) -> LensKind {
        self.kind
    }

    /// Width of the stream that it translates.
    pub fn d_model(&self) -> usize {
        self.d_model
    }

    /// Where it comes from.
    pub fn provenance(&self) -> &Provenance {
        &self.provenance
    }

    /// Its map for a point, if it has one.
    pub fn map(&self, point: Point) -> Option<&Arc<LensMap>> {
        self.maps.get(&point)
    }

    /// The points that it has maps for, in order of execution.
    pub fn points(&self) -> impl Iterator<Item = Point> {
        self.maps.keys().copied()
    }
}
