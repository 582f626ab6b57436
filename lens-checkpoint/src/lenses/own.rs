//! This project's own lens file: safetensors whose header says what the lens is.
//!
//! Tensors: `translator.{i}.weight`, `[d_model, d_model]` with one row for each value of the result, and where the lens
//! has biases `translator.{i}.bias`, `[d_model]`, all float32; `i` is the block. `__metadata__`, all texts:
//!
//! | key | says |
//! |---|---|
//! | `format` | `lens-file/1` |
//! | `kind` | `tuned` or `jacobian` |
//! | `site` | where in the block the vectors are that a map is applied to: `resid_pre` (its input), `resid_post` (its output), `attn_out`, … |
//! | `residual` | `true`: x + W x + b; `false`: W x + b |
//! | `convention` | the same in words, for a person |
//! | `d_model` | width of the stream |
//! | `n_layers`, `n_vocab`, `unembed_sha256`, `unembed_hash` | of the model, where known: see [`MadeFor`] |
//! | `base_model`, `base_revision` | the model, where known |
//! | `detail.…` | whatever else is known, such as `detail.n_prompts` |
//!
//! ```
//! use lens_core::{LensMap, Translator, Provenance};
//! use lens_checkpoint::lenses::{LensFile, own};
//!
//! let map = LensMap::new(2, vec![0.0, 0.5, -0.5, 0.0], Some(vec![1.0, 0.0]), true)?;
//! let lens = LensFile::new(Translator::tuned(2, [(0, map)], Provenance::default())?);
//! let mut bytes = Vec::new();
//! own::write(&lens, &mut bytes)?;
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("lens.safetensors");
//! std::fs::write(&path, bytes)?;
//! assert_eq!(own::read(&path)?.translator.points().count(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    path::Path,
};

use lens_core::{Component, LensKind, LensMap, Point, Provenance, Site, Translator};
use serde_json::{Value, json};

use super::{
    error::LensFileError,
    file::{LensFile, MadeFor},
    stored::Stored,
};

/// The version of the layout that is written and read.
pub const FORMAT: &str = "lens-file/1";

/// What this file is, in messages.
const KIND: &str = "a lens file";

/// How keys begin under which the header keeps [`Provenance::details`].
const DETAIL: &str = "detail.";

/// Whether a safetensors header is one of such a file.
pub(super) fn is_own(texts: &BTreeMap<String, String>) -> bool {
    texts.get("format").is_some_and(|format| format.starts_with("lens-file/"))
}

/// Reads a lens file.
///
/// # Errors
/// When the file cannot be read, is not a lens file of this version, says of its tensors what is not so, or holds a
/// tensor that it does not speak of.
pub fn read(path: &Path) -> Result<LensFile, LensFileError> {
    of(path, &Stored::open(path)?)
}

/// The lens of an open file.
pub(super) fn of(path: &Path, stored: &Stored) -> Result<LensFile, LensFileError> {
    let broken = |reason: String| LensFileError::broken(path, KIND, reason);
    let header = Header::read(&stored.texts).map_err(broken)?;
    let layers = layers(stored.names()).map_err(broken)?;
    let mut maps = Vec::new();
    for (layer, has_bias) in layers {
        let values = |what: &str, shape: &[usize]| {
            let name = format!("translator.{layer}.{what}");
            let view = stored.tensor(&name)?;
            match view.shape() == shape {
                true => view.to_vec().map_err(|error| error.to_string()),
                false => {
                    Err(format!("the tensor {name:?} is {:?}, and d_model says {shape:?}", view.shape()))
                }
            }
        };
        let d_model = header.d_model;
        let weight = values("weight", &[d_model, d_model]).map_err(broken)?;
        let bias = has_bias.then(|| values("bias", &[d_model])).transpose().map_err(broken)?;
        let map = LensMap::new(d_model, weight, bias, header.residual).map_err(LensFileError::maps(path))?;
        maps.push((Point::block(layer, header.site), map));
    }
    let provenance =
        header.provenance.with_source(Some(path.display().to_string())).with_sha256(Some(stored.sha256()));
    let translator =
        Translator::new(header.kind, header.d_model, maps, provenance).map_err(LensFileError::maps(path))?;
    let notes = stored.notes.iter().cloned().chain(header.notes).collect();
    Ok(LensFile::new(translator).with_made_for(header.made_for).with_notes(notes))
}

