//! What `lens families` says of the mechanisms of a family: those of the specs of its fixtures, each of which is compared
//! with the reference, no less and no more.

// The helpers of the tests are tests, too.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, path::PathBuf};

use lens_checkpoint::{
    checkpoint::Checkpoint,
    config::parse,
    families::{FAMILIES, TensorNames, resolve},
    source::{Silent, SourceOptions, locate},
    spec::{DecoderSpec, Mechanisms},
};

fn here(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The spec of every checkpoint among the fixtures, and of the published configs of families that have none there.
fn specs() -> Vec<DecoderSpec> {
    let mut specs = fixtures();
    let known = |specs: &[DecoderSpec], model_type: &str| specs.iter().any(|spec| spec.family == model_type);
    let names: TensorNames = ["lm_head.weight"].into_iter().collect();
    let mut published: Vec<PathBuf> =
        std::fs::read_dir(here("tests/configs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    published.sort();
    for path in published {
        let config = parse(&std::fs::read(path).unwrap()).unwrap();
        if FAMILIES.iter().any(|family| family.model_types[0] == config["model_type"])
            && !known(&specs, config["model_type"].as_str().unwrap())
        {
            specs.push(resolve(&config, &names).unwrap());
        }
    }
    specs
}

/// The spec of every checkpoint among the fixtures.
fn fixtures() -> Vec<DecoderSpec> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(here("../tests/fixtures/checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    let open = |folder: &PathBuf| {
        let files =
            locate(folder.to_str().unwrap(), &SourceOptions::from_lookup(|_| None), &mut Silent).unwrap();
        Checkpoint::open(&files)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .outline()
            .spec
            .clone()
    };
    folders.iter().map(open).collect()
}

#[test]
fn the_table_is_what_the_specs_of_the_fixtures_have() {
    let mut table: BTreeMap<&str, Mechanisms> = BTreeMap::new();
    for spec in specs() {
        let family = FAMILIES.iter().find(|family| family.model_types.contains(&spec.family.as_str()));
        let family = family.unwrap_or_else(|| panic!("{} is a family", spec.family));
        table.entry(family.model_types[0]).or_default().extend(Mechanisms::of(&spec));
    }
    let rows: Vec<String> = table
        .iter()
        .map(|(family, mechanisms)| format!("{family:?}: {}", serde_json::to_string(mechanisms).unwrap()))
        .collect();
    let text = format!("{{\n{}\n}}\n", rows.join(",\n"));
    let path = here("src/families/mechanisms.json");
    // LENS_BLESS=1 writes the table instead of comparing it.
    if std::env::var_os("LENS_BLESS").is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let old = std::fs::read_to_string(&path).unwrap();
    let differs = old.lines().zip(text.lines()).find(|(old, new)| old != new);
    assert!(old == text, "{} is out of date: run this with LENS_BLESS=1. {differs:?}", path.display());
    for family in FAMILIES {
        let known = table
            .get(family.model_types[0])
            .unwrap_or_else(|| panic!("{:?} has no fixture", family.model_types));
        assert_eq!(family.mechanisms(), *known, "{:?}", family.model_types);
    }
}

/// Words are taken from the spec and not from the family's name: a few that were read in the reference.
#[test]
fn mechanisms_are_those_that_papers_name() {
    let of = |model_type: &str| {
        let family = FAMILIES.iter().find(|family| family.model_types.contains(&model_type)).unwrap();
        let mechanisms = family.mechanisms();
        let lists = mechanisms.lists().map(|(name, words)| format!("{name}: {words:?}"));
        lists.join("; ")
    };
    for (model_type, words) in [
        ("gpt2", &["\"learned\"", "\"plain\"", "\"layer\"", "mixers: {\"attention\"}"][..]),
        ("bloom", &["ALiBi", "on the embedding"]),
        ("gemma2", &["\"window\"", "\"full\"", "soft cap", "after branches", "grouped queries"]),
        (
            "deepseek_v3",
            &[
                "latent attention",
                "experts by sigmoid",
                "shared expert",
                "groups of experts",
                "corrected choice",
            ],
        ),
        ("mamba2", &["mixers: {\"Mamba-2\"}", "mlps: {\"none\"}", "masks: {}"]),
        ("falcon_h1", &["attention beside Mamba-2"]),
        ("qwen3_next", &["gated delta net", "\"gate\"", "partial RoPE", "gated shared expert"]),
        ("llama4_text", &["chunks", "\"none\"", "interleaved", "growing queries"]),
        ("openai-gpt", &["norms after sums", "no final one"]),
        ("gptj", &["parallel", "interleaved", "partial RoPE"]),
        ("lfm2", &["short convolution"]),
        ("minimax", &["lightning attention", "onto the normed stream"]),
        (
            "gemma4_text",
            &["shared keys and values", "proportional", "a factor on the stream", "beside a dense one"],
        ),
        ("diffllama", &["differential"]),
        ("bitnet", &["norm on what heads weigh", "norm on neurons"]),
        ("mimo_v2_flash", &["values of another width", "sinks"]),
    ] {
        let said = of(model_type);
        for word in words {
            assert!(said.contains(word), "{model_type} has no {word}: {said}");
        }
    }
}
