//! Which part of a model runs where.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::RangeInclusive,
    str::FromStr,
};

use super::{DeviceError, Place};
use crate::spec::{DecoderSpec, PerLayerEmbedding, TensorSpec};

/// Memory of a card that weights leave free: for activations, readouts and libtorch itself.
const RESERVE: u64 = 2 << 30;

/// What a user says about where a model is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceMap {
    /// All of it in one place.
    One(Place),
    /// On the first card if it fits there, else as [`DeviceMap::Auto`]; without a card, in the best place there is.
    Best,
    /// On the cards in their order, each as full as it may get; what does not fit goes to the processor.
    Auto,
    /// On all cards, so that each holds about as much as the others.
    Balanced,
    /// As the entries say.
    Explicit(Vec<(Part, Place)>),
}

/// A part of a model that goes to one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Some blocks.
    Layers(RangeInclusive<u16>),
    /// The embedding.
    Embed,
    /// Final norm and unembedding.
    Unembed,
    /// Everything that no other entry names.
    Rest,
}

/// Bytes of a model's parts, in the dtype that it runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartSizes {
    /// The token embedding.
    pub embed: u64,
    /// Each block.
    pub layers: Vec<u64>,
    /// The unembedding; 0 where it is the embedding.
    pub unembed: u64,
}

impl PartSizes {
    /// Bytes of the whole model.
    pub fn total(&self) -> u64 {
        self.embed + self.layers.iter().sum::<u64>() + self.unembed
    }

    /// The sizes of the parts of a model whose weights take `bytes_per_value` bytes each.
    pub fn of(spec: &DecoderSpec, bytes_per_value: usize) -> Self {
        let bytes = |tensors: &mut dyn Iterator<Item = &TensorSpec>| {
            let mut seen = BTreeSet::new();
            let values = tensors
                .filter(|tensor| seen.insert(&tensor.name))
                .map(|tensor| tensor.shape.iter().map(|n| *n as u64).product::<u64>());
            values.sum::<u64>() * bytes_per_value as u64
        };
        let layers = spec.layers.iter();
        let per_layer = spec.embed.per_layer.iter().flat_map(PerLayerEmbedding::tensors);
        Self {
            embed: bytes(&mut std::iter::once(&spec.embed.tokens).chain(per_layer)),
            layers: layers.map(|layer| bytes(&mut layer.params().flat_map(|param| &param.tensors))).collect(),
            unembed: if spec.is_tied() { 0 } else { bytes(&mut std::iter::once(&spec.readout.unembed)) },
        }
    }
}

/// A card and its free memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Card {
    /// Its name.
    pub place: Place,
    /// Bytes that can still be allocated there.
    pub free: u64,
}

/// The place of every part of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The embedding.
    pub embed: Place,
    /// Each block.
    pub layers: Vec<Place>,
    /// Final norm and unembedding: readouts are decoded there.
    pub unembed: Place,
}

impl Default for DeviceMap {
    fn default() -> Self {
        Self::One(Place::HOST)
    }
}

impl DeviceMap {
    /// The place of every part of a model. `cards` are those of the machine; they are not looked at for one place or
    /// for a map that names its places.
    ///
    /// # Errors
    /// When the map names a layer that is not there, a part twice or not at all, or there are no cards.
    pub fn resolve(&self, sizes: &PartSizes, cards: &[Card]) -> Result<Placement, DeviceError> {
        match self {
            Self::One(place) => Ok(Placement::one(*place, sizes.layers.len())),
            Self::Best => Ok(match cards.first() {
                None => Placement::one(Place::HOST, sizes.layers.len()),
                Some(card) if sizes.total() + RESERVE <= card.free => {
                    Placement::one(card.place, sizes.layers.len())
                }
                Some(_) => filled(sizes, cards),
            }),
            Self::Explicit(entries) => explicit(entries, sizes.layers.len()),
            Self::Auto => Ok(filled(sizes, cards)),
            Self::Balanced if cards.is_empty() => {
                Err(DeviceError::NoCards { reason: "this machine has none that lens can use".to_owned() })
            }
            Self::Balanced => Ok(balanced(sizes, cards)),
        }
    }
}

impl Placement {
    /// Everything in one place.
    pub fn one(place: Place, n_layers: usize) -> Self {
        Self { embed: place, layers: vec![place; n_layers], unembed: place }
    }

    /// The places, each once, in the order in which a forward pass comes to them.
    pub fn places(&self) -> Vec<Place> {
        let mut places = Vec::new();
        for place in std::iter::once(self.embed).chain(self.layers.iter().copied()).chain([self.unembed]) {
            if !places.contains(&place) {
                places.push(place);
            }
        }
        places
    }
}

/// `embed=cpu,0-3=cuda:0,4-7=cuda:1,unembed=cuda:1`, or the one place.
impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [place] = self.places()[..] {
            return place.fmt(f);
        }
        write!(f, "embed={}", self.embed)?;
        let mut first = 0;
        while first < self.layers.len() {
            let place = self.layers[first];
            let same = self.layers[first..].iter().take_while(|other| **other == place).count();
            match same {
                1 => write!(f, ",{first}={place}")?,
                _ => write!(f, ",{first}-{}={place}", first + same - 1)?,
            }
            first += same;
        }
        write!(f, ",unembed={}", self.unembed)
    }
}

