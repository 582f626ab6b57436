//! config.json of published models of every family: what each means, and how many parameters that makes.
//!
//! The files in `configs/` have the keys and values of the models' own, in the spelling of their time. The
//! number of parameters is a strong check of every shape: it is the published one, to the last where its
//! publisher counts that far.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use lens_checkpoint::{
    config::{ConfigError, parse},
    families::{FAMILIES, TensorNames, resolve},
    spec::{
        Activation, DecoderSpec, Divisor, EmbedScale, ExpertSpec, ExpertsSpec, Gating, LayerSpec, Mamba2Spec,
        Mask, MixerSpec, MlpSpec, Pairing, Position, QkScope, Rope, RopeScaling, Scores,
    },
};
use lens_core::{Point, Site};
use serde_json::Value;

/// Types without a config.json here: none is known to be published under that type, or its text was not at hand.
const UNPUBLISHED: &[&str] =
    &["granitemoeshared", "hunyuan_v1_moe", "gemma4_unified_text", "aria_text", "minimax", "diffllama"];

#[path = "published/dense.rs"]
mod dense;
#[path = "published/experts.rs"]
mod with_experts;
#[path = "published/latent.rs"]
mod with_latents;

/// A published model.
struct Model {
    /// The file in `configs/`.
    config: &'static str,
    /// Tensors on disk that a choice hangs on.
    disk: &'static [&'static str],
    /// Layers, width, heads, key-value heads, width of a head, vocabulary.
    sizes: [usize; 6],
    wiring: Wiring,
    /// What some layers see, and how they know positions.
    layers: &'static [(usize, &'static str)],
    /// Parameters, each counted once.
    parameters: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Wiring {
    tied: bool,
    parallel: bool,
}

const TIED: Wiring = Wiring { tied: true, parallel: false };
const UNTIED: Wiring = Wiring { tied: false, parallel: false };
const TIED_PARALLEL: Wiring = Wiring { tied: true, parallel: true };
const UNTIED_PARALLEL: Wiring = Wiring { tied: false, parallel: true };

const LM_HEAD: &[&str] = &["lm_head.weight"];
const BACKBONE: &[&str] = &["backbone.embeddings.weight"];
const BACKBONE_AND_HEAD: &[&str] = &["backbone.embeddings.weight", "lm_head.weight"];
const EMBED_OUT: &[&str] = &["embed_out.weight"];

