//! Tensors under other names than usual, beside others than usual, and checkpoints with more in them than a decoder.

use lens_checkpoint::{
    checkpoint::{Checkpoint, OpenOptions},
    host::Weights,
    spec::{ExpertSpec, MixerSpec, MlpSpec, Pairing},
};
use serde_json::{Value, json};

use crate::{
    assert_says,
    copy::{Copy, Tensor, Tensors},
};

const FILE: &str = "model.safetensors";
const HEAD: &str = "lm_head.weight";

fn renamed(copy: Copy, rename: impl Fn(&str) -> String) -> Copy {
    copy.with_tensors(FILE, |tensors| {
        *tensors =
            std::mem::take(tensors).into_iter().map(|(name, tensor)| (rename(&name), tensor)).collect();
    })
}

fn extra(name: &'static str) -> impl FnOnce(&mut Tensors) {
    let tensor = Tensor { dtype: "F32".to_owned(), shape: vec![1], bytes: vec![0; 4] };
    move |tensors| drop(tensors.insert(name.to_owned(), tensor))
}

/// The config around a text model, as a multimodal model has it.
fn wrapped(config: &mut Value, model_type: &str) {
    let text = config.take();
    *config = json!({"model_type": model_type, "text_config": text, "image_token_index": 7, "projector_hidden_act": "gelu",
        "vision_config": {"hidden_size": 5, "model_type": "clip_vision_model"}, "vision_feature_layer": -2});
}

#[test]
fn a_prefix_that_all_names_have_is_taken_off_and_said() {
    let usual = Copy::of("llama2").open().unwrap();
    for prefix in ["_orig_mod.", "base_model.model.", "module.", "model.", "module._orig_mod."] {
        let opened = renamed(Copy::of("llama2"), |name| format!("{prefix}{name}")).open().unwrap();
        assert_eq!(opened.outline().spec, usual.outline().spec, "{prefix}");
        assert_says(&opened.outline().notes.join(" "), &["all names of tensors begin with", "taken off"]);
    }
    let opened =
        renamed(Copy::of("llama2"), |name| name.replace("layers.0.", "layers.0._orig_mod.")).open().unwrap();
    assert_says(&opened.outline().notes.join(" "), &["_orig_mod.", "taken out"]);
    // One without it: nothing is guessed.
    let copy = renamed(Copy::of("llama2"), |name| match name {
        HEAD => name.to_owned(),
        _ => format!("module.{name}"),
    });
    assert_says(&copy.refusal(), &["lacks tensors", "model.embed_tokens.weight"]);
}

#[test]
fn the_text_model_of_a_multimodal_one_is_read_in_every_form_of_names() {
    for fixture in ["llama2", "qwen2_untied", "qwen3", "mistral"] {
        let usual = Copy::of(fixture).open().unwrap();
        for (model, head) in [
            ("language_model.model.", "language_model.lm_head."),
            ("model.language_model.", "lm_head."),
            ("model.text_model.", "lm_head."),
            ("model.", "lm_head."),
        ] {
            let copy = renamed(Copy::of(fixture), |name| {
                let name = name.replacen("lm_head.", head, 1);
                name.strip_prefix("model.").map(|rest| format!("{model}{rest}")).unwrap_or(name)
            });
            let opened = copy
                .with_config(|config| wrapped(config, "llava"))
                .with_tensors(FILE, extra("vision_tower.patch.weight"))
                .with_tensors(FILE, extra("model.multi_modal_projector.linear_1.bias"))
                .open()
                .unwrap_or_else(|error| panic!("{fixture} {model}: {error}"));
            assert_eq!(opened.outline().spec.layers, usual.outline().spec.layers, "{fixture} {model}");
            assert_says(&opened.outline().notes.join(" "), &["llava is a multimodal model", "text alone"]);
        }
    }
}

