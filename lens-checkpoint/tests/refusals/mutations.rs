//! Every key of a config of every family replaced by every kind of nonsense: an answer always comes, soon, and
//! without much memory.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use lens_checkpoint::{
    checkpoint::TensorIndex,
    config::ConfigError,
    families::{FAMILIES, TensorNames, resolve},
};
use serde_json::{Value, json};

use crate::fixtures;

/// Thousands of times what one config takes.
const LIMIT: Duration = Duration::from_secs(1);

/// Bytes that this whole process may have held at its peak.
const MEMORY: u64 = 1 << 30;

#[test]
fn no_value_of_any_key_panics_or_takes_long() {
    let nonsense = nonsense();
    for fixture in configs() {
        for path in paths(&fixture.config) {
            let tries = nonsense.iter().cloned().map(Some).chain([None]);
            for value in tries {
                let mut config = fixture.config.clone();
                match (&value, config.pointer_mut(&path)) {
                    (Some(value), Some(slot)) => *slot = value.clone(),
                    (None, Some(slot)) => *slot = Value::Null,
                    (_, None) => unreachable!("{path} was found in this config"),
                }
                fixture.judge(&config, &format!("{path} = {}", shown(value.as_ref())));
            }
        }
    }
    assert_little_memory();
}

#[test]
fn no_number_everywhere_panics_or_takes_long() {
    for fixture in configs() {
        for number in [1.0, 2.0, 64.0, 1024.0, 65_536.0, (1u64 << 30) as f64, (1u64 << 40) as f64, 1e300] {
            let mut config = fixture.config.clone();
            for path in paths(&fixture.config) {
                if let Some(slot) = config.pointer_mut(&path).filter(|slot| slot.is_u64()) {
                    *slot = json!(number);
                }
            }
            fixture.judge(&config, &format!("{number} everywhere"));
        }
    }
    assert_little_memory();
}

#[test]
fn a_config_of_only_its_model_type_is_an_error_that_names_a_key() {
    for fixture in configs() {
        let config = json!({"model_type": fixture.config["model_type"]});
        let error = resolve(&config, &fixture.names).unwrap_err();
        assert!(matches!(error, ConfigError::Missing { .. }), "{}: {error}", fixture.name);
    }
}

/// What a norm adds that would drown its input, and bases of rotations below one: refused wherever a family reads them.
#[test]
fn no_family_takes_an_epsilon_above_one_or_a_base_below_it() {
    let mut refused = [0, 0];
    for fixture in configs() {
        let usual = match resolve(&fixture.config, &fixture.names) {
            Ok(usual) => usual,
            Err(error) => {
                // The fixture of another type stands for it.
                let own = fixture.config["model_type"].as_str().unwrap();
                assert_ne!(like(own), own, "{}: {error}", fixture.name);
                continue;
            }
        };
        for path in paths(&fixture.config) {
            let key = path.rsplit('/').find(|part| *part != "0").unwrap_or("");
            let value = match key {
                _ if key.ends_with("eps") || key.ends_with("epsilon") => 1.5,
                _ if key.ends_with("theta") || key.ends_with("base_freq") || key == "rotary_emb_base" => 0.5,
                _ => continue,
            };
            let mut config = fixture.config.clone();
            let slot = config.pointer_mut(&path).unwrap();
            // Zero is no rotation where layers have theirs.
            if !slot.is_number() || slot.as_f64() == Some(0.0) {
                continue;
            }
            *slot = json!(value);
            match resolve(&config, &fixture.names) {
                Ok(spec) => assert!(spec == usual, "{}: {path} = {value} is taken", fixture.name),
                Err(_) => refused[usize::from(value < 1.0)] += 1,
            }
        }
    }
    assert!(refused.iter().all(|n| *n > FAMILIES.len() / 2), "{refused:?}");
    println!("{} epsilons and {} bases refused", refused[0], refused[1]);
}

struct Fixture {
    name: String,
    config: Value,
    names: TensorNames,
}