const MODELS: &[Model] = &[
    Model {
        config: "llama-2-7b",
        disk: LM_HEAD,
        sizes: [32, 4096, 32, 32, 128, 32_000],
        wiring: UNTIED,
        layers: &[(0, "full, rope 10000 over 128"), (31, "full, rope 10000 over 128")],
        parameters: 6_738_415_616,
    },
    Model {
        config: "llama-3.1-8b",
        disk: LM_HEAD,
        sizes: [32, 4096, 32, 8, 128, 128_256],
        wiring: UNTIED,
        layers: &[(0, "full, rope 500000 over 128, llama3 8 1 4 of 8192")],
        parameters: 8_030_261_248,
    },
    Model {
        config: "llama-3.1-70b",
        disk: LM_HEAD,
        sizes: [80, 8192, 64, 8, 128, 128_256],
        wiring: UNTIED,
        layers: &[(79, "full, rope 500000 over 128, llama3 8 1 4 of 8192")],
        parameters: 70_553_706_496,
    },
    Model {
        config: "llama-3.2-1b",
        disk: &[],
        sizes: [16, 2048, 32, 8, 64, 128_256],
        wiring: TIED,
        layers: &[(0, "full, rope 500000 over 64, llama3 32 1 4 of 8192")],
        parameters: 1_235_814_400,
    },
    Model {
        config: "deepseek-r1-distill-llama-8b",
        disk: LM_HEAD,
        sizes: [32, 4096, 32, 8, 128, 128_256],
        wiring: UNTIED,
        layers: &[(0, "full, rope 500000 over 128, llama3 8 1 4 of 8192")],
        parameters: 8_030_261_248,
    },
    Model {
        config: "deepseek-coder-6.7b",
        disk: LM_HEAD,
        sizes: [32, 4096, 32, 32, 128, 32_256],
        wiring: UNTIED,
        layers: &[(0, "full, rope 100000 over 128, linear 4")],
        parameters: 6_740_512_768,
    },
    Model {
        config: "smollm2-135m",
        disk: &[],
        sizes: [30, 576, 9, 3, 64, 49_152],
        wiring: TIED,
        layers: &[(0, "full, rope 100000 over 64")],
        parameters: 134_515_008,
    },
    Model {
        config: "qwen2.5-0.5b",
        disk: &[],
        sizes: [24, 896, 14, 2, 64, 151_936],
        wiring: TIED,
        layers: &[(0, "full, rope 1000000 over 64"), (23, "full, rope 1000000 over 64")],
        parameters: 494_032_768,
    },
    Model {
        config: "qwen2.5-7b",
        disk: LM_HEAD,
        sizes: [28, 3584, 28, 4, 128, 152_064],
        wiring: UNTIED,
        layers: &[(27, "full, rope 1000000 over 128")],
        parameters: 7_615_616_512,
    },
    Model {
        config: "deepseek-r1-distill-qwen-1.5b",
        disk: LM_HEAD,
        sizes: [28, 1536, 12, 2, 128, 151_936],
        wiring: UNTIED,
        // A window is written down, and switched off.
        layers: &[(0, "full, rope 10000 over 128"), (27, "full, rope 10000 over 128")],
        parameters: 1_777_088_000,
    },
    Model {
        config: "qwen3-0.6b",
        disk: &[],
        sizes: [28, 1024, 16, 8, 128, 151_936],
        wiring: TIED,
        layers: &[(0, "full, rope 1000000 over 128")],
        parameters: 596_049_920,
    },
    Model {
        config: "qwen3-8b",
        disk: LM_HEAD,
        sizes: [36, 4096, 32, 8, 128, 151_936],
        wiring: UNTIED,
        layers: &[(35, "full, rope 1000000 over 128")],
        parameters: 8_190_735_360,
    },
    Model {
        config: "qwen3-30b-a3b",
        disk: LM_HEAD,
        sizes: [48, 2048, 32, 4, 128, 151_936],
        wiring: UNTIED,
        layers: &[(47, "full, rope 1000000 over 128")],
        parameters: 30_532_122_624,
    },
    Model {
        config: "qwen1.5-moe-a2.7b",
        disk: LM_HEAD,
        sizes: [24, 2048, 16, 16, 128, 151_936],
        wiring: UNTIED,
        layers: &[(23, "full, rope 1000000 over 128")],
        parameters: 14_315_784_192,
    },
    Model {
        config: "mistral-7b-v0.1",
        disk: LM_HEAD,
        sizes: [32, 4096, 32, 8, 128, 32_000],
        wiring: UNTIED,
        layers: &[(0, "window 4096, rope 10000 over 128"), (31, "window 4096, rope 10000 over 128")],
        parameters: 7_241_732_096,
    },
    Model {
        config: "mistral-7b-v0.3",
        disk: LM_HEAD,
        sizes: [32, 4096, 32, 8, 128, 32_768],
        wiring: UNTIED,
        layers: &[(0, "full, rope 1000000 over 128")],
        parameters: 7_248_023_552,
    },
    Model {
        config: "mistral-nemo-base-2407",
        disk: LM_HEAD,
        sizes: [40, 5120, 32, 8, 128, 131_072],
        wiring: UNTIED,
        layers: &[(39, "full, rope 1000000 over 128")],
        parameters: 12_247_782_400,
    },
    Model {
        config: "mixtral-8x7b-v0.1",
        disk: LM_HEAD,
        sizes: [32, 4096, 32, 8, 128, 32_000],
        wiring: UNTIED,
        layers: &[(0, "full, rope 1000000 over 128")],
        parameters: 46_702_792_704,
    },
    Model {
        config: "gemma-2b",
        disk: &[],
        sizes: [18, 2048, 8, 1, 256, 256_000],
        wiring: TIED,
        layers: &[(17, "full, rope 10000 over 256")],
        parameters: 2_506_172_416,
    },
    Model {
        config: "gemma-2-2b",
        disk: &[],
        sizes: [26, 2304, 8, 4, 256, 256_000],
        wiring: TIED,
        layers: &[
            (0, "window 4096, rope 10000 over 256"),
            (1, "full, rope 10000 over 256"),
            (24, "window 4096, rope 10000 over 256"),
            (25, "full, rope 10000 over 256"),
        ],
        parameters: 2_614_341_888,
    },
    Model {
        config: "gemma-3-1b-it",
        disk: &[],
        sizes: [26, 1152, 4, 1, 256, 262_144],
        wiring: TIED,
        layers: &[
            (4, "window 512, rope 10000 over 256"),
            (5, "full, rope 1000000 over 256"),
            (6, "window 512, rope 10000 over 256"),
            (25, "window 512, rope 10000 over 256"),
        ],
        parameters: 999_885_952,
    },
    Model {
        // The text part, of 4,300,079,472 with the eyes.
        config: "gemma-3-4b-it",
        disk: &["language_model.model.embed_tokens.weight"],
        sizes: [34, 2560, 8, 4, 256, 262_208],
        wiring: TIED,
        layers: &[
            (0, "window 1024, rope 10000 over 256"),
            (5, "full, rope 1000000 over 256, linear 8"),
            (29, "full, rope 1000000 over 256, linear 8"),
            (33, "window 1024, rope 10000 over 256"),
        ],
        parameters: 3_880_263_168,
    },
    Model {
        // The text part, of 27,432,406,640 with the eyes.
        config: "gemma-3-27b-it",
        disk: &["language_model.model.embed_tokens.weight"],
        sizes: [62, 5376, 32, 16, 128, 262_208],
        wiring: TIED,
        layers: &[
            (0, "window 1024, rope 10000 over 128"),
            (59, "full, rope 1000000 over 128, linear 8"),
            (61, "window 1024, rope 10000 over 128"),
        ],
        parameters: 27_009_346_304,
    },
    Model {
        // The text part; with eyes and ears, 5.1 billion.
        config: "gemma-4-e2b-text",
        disk: &["model.embed_tokens.weight"],
        sizes: [35, 1536, 8, 1, 256, 262_144],
        wiring: TIED,
        layers: &[
            (0, "window 512, rope 10000 over 256"),
            (4, "full, rope 1000000 over 512, 64 pairs over 1"),
            (33, "window 512, rope 10000 over 256"),
            (34, "full, rope 1000000 over 512, 64 pairs over 1"),
        ],
        parameters: 4_628_569_379,
    },
    Model {
        config: "gpt2",
        disk: &["wte.weight"],
        sizes: [12, 768, 12, 12, 64, 50_257],
        wiring: TIED,
        layers: &[(0, "full, none"), (11, "full, none")],
        parameters: 124_439_808,
    },
    Model {
        config: "gpt2-xl",
        disk: &["wte.weight"],
        sizes: [48, 1600, 25, 25, 64, 50_257],
        wiring: TIED,
        layers: &[(47, "full, none")],
        parameters: 1_557_611_200,
    },
    Model {
        config: "starcoderbase",
        disk: &["transformer.wte.weight"],
        sizes: [40, 6144, 48, 1, 128, 49_152],
        wiring: TIED,
        layers: &[(39, "full, none")],
        parameters: 15_517_456_384,
    },
    Model {
        config: "santacoder",
        disk: &["transformer.wte.weight"],
        sizes: [24, 2048, 16, 1, 128, 49_280],
        wiring: TIED,
        layers: &[(0, "full, none")],
        parameters: 1_124_886_528,
    },
    Model {
        config: "gpt-neo-125m",
        disk: &["transformer.wte.weight"],
        sizes: [12, 768, 12, 12, 64, 50_257],
        wiring: TIED,
        layers: &[(0, "full, none"), (1, "window 256, none"), (10, "full, none"), (11, "window 256, none")],
        parameters: 125_198_592,
    },
    Model {
        config: "pythia-70m",
        disk: EMBED_OUT,
        sizes: [6, 512, 8, 8, 64, 50_304],
        wiring: UNTIED_PARALLEL,
        layers: &[(5, "full, rope 10000 over 16")],
        parameters: 70_426_624,
    },
    Model {
        config: "pythia-6.9b",
        disk: EMBED_OUT,
        sizes: [32, 4096, 32, 32, 128, 50_432],
        wiring: UNTIED_PARALLEL,
        layers: &[(31, "full, rope 10000 over 32")],
        parameters: 6_857_302_016,
    },
    Model {
        config: "gpt-neox-20b",
        disk: EMBED_OUT,
        sizes: [44, 6144, 64, 64, 96, 50_432],
        wiring: UNTIED_PARALLEL,
        layers: &[(43, "full, rope 10000 over 24")],
        parameters: 20_554_567_680,
    },
    Model {
        config: "redpajama-incite-base-3b-v1",
        disk: EMBED_OUT,
        sizes: [32, 2560, 32, 32, 80, 50_432],
        wiring: UNTIED,
        layers: &[(0, "full, rope 10000 over 80")],
        parameters: 2_775_864_320,
    },
    Model {
        config: "gpt-j-6b",
        disk: LM_HEAD,
        sizes: [28, 4096, 16, 16, 256, 50_400],
        wiring: UNTIED_PARALLEL,
        layers: &[(27, "full, interleaved rope 10000 over 64")],
        parameters: 6_050_882_784,
    },
    Model {
        config: "opt-125m",
        disk: &[],
        sizes: [12, 768, 12, 12, 64, 50_272],
        wiring: TIED,
        layers: &[(0, "full, none")],
        parameters: 125_239_296,
    },
    Model {
        config: "opt-350m",
        disk: &[],
        sizes: [24, 1024, 16, 16, 64, 50_272],
        wiring: TIED,
        layers: &[(23, "full, none")],
        parameters: 331_196_416,
    },
    Model {
        config: "phi-1_5",
        disk: LM_HEAD,
        sizes: [24, 2048, 32, 32, 64, 51_200],
        wiring: UNTIED_PARALLEL,
        layers: &[(0, "full, rope 10000 over 32")],
        parameters: 1_418_270_720,
    },
    Model {
        config: "phi-2",
        disk: LM_HEAD,
        sizes: [32, 2560, 32, 32, 80, 51_200],
        wiring: UNTIED_PARALLEL,
        layers: &[(31, "full, rope 10000 over 32")],
        parameters: 2_779_683_840,
    },
    Model {
        config: "phi-3-mini-4k",
        disk: LM_HEAD,
        sizes: [32, 3072, 32, 32, 96, 32_064],
        wiring: UNTIED,
        layers: &[(0, "window 2047, rope 10000 over 96")],
        parameters: 3_821_079_552,
    },
    Model {
        // The first generation of files said "su".
        config: "phi-3-128k-su",
        disk: LM_HEAD,
        sizes: [32, 3072, 32, 32, 96, 32_064],
        wiring: UNTIED,
        layers: &[(0, "window 131072, rope 10000 over 96, longrope of 4096 times 1.1902")],
        parameters: 3_821_079_552,
    },
    Model {
        config: "phi-3.5-mini",
        disk: LM_HEAD,
        sizes: [32, 3072, 32, 32, 96, 32_064],
        wiring: UNTIED,
        layers: &[(31, "window 262144, rope 10000 over 96, longrope of 4096 times 1.1902")],
        parameters: 3_821_079_552,
    },
    Model {
        config: "phi-4-mini",
        disk: &[],
        sizes: [32, 3072, 24, 8, 128, 200_064],
        wiring: TIED,
        layers: &[(0, "window 262144, rope 10000 over 96, longrope of 4096 times 1.1902")],
        parameters: 3_836_021_760,
    },
    Model {
        config: "phi-4",
        disk: LM_HEAD,
        sizes: [40, 5120, 40, 10, 128, 100_352],
        wiring: UNTIED,
        layers: &[(39, "full, rope 250000 over 128")],
        parameters: 14_659_507_200,
    },
    Model {
        config: "olmo-1b",
        disk: &[],
        sizes: [16, 2048, 16, 16, 128, 50_304],
        wiring: TIED,
        layers: &[(0, "full, rope 10000 over 128")],
        parameters: 1_176_764_416,
    },
    Model {
        config: "olmo-7b-0424",
        disk: LM_HEAD,
        sizes: [32, 4096, 32, 32, 128, 50_304],
        wiring: UNTIED,
        layers: &[(0, "full, rope 10000 over 128")],
        parameters: 6_888_095_744,
    },
    Model {
        config: "olmo-2-1124-7b",
        disk: LM_HEAD,
        sizes: [32, 4096, 32, 32, 128, 100_352],
        wiring: UNTIED,
        layers: &[(31, "full, rope 500000 over 128")],
        parameters: 7_298_617_344,
    },
    Model {
        config: "olmo-3-1025-7b",
        disk: LM_HEAD,
        sizes: [32, 4096, 32, 32, 128, 100_278],
        wiring: UNTIED,
        layers: &[
            (0, "window 4096, rope 500000 over 128"),
            (3, "full, rope 500000 over 128, yarn 8 32 1 of 8192 times 1.2079"),
            (31, "full, rope 500000 over 128, yarn 8 32 1 of 8192 times 1.2079"),
        ],
        parameters: 7_298_011_136,
    },
    Model {
        config: "granite-3.1-2b",
        disk: &[],
        sizes: [40, 2048, 32, 8, 64, 49_155],
        wiring: TIED,
        layers: &[(39, "full, rope 5000000 over 64")],
        parameters: 2_533_531_648,
    },
    Model {
        config: "granite-3.1-8b",
        disk: &[],
        sizes: [40, 4096, 32, 8, 128, 49_155],
        wiring: TIED,
        layers: &[(39, "full, rope 10000000 over 128")],
        parameters: 8_170_848_256,
    },
    Model {
        config: "mamba-2.8b",
        disk: BACKBONE,
        sizes: [64, 2560, 0, 0, 0, 50_280],
        wiring: TIED,
        layers: &[(0, "mamba of 5120 channels and 16 values"), (63, "mamba of 5120 channels and 16 values")],
        parameters: 2_768_345_600,
    },
    Model {
        config: "falcon-mamba-7b",
        disk: BACKBONE_AND_HEAD,
        sizes: [64, 4096, 0, 0, 0, 65_024],
        wiring: UNTIED,
        layers: &[(0, "mamba of 8192 channels and 16 values")],
        parameters: 7_272_665_088,
    },
    Model {
        config: "mamba-codestral-7b-v0.1",
        disk: BACKBONE_AND_HEAD,
        sizes: [64, 4096, 0, 0, 0, 32_768],
        wiring: UNTIED,
        layers: &[(0, "mamba2 of 128 heads of 64 in 8 groups")],
        parameters: 7_285_403_648,
    },
    Model {
        config: "bamba-9b",
        disk: LM_HEAD,
        sizes: [32, 4096, 32, 8, 128, 128_256],
        wiring: UNTIED,
        layers: &[
            (0, "mamba2 of 128 heads of 64 in 1 groups"),
            (9, "full, rope 10000 over 64"),
            (27, "full, rope 10000 over 64"),
            (28, "mamba2 of 128 heads of 64 in 1 groups"),
        ],
        parameters: 9_780_235_392,
    },
    Model {
        config: "granite-4.0-h-micro",
        disk: &[],
        sizes: [40, 2048, 32, 8, 64, 100_352],
        wiring: TIED,
        layers: &[
            (4, "mamba2 of 64 heads of 64 in 1 groups"),
            (5, "full, none"),
            (35, "full, none"),
            (39, "mamba2 of 64 heads of 64 in 1 groups"),
        ],
        parameters: 3_191_396_096,
    },
    Model {
        config: "granite-4.0-micro",
        disk: &[],
        sizes: [40, 2560, 40, 8, 64, 100_352],
        wiring: TIED,
        layers: &[(0, "full, rope 10000000 over 64"), (39, "full, rope 10000000 over 64")],
        parameters: 3_402_836_480,
    },
    Model {
        config: "granite-4.0-h-tiny",
        disk: &[],
        sizes: [40, 1536, 12, 4, 128, 100_352],
        wiring: TIED,
        layers: &[(4, "mamba2 of 48 heads of 64 in 1 groups"), (5, "full, none")],
        parameters: 6_939_037_248,
    },
    Model {
        config: "jamba-v0.1",
        disk: LM_HEAD,
        sizes: [32, 4096, 32, 8, 128, 65_536],
        wiring: UNTIED,
        layers: &[(0, "mamba of 8192 channels and 16 values"), (4, "full, none"), (12, "full, none")],
        parameters: 51_570_323_328,
    },
    Model {
        config: "nemotron-h-8b-base",
        disk: BACKBONE_AND_HEAD,
        sizes: [52, 4096, 32, 8, 128, 131_072],
        wiring: UNTIED,
        layers: &[(0, "mamba2 of 128 heads of 64 in 8 groups"), (1, "mlp"), (7, "full, none"), (51, "mlp")],
        parameters: 8_100_852_736,
    },
    Model {
        config: "falcon-h1-0.5b-base",
        disk: LM_HEAD,
        sizes: [36, 1024, 8, 2, 64, 32_784],
        wiring: UNTIED,
        layers: &[(0, "attention and mamba2 of 24 heads of 64 in 1 groups")],
        parameters: 521_411_104,
    },
    Model {
        config: "falcon-h1-7b-base",
        disk: LM_HEAD,
        sizes: [44, 3072, 12, 2, 128, 130_048],
        wiring: UNTIED,
        layers: &[(43, "attention and mamba2 of 24 heads of 128 in 1 groups")],
        parameters: 7_585_513_568,
    },
    Model {
        config: "lfm2-1.2b",
        disk: &[],
        sizes: [16, 2048, 32, 8, 64, 65_536],
        wiring: TIED,
        layers: &[
            (0, "convolution of 3"),
            (2, "full, rope 1000000 over 64"),
            (14, "full, rope 1000000 over 64"),
            (15, "convolution of 3"),
        ],
        parameters: 1_170_340_608,
    },
    Model {
        config: "stablelm-2-1_6b",
        disk: LM_HEAD,
        sizes: [24, 2048, 32, 32, 64, 100_352],
        wiring: UNTIED,
        layers: &[(0, "full, rope 10000 over 16")],
        parameters: 1_644_515_328,
    },
    Model {
        config: "stablelm-2-12b",
        disk: LM_HEAD,
        sizes: [40, 5120, 32, 8, 160, 100_352],
        wiring: UNTIED_PARALLEL,
        layers: &[(39, "full, rope 10000 over 40")],
        parameters: 12_143_185_920,
    },
    Model {
        config: "stablelm-3b-4e1t",
        disk: LM_HEAD,
        sizes: [32, 2560, 32, 32, 80, 50_304],
        wiring: UNTIED,
        layers: &[(0, "full, rope 10000 over 20")],
        parameters: 2_795_443_200,
    },
    Model {
        config: "starcoder2-3b",
        disk: &[],
        sizes: [30, 3072, 24, 2, 128, 49_152],
        wiring: TIED,
        layers: &[(29, "window 4096, rope 999999.442 over 128")],
        parameters: 3_030_371_328,
    },
    Model {
        config: "smollm3-3b",
        disk: &[],
        sizes: [36, 2048, 16, 4, 128, 128_256],
        wiring: TIED,
        layers: &[
            (0, "full, rope 5000000 over 128"),
            (2, "full, rope 5000000 over 128"),
            (3, "full, none"),
            (35, "full, none"),
        ],
        parameters: 3_075_098_624,
    },
    Model {
        config: "c4ai-command-r-v01",
        disk: &[],
        sizes: [40, 8192, 64, 64, 128, 256_000],
        wiring: TIED_PARALLEL,
        layers: &[(39, "full, interleaved rope 8000000 over 128")],
        parameters: 34_980_831_232,
    },
    Model {
        config: "c4ai-command-r-plus",
        disk: &[],
        sizes: [64, 12_288, 96, 8, 128, 256_000],
        wiring: TIED_PARALLEL,
        layers: &[(63, "full, interleaved rope 75000000 over 128")],
        parameters: 103_810_674_688,
    },
    Model {
        config: "c4ai-command-r7b-12-2024",
        disk: &[],
        sizes: [32, 4096, 32, 8, 128, 256_000],
        wiring: TIED_PARALLEL,
        layers: &[
            (0, "window 4096, interleaved rope 50000 over 128"),
            (2, "window 4096, interleaved rope 50000 over 128"),
            (3, "full, none"),
            (31, "full, none"),
        ],
        parameters: 8_028_033_024,
    },
    Model {
        // Its files hold the unembedding once more.
        config: "falcon-7b",
        disk: &["transformer.word_embeddings.weight", "lm_head.weight"],
        sizes: [32, 4544, 71, 1, 64, 65_024],
        wiring: TIED_PARALLEL,
        layers: &[(31, "full, rope 10000 over 64")],
        parameters: 6_921_720_704,
    },
    Model {
        config: "falcon-40b",
        disk: &["transformer.word_embeddings.weight", "lm_head.weight"],
        sizes: [60, 8192, 128, 8, 64, 65_024],
        wiring: TIED_PARALLEL,
        layers: &[(59, "full, rope 10000 over 64")],
        parameters: 41_303_293_952,
    },
    Model {
        config: "falcon-11b",
        disk: LM_HEAD,
        sizes: [60, 4096, 32, 8, 128, 65_024],
        wiring: UNTIED_PARALLEL,
        layers: &[(59, "full, rope 500042 over 128")],
        parameters: 11_102_822_400,
    },
    Model {
        config: "falcon-rw-1b",
        disk: &[],
        sizes: [24, 2048, 32, 32, 64, 50_304],
        wiring: TIED,
        layers: &[(23, "full, alibi of 32 from 0.8409")],
        parameters: 1_311_625_216,
    },
    Model {
        config: "bloom-560m",
        disk: &["word_embeddings.weight"],
        sizes: [24, 1024, 16, 16, 64, 250_880],
        wiring: TIED,
        layers: &[(23, "full, alibi of 16 from 0.7071")],
        parameters: 559_214_592,
    },
    Model {
        config: "bloom",
        disk: &["word_embeddings.weight"],
        sizes: [70, 14_336, 112, 112, 128, 250_880],
        wiring: TIED,
        layers: &[(69, "full, alibi of 112 from 0.9170")],
        parameters: 176_247_271_424,
    },
    Model {
        config: "mpt-7b",
        disk: &["transformer.wte.weight"],
        sizes: [32, 4096, 32, 32, 128, 50_432],
        wiring: TIED,
        layers: &[(31, "full, alibi of 32 from 0.8409")],
        parameters: 6_649_286_656,
    },
    Model {
        config: "mpt-30b",
        disk: &["transformer.wte.weight"],
        sizes: [48, 7168, 64, 64, 112, 50_432],
        wiring: TIED,
        layers: &[(47, "full, alibi of 64 from 0.9170")],
        parameters: 29_957_200_896,
    },
    Model {
        config: "minitron-4b",
        disk: LM_HEAD,
        sizes: [32, 3072, 24, 8, 128, 256_000],
        wiring: UNTIED,
        layers: &[(31, "full, rope 10000 over 64")],
        parameters: 4_190_509_056,
    },
    Model {
        config: "glm-4-9b-0414",
        disk: LM_HEAD,
        sizes: [40, 4096, 32, 2, 128, 151_552],
        wiring: UNTIED,
        layers: &[(39, "full, interleaved rope 10000 over 64")],
        parameters: 9_400_279_040,
    },
];

