//! Every target over its seeds, over changed copies of them, and over whatever broke something once.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use std::{fs, path::Path, time::Instant};

use lens_fuzz::{TARGETS, Target, seeds};

/// Changed copies of each seed, unless `LENS_FUZZ_COPIES` says how many.
const COPIES: u64 = 60;

/// A small generator: the tests try the same every time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n.max(1) as u64) as usize
    }
}

/// A few bytes changed, taken out, doubled or cut off; or a word put in.
fn changed(seed: &[u8], words: &[&str], draw: &mut Draw) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=draw.below(4) {
        let at = draw.below(bytes.len());
        match draw.below(6) {
            0 | 1 if !bytes.is_empty() => bytes[at] = draw.below(256) as u8,
            2 if !bytes.is_empty() => drop(bytes.remove(at)),
            3 => bytes.truncate(at),
            4 => {
                let end = (at + draw.below(16)).min(bytes.len());
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ if !words.is_empty() => {
                let word = words[draw.below(words.len())];
                bytes.splice(at..at, word.bytes());
            }
            _ => {}
        }
    }
    bytes
}

fn replay(target: &Target) {
    let begun = Instant::now();
    let mut tried = 0;
    let mut run = |input: &[u8]| {
        tried += 1;
        (target.run)(input);
    };
    run(b"");
    let seeds = seeds::of(target.name);
    assert!(!seeds.is_empty(), "{} has no seed", target.name);
    let copies = std::env::var("LENS_FUZZ_COPIES").map_or(COPIES, |n| n.parse().unwrap());
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    for seed in &seeds {
        run(seed);
        (0..copies).for_each(|_| run(&changed(seed, target.words, &mut draw)));
    }
    let found = Path::new(env!("CARGO_MANIFEST_DIR")).join("found").join(target.name);
    for entry in fs::read_dir(found).into_iter().flatten().flatten() {
        run(&fs::read(entry.path()).unwrap());
    }
    println!("{}: {tried} inputs in {:.1} s", target.name, begun.elapsed().as_secs_f64());
}

macro_rules! replayed {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            replay(TARGETS.iter().find(|target| target.name == stringify!($name)).unwrap());
        })*

        #[test]
        fn every_target_is_replayed_and_has_a_program() {
            let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
            for name in names {
                let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("bin").join(name).with_extension("rs");
                let program = fs::read_to_string(program).unwrap();
                assert!(program.contains(&format!("lens_fuzz::{name}(data)")), "{name}");
            }
        }
    };
}

replayed! {
    safetensors_index config_parse unpickle gguf quantised_blocks tokenizer_load chat_template display_safe json_island
    trace_import steer_parse selection_parse prompts_file parquet_manifest
}
