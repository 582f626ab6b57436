//! What strangers write, thrown at every parser of the toolkit.
//!
//! A target is a function of bytes. It reads them as a file, a text or a config would be read, and asserts what has to be
//! true of whatever is accepted; that nothing panics, hangs or asks for much memory is what the program around it watches.
//! The same functions are driven in two ways: by libFuzzer (`cargo xtask fuzz`, which sets the flags that let it see
//! which branches an input takes), and by the ordinary tests of this crate, which replay the [`seeds`], thousands of
//! changed copies of them, and every input that was ever found to break something (`found/TARGET/`).

mod checkpoint;
mod config;
mod data;
mod fixtures;
pub mod seeds;
mod shown;
mod text;
mod written;

pub use checkpoint::{gguf, quantised_blocks, safetensors_index, unpickle};
pub use config::config_parse;
pub use data::{parquet_manifest, prompts_file};
pub use shown::{display_safe, json_island, trace_import};
pub use text::{chat_template, tokenizer_load};
pub use written::{selection_parse, steer_parse};

/// A target by its name.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name: that of its function, and of the program that libFuzzer drives.
    pub name: &'static str,
    /// What it does with an input.
    pub run: fn(&[u8]),
    /// Words that its inputs are made of, for libFuzzer to put in.
    pub words: &'static [&'static str],
}

macro_rules! targets {
    ($($name:ident: $words:expr;)*) => {
        /// Every target.
        pub const TARGETS: &[Target] =
            &[$(Target { name: stringify!($name), run: $name, words: $words }),*];
    };
}

targets! {
    safetensors_index: &["{\"", "\"dtype\":", "\"shape\":[", "\"data_offsets\":[", "\"__metadata__\":{", "\"F32\"",
        "\"BF16\"", "\"F4\"", "\"weight_map\":", "18446744073709551615", ".safetensors", "../"];
    config_parse: &["\"model_type\":", "\"rope_scaling\":", "\"rope_parameters\":", "\"type\":", "null", "1e308", "-1",
        "\"layer_types\":", "\"yarn\"", "\"longrope\"", "Infinity", "\"text_config\":", "1073741824"];
    unpickle: &["PK\x03\x04", "PK\x01\x02", "PK\x05\x06", "ctorch._utils\n_rebuild_tensor_v2\n",
        "ccollections\nOrderedDict\n", "ctorch\nFloatStorage\n", "cos\nsystem\n", "data.pkl", "byteorder"];
    gguf: &["GGUF", "general.architecture", "general.alignment", "controlvector", "direction.1", "llama.block_count",
        "tokenizer.ggml.tokens", "split.count"];
    quantised_blocks: &[];
    tokenizer_load: &["\"model\":", "\"type\":\"BPE\"", "\"Unigram\"", "\"WordPiece\"", "\"merges\":", "\"vocab\":",
        "\"normalizer\":", "\"pre_tokenizer\":", "\"Split\"", "\"Regex\":", "\"post_processor\":", "\"padding\":",
        "\"truncation\":", "\"Prepend\"", "\"Sequence\"", "\"byte_fallback\":true", "(a|a)*$"];
    chat_template: &["{%", "%}", "{{", "}}", "for ", " in ", "endfor", "if ", "endif", "set ", "macro ", "endmacro",
        "namespace(", "range(", "tojson", "messages", "raise_exception(", "strftime_now(", "loop.index0", "generation"];
    display_safe: &["\u{1b}[", "\u{202e}", "\u{2066}", "\u{200b}", "\u{e0041}", "\u{feff}", "\u{301}", "\u{9b}"];
    json_island: &["</script>", "<!--", "]]>", "\u{2028}", "\" onmouseover=", "\\u003c", "&lt;"];
    trace_import: &["\"readouts\":[", "\"top\":[", "\"prob\":", "\"tokens\":[", "null", "1e39", "4294967295", "\"position\":",
        "\"layer\":", "\"component\":", "lens-trace/1"];
    steer_parse: &["L*.", "resid_post", "attn_out", ".z.h", "+=", "-=", "*=", "proj(", "@'", "[last]", "[0..4]", "1e308"];
    selection_parse: &["all", "last", "..", "..=", ",", "-1", "9223372036854775807", "heads", "resid_post", "L3."];
    prompts_file: &["{\"text\":\"", "\"messages\":[", "\"token_ids\":[", "\"id\":", "text,id\n", "\u{feff}", "PAR1"];
    parquet_manifest: &["PAR1", "lens-corpus-run/1", "lens-corpus-part/1", "\"first_document\":", "\"files\":[",
        "18446744073709551615", "\"part_documents\":"];
}

/// The words of a target as a dictionary of libFuzzer.
pub fn dictionary(words: &[&str]) -> String {
    let entry = |word: &&str| {
        let bytes = word.bytes().map(|byte| match byte {
            b'"' | b'\\' => format!("\\{}", byte as char),
            b' '..=b'~' => char::from(byte).to_string(),
            _ => format!("\\x{byte:02x}"),
        });
        format!("\"{}\"\n", bytes.collect::<String>())
    };
    words.iter().map(entry).collect()
}

/// Lets panics where libraries may panic be caught, as they are where a model is run, and ends the
/// program on any other. libFuzzer's own hook ends it on all of them.
pub fn panics_as_in_life() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        if thread.name() == Some(lens_checkpoint::tokenizer::THREAD) || lens_data::is_reading_parquet() {
            return;
        }
        eprintln!("thread {:?}: {panic}", thread.name().unwrap_or("without a name"));
        eprintln!("{}", std::backtrace::Backtrace::force_capture());
        std::process::abort();
    }));
}