/// Published in four bits; this is what its bf16 version is.
const GPT_OSS: Model = Model {
    config: "gpt-oss-20b",
    disk: LM_HEAD,
    sizes: [24, 2880, 64, 8, 64, 201_088],
    wiring: UNTIED,
    layers: &[
        (0, "window 128, rope 150000 over 64, yarn 32 32 1 of 4096 times 1.3466, not truncated"),
        (1, "full, rope 150000 over 64, yarn 32 32 1 of 4096 times 1.3466, not truncated"),
    ],
    parameters: 20_914_757_184,
};

/// All that are not quantised.
fn models() -> impl Iterator<Item = &'static Model> {
    MODELS.iter().chain(dense::MODELS).chain(with_experts::MODELS).chain(with_latents::MODELS)
}

#[test]
fn published_configs_mean_what_is_published_about_them() {
    let faults: Vec<String> = models().flat_map(|model| faults(model, &config(model.config))).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn gpt_oss_is_refused_as_published_and_understood_in_bf16() {
    let mut config = config(GPT_OSS.config);
    let error = resolve(&config, &names(GPT_OSS.disk)).unwrap_err();
    assert_eq!(error, ConfigError::Quantised { method: "mxfp4".to_owned() });

    config.as_object_mut().unwrap().remove("quantization_config");
    assert_eq!(faults(&GPT_OSS, &config), [""; 0]);
    let spec = resolve(&config, &names(GPT_OSS.disk)).unwrap();
    let experts = experts(&spec, 0);
    assert_eq!((experts.experts.len(), experts.routing.per_token), (32, 4));
    assert_eq!((experts.routing.scores, experts.routing.divisor), (Scores::SoftmaxOfChosen, None));
    assert_eq!(gating_of(&experts.experts[0]), Gating::ClampedSwiglu { alpha: 1.702, limit: 7.0 });
    assert!(spec.layers.iter().all(|layer| layer.attention().unwrap().sinks.is_some()));
}

#[test]
fn every_family_has_a_published_config_and_every_config_a_row() {
    let rows: BTreeSet<&str> = models().chain([&GPT_OSS]).map(|model| model.config).collect();
    let files: BTreeSet<String> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(files.iter().map(String::as_str).collect::<BTreeSet<_>>(), rows);

    let seen: BTreeSet<String> =
        rows.iter().map(|row| config(row)["model_type"].as_str().unwrap().to_owned()).collect();
    let unseen: Vec<&str> = FAMILIES
        .iter()
        .flat_map(|family| family.model_types.iter().copied())
        .filter(|model_type| !seen.contains(*model_type) && !UNPUBLISHED.contains(model_type))
        .collect();
    assert_eq!(unseen, [""; 0]);
}

#[test]
fn only_norms_after_the_sums_leave_no_summands_and_only_heads_have_z() {
    for model in models() {
        let expected = |layer: &LayerSpec| -> &[Site] {
            match (model.config, &layer.mixer, &layer.mlp) {
                ("opt-350m" | "openai-gpt", ..) => &[Site::AttnOut, Site::ResidMid, Site::MlpOut],
                _ if layer.end.is_some() => &[Site::MlpOut],
                (_, MixerSpec::Absent, _) => &[Site::Z, Site::AttnOut, Site::ResidMid],
                (_, MixerSpec::Mamba(_), MlpSpec::Absent) => &[Site::Z, Site::ResidMid, Site::MlpOut],
                (_, _, MlpSpec::Absent) => &[Site::ResidMid, Site::MlpOut],
                _ if layer.mixer.z_shape().is_some() => &[],
                _ => &[Site::Z],
            }
        };
        let spec = spec(model.config);
        let layers = (0..).zip(&spec.layers);
        let expected =
            layers.flat_map(|(i, layer)| expected(layer).iter().map(move |site| Point::block(i, *site)));
        assert_eq!(spec.absent_points(), expected.collect(), "{}", model.config);
    }
}

/// Files of tied models that hold the unembedding all the same: up to version 4 transformers takes the embedding.
#[test]
fn a_stored_unembedding_of_a_tied_model_is_used_as_the_version_that_wrote_it_would() {
    for (name, tied, own) in
        [("qwen3-0.6b", 596_049_920, 751_632_384), ("gpt2", 124_439_808, 124_439_808 + 50_257 * 768)]
    {
        let mut config = config(name);
        for (version, is_tied) in
            [(None, true), (Some("4.57.6"), true), (Some("5.0.0"), false), (Some("5.24.0.dev0"), false)]
        {
            config["transformers_version"] = version.into();
            let spec = resolve(&config, &names(LM_HEAD)).unwrap();
            assert_eq!(spec.is_tied(), is_tied, "{name} of {version:?}");
            assert_eq!(parameters(&spec), if is_tied { tied } else { own }, "{name} of {version:?}");
            assert_eq!(spec.tied_and_stored, Some("lm_head.weight"), "{name}");
        }
        config["tie_word_embeddings"] = false.into();
        let spec = resolve(&config, &names(LM_HEAD)).unwrap();
        assert_eq!((spec.is_tied(), spec.tied_and_stored), (false, None), "{name}");
    }
}

#[test]
fn experts_weigh_the_same_in_both_layouts() {
    let stacked = |n_layers: usize| -> TensorNames {
        let of_layer = |i: usize| {
            ["gate.weight", "experts.gate_up_proj", "experts.down_proj"]
                .map(|part| format!("model.layers.{i}.mlp.{part}"))
        };
        (0..n_layers).flat_map(of_layer).chain(["lm_head.weight".to_owned()]).collect()
    };
    for name in ["mixtral-8x7b-v0.1", "qwen3-30b-a3b", "qwen1.5-moe-a2.7b", "glm-4.5-air", "dots.llm1.inst"] {
        let (one_by_one, config) = (spec(name), config(name));
        let stacked = resolve(&config, &stacked(one_by_one.layers.len())).unwrap();
        assert_eq!(parameters(&stacked), parameters(&one_by_one), "{name}");
        let tensors = |spec: &DecoderSpec| shapes(spec).len();
        assert!(tensors(&stacked) < tensors(&one_by_one) / 3, "{name} is not stacked");
    }
}

#[test]
fn prefixes_are_those_on_disk() {
    for (name, on_disk, block) in [
        ("gpt2", "wte.weight", "h.0.ln_1.weight"),
        ("gpt2", "transformer.wte.weight", "transformer.h.0.ln_1.weight"),
        ("bloom-560m", "word_embeddings.weight", "h.0.input_layernorm.weight"),
        ("opt-125m", "decoder.embed_tokens.weight", "decoder.layers.0.fc1.weight"),
        ("gemma-3-4b-it", "model.language_model.embed_tokens.weight", "model.language_model.norm.weight"),
        ("gemma-3-4b-it", "language_model.model.embed_tokens.weight", "language_model.model.norm.weight"),
    ] {
        let spec = resolve(&config(name), &names(&[on_disk])).unwrap();
        let shapes = shapes(&spec);
        assert!(shapes.contains_key(on_disk) && shapes.contains_key(block), "{name}: {:?}", shapes.keys());
    }
}

#[test]
fn experts_are_chosen_and_weighed_as_published() {
    for (name, n, per_token, renormalise, shared) in [
        ("mixtral-8x7b-v0.1", 8, 2, true, false),
        ("qwen3-30b-a3b", 128, 8, true, false),
        ("qwen1.5-moe-a2.7b", 60, 4, false, true),
    ] {
        let spec = spec(name);
        let experts = experts(&spec, 0);
        assert_eq!((experts.experts.len(), experts.routing.per_token), (n, per_token), "{name}");
        assert_eq!(experts.routing.scores, Scores::Softmax, "{name}");
        assert_eq!(experts.routing.divisor, renormalise.then_some(Divisor::Sum { plus: 0.0 }), "{name}");
        assert_eq!(experts.shared.is_some(), shared, "{name}");
    }
}

#[test]
fn scales_and_caps_are_read() {
    let scale = |name| f64::from(spec(name).readout.post.scale);
    assert!((scale("c4ai-command-r-v01") - 0.0625).abs() < 1e-9);
    assert!((scale("c4ai-command-r-plus") - 0.833_333_333).abs() < 1e-7);
    assert!((scale("c4ai-command-r7b-12-2024") - 0.25).abs() < 1e-9);
    assert!((scale("granite-3.1-8b") - 1.0 / 16.0).abs() < 1e-9);
    assert!((scale("llama-2-7b") - 1.0).abs() < 1e-9);

    let gemma = spec("gemma-2-2b");
    assert_eq!(gemma.readout.post.softcap, Some(30.0));
    assert_eq!(gemma.layers[0].attention().unwrap().softcap, Some(50.0));
    assert_eq!(gemma.embed.scale, Some(EmbedScale::RoundedFactor(48.0)));
    assert_eq!(spec("gemma-3-1b-it").readout.post.softcap, None);
    assert!((spec("gemma-3-27b-it").layers[0].attention().unwrap().scale - 168f64.powf(-0.5)).abs() < 1e-12);

    let granite = spec("granite-3.1-2b");
    assert_eq!(granite.embed.scale, Some(EmbedScale::Factor(12.0)));
    assert_eq!(
        (granite.layers[0].attention().unwrap().scale, granite.layers[0].multiplier),
        (0.015625, Some(0.22))
    );

    assert_eq!(spec("gpt-neo-125m").layers[0].attention().unwrap().scale, 1.0);
    assert_eq!(spec("gpt2").layers[5].attention().unwrap().scale, 0.125);
    assert_eq!(
        (
            spec("olmo-1b").layers[0].attention().unwrap().clip,
            spec("olmo-7b-0424").layers[0].attention().unwrap().clip
        ),
        (None, Some(8.0))
    );
}

#[test]
fn norms_and_nonlinearities_are_those_of_the_family() {
    let activation = |name| match spec(name).layers[0].mlp {
        MlpSpec::Gated(ref gated) => gated.gating,
        MlpSpec::Plain(ref plain) => Gating::Plain(plain.activation),
        MlpSpec::Absent => panic!("layer 0 has no MLP"),
        MlpSpec::Beside(ref both) => both.dense.gating,
        MlpSpec::Xielu(_) => panic!("{name} has no fixed nonlinearity"),
        MlpSpec::Experts(ref experts) => gating_of(&experts.experts[0]),
    };
    for (name, expected) in [
        ("llama-2-7b", Activation::Silu),
        ("gemma-2b", Activation::GeluTanh), // the file says "gelu"
        ("gemma-2-2b", Activation::GeluTanh),
        ("gpt2", Activation::GeluTanh),
        ("starcoderbase", Activation::Gelu),
        ("pythia-70m", Activation::Gelu),
        ("gpt-neox-20b", Activation::GeluTanh), // "gelu_fast"
        ("opt-125m", Activation::Relu),
        ("phi-2", Activation::GeluTanh),
        ("falcon-7b", Activation::Gelu), // by default
        ("bloom-560m", Activation::GeluTanh),
        ("minitron-4b", Activation::ReluSquared),
        ("mixtral-8x7b-v0.1", Activation::Silu),
    ] {
        assert_eq!(activation(name), Gating::Plain(expected), "{name}");
    }

    let scope = |name| spec(name).layers[0].attention().unwrap().qk_norm.as_ref().map(|norm| norm.scope);
    assert_eq!(scope("qwen3-8b"), Some(QkScope::Head));
    assert_eq!(scope("gemma-3-1b-it"), Some(QkScope::Head));
    assert_eq!(scope("stablelm-2-12b"), Some(QkScope::Head));
    assert_eq!(scope("c4ai-command-r-plus"), Some(QkScope::Head));
    assert_eq!(scope("olmo-2-1124-7b"), Some(QkScope::AllHeads));
    assert_eq!(scope("c4ai-command-r-v01"), None);
    assert_eq!(scope("qwen2.5-7b"), None);

    let eps = |name| spec(name).layers[0].attn_norm.as_ref().map(|norm| norm.eps);
    assert_eq!(eps("llama-2-7b"), Some(1e-5));
    assert_eq!(eps("qwen3-8b"), Some(1e-6));
    assert_eq!(eps("olmo-1b"), Some(1e-5));
    assert_eq!(eps("olmo-2-1124-7b"), None, "OLMo 2 has no norm in front of attention");
    assert!(spec("opt-350m").readout.norm.is_none(), "the 350M ends without a norm");
}

#[test]
fn contexts_are_read_where_files_have_them() {
    for (name, context) in [
        ("llama-2-7b", Some(4096)),
        ("gpt2", Some(1024)),
        ("gpt-neo-125m", Some(2048)),
        ("gpt-j-6b", Some(2048)),
        ("bloom", Some(2048)),
        ("mpt-30b", Some(8192)),
        ("opt-125m", Some(2048)),
        ("phi-3.5-mini", Some(131_072)),
        ("falcon-7b", None),
    ] {
        assert_eq!(spec(name).context, context, "{name}");
    }
}

/// A file may leave out what its class defaults to; null is something else.
#[test]
fn silence_is_the_default_of_the_class() {
    let without = |name: &str, keys: &[&str]| {
        let mut config = config(name);
        let all = config.as_object_mut().expect("a config is an object");
        keys.iter().for_each(|key| drop(all.remove(*key)));
        all.remove("quantization_config");
        let model = models().chain([&GPT_OSS]).find(|model| model.config == name);
        let model = model.expect("a model of the table");
        resolve(&config, &names(model.disk))
    };
    for (name, eps) in [
        ("llama-2-7b", 1e-6),
        ("mixtral-8x7b-v0.1", 1e-5),
        ("phi-3.5-mini", 1e-5),
        ("olmo-2-1124-7b", 1e-5),
        ("glm-4-9b-0414", 1.5625e-7),
    ] {
        let spec = without(name, &["rms_norm_eps"]).unwrap();
        assert_eq!(spec.readout.norm.map(|norm| norm.eps), Some(eps), "{name}");
    }
    let caps = |spec: &DecoderSpec| (spec.layers[0].attention().unwrap().softcap, spec.readout.post.softcap);
    let keys = ["attn_logit_softcapping", "final_logit_softcapping"];
    assert_eq!(caps(&without("gemma-2-2b", &keys).unwrap()), (Some(50.0), Some(30.0)));
    let mut capless = config("gemma-2-2b");
    keys.iter().for_each(|key| capless[*key] = Value::Null);
    assert_eq!(caps(&resolve(&capless, &names(&[])).unwrap()), (None, None));
}

/// The length that files with growing or YaRN's positions name is the one before stretching.
#[test]
fn contexts_reach_as_far_as_positions_are_stretched() {
    let stretched = |scaling: Value| {
        let mut config = config("llama-2-7b");
        config["max_position_embeddings"] = 4096.into();
        config["rope_scaling"] = scaling;
        resolve(&config, &names(LM_HEAD)).unwrap().context
    };
    assert_eq!(stretched(serde_json::json!({"type": "dynamic", "factor": 4.0})), Some(16_384));
    let yarn = serde_json::json!({"type": "yarn", "factor": 2.5, "original_max_position_embeddings": 2000});
    assert_eq!(stretched(yarn), Some(5000));
    assert_eq!(stretched(serde_json::json!({"type": "linear", "factor": 4.0})), Some(4096));
    assert_eq!(stretched(Value::Null), Some(4096));
}

/// What is wrong with a model's spec, as lines for a person.
fn faults(model: &Model, config: &Value) -> Vec<String> {
    let name = model.config;
    let spec = match resolve(config, &names(model.disk)) {
        Ok(spec) => spec,
        Err(error) => return vec![format!("{name}: {error}")],
    };
    let [n_heads, n_kv_heads, d_head] = heads(&spec);
    let mut faults = Vec::new();
    let mut compare = |what: &str, got: String, expected: String| {
        if got != expected {
            faults.push(format!("{name}: {what} {got} instead of {expected}"));
        }
    };
    let sizes = [spec.layers.len(), spec.d_model, n_heads, n_kv_heads, d_head, spec.n_vocab()];
    compare("sizes", format!("{sizes:?}"), format!("{:?}", model.sizes));
    let wiring = Wiring { tied: spec.is_tied(), parallel: spec.is_parallel() };
    compare("wiring", format!("{wiring:?}"), format!("{:?}", model.wiring));
    for (i, expected) in model.layers {
        compare(&format!("layer {i}"), described(&spec.layers[*i].mixer), (*expected).to_owned());
    }
    compare("parameters", parameters(&spec).to_string(), model.parameters.to_string());
    compare("family", spec.family.clone(), config["model_type"].as_str().expect("a string").to_owned());
    faults
}

/// Heads, those of keys and values, and their width; of values, where keys have another. Zeros where no layer attends.
fn heads(spec: &DecoderSpec) -> [usize; 3] {
    let of = |layer: &LayerSpec| match &layer.mixer {
        MixerSpec::Attention(attn) => Some([attn.n_heads, attn.n_kv_heads, attn.d_head]),
        MixerSpec::LatentAttention(attn) => Some([attn.n_heads, attn.n_heads, attn.d_value]),
        MixerSpec::SideBySide(both) => {
            Some([both.attention.n_heads, both.attention.n_kv_heads, both.attention.d_head])
        }
        _ => None,
    };
    spec.layers.iter().find_map(of).unwrap_or_default()
}

/// What a layer sees and how it knows positions, in words.
fn described(mixer: &MixerSpec) -> String {
    let mamba2 = |mamba: &Mamba2Spec| {
        format!("mamba2 of {} heads of {} in {} groups", mamba.n_heads, mamba.d_head, mamba.n_groups)
    };
    let attn = match mixer {
        MixerSpec::Attention(attn) => attn,
        MixerSpec::LatentAttention(attn) => {
            let position = attn.rope.as_deref().map_or_else(|| "none".to_owned(), rotation);
            return format!("latent {} of {}, {position}, scale {:.5}", attn.rank, attn.d_key(), attn.scale);
        }
        MixerSpec::GatedDelta(delta) => {
            return format!("delta {} on {} of {}", delta.n_heads, delta.n_key_heads, delta.d_key);
        }
        MixerSpec::Mamba(mamba) => {
            return format!("mamba of {} channels and {} values", mamba.channels, mamba.d_state);
        }
        MixerSpec::Mamba2(mamba) => return mamba2(mamba),
        MixerSpec::SideBySide(both) => return format!("attention and {}", mamba2(&both.mamba2)),
        MixerSpec::Absent => return "mlp".to_owned(),
        MixerSpec::Lightning(lightning) => return format!("lightning of {} heads", lightning.n_heads),
        MixerSpec::ShortConvolution(convolution) => return format!("convolution of {}", convolution.kernel),
    };
    let mask = match attn.mask {
        Mask::Causal => "full".to_owned(),
        Mask::Sliding { window } => format!("window {window}"),
        Mask::Chunked { chunk } => format!("chunks {chunk}"),
    };
    let position = match &attn.position {
        Position::None => "none".to_owned(),
        Position::Alibi(alibi) => format!("alibi of {} from {:.4}", alibi.slopes.len(), alibi.slopes[0]),
        Position::Rotary(rope) => rotation(rope),
    };
    format!("{mask}, {position}")
}

fn rotation(rope: &Rope) -> String {
    let kind = match rope.pairing {
        Pairing::HalfSplit => "rope",
        Pairing::HalfSplitBackwards => "backward rope",
        Pairing::Interleaved => "interleaved rope",
    };
    let theta = (rope.theta * 1000.0).round() / 1000.0;
    format!("{kind} {theta} over {}{}", rope.dims, scaling(&rope.scaling))
}

fn scaling(scaling: &RopeScaling) -> String {
    match scaling {
        RopeScaling::Default => String::new(),
        RopeScaling::Linear { factor } => format!(", linear {factor}"),
        RopeScaling::Proportional { pairs, factor } => format!(", {pairs} pairs over {factor}"),
        RopeScaling::Dynamic { factor, max_positions } => format!(", dynamic {factor} of {max_positions}"),
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original } => {
            format!(", llama3 {factor} {low_freq_factor} {high_freq_factor} of {original}")
        }
        RopeScaling::Yarn { factor, beta_fast, beta_slow, attention_factor, original, truncate } => {
            let end = if *truncate { "" } else { ", not truncated" };
            format!(", yarn {factor} {beta_fast} {beta_slow} of {original} times {attention_factor:.4}{end}")
        }
        RopeScaling::LongRope { original, attention_factors: [attention_factor, _], short, long } => {
            assert_eq!(short.len(), long.len());
            format!(", longrope of {original} times {attention_factor:.4}")
        }
    }
}