/// The blocks that a file has a weight for, and whether each has a bias.
fn layers<'a>(names: impl Iterator<Item = &'a str>) -> Result<BTreeMap<u16, bool>, String> {
    let (mut weights, mut biases) = (BTreeSet::new(), BTreeSet::new());
    for name in names {
        let parts = name.strip_prefix("translator.").and_then(|rest| rest.split_once('.'));
        let layer = parts.and_then(|(layer, what)| Some((layer.parse::<u16>().ok()?, what)));
        match layer {
            // "translator.03.weight" would be a second name of layer 3's.
            Some((layer, "weight")) if name == format!("translator.{layer}.weight") => weights.insert(layer),
            Some((layer, "bias")) if name == format!("translator.{layer}.bias") => biases.insert(layer),
            _ => return Err(format!("it holds the tensor {name:?}, which no lens file has")),
        };
    }
    match biases.difference(&weights).next() {
        Some(layer) => Err(format!("it has translator.{layer}.bias and lacks translator.{layer}.weight")),
        None => Ok(weights.into_iter().map(|layer| (layer, biases.contains(&layer))).collect()),
    }
}

/// What the header of a lens file says.
struct Header {
    kind: LensKind,
    site: Site,
    residual: bool,
    d_model: usize,
    made_for: MadeFor,
    provenance: Provenance,
    notes: Vec<String>,
}

impl Header {
    fn read(texts: &BTreeMap<String, String>) -> Result<Self, String> {
        match texts.get("format").map(String::as_str) {
            Some(FORMAT) => {}
            Some(other) => return Err(format!("its format is {other:?}, and only {FORMAT:?} is known")),
            None => return Err("its header has no format".to_owned()),
        }
        let text = |key: &str| texts.get(key).cloned();
        let required = |key: &str| text(key).ok_or_else(|| format!("its header lacks {key:?}"));
        let odd = |key: &str, value: &str| format!("its header has {key:?} = {value:?}");
        let kind = match required("kind")?.as_str() {
            "tuned" => LensKind::Tuned,
            "jacobian" => LensKind::Jacobian,
            other => return Err(odd("kind", other)),
        };
        let site = match required("site")?.parse::<Component>() {
            Ok(Component::Site(site)) => site,
            _ => return Err(odd("site", &required("site")?)),
        };
        let residual = match required("residual")?.as_str() {
            "true" => true,
            "false" => false,
            other => return Err(odd("residual", other)),
        };
        Ok(Self {
            kind,
            site,
            residual,
            d_model: number(texts, "d_model")?.ok_or("its header lacks \"d_model\"")?,
            made_for: MadeFor {
                n_layers: number(texts, "n_layers")?,
                n_vocab: number(texts, "n_vocab")?,
                unembed_sha256: text("unembed_sha256"),
                unembed_hash: text("unembed_hash"),
            },
            provenance: Provenance::default()
                .with_base_model(text("base_model"))
                .with_base_revision(text("base_revision"))
                .with_details(details(texts)),
            notes: unknown(texts),
        })
    }
}

/// A whole number of the header, where it has one.
fn number<T: std::str::FromStr>(texts: &BTreeMap<String, String>, key: &str) -> Result<Option<T>, String> {
    let parsed =
        texts.get(key).map(|text| text.parse().map_err(|_| format!("its header has {key:?} = {text:?}")));
    parsed.transpose()
}

fn details(texts: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let detail = |(key, text): (&String, &String)| Some((key.strip_prefix(DETAIL)?.to_owned(), text.clone()));
    texts.iter().filter_map(detail).collect()
}

/// A note on keys that a later version may have, or somebody else.
fn unknown(texts: &BTreeMap<String, String>) -> Vec<String> {
    const KNOWN: [&str; 12] = [
        "base_model",
        "base_revision",
        "convention",
        "d_model",
        "format",
        "kind",
        "n_layers",
        "n_vocab",
        "residual",
        "site",
        "unembed_hash",
        "unembed_sha256",
    ];
    let names: Vec<&str> = texts
        .keys()
        .map(String::as_str)
        .filter(|key| !KNOWN.contains(key) && !key.starts_with(DETAIL))
        .collect();
    if names.is_empty() {
        Vec::new()
    } else {
        vec![format!("the lens file says {}, which is ignored", names.join(", "))]
    }
}