#[test]
fn a_multimodal_model_with_its_text_keys_at_the_top_is_read() {
    let usual = Copy::of("qwen2_untied").open().unwrap();
    let copy = Copy::of("qwen2_untied").with_config(|config| {
        config["model_type"] = json!("qwen2_vl");
        config["vision_config"] = json!({"depth": 1});
        config["rope_scaling"] = json!({"type": "mrope", "mrope_section": [1, 1, 2]});
    });
    let opened = copy.with_tensors(FILE, extra("visual.patch_embed.weight")).open().unwrap();
    assert_eq!(opened.outline().spec.layers, usual.outline().spec.layers);
}

#[test]
fn a_text_model_with_other_keys_or_other_attention_is_refused() {
    let copy = Copy::of("llama2").with_config(|config| {
        config["logit_scale"] = json!(0.5);
        wrapped(config, "llava");
    });
    assert_says(&copy.refusal(), &["llama does not read", "text_config.logit_scale = 0.5"]);
    let copy = Copy::of("gemma").with_config(|config| wrapped(config, "paligemma"));
    assert_says(&copy.refusal(), &["paligemma cannot be read", "both directions"]);
    let copy = Copy::of("llama2").with_config(|config| wrapped(config, "llava"));
    let copy = copy.with_tensors(FILE, extra("memory.weight"));
    assert_says(&copy.refusal(), &["tensors that llama does not use", "memory.weight"]);
}

/// Each of these has in its language model what the family computes, in transformers as well.
#[test]
fn models_around_a_text_model_are_read_whatever_their_name() {
    for (fixture, around) in [
        ("llama2", "internvl"),
        ("qwen2_untied", "internvl"),
        ("qwen3", "internvl"),
        ("mistral", "idefics2"),
        ("llama2", "idefics3"),
        ("llama2", "janus"),
        ("llama2", "perception_lm"),
        ("qwen2_untied", "fast_vlm"),
        ("opt", "blip-2"),
        ("llama2", "instructblip"),
        ("qwen2_untied", "ovis2"),
        ("qwen2_untied", "got_ocr2"),
        ("cohere2", "aya_vision"),
        ("cohere2", "cohere2_vision"),
    ] {
        let usual = Copy::of(fixture).open().unwrap();
        let opened = renamed(Copy::of(fixture), |name| format!("language_model.{name}"))
            .with_config(|config| wrapped(config, around))
            .open()
            .unwrap_or_else(|error| panic!("{around}: {error}"));
        assert_eq!(opened.outline().spec.layers, usual.outline().spec.layers, "{around}");
        assert_says(&opened.outline().notes.join(" "), &[&format!("{around} is a multimodal model")]);
    }
}

#[test]
fn models_around_a_text_model_that_no_family_computes_are_refused_by_name() {
    for (around, section, text) in [
        ("some_vl", "text_config", "unheard_of"),
        ("aria_vl", "text_config", "unheard_of_text"),
        ("mllama", "text_config", "mllama_text_model"),
    ] {
        let copy = Copy::of("llama2").with_config(|config| {
            wrapped(config, around);
            let mut inner = config.as_object_mut().unwrap().remove("text_config").unwrap();
            inner["model_type"] = json!(text);
            config[section] = inner;
        });
        assert_says(
            &copy.refusal(),
            &[&format!("unsupported model_type \"{around}\""), &format!("around \"{text}\"")],
        );
    }
}

