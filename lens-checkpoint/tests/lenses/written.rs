//! What is written is what the other tools write.

use std::fs;

use lens_checkpoint::lenses::{LensFile, MadeFor, jacobian, open, own, tuned};
use lens_core::{LensMap, Provenance, Site, Translator};

use super::{lens, maps, path};

/// The bytes of one entry of a zip file whose entries are stored, found by the entry's own header.
fn entry(file: &[u8], name: &str) -> Vec<u8> {
    let number = |at: usize| usize::from(u16::from_le_bytes([file[at], file[at + 1]]));
    let list = file.windows(4).position(|four| four == b"PK\x01\x02").unwrap();
    let mut at = list;
    while file[at..].starts_with(b"PK\x01\x02") {
        let long = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        let (names, extra) = (number(at + 28), number(at + 30));
        let found = String::from_utf8(file[at + 46..][..names].to_vec()).unwrap();
        if found.split_once('/').unwrap().1 == name {
            let (size, local) = (long(at + 24), long(at + 42));
            let start = local + 30 + number(local + 26) + number(local + 28);
            assert!(start.is_multiple_of(64), "{name} begins at {start}");
            return file[start..start + size].to_vec();
        }
        at += 46 + names + extra + number(at + 32);
    }
    panic!("no entry {name}");
}

#[test]
fn params_pt_has_the_bytes_that_torch_save_writes() {
    for name in ["tuned", "tuned_deep"] {
        let lens = lens(name);
        let mut bytes = Vec::new();
        tuned::write_params(&lens, &mut bytes).unwrap();
        let torch = fs::read(path(name).join("params.pt")).unwrap();
        let n = lens.translator.points().count();
        let storages = (0..2 * n).map(|index| format!("data/{index}"));
        for part in
            ["data.pkl".to_owned(), "byteorder".to_owned(), "version".to_owned()].into_iter().chain(storages)
        {
            assert!(entry(&bytes, &part) == entry(&torch, &part), "{name}: {part} differs");
        }
    }
}

#[test]
fn a_tuned_folder_that_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let lens = lens("tuned");
    let (mut params, mut config) = (Vec::new(), Vec::new());
    tuned::write_params(&lens, &mut params).unwrap();
    tuned::write_config(&lens, &mut config).unwrap();
    fs::write(folder.path().join("params.pt"), params).unwrap();
    fs::write(folder.path().join("config.json"), &config).unwrap();
    let back = open(folder.path()).unwrap();
    assert_eq!((maps(&back), &back.made_for), (maps(&lens), &lens.made_for));
    let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
    assert_eq!(json(&config), json(&fs::read(path("tuned/config.json")).unwrap()));
}

#[test]
fn a_jacobian_pt_has_the_bytes_that_torch_save_writes() {
    for (name, n) in [("jlens.pt", 3), ("jlens_one.pt", 1)] {
        let mut bytes = Vec::new();
        assert_eq!(jacobian::write_torch(&lens(name), &mut bytes).unwrap(), [""; 0]);
        let torch = fs::read(path(name)).unwrap();
        let storages = (0..n).map(|index| format!("data/{index}"));
        for part in std::iter::once("data.pkl".to_owned()).chain(storages) {
            assert!(entry(&bytes, &part) == entry(&torch, &part), "{name}: {part} differs");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lens.pt");
    for name in ["jlens_attn_out.pt", "jlens_mlp_out.pt"] {
        let mut bytes = Vec::new();
        jacobian::write_torch(&lens(name), &mut bytes).unwrap();
        fs::write(&file, bytes).unwrap();
        assert_eq!(maps(&open(&file).unwrap()), maps(&lens(name)), "{name}");
    }
}

#[test]
fn every_lens_that_is_read_can_be_kept_in_our_own_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kept");
    for name in [
        "tuned",
        "tuned_old",
        "jlens.pt",
        "jlens_attn_out.pt",
        "jspace.pt",
        "mlx",
        "gguf.safetensors",
        "mlxterp.npz",
    ] {
        let lens = lens(name);
        let mut bytes = Vec::new();
        own::write(&lens, &mut bytes).unwrap();
        fs::write(&file, bytes).unwrap();
        let back = open(&file).unwrap();
        assert_eq!((maps(&back), &back.made_for), (maps(&lens), &lens.made_for), "{name}");
        let of = |lens: &LensFile| {
            let provenance = lens.translator.provenance().clone();
            (provenance.base_model, provenance.base_revision, provenance.details)
        };
        assert_eq!(of(&back), of(&lens), "{name}");
    }
}

#[test]
fn what_another_format_has_no_words_for_is_not_written() {
    let map = |bias: Option<Vec<f32>>, residual| LensMap::new(1, vec![1e5], bias, residual).unwrap();
    let lens =
        |maps: Vec<(u16, LensMap)>| LensFile::new(Translator::tuned(1, maps, Provenance::default()).unwrap());
    let mut sink = Vec::new();
    let mut refused = |lens: &LensFile| tuned::write_params(lens, &mut sink).unwrap_err().to_string();
    assert!(
        refused(&lens(vec![(1, map(Some(vec![0.0]), true))])).contains("L1.resid_pre where L0.resid_pre")
    );
    assert!(refused(&lens(vec![(0, map(None, true))])).contains("lacks its b"));
    assert!(refused(&lens(vec![(0, map(Some(vec![0.0]), false))])).contains("is not x + W x + b"));
    let short = lens(vec![(0, map(Some(vec![0.0]), true))]);
    let short = short.with_made_for(MadeFor::default().with_n_layers(Some(2)));
    assert!(refused(&short).contains("1 translators for 2 blocks"));
    assert!(refused(&super::lens("jlens.pt")).contains("it is a jacobian lens"));
    let mut refused = |lens: &LensFile| jacobian::write_torch(lens, &mut sink).unwrap_err().to_string();
    assert!(refused(&super::lens("tuned")).contains("it is a tuned lens"));
    let at = |site| {
        LensFile::new(Translator::jacobian(1, site, [(0, map(None, false))], Provenance::default()).unwrap())
    };
    assert!(refused(&at(Site::ResidPost)).contains("beyond what float16 holds"));
    assert!(refused(&at(Site::ResidMid)).contains("no word for it"));
}

#[test]
fn rounding_to_float16_is_said() {
    let map = LensMap::new(1, vec![0.1], None, false).unwrap();
    let lens =
        LensFile::new(Translator::jacobian(1, Site::ResidPost, [(0, map)], Provenance::default()).unwrap());
    let notes = jacobian::write_torch(&lens, &mut Vec::new()).unwrap();
    assert!(notes[0].contains("rounded to float16") && notes[0].contains("2.4e-5"), "{notes:?}");
}