/// Writes a lens file. The same lens gives the same bytes.
///
/// # Errors
/// When it cannot be written, or its maps differ in what the header says once for all of them.
pub fn write(lens: &LensFile, out: &mut dyn Write) -> Result<(), LensFileError> {
    let translator = &lens.translator;
    let (site, residual) = convention_of(translator)?;
    let maps: Vec<(u16, &LensMap)> =
        translator.points().filter_map(|point| Some((point.layer()?, &**translator.map(point)?))).collect();
    let mut header = serde_json::Map::new();
    header.insert("__metadata__".to_owned(), json!(texts(lens, site, residual)));
    let (d_model, mut end) = (translator.d_model(), 0);
    let mut entry = |name: String, shape: &[usize]| {
        let start = end;
        end += shape.iter().product::<usize>() * size_of::<f32>();
        header.insert(name, json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]}));
    };
    for (layer, map) in &maps {
        entry(format!("translator.{layer}.weight"), &[d_model, d_model]);
        if map.bias().is_some() {
            entry(format!("translator.{layer}.bias"), &[d_model]);
        }
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    // Tensors begin at a multiple of 8, as the format's own writer has it.
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut send = |bytes: &[u8]| out.write_all(bytes).map_err(LensFileError::write);
    send(&(header.len() as u64).to_le_bytes())?;
    send(&header)?;
    for values in maps.iter().flat_map(|(_, map)| [Some(map.weight()), map.bias()]).flatten() {
        for some in values.chunks(1 << 16) {
            send(&some.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())?;
        }
    }
    Ok(())
}

/// Where the maps of a lens belong, and whether they add x: the same for all of them, or an error.
fn convention_of(translator: &Translator) -> Result<(Site, bool), LensFileError> {
    let unwritable = |reason: String| LensFileError::Unwritable { kind: KIND, reason };
    let mut found = None;
    for point in translator.points() {
        let Component::Site(site) = point.component() else {
            return Err(unwritable(format!("it has a map for {point}, which is in no block")));
        };
        let residual = translator.map(point).is_some_and(|map| map.is_residual());
        if *found.get_or_insert((site, residual)) != (site, residual) {
            return Err(unwritable(format!(
                "the map for {point} is of another kind or site than the others"
            )));
        }
    }
    found.ok_or_else(|| unwritable("it has no map".to_owned()))
}