/// What the class of a text model does whatever its config says, or where it says nothing, is not what its family does.
#[test]
fn what_the_class_of_a_text_model_has_of_its_own_is_read() {
    let around = |fixture: &str, model_type: &str, change: &dyn Fn(&mut Value)| {
        let copy = renamed(Copy::of(fixture), |name| name.replacen("model.", "model.language_model.", 1));
        copy.with_config(|config| {
            change(config);
            config["model_type"] = json!(format!("{model_type}_text"));
            wrapped(config, model_type);
        })
    };
    let experts = |copy: &Copy| match &copy.open().unwrap().outline().spec.layers[0].mlp {
        MlpSpec::Experts(experts) => experts.routing.divisor.is_some(),
        other => panic!("{other:?}"),
    };
    for said in [json!(false), json!(null), json!(true)] {
        let copy = around("qwen3_moe", "qwen3_vl_moe", &|config| config["norm_topk_prob"] = said.clone());
        assert!(experts(&copy), "norm_topk_prob = {said}");
    }
    let rope = |copy: &Copy| copy.open().unwrap().outline().spec.layers[0].mixer.rope().unwrap().clone();
    let without =
        |key: &'static str| move |config: &mut Value| drop(config.as_object_mut().unwrap().remove(key));
    // Llama's weights, whose names a PaddleOCR-VL has as well.
    let copy = around("llama2", "paddleocr_vl", &without("rope_theta"));
    let turned = rope(&copy);
    assert_eq!((turned.theta, turned.pairing), (5e5, Pairing::HalfSplit));
    // All of a head where the config is silent, and what it says where it says something; a bias where the class has one.
    let biased = |copy: &Copy| match &copy.open().unwrap().outline().spec.layers[0].mixer {
        MixerSpec::Attention(attention) => attention.q.bias.is_some(),
        other => panic!("{other:?}"),
    };
    let silent = around("glm4", "glm4v", &without("partial_rotary_factor"));
    let telling = around("glm4", "glm4v", &without("attention_bias"));
    assert_eq!(rope(&silent).dims, rope(&telling).dims * 2);
    assert!(biased(&telling));
    let copy = around("glm4", "glm_ocr", &|_| ());
    assert_says(&copy.refusal(), &["tensors that glm4 does not use", "q_proj.bias"]);
}

/// Qwen 3 VL's experts are stored with their matrices turned by transformers 4, and as others' by transformers 5.
#[test]
fn stacked_experts_are_read_in_both_directions() {
    let stacks = ["experts.gate_up_proj", "experts.down_proj"];
    let opened = Copy::of("qwen3_moe_fused").open().unwrap();
    let turned = Copy::of("qwen3_moe_fused")
        .with_tensors(FILE, |tensors| {
            for (name, tensor) in tensors.iter_mut() {
                if stacks.iter().any(|stack| name.ends_with(stack)) {
                    turn(tensor);
                }
            }
        })
        .open()
        .unwrap();
    let value = |checkpoint: &Checkpoint, layer: usize, part: usize| {
        let MlpSpec::Experts(experts) = &checkpoint.outline().spec.layers[layer].mlp else { return None };
        let ExpertSpec::Gated(expert) = &experts.experts[1] else { return None };
        let linear = [&expert.gate, &expert.up, &expert.down][part];
        Some(Weights::of(checkpoint).view(&linear.weight).unwrap().to_vec().unwrap())
    };
    let layers = opened.outline().spec.layers.len();
    let mut compared = 0;
    for (layer, part) in (0..layers).flat_map(|layer| (0..3).map(move |part| (layer, part))) {
        let Some(usual) = value(&opened, layer, part) else { continue };
        assert_eq!(Some(usual), value(&turned, layer, part), "layer {layer}, part {part}");
        compared += 1;
    }
    assert!(compared >= 3, "no experts were compared");
}

/// The same stack with each of its matrices transposed.
fn turn(tensor: &mut Tensor) {
    let [n, rows, columns] = tensor.shape[..] else { panic!("{:?} is no stack", tensor.shape) };
    let width = tensor.bytes.len() / (n * rows * columns);
    let at = |e: usize, row: usize, column: usize| ((e * rows + row) * columns + column) * width;
    let places = (0..n).flat_map(|e| (0..columns).flat_map(move |c| (0..rows).map(move |r| (e, r, c))));
    tensor.bytes = places.flat_map(|(e, r, c)| tensor.bytes[at(e, r, c)..][..width].to_vec()).collect();
    tensor.shape = vec![n, columns, rows];
}

