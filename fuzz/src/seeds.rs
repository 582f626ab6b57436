//! Inputs that a target begins with: made here, or files of the project's own tests.

use crate::fixtures;

/// The seeds of a target.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let texts = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    match target {
        "safetensors_index" => vec![
            safetensors(r#"{"a":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}"#, 12),
            safetensors(
                r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F4","shape":[2],"data_offsets":[4,5]}}"#,
                5,
            ),
            safetensors("{}", 0),
            br#"{"metadata":{},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"../b.safetensors"}}"#.to_vec(),
        ],
        "config_parse" => {
            let configs = crate::config::known().iter().step_by(9).map(|config| config.to_string().into_bytes());
            configs.chain((0..=255).step_by(5).map(|family| vec![family, family, 7, family / 2, 3])).collect()
        }
        "unpickle" => {
            let lenses = ["jlens.pt", "jlens_bf16.pt", "jlens_protocol_5.pt", "jlens_views.pt", "jspace.pt", "mlxterp.npz"];
            let lenses = lenses.iter().map(|name| fixtures::read(&format!("lenses/files/{name}")));
            let states = [
                b"\x80\x02}q\0.".to_vec(),
                b"\x80\x02ccollections\nOrderedDict\nq\0)Rq\x01.".to_vec(),
                b"\x80\x02cos\nsystem\nX\x02\0\0\0ls\x85R.".to_vec(),
            ];
            lenses.chain(states).collect()
        }
        "gguf" => vec![vector(0, 2, &[0; 8]), vector(2, 32, &[1; 18]), vector(14, 256, &[7; 210]), model()],
        "quantised_blocks" => {
            let checkpoints = (0..17).map(|which| vec![which, 9, 1, 0, 0, 255, 3, 0, 0, 128, b'3']);
            checkpoints.collect()
        }
        "tokenizer_load" => {
            let files = ["byte_level", "byte_fallback"].map(|name| fixtures::read(&format!("tokenizer/{name}/tokenizer.json")));
            let made = [
                r#"{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]},"added_tokens":[]}"#,
                r#"{"model":{"type":"Unigram","unk_id":0,"vocab":[["<unk>",0.0],["a",-1.0]]},"normalizer":{"type":"Prepend","prepend":"x"}}"#,
                r#"{"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"a","max_input_chars_per_word":9,"vocab":{"[UNK]":0,"a":1}},"pre_tokenizer":{"type":"Split","pattern":{"Regex":"(a|a)*$"},"behavior":"Isolated","invert":false}}"#,
                r#"{"model":{"type":"BPE","vocab":{"a":0},"merges":[["a","a"]]},"padding":{"strategy":{"Fixed":99999999},"direction":"Right","pad_to_multiple_of":null,"pad_id":0,"pad_type_id":0,"pad_token":"a"}}"#,
            ];
            files.into_iter().chain(made.map(|json| json.as_bytes().to_vec())).collect()
        }
        "chat_template" => {
            let templates = ["llama3", "qwen3", "corners", "mistral"];
            let published = templates.map(|name| fixtures::read(&format!("chat_templates/{name}.jinja")));
            let made: Vec<Vec<u8>> = texts(&[
                "{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}{% endfor %}",
                "{% for i in range(1e9) %}{{ 'a' * 1000000 }}{% endfor %}",
                "{% set ns = namespace(x=[1]) %}{% for i in range(24) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x | tojson(indent=4) }}",
                "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
            ]);
            published.into_iter().chain(made).collect()
        }
        "display_safe" => texts(&["plain text", "a\n\u{1b}[31m\u{202e}\u{200b}", "\u{301}x\u{e0041}\u{feff}\u{9b}", "你好 🦀 e\u{301}"]),
        "json_island" => texts(&["x", "</script><script>alert(1)</script>", "<!--\u{2028}\u{2029}\\\"'&", "]]>\u{0}\u{202e}"]),
        "trace_import" => {
            let trace = serde_json::to_vec(&crate::shown::trace("a")).unwrap_or_default();
            let v2 = lens_viz::logitlenskit::to_v2(
                &crate::shown::trace("a"),
                lens_core::Component::Site(lens_core::Site::ResidPost),
            );
            let v2 = v2.ok().and_then(|file| serde_json::to_vec(&file).ok()).unwrap_or_default();
            vec![trace, v2]
        }
        "steer_parse" => texts(&[
            "L3.resid_post[last] += 0.6*@'a' - @'b'", "L0..4,-1.z.h1 *= 2", "embed[0..2] = 0", "L*.mlp_out -= proj(@'x' + v.gguf)",
            "L3.attn_out = @\"it's\"", "L1.resid_pre += 1e-3*file.safetensors:name",
        ]),
        "selection_parse" => texts(&["all", "0..3,-1", "last", "..=4,7..", "heads,embed", "resid_post,attn_out", "L3.z.h5", "embed"]),
        "prompts_file" => [texts(&[
            "a\nb\r\n\n c\n", "\u{feff}{\"text\":\"a\",\"id\":1}\n{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}\n{\"token_ids\":[1,2]}",
            "text,id\n\"a, b\",1\nc\n", "prompt;id\na;1\n", "{\"text\":null}\n[]\n\u{0}",
        ]), vec![rows()]].concat(),
        "parquet_manifest" => manifests(),
        _ => Vec::new(),
    }
}