fn texts(lens: &LensFile, site: Site, residual: bool) -> BTreeMap<String, String> {
    let (translator, made_for) = (&lens.translator, &lens.made_for);
    let provenance = translator.provenance();
    let formula = if residual { "x + W x + b" } else { "W x + b" };
    let place = match site {
        Site::ResidPre => "the input of block i".to_owned(),
        Site::ResidPost => "the output of block i".to_owned(),
        other => format!("{other} of block i"),
    };
    let always = [
        ("format", FORMAT.to_owned()),
        ("kind", translator.kind().to_string()),
        ("site", site.to_string()),
        ("residual", residual.to_string()),
        (
            "convention",
            format!("{formula}, translator i applied to {place}; then final norm and unembedding"),
        ),
        ("d_model", translator.d_model().to_string()),
    ];
    let known = [
        ("n_layers", made_for.n_layers.map(|n| n.to_string())),
        ("n_vocab", made_for.n_vocab.map(|n| n.to_string())),
        ("unembed_sha256", made_for.unembed_sha256.clone()),
        ("unembed_hash", made_for.unembed_hash.clone()),
        ("base_model", provenance.base_model.clone()),
        ("base_revision", provenance.base_revision.clone()),
    ];
    let known = known.into_iter().filter_map(|(key, text)| Some((key, text?)));
    let details = provenance.details.iter().map(|(key, text)| (format!("{DETAIL}{key}"), text.clone()));
    always.into_iter().chain(known).map(|(key, text)| (key.to_owned(), text)).chain(details).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lens() -> LensFile {
        let map = |at: f32, residual| {
            let weight = vec![at, 0.5, -0.25, f32::MIN_POSITIVE];
            LensMap::new(2, weight, Some(vec![at, -0.0]), residual).unwrap()
        };
        let provenance = Provenance::default()
            .with_base_model(Some("owner/model".to_owned()))
            .with_details([("n_prompts".to_owned(), "7".to_owned())].into());
        let translator =
            Translator::tuned(2, [(0, map(1.0, true)), (10, map(2.0, true))], provenance).unwrap();
        let made_for = MadeFor::default().with_n_layers(Some(11)).with_unembed_sha256(Some("ab".to_owned()));
        LensFile::new(translator).with_made_for(made_for)
    }

    fn written(lens: &LensFile) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(lens, &mut bytes).unwrap();
        bytes
    }

    fn read_bytes(bytes: &[u8]) -> Result<LensFile, LensFileError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lens.safetensors");
        std::fs::write(&path, bytes).unwrap();
        read(&path)
    }

    #[test]
    fn what_is_written_is_read_bit_by_bit() {
        let (lens, bytes) = (lens(), written(&lens()));
        let back = read_bytes(&bytes).unwrap();
        let own = |lens: &LensFile| {
            let of = |point| (point, lens.translator.map(point).unwrap().clone());
            lens.translator.points().map(of).collect::<Vec<_>>()
        };
        assert_eq!(own(&back), own(&lens));
        assert_eq!(back.made_for, lens.made_for);
        let provenance = back.translator.provenance();
        assert_eq!(provenance.base_model.as_deref(), Some("owner/model"));
        assert_eq!(provenance.details, lens.translator.provenance().details);
        assert_eq!(provenance.sha256.as_deref().map(str::len), Some(64));
        assert_eq!(written(&back), bytes, "the same lens gave other bytes");
    }

    #[test]
    fn a_jacobian_lens_keeps_its_site() {
        let map = LensMap::new(1, vec![2.0], None, false).unwrap();
        let translator = Translator::jacobian(1, Site::AttnOut, [(3, map)], Provenance::default()).unwrap();
        let back = read_bytes(&written(&LensFile::new(translator))).unwrap().translator;
        assert_eq!(
            (back.kind(), back.points().collect()),
            (LensKind::Jacobian, vec![Point::block(3, Site::AttnOut)])
        );
        assert!(!back.map(Point::block(3, Site::AttnOut)).unwrap().is_residual());
    }

    #[test]
    fn maps_that_differ_in_kind_are_not_written() {
        let map = |residual| LensMap::new(1, vec![2.0], None, residual).unwrap();
        let mixed = Translator::tuned(1, [(0, map(true)), (1, map(false))], Provenance::default()).unwrap();
        let error = write(&LensFile::new(mixed), &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("L1.resid_pre is of another kind"), "{error}");
    }

    /// A file with a tensor of 2 x 2 and these texts.
    fn made(name: &str, texts: &[(&str, &str)]) -> Vec<u8> {
        let view =
            safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 2], &[0; 16]).unwrap();
        let texts = texts.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        safetensors::serialize([(name, view)], Some(texts)).unwrap()
    }

    #[test]
    fn a_header_that_does_not_fit_is_refused() {
        let good = [
            ("format", FORMAT),
            ("kind", "tuned"),
            ("site", "resid_pre"),
            ("residual", "true"),
            ("d_model", "2"),
        ];
        let name = "translator.0.weight";
        assert!(read_bytes(&made(name, &good)).is_ok());
        for (index, value, part) in [
            (0, "lens-file/2", "lens-file/2"),
            (1, "logit", "logit"),
            (2, "z", "not a vector of the residual stream"),
            (2, "embed", "embed"),
            (3, "yes", "yes"),
            (4, "3", "d_model says [3, 3]"),
            (4, "-1", "-1"),
        ] {
            let mut texts = good;
            texts[index].1 = value;
            let error = read_bytes(&made(name, &texts)).unwrap_err();
            let said = format!(
                "{error} {}",
                std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default()
            );
            assert!(said.contains(part), "{value}: {said}");
        }
        for name in ["translator.00.weight", "translator.0.bias", "other", "translator.70000.weight"] {
            assert!(read_bytes(&made(name, &good)).is_err(), "{name} was accepted");
        }
        let more = [good.as_slice(), &[("colour", "red")]].concat();
        assert!(read_bytes(&made(name, &more)).unwrap().notes[0].contains("colour"));
    }
}
