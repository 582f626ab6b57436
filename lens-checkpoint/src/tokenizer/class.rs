//! What the tokenizer classes of transformers (4.57) make of a tokenizer.json, besides reading it.

use serde_json::Value;

/// A tokenizer class, as far as it matters to texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Class {
    /// The name, without "Fast".
    pub(super) name: &'static str,
    /// The special tokens that it has where no file names them, by the keys of tokenizer_config.json.
    pub(super) defaults: &'static [(&'static str, &'static str)],
    /// Whether it makes the post-processing anew from `add_bos_token` and `add_eos_token`, and whether it begins
    /// texts with its `bos_token` where the key is absent.
    pub(super) begins: Option<bool>,
    /// Whether an absent `add_prefix_space` means false, whatever tokenizer.json says.
    pub(super) sets_prefix_space: bool,
    /// Whether `add_prefix_space: true` reaches the inner steps of a sequence.
    pub(super) deep_prefix_space: bool,
    /// Whether its special tokens are found in texts as they are, whatever the files say of their flags.
    pub(super) literal_specials: bool,
    /// Whether it sets lower case, accents and Chinese characters as BERT does.
    pub(super) is_bert: bool,
}

const GENERIC: Class = Class {
    name: "PreTrainedTokenizer",
    defaults: &[],
    begins: None,
    sets_prefix_space: true,
    deep_prefix_space: false,
    literal_specials: false,
    is_bert: false,
};

const END_OF_TEXT: &[(&str, &str)] =
    &[("bos_token", "<|endoftext|>"), ("eos_token", "<|endoftext|>"), ("unk_token", "<|endoftext|>")];
const SENTENCE: &[(&str, &str)] = &[("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>")];
const BERT: Class = Class {
    name: "BertTokenizer",
    defaults: &[
        ("unk_token", "[UNK]"),
        ("sep_token", "[SEP]"),
        ("pad_token", "[PAD]"),
        ("cls_token", "[CLS]"),
        ("mask_token", "[MASK]"),
    ],
    is_bert: true,
    ..GENERIC
};
const LLAMA: Class = Class {
    name: "LlamaTokenizer",
    defaults: SENTENCE,
    begins: Some(true),
    sets_prefix_space: false,
    ..GENERIC
};

const CLASSES: [Class; 14] = [
    GENERIC,
    // What transformers 5 calls the generic class.
    Class { name: "TokenizersBackend", ..GENERIC },
    LLAMA,
    Class { name: "CodeLlamaTokenizer", sets_prefix_space: true, ..LLAMA },
    Class {
        name: "GemmaTokenizer",
        defaults: &[
            ("bos_token", "<bos>"),
            ("eos_token", "<eos>"),
            ("unk_token", "<unk>"),
            ("pad_token", "<pad>"),
        ],
        begins: Some(true),
        ..GENERIC
    },
    Class {
        name: "CohereTokenizer",
        defaults: &[
            ("bos_token", "<BOS_TOKEN>"),
            ("eos_token", "<|END_OF_TURN_TOKEN|>"),
            ("unk_token", "<UNK>"),
        ],
        begins: Some(true),
        deep_prefix_space: true,
        ..GENERIC
    },
    Class { name: "GPTNeoXTokenizer", defaults: END_OF_TEXT, begins: Some(false), ..GENERIC },
    Class { name: "GPT2Tokenizer", defaults: END_OF_TEXT, ..GENERIC },
    Class { name: "CodeGenTokenizer", defaults: END_OF_TEXT, ..GENERIC },
    Class {
        name: "Qwen2Tokenizer",
        defaults: &[
            ("eos_token", "<|endoftext|>"),
            ("unk_token", "<|endoftext|>"),
            ("pad_token", "<|endoftext|>"),
        ],
        literal_specials: true,
        ..GENERIC
    },
    Class {
        name: "BloomTokenizer",
        defaults: &[
            ("bos_token", "<s>"),
            ("eos_token", "</s>"),
            ("unk_token", "<unk>"),
            ("pad_token", "<pad>"),
        ],
        deep_prefix_space: true,
        ..GENERIC
    },
    BERT,
    Class { name: "DistilBertTokenizer", ..BERT },
    Class { name: "ElectraTokenizer", ..BERT },
];

impl Class {
    /// The class of a name with or without "Fast"; `None` if its habits are not known here.
    pub(super) fn of(name: &str) -> Option<Self> {
        let name = name.strip_suffix("Fast").unwrap_or(name);
        CLASSES.into_iter().find(|class| class.name == name)
    }

    /// Whether it stands for any tokenizer.
    pub(super) fn is_generic(&self) -> bool {
        self.name == GENERIC.name || self.name == "TokenizersBackend"
    }

    /// What transformers takes where no file names a class: it goes by the model.
    pub(super) fn of_model(model_type: &str) -> Self {
        let name = match model_type {
            "llama" | "mistral" | "mixtral" | "phi3" | "arcee" | "ministral" | "phimoe" => "LlamaTokenizer",
            "cohere" | "cohere2" => "CohereTokenizer",
            "gemma" | "gemma2" | "gemma3" | "gemma3_text" => "GemmaTokenizer",
            "gpt2" | "gpt_bigcode" | "gpt_neo" | "gptj" | "granite" | "granitemoe" | "olmo3" | "opt"
            | "starcoder2" => "GPT2Tokenizer",
            "gpt_neox" | "mpt" | "olmo" | "olmo2" | "olmoe" | "stablelm" => "GPTNeoXTokenizer",
            "phi" => "CodeGenTokenizer",
            "bloom" => "BloomTokenizer",
            "qwen2" | "qwen2_moe" | "qwen3" | "qwen3_moe" => "Qwen2Tokenizer",
            _ => "PreTrainedTokenizer",
        };
        Self::of(name).unwrap_or(GENERIC)
    }

    /// The class that the files of a checkpoint name, and its name if it is not known here. Without
    /// tokenizer_config.json, tokenizer.json is all there is: the tokens of a class that nobody names would be made up.
    /// Where that is missing as well, the class makes it.
    pub(super) fn choose(
        tokenizer_config: &Value,
        config: &Value,
        lacks_tokenizer_json: bool,
    ) -> (Self, Option<String>) {
        if tokenizer_config.is_null() && !lacks_tokenizer_json {
            return (Self { sets_prefix_space: false, ..GENERIC }, None);
        }
        let named = [tokenizer_config, config].into_iter().find_map(|file| file["tokenizer_class"].as_str());
        match named {
            Some(name) => match Self::of(name) {
                Some(class) => (class, None),
                None => (GENERIC, Some(name.to_owned())),
            },
            None => (Self::of_model(config["model_type"].as_str().unwrap_or_default()), None),
        }
    }
}
