//! Writes GGUF files that may lie.

/// A metadata value.
#[derive(Debug, Clone)]
pub(super) enum Meta {
    U32(u32),
    F32(f32),
    Bool(bool),
    Text(String),
    Texts(Vec<String>),
    Floats(Vec<f32>),
    Ints(Vec<i32>),
}

/// A file in the making: a tiny Llama, sound unless it is changed.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) version: u32,
    pub(super) entries: Vec<(String, Meta)>,
    /// Name, dimensions (the innermost first), type, and bytes.
    pub(super) tensors: Vec<(String, Vec<u64>, u32, Vec<u8>)>,
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

impl Meta {
    fn write(&self, out: &mut Vec<u8>) {
        let list = |out: &mut Vec<u8>, kind: u32, n: usize| {
            out.extend(9u32.to_le_bytes());
            out.extend(kind.to_le_bytes());
            out.extend((n as u64).to_le_bytes());
        };
        match self {
            Self::U32(n) => {
                out.extend(4u32.to_le_bytes());
                out.extend(n.to_le_bytes());
            }
            Self::F32(x) => {
                out.extend(6u32.to_le_bytes());
                out.extend(x.to_le_bytes());
            }
            Self::Bool(flag) => {
                out.extend(7u32.to_le_bytes());
                out.push(u8::from(*flag));
            }
            Self::Text(value) => {
                out.extend(8u32.to_le_bytes());
                text(out, value);
            }
            Self::Texts(values) => {
                list(out, 8, values.len());
                values.iter().for_each(|value| text(out, value));
            }
            Self::Floats(values) => {
                list(out, 6, values.len());
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
            Self::Ints(values) => {
                list(out, 5, values.len());
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
        }
    }
}

impl File {
    /// A Llama of one layer, with two heads of two, and a vocabulary of six.
    pub(super) fn llama() -> Self {
        let size = |key: &str, n| (format!("llama.{key}"), Meta::U32(n));
        let entries = vec![
            ("general.architecture".to_owned(), Meta::Text("llama".to_owned())),
            size("block_count", 1),
            size("embedding_length", 4),
            size("feed_forward_length", 8),
            size("attention.head_count", 2),
            size("attention.head_count_kv", 2),
            size("context_length", 16),
            ("llama.attention.layer_norm_rms_epsilon".to_owned(), Meta::F32(1e-5)),
            ("llama.rope.freq_base".to_owned(), Meta::F32(1e4)),
        ];
        let mut file = Self { version: 3, entries, tensors: Vec::new() };
        for (name, shape) in [
            ("token_embd", &[4u64, 6][..]),
            ("output", &[4, 6]),
            ("output_norm", &[4]),
            ("blk.0.attn_norm", &[4]),
            ("blk.0.attn_q", &[4, 4]),
            ("blk.0.attn_k", &[4, 4]),
            ("blk.0.attn_v", &[4, 4]),
            ("blk.0.attn_output", &[4, 4]),
            ("blk.0.ffn_norm", &[4]),
            ("blk.0.ffn_gate", &[4, 8]),
            ("blk.0.ffn_up", &[4, 8]),
            ("blk.0.ffn_down", &[8, 4]),
        ] {
            let n: u64 = shape.iter().product();
            let values = (0..n).flat_map(|i| (1.0 + i as f32).to_le_bytes()).collect();
            file.tensors.push((format!("{name}.weight"), shape.to_vec(), 0, values));
        }
        file
    }

    /// Sets an entry of the metadata.
    pub(super) fn set(mut self, key: &str, value: Meta) -> Self {
        self.entries.retain(|(own, _)| own != key);
        self.entries.push((key.to_owned(), value));
        self
    }

    pub(super) fn without(mut self, key: &str) -> Self {
        self.entries.retain(|(own, _)| own != key);
        self
    }

    /// Changes a tensor.
    pub(super) fn tensor(
        mut self,
        name: &str,
        change: impl Fn(&mut (String, Vec<u64>, u32, Vec<u8>)),
    ) -> Self {
        self.tensors.iter_mut().filter(|tensor| tensor.0 == name).for_each(change);
        self
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(self.version.to_le_bytes());
        out.extend((self.tensors.len() as u64).to_le_bytes());
        out.extend((self.entries.len() as u64).to_le_bytes());
        for (key, value) in &self.entries {
            text(&mut out, key);
            value.write(&mut out);
        }
        let mut offset = 0u64;
        for (name, shape, kind, bytes) in &self.tensors {
            text(&mut out, name);
            out.extend((shape.len() as u32).to_le_bytes());
            shape.iter().for_each(|n| out.extend(n.to_le_bytes()));
            out.extend(kind.to_le_bytes());
            out.extend(offset.to_le_bytes());
            offset += (bytes.len() as u64).next_multiple_of(32);
        }
        for (.., bytes) in &self.tensors {
            out.resize(out.len().next_multiple_of(32), 0);
            out.extend(bytes);
        }
        out
    }
}