/// Fills places in order with the unembedding and the blocks; what is left goes to the processor.
fn filled(sizes: &PartSizes, cards: &[Card]) -> Placement {
    let cards = cards.iter().map(|card| (card.place, card.free.saturating_sub(RESERVE)));
    let mut rooms: Vec<(Place, u64)> = cards.chain([(Place::HOST, u64::MAX)]).collect();
    // The unembedding, which every readout meets, goes first: it is worth more on a card than any block.
    let unembed_bytes = if sizes.unembed == 0 { sizes.embed } else { sizes.unembed };
    let first = rooms.iter_mut().find(|(_, room)| *room >= unembed_bytes);
    let (unembed, room) = first.expect("the processor has room for everything");
    *room -= unembed_bytes;
    let unembed = *unembed;
    let mut rooms = rooms.into_iter();
    let (mut place, mut room) = rooms.next().expect("the processor is always there");
    let mut next = |bytes: u64| {
        while room < bytes {
            (place, room) = rooms.next().expect("the processor has room for everything");
        }
        room -= bytes;
        place
    };
    // Of an embedding a run needs a few rows: where it is a matrix of its own, it stays in the mapped file.
    let embed = if sizes.unembed == 0 { unembed } else { Place::HOST };
    Placement { embed, layers: sizes.layers.iter().map(|bytes| next(*bytes)).collect(), unembed }
}

/// Shares of about equal size, in the order of the blocks. The unembedding counts to the last card's share.
fn balanced(sizes: &PartSizes, cards: &[Card]) -> Placement {
    let unembed_bytes = if sizes.unembed == 0 { sizes.embed } else { sizes.unembed };
    let total = sizes.layers.iter().sum::<u64>() + unembed_bytes;
    let share = (total / cards.len() as u64).max(1);
    let mut before = 0;
    let layers = sizes.layers.iter().map(|bytes| {
        // By where its middle lies, so that no share is off by more than half a block.
        let card = ((before + bytes / 2) / share).min(cards.len() as u64 - 1);
        before += bytes;
        cards[card as usize].place
    });
    let layers = layers.collect();
    let unembed = cards[cards.len() - 1].place;
    Placement { embed: if sizes.unembed == 0 { unembed } else { Place::HOST }, layers, unembed }
}

fn explicit(entries: &[(Part, Place)], n_layers: usize) -> Result<Placement, DeviceError> {
    let mut layers: BTreeMap<u16, Place> = BTreeMap::new();
    let (mut embed, mut unembed, mut rest) = (None, None, None);
    let once = |slot: &mut Option<Place>, part: &str, place: Place| match slot.replace(place) {
        None => Ok(()),
        Some(first) => Err(DeviceError::MapTwice { part: part.to_owned(), first, second: place }),
    };
    for (part, place) in entries {
        match part {
            Part::Embed => once(&mut embed, "embed", *place)?,
            Part::Unembed => once(&mut unembed, "unembed", *place)?,
            Part::Rest => once(&mut rest, "rest", *place)?,
            Part::Layers(range) => {
                if usize::from(*range.end()) >= n_layers {
                    return Err(DeviceError::MapLayer { layer: *range.end(), n_layers });
                }
                for layer in range.clone() {
                    let mut slot = layers.get(&layer).copied();
                    once(&mut slot, &format!("layer {layer}"), *place)?;
                    layers.insert(layer, *place);
                }
            }
        }
    }
    let placed = (0..n_layers as u16).map(|layer| {
        let place = layers.get(&layer).copied().or(rest);
        place.ok_or_else(|| DeviceError::MapMissing { part: format!("layer {layer}") })
    });
    let layers: Vec<Place> = placed.collect::<Result<_, _>>()?;
    // Without a word about them, the ends go where their neighbours are.
    let end = |own: Option<Place>, neighbour: Option<&Place>, part: &str| {
        let place = own.or(rest).or(neighbour.copied());
        place.ok_or_else(|| DeviceError::MapMissing { part: part.to_owned() })
    };
    Ok(Placement {
        embed: end(embed, layers.first(), "embed")?,
        unembed: end(unembed, layers.last(), "unembed")?,
        layers,
    })
}

impl FromStr for DeviceMap {
    type Err = DeviceError;

    fn from_str(written: &str) -> Result<Self, DeviceError> {
        match written {
            "auto" => Ok(Self::Auto),
            "balanced" => Ok(Self::Balanced),
            _ => written
                .split(',')
                .map(|item| entry(item.trim()))
                .collect::<Result<_, _>>()
                .map(Self::Explicit),
        }
    }
}

