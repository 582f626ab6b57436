//! The architectures that are read, and what the converter of llama.cpp does to the weights of each.

/// What one architecture is called in transformers, and how its files differ.
#[derive(Debug, Clone, Copy)]
pub(super) struct Architecture {
    /// `general.architecture`.
    pub(super) name: &'static str,
    /// `model_type` in transformers.
    pub(super) model_type: &'static str,
    /// The `model_type` of those with experts, where it is another.
    pub(super) with_experts: Option<&'static str>,
    /// How layers are called.
    pub(super) naming: Naming,
    /// Whether rows of query and key projections are interleaved, for a rotary embedding that turns neighbours.
    pub(super) permuted: bool,
    /// Whether norms are stored as they are multiplied, where transformers stores their difference from one.
    pub(super) norms_plus_one: bool,
}

/// How the tensors of a layer are called in transformers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Naming {
    /// Llama's names.
    Llama,
    /// Llama's, with norms before and after each branch.
    Sandwich,
    /// Llama's, with norms after each branch only.
    PostNorm,
    /// Fused projections of query, key and value, and of gate and up.
    Phi3,
    /// Names of its own, and transposed weights.
    Gpt2,
}

const LLAMA: Architecture = Architecture {
    name: "llama",
    model_type: "llama",
    with_experts: Some("mixtral"),
    naming: Naming::Llama,
    permuted: true,
    norms_plus_one: false,
};

const QWEN2: Architecture =
    Architecture { name: "qwen2", model_type: "qwen2", with_experts: None, permuted: false, ..LLAMA };

const GEMMA: Architecture =
    Architecture { name: "gemma", model_type: "gemma", norms_plus_one: true, ..QWEN2 };

const ALL: &[Architecture] = &[
    LLAMA,
    QWEN2,
    Architecture { name: "qwen2moe", model_type: "qwen2_moe", ..QWEN2 },
    Architecture { name: "qwen3", model_type: "qwen3", ..QWEN2 },
    Architecture { name: "qwen3moe", model_type: "qwen3_moe", ..QWEN2 },
    GEMMA,
    Architecture { name: "gemma2", model_type: "gemma2", naming: Naming::Sandwich, ..GEMMA },
    Architecture { name: "gemma3", model_type: "gemma3_text", naming: Naming::Sandwich, ..GEMMA },
    Architecture { name: "phi3", model_type: "phi3", naming: Naming::Phi3, ..QWEN2 },
    Architecture { name: "granite", model_type: "granite", with_experts: None, ..LLAMA },
    Architecture { name: "smollm3", model_type: "smollm3", with_experts: None, ..LLAMA },
    Architecture { name: "olmo2", model_type: "olmo2", naming: Naming::PostNorm, ..QWEN2 },
    Architecture { name: "gpt2", model_type: "gpt2", naming: Naming::Gpt2, ..QWEN2 },
];

impl Architecture {
    /// The architecture of that name.
    ///
    /// # Errors
    /// Where it is not read here: what is.
    pub(super) fn of(name: &str) -> Result<Self, String> {
        ALL.iter().copied().find(|architecture| architecture.name == name).ok_or_else(|| {
            let known: Vec<_> = ALL.iter().map(|architecture| architecture.name).collect();
            format!(
                "its architecture is {:?}, which is not read from GGUF files (read are {}): use the safetensors of the \
                 original model",
                crate::config::cut(name),
                known.join(", ")
            )
        })
    }
}