/// transformers 5 writes some text models under the names of a tower's parts.
#[test]
fn names_of_text_models_that_are_spelled_like_those_of_towers_are_read() {
    type Spelling = fn(&str) -> String;
    let cases: [(&str, &str, Spelling); 3] = [
        ("kimi_k25", "deepseek_v3", |name| {
            format!("language_model.{}", name.replace("model.layers.", "model.blocks."))
        }),
        ("qianfan_ocr", "qwen3", |name| {
            format!("language_model.{}", name.replace("model.layers.", "model.encoder.layers."))
        }),
        ("cosmos3_omni", "qwen3", |name| {
            let parts = [
                ("q_proj", "to_q"),
                ("k_proj", "to_k"),
                ("v_proj", "to_v"),
                ("o_proj", "to_out"),
                ("q_norm", "norm_q"),
                ("k_norm", "norm_k"),
            ];
            let name = name.strip_prefix("model.").unwrap_or(name).to_owned();
            parts.iter().fold(name, |name, (usual, part)| {
                name.replace(&format!("self_attn.{usual}."), &format!("self_attn.{part}."))
            })
        }),
    ];
    for (model_type, fixture, spelling) in cases {
        let usual = Copy::of(fixture).open().unwrap();
        let copy = renamed(Copy::of(fixture), spelling).with_config(|config| wrapped(config, model_type));
        let copy = copy.with_tensors(FILE, extra("blocks.0.attn.qkv.weight"));
        let opened = copy.open().unwrap_or_else(|error| panic!("{model_type}: {error}"));
        assert_eq!(opened.outline().spec.layers, usual.outline().spec.layers, "{model_type}");
        assert_says(
            &opened.outline().notes.join(" "),
            &["1 tensor (0.0 MB) of other parts is left out: blocks"],
        );
    }
}

/// Files for software of their own, and models whose text model is the thinker of two.
#[test]
fn text_models_are_found_in_every_section_that_is_published() {
    let usual = Copy::of("qwen3").open().unwrap();
    for (around, path, prefix) in [
        ("internvl_chat", &["llm_config"][..], "language_model."),
        ("multi_modality", &["language_config"], "language_model."),
        ("qwen2_5_omni", &["thinker_config", "text_config"], "thinker."),
    ] {
        let copy = renamed(Copy::of("qwen3"), |name| format!("{prefix}{name}")).with_config(|config| {
            let inner = path.iter().rev().fold(config.take(), |inner, key| json!({*key: inner}));
            *config = inner;
            config["model_type"] = json!(around);
            config["talker_config"] = json!({"hidden_size": 3});
        });
        let opened = copy.with_tensors(FILE, extra("talker.model.layers.0.weight")).open();
        let opened = opened.unwrap_or_else(|error| panic!("{around}: {error}"));
        assert_eq!(opened.outline().spec.layers, usual.outline().spec.layers, "{around}");
        assert_says(
            &opened.outline().notes.join(" "),
            &["1 tensor (0.0 MB) of other parts is left out: talker"],
        );
    }
}

#[test]
fn a_family_can_be_assumed_of_the_text_model_within() {
    let usual = Copy::of("llama2").open().unwrap();
    let copy = renamed(Copy::of("llama2"), |name| format!("language_model.{name}")).with_config(|config| {
        config["model_type"] = json!("unheard_of");
        wrapped(config, "some_vl");
    });
    assert_says(&copy.refusal(), &["unsupported model_type"]);
    let assumed = OpenOptions::default().with_assume_family(Some("llama".to_owned()));
    let opened = copy.open_with(&assumed).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(opened.outline().spec.layers, usual.outline().spec.layers);
}

#[test]
fn sizes_that_a_multimodal_file_leaves_out_are_those_of_the_class() {
    let copy = Copy::of("llama2").with_config(|config| {
        config.as_object_mut().unwrap().remove("hidden_size");
        wrapped(config, "llava");
    });
    assert_says(&copy.refusal(), &["stored as", "config.json implies", "4096"]);
}

#[test]
fn heads_of_other_tasks_are_named_and_left_out_on_demand() {
    let insist = OpenOptions::default().with_ignore_extra(true);
    for name in ["v_head.summary.weight", "score.weight", "classifier.bias"] {
        let copy = Copy::of("llama2").with_tensors(FILE, extra(name));
        assert_says(&copy.refusal(), &["rates or classifies", name, "what is extra"]);
        let opened = copy.open_with(&insist).unwrap();
        assert_says(&opened.outline().notes.join(" "), &["left out, as was asked", name]);
    }
    let copy = Copy::of("llama2").with_tensors(FILE, extra("model.memory"));
    assert_says(&copy.refusal(), &["does not use", "model.memory", "what is extra"]);
}