fn entry(item: &str) -> Result<(Part, Place), DeviceError> {
    let wrong = |reason: &str| DeviceError::MapEntry { item: item.to_owned(), reason: reason.to_owned() };
    let (part, place) = item.split_once('=').ok_or_else(|| wrong("there is no = in it"))?;
    let layer = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>()
            .ok()
            .filter(|_| digits)
            .ok_or_else(|| wrong("what is placed is a layer, layers such as 0-15, embed, unembed or rest"))
    };
    let part = match part.trim() {
        "embed" => Part::Embed,
        "unembed" => Part::Unembed,
        "rest" => Part::Rest,
        range => {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (layer(first.trim())?, layer(last.trim())?);
            if first > last {
                return Err(wrong("its layers run backwards"));
            }
            Part::Layers(first..=last)
        }
    };
    Ok((part, place.trim().parse()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn sizes(layers: usize, unembed: u64) -> PartSizes {
        PartSizes { embed: GIB, layers: vec![GIB; layers], unembed }
    }

    fn cards(free: &[u64]) -> Vec<Card> {
        free.iter().zip(0..).map(|(free, n)| Card { place: Place::Cuda(n), free: free * GIB }).collect()
    }

    fn resolved(map: &str, n_layers: usize) -> Result<String, DeviceError> {
        let placement = map.parse::<DeviceMap>()?.resolve(&sizes(n_layers, GIB), &[])?;
        Ok(placement.to_string())
    }

    #[test]
    fn a_map_says_where_every_part_goes() {
        assert_eq!(
            resolved("0-3=cuda:0, 4-6=cuda:1,rest=cpu", 8).unwrap(),
            "embed=cpu,0-3=cuda:0,4-6=cuda:1,7=cpu,unembed=cpu"
        );
        assert_eq!(resolved("0=cuda,1=cuda:1", 2).unwrap(), "embed=cuda:0,0=cuda:0,1=cuda:1,unembed=cuda:1");
        assert_eq!(resolved("embed=cpu,rest=cuda", 2).unwrap(), "embed=cpu,0-1=cuda:0,unembed=cuda:0");
        assert_eq!(resolved("rest=cpu:1", 2).unwrap(), "cpu:1");
    }

    #[test]
    fn a_map_with_a_mistake_is_refused_by_name() {
        for (map, says) in [
            ("", "no = in it"),
            ("cuda:0", "no = in it"),
            ("0-=cpu", "what is placed is a layer"),
            ("x=cpu", "what is placed is a layer"),
            ("3-1=cpu", "run backwards"),
            ("0=gpu", "unknown device \"gpu\""),
            ("0-2=cpu", "does not say where layer 3 goes"),
            ("0-8=cpu", "names layer 8, and the model has 4"),
            ("0-3=cpu,2=cuda", "says twice where layer 2 goes: to cpu and to cuda:0"),
            ("rest=cpu,rest=cuda", "says twice where rest goes"),
        ] {
            let error = resolved(map, 4).unwrap_err().to_string();
            assert!(error.contains(says), "{map:?}: {error}");
        }
    }

    #[test]
    fn auto_fills_cards_in_their_order_and_leaves_the_rest_to_the_processor() {
        let placed = |free: &[u64], n, unembed| {
            DeviceMap::Auto.resolve(&sizes(n, unembed), &cards(free)).unwrap().to_string()
        };
        assert_eq!(placed(&[80], 4, 0), "cuda:0");
        assert_eq!(placed(&[5, 4], 8, 0), "embed=cuda:0,0-1=cuda:0,2-3=cuda:1,4-7=cpu,unembed=cuda:0");
        assert_eq!(placed(&[5], 2, GIB), "embed=cpu,0-1=cuda:0,unembed=cuda:0");
        assert_eq!(placed(&[1], 2, GIB), "cpu");
        assert_eq!(placed(&[], 2, GIB), "cpu");
        assert_eq!(placed(&[1, 80], 2, 0), "cuda:1");
    }

    #[test]
    fn the_best_is_one_card_if_it_holds_the_model() {
        let placed = |free: &[u64]| DeviceMap::Best.resolve(&sizes(4, 0), &cards(free)).unwrap().to_string();
        assert_eq!(placed(&[8, 80]), "cuda:0");
        assert_eq!(placed(&[5, 80]), "embed=cuda:0,0-1=cuda:0,2-3=cuda:1,unembed=cuda:0");
        assert_eq!(placed(&[]), "cpu");
    }

    #[test]
    fn balanced_gives_every_card_about_as_much() {
        let placed = |n_cards: usize, n| {
            let cards = cards(&vec![80; n_cards]);
            DeviceMap::Balanced.resolve(&sizes(n, 0), &cards).unwrap().to_string()
        };
        assert_eq!(placed(1, 5), "cuda:0");
        assert_eq!(placed(2, 7), "embed=cuda:1,0-3=cuda:0,4-6=cuda:1,unembed=cuda:1");
        let error = DeviceMap::Balanced.resolve(&sizes(2, 0), &[]).unwrap_err();
        assert!(matches!(error, DeviceError::NoCards { .. }), "{error}");
    }
}
