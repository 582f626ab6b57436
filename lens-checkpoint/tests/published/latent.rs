//! Published models with latent attention or gated delta nets. DeepSeek-V3 and Kimi-K2 are published in eight bits; these
//! are the configs of their bf16 versions.

use super::{LM_HEAD, Model, TIED, UNTIED};

pub(super) const MODELS: &[Model] = &[
    Model {
        config: "deepseek-v3",
        disk: LM_HEAD,
        sizes: [61, 7168, 128, 128, 128, 129_280],
        wiring: UNTIED,
        layers: &[(
            60,
            "latent 512 of 192, interleaved rope 10000 over 64, yarn 40 32 1 of 4096 times 1.0000, scale 0.13523",
        )],
        // Those of the routers' corrections included.
        parameters: 671_026_419_200,
    },
    Model {
        config: "kimi-k2-instruct",
        disk: LM_HEAD,
        sizes: [61, 7168, 64, 64, 128, 163_840],
        wiring: UNTIED,
        layers: &[(
            0,
            "latent 512 of 192, interleaved rope 50000 over 64, yarn 32 1 1 of 4096 times 1.0000, scale 0.13086",
        )],
        parameters: 1_026_408_232_448,
    },
    Model {
        config: "moonlight-16b-a3b",
        disk: LM_HEAD,
        sizes: [27, 2048, 16, 16, 128, 163_840],
        wiring: UNTIED,
        layers: &[(26, "latent 512 of 192, interleaved rope 50000 over 64, scale 0.07217")],
        parameters: 15_960_110_208,
    },
    Model {
        config: "deepseek-v2-lite",
        disk: LM_HEAD,
        sizes: [27, 2048, 16, 16, 128, 102_400],
        wiring: UNTIED,
        layers: &[(
            26,
            "latent 512 of 192, interleaved rope 10000 over 64, yarn 40 32 1 of 4096 times 1.0000, scale 0.11472",
        )],
        parameters: 15_706_484_224,
    },
    Model {
        config: "minicpm3-4b",
        disk: &[],
        sizes: [62, 2560, 40, 40, 64, 73_448],
        wiring: TIED,
        layers: &[(
            61,
            "latent 256 of 96, rope 10000 over 32, longrope of 32768 times 1.0000, scale 0.10206",
        )],
        parameters: 4_073_875_968,
    },
    Model {
        config: "qwen3-next-80b-a3b",
        disk: LM_HEAD,
        sizes: [48, 2048, 16, 2, 256, 151_936],
        wiring: UNTIED,
        layers: &[
            (0, "delta 32 on 16 of 128"),
            (3, "full, rope 10000000 over 64"),
            (46, "delta 32 on 16 of 128"),
            (47, "full, rope 10000000 over 64"),
        ],
        parameters: 79_674_391_296,
    },
    Model {
        config: "youtu-llm-2b",
        disk: &[],
        sizes: [32, 2048, 16, 16, 128, 128_256],
        wiring: TIED,
        layers: &[(31, "latent 512 of 192, interleaved rope 1600000 over 64, scale 0.07217")],
        parameters: 1_961_560_064,
    },
    Model {
        config: "glm-4.7-flash",
        disk: LM_HEAD,
        sizes: [47, 2048, 20, 20, 256, 154_880],
        wiring: UNTIED,
        layers: &[(46, "latent 512 of 256, interleaved rope 1000000 over 64, scale 0.06250")],
        parameters: 29_943_393_920,
    },
    Model {
        config: "sarvam-105b",
        disk: LM_HEAD,
        sizes: [32, 4096, 64, 64, 128, 262_144],
        wiring: UNTIED,
        layers: &[(
            31,
            "latent 512 of 192, interleaved rope 10000 over 64, yarn 40 32 1 of 4096 times 1.0000, scale 0.13523",
        )],
        parameters: 106_031_767_424,
    },
    Model {
        config: "a.x-k1",
        disk: LM_HEAD,
        sizes: [61, 7168, 64, 64, 128, 163_840],
        wiring: UNTIED,
        layers: &[(60, "latent 512 of 192, interleaved rope 10000 over 64, scale 0.07217")],
        // Its routers have no corrections.
        parameters: 518_983_063_808 - 60 * 192,
    },
    Model {
        config: "qwen3.5-9b-text",
        disk: LM_HEAD,
        sizes: [32, 4096, 16, 4, 256, 248_320],
        wiring: UNTIED,
        layers: &[(0, "delta 32 on 16 of 128"), (31, "full, rope 10000000 over 64")],
        parameters: 8_953_803_264,
    },
    Model {
        config: "qwen3.5-35b-a3b-text",
        disk: LM_HEAD,
        sizes: [40, 2048, 16, 2, 256, 248_320],
        wiring: UNTIED,
        layers: &[(2, "delta 32 on 16 of 128"), (39, "full, rope 10000000 over 64")],
        parameters: 34_660_610_688,
    },
    Model {
        config: "olmo-hybrid-7b",
        disk: LM_HEAD,
        sizes: [32, 3840, 30, 30, 128, 100_352],
        wiring: UNTIED,
        layers: &[(0, "delta 30 on 30 of 96"), (3, "full, none")],
        parameters: 7_430_870_688,
    },
    Model {
        config: "mistral-small-4",
        disk: LM_HEAD,
        sizes: [36, 4096, 32, 32, 128, 131_072],
        wiring: UNTIED,
        layers: &[(
            35,
            "latent 256 of 128, interleaved rope 10000 over 64, yarn 128 32 1 of 8192 times 1.0000, scale 0.19497",
        )],
        parameters: 118_972_826_624,
    },
    Model {
        config: "lara-4-mini",
        disk: &[],
        sizes: [34, 1024, 16, 4, 128, 151_936],
        wiring: TIED,
        layers: &[
            (0, "delta 16 on 8 of 128"),
            (1, "window 512, rope 10000 over 128"),
            (3, "full, none"),
            (33, "full, none"),
        ],
        parameters: 7_281_684_672,
    },
];