/// A safetensors file of a header and so many bytes.
fn safetensors(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.resize(bytes.len() + data, 0);
    bytes
}

/// What of a GGUF file's metadata is written here.
enum Said<'s> {
    Text(&'s str),
    Number(u32),
    Texts(&'s [&'s str]),
}

/// A GGUF file: metadata, and tensors with their names, shapes (ggml's order), types and bytes.
fn gguf(metadata: &[(&str, Said<'_>)], tensors: &[(&str, &[u64], u32, &[u8])]) -> Vec<u8> {
    fn string(out: &mut Vec<u8>, text: &str) {
        out.extend((text.len() as u64).to_le_bytes());
        out.extend(text.as_bytes());
    }
    let mut out = b"GGUF\x03\0\0\0".to_vec();
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        string(&mut out, key);
        match value {
            Said::Text(text) => {
                out.extend(8u32.to_le_bytes());
                string(&mut out, text);
            }
            Said::Number(number) => {
                out.extend(4u32.to_le_bytes());
                out.extend(number.to_le_bytes());
            }
            Said::Texts(texts) => {
                out.extend(9u32.to_le_bytes());
                out.extend(8u32.to_le_bytes());
                out.extend((texts.len() as u64).to_le_bytes());
                texts.iter().for_each(|text| string(&mut out, text));
            }
        }
    }
    let mut offset = 0u64;
    for (name, shape, kind, bytes) in tensors {
        string(&mut out, name);
        out.extend((shape.len() as u32).to_le_bytes());
        shape.iter().for_each(|n| out.extend(n.to_le_bytes()));
        out.extend(kind.to_le_bytes());
        out.extend(offset.to_le_bytes());
        offset += (bytes.len() as u64).next_multiple_of(32);
    }
    for (.., bytes) in tensors {
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(*bytes);
    }
    out
}

/// A control vector of `count` values in blocks of ggml's type `kind`.
fn vector(kind: u32, count: usize, blocks: &[u8]) -> Vec<u8> {
    let metadata = [
        ("general.architecture", Said::Text("controlvector")),
        ("controlvector.model_hint", Said::Text("llama")),
        ("controlvector.layer_count", Said::Number(1)),
    ];
    gguf(&metadata, &[("direction.1", &[count as u64], kind, blocks)])
}

/// A model of one block, as llama.cpp writes it, with a tokenizer.
fn model() -> Vec<u8> {
    let number = |key, number| (key, Said::Number(number));
    let metadata = [
        ("general.architecture", Said::Text("llama")),
        number("llama.block_count", 1),
        number("llama.embedding_length", 4),
        number("llama.feed_forward_length", 4),
        number("llama.attention.head_count", 1),
        number("llama.attention.head_count_kv", 1),
        number("llama.context_length", 16),
        number("llama.vocab_size", 3),
        ("tokenizer.ggml.model", Said::Text("gpt2")),
        ("tokenizer.ggml.pre", Said::Text("llama-bpe")),
        ("tokenizer.ggml.tokens", Said::Texts(&["a", "b", "ab"])),
        ("tokenizer.ggml.merges", Said::Texts(&["a b"])),
    ];
    let (square, flat, wide): (&[u64], &[u64], &[u64]) = (&[4, 4], &[4], &[4, 3]);
    let zeros = [0; 64];
    let block = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"];
    let names: Vec<String> = block.iter().map(|name| format!("blk.0.{name}.weight")).collect();
    let mut tensors: Vec<(&str, &[u64], u32, &[u8])> = vec![
        ("token_embd.weight", wide, 0, &zeros[..48]),
        ("output.weight", wide, 0, &zeros[..48]),
        ("output_norm.weight", flat, 0, &zeros[..16]),
        ("blk.0.attn_norm.weight", flat, 0, &zeros[..16]),
        ("blk.0.ffn_norm.weight", flat, 0, &zeros[..16]),
    ];
    tensors.extend(names.iter().map(|name| (name.as_str(), square, 0, &zeros[..])));
    gguf(&metadata, &tensors)
}

/// A Parquet file of a row, as parts of a corpus have them.
fn rows() -> Vec<u8> {
    let cell = lens_core::corpus::Cell { keys: vec![-4, 700], counts: vec![1, 2], ..Default::default() };
    lens_data::parts::to_parquet(&[cell]).unwrap_or_default()
}

/// Rows of a part as Parquet, and the JSON beside them, as they are written.
fn manifests() -> Vec<Vec<u8>> {
    use lens_data::parts::{End, Manifest, Run};
    let part_documents = std::num::NonZeroU64::MIN.saturating_add(4);
    let run = Run::new(Default::default(), part_documents, [("model".to_owned(), "x".into())].into());
    let part = Manifest::new(&run, 0, "00".repeat(32)).with_documents(5);
    let end = End {
        format: End::FORMAT.to_owned(),
        run: run.digest(),
        documents: 5,
        parts: 1,
        texts_sha256: "00".repeat(32),
    };
    let json = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
    let (run, part, end) = (
        json(serde_json::to_string(&run)),
        json(serde_json::to_string(&part)),
        json(serde_json::to_string(&end)),
    );
    vec![
        rows(),
        format!("{run}\n{part}\n\n{end}").into_bytes(),
        format!("{run}\n{part}\n{part}\n\n{part}").into_bytes(),
    ]
}
