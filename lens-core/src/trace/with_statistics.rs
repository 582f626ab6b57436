//! Reads readouts back: their statistics stand between the other fields, under names that the list of statistics knows.
//!
//! Written out, because serde's `flatten` would copy every readout of a trace into a tree of values first.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};

use super::{FinalTrace, ReadoutTrace};
use crate::statistic::{Statistic, Statistics};

/// Takes the value of a statistic; a field that no statistic has may be of a later version, and is passed over.
///
/// The value has to be a number: what was not finite when it was written stands in JSON as null, which must not pass
/// for "not measured".
fn statistic<'de, A: MapAccess<'de>>(
    key: &str,
    map: &mut A,
    statistics: &mut Statistics,
) -> Result<(), A::Error> {
    let Some(statistic) = Statistic::named(key) else {
        map.next_value::<IgnoredAny>()?;
        return Ok(());
    };
    if statistics.present().contains(statistic) {
        return Err(A::Error::duplicate_field(statistic.name()));
    }
    let value = if statistic.unit().is_whole() {
        f64::from(map.next_value::<u32>()?)
    } else {
        f64::from(map.next_value::<f32>()?)
    };
    statistics.set(statistic, Some(value));
    Ok(())
}

/// Reads a struct of a trace from a map: its fields by name, an optional one as its default, and statistics.
macro_rules! read {
    ($name:ident, $what:literal, required { $($required:ident => $field:literal),* }, optional { $($optional:ident => $key:literal),* }) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Reader;
                impl<'de> Visitor<'de> for Reader {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($what)
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        $(let mut $required = None;)*
                        $(let mut $optional = None;)*
                        let mut statistics = Statistics::NONE;
                        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
                            match &*key {
                                $($field if $required.is_some() => return Err(A::Error::duplicate_field($field)),)*
                                $($key if $optional.is_some() => return Err(A::Error::duplicate_field($key)),)*
                                $($field => $required = Some(map.next_value()?),)*
                                $($key => $optional = Some(map.next_value()?),)*
                                other => statistic(other, &mut map, &mut statistics)?,
                            }
                        }
                        Ok($name {
                            $($required: $required.ok_or_else(|| A::Error::missing_field($field))?,)*
                            $($optional: $optional.unwrap_or_default(),)*
                            statistics,
                        })
                    }
                }
                deserializer.deserialize_map(Reader)
            }
        }
    };
}

read!(ReadoutTrace, "a readout",
    required { component => "component", position => "position", top => "top" },
    optional { layer => "layer", lens => "lens", is_virtual => "virtual", targets => "targets", tracked => "tracked" });

read!(FinalTrace, "the model's answer at a position",
    required { position => "position", top => "top" },
    optional { decided_at => "decided_at", important_layers => "important_layers",
        important_by_movement => "important_by_movement", targets => "targets" });
