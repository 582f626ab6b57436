//! Published models with experts that are chosen otherwise than Mixtral's.

use super::{LM_HEAD, Model, UNTIED};

pub(super) const MODELS: &[Model] = &[
    Model {
        config: "glm-4.5-air",
        disk: LM_HEAD,
        sizes: [46, 4096, 96, 8, 128, 151_552],
        wiring: UNTIED,
        layers: &[(0, "full, rope 1000000 over 64"), (45, "full, rope 1000000 over 64")],
        parameters: 106_852_251_264,
    },
    Model {
        config: "glm-4.5",
        disk: LM_HEAD,
        sizes: [92, 5120, 96, 8, 128, 151_552],
        wiring: UNTIED,
        layers: &[(91, "full, rope 1000000 over 64")],
        parameters: 352_797_829_024,
    },
    Model {
        config: "dots.llm1.inst",
        disk: LM_HEAD,
        sizes: [62, 4096, 32, 32, 128, 152_064],
        wiring: UNTIED,
        layers: &[(61, "full, rope 10000000 over 128")],
        parameters: 142_774_381_696,
    },
    Model {
        config: "solar-open-100b",
        disk: LM_HEAD,
        sizes: [48, 4096, 64, 8, 128, 196_608],
        wiring: UNTIED,
        layers: &[(47, "full, rope 1000000 over 128, yarn 2 32 1 of 65536 times 1.0693")],
        parameters: 102_651_799_552,
    },
    Model {
        config: "k-exaone-236b-a23b",
        disk: LM_HEAD,
        sizes: [48, 6144, 64, 8, 128, 153_600],
        wiring: UNTIED,
        layers: &[(0, "window 128, rope 1000000 over 128"), (47, "full, none")],
        parameters: 236_571_156_352,
    },
];
