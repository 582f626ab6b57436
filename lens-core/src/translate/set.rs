//! The lenses that read one forward pass together.

use std::sync::Arc;

use super::{LensKind, LensMap, Translator};
use crate::point::Point;

/// A lens to read with.
#[derive(Debug, Clone, PartialEq)]
pub enum LensChoice {
    /// The plain logit lens.
    Logit,
    /// A lens that translates.
    Translated(Arc<Translator>),
}

impl LensChoice {
    /// What kind of lens it is.
    pub fn kind(&self) -> LensKind {
        self.translator().map_or(LensKind::Logit, Translator::kind)
    }

    /// The translator; `None` for the plain lens.
    pub fn translator(&self) -> Option<&Translator> {
        match self {
            Self::Logit => None,
            Self::Translated(translator) => Some(translator),
        }
    }
}

/// One or more lenses, in order, each with a name of its own: its kind, with a number from the second lens of a kind on
/// (`tuned`, `tuned-2`).
#[derive(Debug, Clone, PartialEq)]
pub struct LensSet {
    lenses: Vec<(Arc<str>, LensChoice)>,
}

impl LensSet {
    /// A set of these lenses, in this order.
    ///
    /// # Errors
    /// When there is no lens, or the plain one is there twice.
    pub fn new(lenses: impl IntoIterator<Item = LensChoice>) -> Result<Self, LensSetError> {
        let mut named: Vec<(Arc<str>, LensChoice)> = Vec::new();
        for lens in lenses {
            let kind = lens.kind();
            let name: Arc<str> = match named.iter().filter(|(_, other)| other.kind() == kind).count() {
                0 => kind.name().into(),
                _ if kind == LensKind::Logit => return Err(LensSetError::PlainTwice),
                before => format!("{kind}-{}", before + 1).into(),
            };
            named.push((name, lens));
        }
        if named.is_empty() { Err(LensSetError::NoLens) } else { Ok(Self { lenses: named }) }
    }

    /// How many lenses there are: at least one.
    #[expect(clippy::len_without_is_empty, reason = "a set is never empty")]
    pub fn len(&self) -> usize {
        self.lenses.len()
    }

    /// Whether the plain lens is the only one.
    pub fn is_plain(&self) -> bool {
        matches!(&*self.lenses, [(_, LensChoice::Logit)])
    }

    /// The name of the `index`-th lens; empty where there is no such lens.
    pub fn name(&self, index: usize) -> &str {
        self.lenses.get(index).map_or("", |(name, _)| name)
    }

    /// The name of the `index`-th lens, to share.
    pub(crate) fn shared_name(&self, index: usize) -> Option<Arc<str>> {
        self.lenses.get(index).map(|(name, _)| name.clone())
    }

    /// The lenses, each with its name.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &LensChoice)> {
        self.lenses.iter().map(|(name, lens)| (name, lens))
    }

    /// What the `index`-th lens does at a point; `None` for the plain lens, which does nothing.
    pub(crate) fn map(&self, index: usize, point: Point) -> Option<&Arc<LensMap>> {
        self.lenses.get(index)?.1.translator()?.map(point)
    }
}

impl Default for LensSet {
    /// The plain lens alone.
    fn default() -> Self {
        Self { lenses: vec![(LensKind::Logit.name().into(), LensChoice::Logit)] }
    }
}

/// Why lenses do not make a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LensSetError {
    /// There is no lens.
    #[error("there is no lens to read with")]
    NoLens,
    /// The plain lens is there twice.
    #[error("the plain logit lens is named twice")]
    PlainTwice,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::translate::Provenance;

    #[test]
    fn every_lens_has_a_name_of_its_own() {
        let map = LensMap::new(1, vec![1.0], None, true).unwrap();
        let tuned = Arc::new(Translator::tuned(1, [(0, map)], Provenance::default()).unwrap());
        let translated = || LensChoice::Translated(tuned.clone());
        let set = LensSet::new([translated(), LensChoice::Logit, translated()]).unwrap();
        assert_eq!((0..4).map(|i| set.name(i)).collect::<Vec<_>>(), ["tuned", "logit", "tuned-2", ""]);
        assert!(!set.is_plain() && LensSet::default().is_plain());
        assert_eq!(LensSet::new([]), Err(LensSetError::NoLens));
        assert_eq!(LensSet::new([LensChoice::Logit, LensChoice::Logit]), Err(LensSetError::PlainTwice));
    }
}