/// The tensors that a spec names, each once, with their shapes.
fn shapes(spec: &DecoderSpec) -> BTreeMap<String, Vec<usize>> {
    let mut shapes: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for tensor in spec.tensors() {
        let before = shapes.insert(tensor.name.clone(), tensor.shape.clone());
        assert!(before.is_none_or(|shape| shape == tensor.shape), "{} has two shapes", tensor.name);
    }
    shapes
}

fn parameters(spec: &DecoderSpec) -> u64 {
    shapes(spec).values().map(|shape| shape.iter().map(|n| *n as u64).product::<u64>()).sum()
}

fn gating_of(expert: &ExpertSpec) -> Gating {
    match expert {
        ExpertSpec::Gated(gated) => gated.gating,
        ExpertSpec::Plain(plain) => Gating::Plain(plain.activation),
    }
}

fn experts(spec: &DecoderSpec, layer: usize) -> &ExpertsSpec {
    match &spec.layers[layer].mlp {
        MlpSpec::Experts(experts) => experts,
        MlpSpec::Gated(_) | MlpSpec::Plain(_) | MlpSpec::Xielu(_) | MlpSpec::Beside(_) | MlpSpec::Absent => {
            panic!("layer {layer} has no experts")
        }
    }
}

/// The spec of a model of the table.
fn spec(name: &str) -> DecoderSpec {
    let model = models().find(|model| model.config == name).expect("a row of the table");
    resolve(&config(name), &names(model.disk)).expect("a config that resolves")
}

fn names(names: &[&str]) -> TensorNames {
    names.iter().copied().collect()
}

fn config(name: &str) -> Value {
    let path = folder().join(format!("{name}.json"));
    let text = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/configs")
}
