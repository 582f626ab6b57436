//! Sets of statistics, and their values for one readout.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{Needs, Statistic};

const _: () = assert!(Statistic::ALL.len() <= u32::BITS as usize, "a set is one word");

/// A set of statistics.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct StatisticSet(u32);

impl StatisticSet {
    /// The empty set.
    pub const EMPTY: Self = Self(0);

    /// Every statistic there is, those that cost a second pass included.
    pub fn all() -> Self {
        Statistic::ALL.into_iter().collect()
    }

    /// This set with `statistic` added.
    #[must_use]
    pub const fn with(self, statistic: Statistic) -> Self {
        Self(self.0 | 1 << statistic as u32)
    }

    /// This set without `statistic`.
    #[must_use]
    pub const fn without(self, statistic: Statistic) -> Self {
        Self(self.0 & !(1 << statistic as u32))
    }

    /// Whether the statistic is in it.
    pub const fn contains(self, statistic: Statistic) -> bool {
        self.0 >> statistic as u32 & 1 == 1
    }

    /// Its statistics, in the order of [`Statistic::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Statistic> {
        Statistic::ALL.into_iter().filter(move |statistic| self.contains(*statistic))
    }

    /// What has to be computed for all of them.
    pub fn needs(self) -> Needs {
        self.iter().fold(Needs::NOTHING, |needs, statistic| needs.or(statistic.needs()))
    }
}

impl Default for StatisticSet {
    /// The statistics that are computed unless a question says otherwise.
    fn default() -> Self {
        Statistic::ALL.into_iter().filter(|statistic| statistic.is_default()).collect()
    }
}

impl FromIterator<Statistic> for StatisticSet {
    fn from_iter<I: IntoIterator<Item = Statistic>>(statistics: I) -> Self {
        statistics.into_iter().fold(Self::EMPTY, Self::with)
    }
}

impl fmt::Debug for StatisticSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The statistics of one readout: ranks as exact whole numbers, all others in float32.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Statistics {
    present: StatisticSet,
    /// By statistic, a float32 or a whole number; zero where there is none.
    bits: [u32; Statistic::ALL.len()],
}

impl Statistics {
    /// No value.
    pub const NONE: Self = Self { present: StatisticSet::EMPTY, bits: [0; Statistic::ALL.len()] };

    /// The value of a statistic, in its unit.
    pub fn get(&self, statistic: Statistic) -> Option<f64> {
        let bits = self.bits[statistic as usize];
        self.present.contains(statistic).then(|| {
            if statistic.unit().is_whole() { f64::from(bits) } else { f64::from(f32::from_bits(bits)) }
        })
    }

    /// The value of a statistic whose values are whole numbers; `None` for any other statistic.
    pub fn whole(&self, statistic: Statistic) -> Option<u32> {
        let has = self.present.contains(statistic) && statistic.unit().is_whole();
        has.then(|| self.bits[statistic as usize])
    }

    /// Sets or removes a value. Whole numbers saturate at the ends of `u32`.
    pub fn set(&mut self, statistic: Statistic, value: Option<f64>) {
        let whole = statistic.unit().is_whole();
        self.bits[statistic as usize] = value.map_or(0, |value| match whole {
            true => value as u32,
            false => (value as f32).to_bits(),
        });
        self.present = match value {
            Some(_) => self.present.with(statistic),
            None => self.present.without(statistic),
        };
    }

    /// These values with that of `statistic` set.
    #[must_use]
    pub fn with(mut self, statistic: Statistic, value: f64) -> Self {
        self.set(statistic, Some(value));
        self
    }

    /// The statistics that have a value.
    pub fn present(&self) -> StatisticSet {
        self.present
    }

    /// The values, in the order of [`Statistic::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Statistic, f64)> {
        self.present.iter().filter_map(|statistic| Some((statistic, self.get(statistic)?)))
    }
}

impl Default for Statistics {
    fn default() -> Self {
        Self::NONE
    }
}

impl FromIterator<(Statistic, f64)> for Statistics {
    fn from_iter<I: IntoIterator<Item = (Statistic, f64)>>(values: I) -> Self {
        values.into_iter().fold(Self::NONE, |all, (statistic, value)| all.with(statistic, value))
    }
}

impl fmt::Debug for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// As a map from names to numbers.
impl Serialize for Statistics {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for statistic in self.present.iter() {
            let bits = self.bits[statistic as usize];
            if statistic.unit().is_whole() {
                map.serialize_entry(statistic.name(), &bits)?;
            } else {
                map.serialize_entry(statistic.name(), &f32::from_bits(bits))?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_by_statistic() {
        let mut values = Statistics::NONE.with(Statistic::RankOfFinal, f64::from(u32::MAX));
        values.set(Statistic::Entropy, Some(0.1));
        assert_eq!(values.get(Statistic::Entropy), Some(f64::from(0.1f32)));
        assert_eq!(values.whole(Statistic::RankOfFinal), Some(u32::MAX));
        assert_eq!((values.get(Statistic::KlToFinal), values.whole(Statistic::Entropy)), (None, None));
        assert_eq!(serde_json::to_string(&values).unwrap(), r#"{"entropy":0.1,"rank_of_final":4294967295}"#);
        values.set(Statistic::Entropy, None);
        assert_eq!(values, Statistics::NONE.with(Statistic::RankOfFinal, f64::from(u32::MAX)));
    }

    #[test]
    fn a_set_knows_what_its_statistics_need() {
        assert!(!StatisticSet::default().needs().distances);
        assert!(StatisticSet::default().with(Statistic::JsToFinal).needs().distances);
        assert_eq!(StatisticSet::EMPTY.needs(), Needs::NOTHING);
        assert_eq!(StatisticSet::all().iter().count(), Statistic::ALL.len());
    }
}
