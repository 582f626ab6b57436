//! The names of tensors in an adapter's file, and what each means.

/// What a tensor of an adapter is to its module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    /// `lora_A`, `[rank, in]`.
    A,
    /// `lora_B`, `[out, rank]`.
    B,
    /// The bias of `lora_B`, `[out]`.
    BiasOfB,
    /// `lora_embedding_A`, `[rank, rows of the table]`.
    EmbeddingA,
    /// `lora_embedding_B`, `[width of the table, rank]`.
    EmbeddingB,
    /// DoRA's magnitudes.
    Magnitude,
    /// Rows of an embedding that take the place of its own.
    Tokens,
    /// A tensor that takes the place of the model's.
    Whole,
}

/// A name, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    /// The module as transformers calls it; of a [`Role::Whole`] tensor, the tensor.
    pub(super) module: String,
    pub(super) role: Role,
    /// How many wrappers lie around it: parameters of one module are wrapped one after the other.
    pub(super) depth: usize,
    /// The name of the adapter, where the key has one.
    pub(super) adapter: Option<String>,
}

/// What every name may begin with.
const PREFIXES: [&str; 3] = ["base_model.model.", "module.", "_orig_mod."];

impl Key {
    /// Takes a name apart; `None` for one that has a mark of LoRA in it and a form that is not known.
    pub(super) fn of(name: &str) -> Option<Self> {
        let mut path = name;
        while let Some(rest) = PREFIXES.iter().find_map(|prefix| path.strip_prefix(prefix)) {
            path = rest;
        }
        let parts: Vec<&str> = path.split('.').filter(|part| *part != "_orig_mod").collect();
        let mark = |part: &str| {
            part.starts_with("lora_")
                || ["token_adapter", "modules_to_save", "original_module"].contains(&part)
        };
        let Some(at) = parts.iter().position(|part| mark(part)) else {
            return Some(Self::whole(&parts));
        };
        let (before, rest) = (&parts[..at], &parts[at + 1..]);
        let (role, adapter) = match (parts[at], rest) {
            ("lora_A", ["weight"]) => (Role::A, None),
            ("lora_A", [name, "weight"]) => (Role::A, Some(*name)),
            ("lora_B", ["weight"]) => (Role::B, None),
            ("lora_B", [name, "weight"]) => (Role::B, Some(*name)),
            ("lora_B", ["bias"]) => (Role::BiasOfB, None),
            ("lora_B", [name, "bias"]) => (Role::BiasOfB, Some(*name)),
            ("lora_embedding_A", []) => (Role::EmbeddingA, None),
            ("lora_embedding_A", [name]) => (Role::EmbeddingA, Some(*name)),
            ("lora_embedding_B", []) => (Role::EmbeddingB, None),
            ("lora_embedding_B", [name]) => (Role::EmbeddingB, Some(*name)),
            ("lora_magnitude_vector", [] | ["weight"]) => (Role::Magnitude, None),
            ("lora_magnitude_vector", [name] | [name, "weight"]) => (Role::Magnitude, Some(*name)),
            ("token_adapter", ["trainable_tokens_delta"]) => (Role::Tokens, None),
            ("token_adapter", ["trainable_tokens_delta", name]) => (Role::Tokens, Some(*name)),
            ("modules_to_save", [name, inner @ ..]) if !inner.is_empty() => {
                let parts = [before, inner].concat();
                return Some(Self { adapter: Some((*name).to_owned()), ..Self::whole(&parts) });
            }
            _ => return None,
        };
        let depth = before.iter().rev().take_while(|part| **part == "base_layer").count();
        let module = before[..before.len() - depth].join(".");
        Some(Self { module, role, depth, adapter: adapter.map(str::to_owned) })
    }

    fn whole(parts: &[&str]) -> Self {
        let inner: Vec<&str> = parts.iter().copied().filter(|part| *part != "base_layer").collect();
        let depth = parts.len() - inner.len();
        Self { module: inner.join("."), role: Role::Whole, depth, adapter: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart() {
        for (name, module, role, depth, adapter) in [
            ("base_model.model.model.q_proj.lora_A.weight", "model.q_proj", Role::A, 0, None),
            (
                "base_model.model.model.q_proj.lora_B.default.weight",
                "model.q_proj",
                Role::B,
                0,
                Some("default"),
            ),
            ("q_proj.lora_B.bias", "q_proj", Role::BiasOfB, 0, None),
            ("base_model.model.wte.lora_embedding_A", "wte", Role::EmbeddingA, 0, None),
            ("base_model.model.wte.lora_embedding_B.mine", "wte", Role::EmbeddingB, 0, Some("mine")),
            ("base_model.model.q.lora_magnitude_vector", "q", Role::Magnitude, 0, None),
            ("base_model.model.q.lora_magnitude_vector.x.weight", "q", Role::Magnitude, 0, Some("x")),
            ("base_model.model.mlp.experts.base_layer.lora_A.weight", "mlp.experts", Role::A, 1, None),
            ("base_model.model.e.token_adapter.trainable_tokens_delta", "e", Role::Tokens, 0, None),
            (
                "base_model.model.lm_head.modules_to_save.default.weight",
                "lm_head.weight",
                Role::Whole,
                0,
                Some("default"),
            ),
            ("base_model.model.lm_head.weight", "lm_head.weight", Role::Whole, 0, None),
            ("base_model.model.h.0.c_attn.base_layer.bias", "h.0.c_attn.bias", Role::Whole, 1, None),
            ("base_model.model._orig_mod.q.lora_A.weight", "q", Role::A, 0, None),
        ] {
            let adapter = adapter.map(str::to_owned);
            let key = Key { module: module.to_owned(), role, depth, adapter };
            assert_eq!(Key::of(name), Some(key), "{name}");
        }
        for name in
            ["q.lora_C.weight", "q.lora_A", "q.lora_E", "q.lora_A.a.b.weight", "q.original_module.weight"]
        {
            assert_eq!(Key::of(name), None, "{name}");
        }
    }
}