impl Fixture {
    /// Accepts or refuses; in any case soon, and refuses in words.
    fn judge(&self, config: &Value, what: &str) {
        let start = Instant::now();
        let spec = resolve(config, &self.names);
        let took = start.elapsed();
        assert!(took < LIMIT, "{}: {what} took {took:?}", self.name);
        if let Err(error) = spec {
            let message = error.to_string();
            let start: String = message.chars().take(300).collect();
            assert!((10..2000).contains(&message.len()), "{}: {what}: {start:?}", self.name);
        }
    }
}

/// The configs of one fixture for each family, in every spelling, with the names of its tensors.
fn configs() -> Vec<Fixture> {
    let mut configs = Vec::new();
    for family in FAMILIES.iter().flat_map(|family| family.model_types) {
        let (folder, names) = fixture(family);
        for spelling in ["config.json", "config.v5.json", "config.old.json"] {
            let Ok(bytes) = std::fs::read(folder.join(spelling)) else { continue };
            let name = format!("{family} ({spelling})");
            let mut config: Value = serde_json::from_slice(&bytes).unwrap();
            config["model_type"] = json!(family);
            configs.push(Fixture { name, config, names: names.clone() });
        }
    }
    configs
}

/// The folder of a fixture of a family, and the names of its tensors.
fn fixture(model_type: &str) -> (PathBuf, TensorNames) {
    let model_type = like(model_type);
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(fixtures()).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    for folder in folders {
        let config = std::fs::read(folder.join("config.json")).unwrap();
        let config: Value = serde_json::from_slice(&config).unwrap();
        let Ok(weights) = std::fs::read(folder.join("model.safetensors")) else { continue };
        if config["model_type"] == model_type {
            let mut tensors = TensorIndex::default();
            tensors.add_shard("model.safetensors", &weights, weights.len() as u64).unwrap();
            return (folder, tensors.iter().map(|(name, _)| name).collect());
        }
    }
    panic!("no fixture of {model_type}");
}

/// The type whose fixture stands for one that has none, being the same model under another name.
fn like(model_type: &str) -> &str {
    match model_type {
        "kimi_k2" => "deepseek_v3",
        "gemma4_unified_text" => "gemma4_text",
        "phi4_multimodal" => "phi3",
        "apertus1p5_text" => "apertus",
        own => own,
    }
}

/// Values that no key expects all of.
fn nonsense() -> Vec<Value> {
    vec![
        json!(-1),
        json!(0),
        json!(1),
        json!(7),
        json!(1_000_000_000),
        json!(1u64 << 40),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.5),
        json!(-1e300),
        json!(1e300),
        json!(5e-324),
        json!(true),
        json!("garbage\u{1b}[31m\u{202e}"),
        json!(""),
        json!([]),
        json!([null]),
        json!(vec![1; 5000]),
        json!(["sliding_attention", {"a": [[1e9]]}]),
        json!({}),
        json!({"rope_type": "llama3", "factor": -1, "full_attention": {"rope_type": "yarn"}}),
        json!({"rope_type": "dynamic", "factor": 1e300, "sliding_attention": 5}),
        json!({"a": {"b": {"c": [[[[{"d": null}]]]]}}}),
    ]
}

/// JSON pointers to every value of a config, nested ones included.
fn paths(config: &Value) -> Vec<String> {
    let mut paths = Vec::new();
    let mut open = vec![(String::new(), config)];
    while let Some((path, value)) = open.pop() {
        let children: Vec<(String, &Value)> = match value {
            Value::Object(keys) => keys.iter().map(|(key, value)| (key.clone(), value)).collect(),
            // All elements of a list are of one kind.
            Value::Array(list) => list.iter().take(1).map(|value| ("0".to_owned(), value)).collect(),
            _ => Vec::new(),
        };
        for (key, value) in children {
            let path = format!("{path}/{key}");
            paths.push(path.clone());
            open.push((path, value));
        }
    }
    paths
}

fn shown(value: Option<&Value>) -> String {
    value.map_or("null".to_owned(), |value| value.to_string().chars().take(80).collect())
}

/// The peak of this process's memory, where the system tells.
fn assert_little_memory() {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return };
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes * 1024 < MEMORY, "{kilobytes} kB at the peak");
}