#[test]
fn quantised_tensors_are_recognised_without_a_word_in_the_config() {
    for name in [
        "up_proj.qweight",
        "up_proj.weight_scale",
        "up_proj.SCB",
        "up_proj.scales",
        "experts.gate_up_proj_blocks",
    ] {
        let name: &'static str = Box::leak(format!("model.layers.0.mlp.{name}").into_boxed_str());
        let copy = Copy::of("llama2").with_tensors(FILE, |tensors| {
            tensors.remove("model.layers.0.mlp.up_proj.weight");
            extra(name)(tensors);
        });
        assert_says(&copy.refusal(), &["the checkpoint is quantised", "by the names of its tensors"]);
    }
    let copy = Copy::of("llama2").with_key("quantization", json!({"group_size": 64, "bits": 4}));
    assert_says(&copy.refusal(), &["the checkpoint is quantised (mlx)", "none of its tensors"]);
}

#[test]
fn a_stored_unembedding_that_differs_from_a_tied_one_is_said() {
    let tied = |version: &str| {
        Copy::of("llama2").with_config(|config| {
            config["tie_word_embeddings"] = json!(true);
            config["transformers_version"] = json!(version);
        })
    };
    for (version, read) in [("4.57.6", "model.embed_tokens.weight"), ("5.3.0", HEAD)] {
        let opened = tied(version).open().unwrap();
        assert_eq!(opened.outline().spec.readout.unembed.name, read);
        let said = format!("read with {read}, as transformers {}", &version[..1]);
        assert_says(&opened.outline().notes.join(" "), &["tie_word_embeddings", "differs", &said]);
        // The same numbers: nothing to say.
        let same = tied(version).with_tensors(FILE, |tensors| {
            let embed = tensors["model.embed_tokens.weight"].clone();
            tensors.insert(HEAD.to_owned(), embed);
        });
        assert!(same.open().unwrap().outline().notes.is_empty());
    }
}

#[test]
fn from_version_5_on_the_model_around_says_whether_the_unembedding_is_tied() {
    // Gemma 3 reads its multimodal files by itself, the other by the one mechanism for all.
    for fixture in ["gemma3", "llama2"] {
        let copy = |version: &str| {
            let text = Copy::of("gemma3").config()["text_config"].clone();
            let copy = Copy::of(fixture).with_config(|config| {
                match fixture {
                    "gemma3" => config["text_config"] = text,
                    _ => wrapped(config, "llava"),
                }
                config["text_config"]["tie_word_embeddings"] = json!(true);
                config["tie_word_embeddings"] = json!(false);
                config["transformers_version"] = json!(version);
            });
            copy.with_tensors(FILE, |tensors| {
                let name = tensors.keys().find(|name| name.ends_with("embed_tokens.weight")).unwrap();
                let mut head = tensors[name].clone();
                head.bytes.reverse();
                tensors.insert(HEAD.to_owned(), head);
            })
        };
        for (version, read) in [("4.57.6", "embed_tokens.weight"), ("5.24.0", HEAD)] {
            let opened = copy(version).open().unwrap();
            let outline = opened.outline();
            assert!(outline.spec.readout.unembed.name.ends_with(read), "{fixture} of {version}");
            assert_eq!(
                outline.spec.tied_and_stored.is_some(),
                version.starts_with('4'),
                "{fixture} of {version}"
            );
        }
    }
}

#[test]
fn only_a_family_that_reads_every_key_is_suggested() {
    let exotic = |key: &str, value: Value| {
        Copy::of("llama2").with_key("model_type", json!("exotic9")).with_key(key, value)
    };
    for (key, value) in [
        ("layer_norm_eps", json!(1e-5)),
        ("scale_depth", json!(1.4)),
        ("llama_4_scaling", json!({"beta": 0.1})),
    ] {
        let refusal = exotic(key, value).refusal();
        assert!(!refusal.contains("can be read as one"), "{refusal}");
        assert_says(&refusal, &["tensors are those of llama", key]);
    }
}
