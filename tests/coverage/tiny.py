"""Tiny configs of every decoder type of the installed transformers: a type's own defaults, with small sizes.

A key that a config has is set to a small value of that meaning (`SMALL`); what needs more than that to be small, or to
matter at all, is said for the type alone (`OWN`). Everything else stays as the class has it.
"""

from dataclasses import dataclass

import transformers
from transformers import AutoConfig, PretrainedConfig
from transformers.models.auto import modeling_auto

CAUSAL = modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
MULTIMODAL = {
    **modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
    **getattr(modeling_auto, "MODEL_FOR_MULTIMODAL_LM_MAPPING_NAMES", {}),
}

# Types of the causal mapping that are no decoders of text by themselves: halves of encoder-decoders, encoders with a
# head, and models of sounds or pictures.
ENCODER_DECODERS = """bart bigbird_pegasus blenderbot blenderbot-small marian mbart mvp pegasus plbart prophetnet trocr
 whisper""".split()
ENCODERS = """bert bert-generation big_bird camembert data2vec-text electra ernie megatron-bert rembert roberta
 roberta-prelayernorm roc_bert roformer xlm xlm-roberta xlm-roberta-xl xmod xlnet reformer""".split()
OTHER_MEDIA = "git got_ocr2 moshi musicgen musicgen_melody moss_transcribe_diarize fuyu emu3".split()
DECODERS = [t for t in CAUSAL if t not in {*ENCODER_DECODERS, *ENCODERS, *OTHER_MEDIA}]
# Encoder-decoders among the multimodal types: their text part is no decoder of the kind that a lens reads.
# One is a classifier.
# One is a classifier, one writes by diffusion, and two are actions of robots.
NO_DECODER = """florence2 kosmos-2 kosmos-2.5 pix2struct t5gemma2 udop vision-encoder-decoder pp_chart2table
 pp_formulanet shieldgemma2 diffusion_gemma pi0 evolla""".split()
WRAPPERS = [t for t in MULTIMODAL if t not in {*DECODERS, *NO_DECODER}]


@dataclass(frozen=True)
class Sizes:
    """The sizes that differ between runs."""

    vocab: int = 307
    width: int = 64
    heads: int = 4
    kv_heads: int = 2
    layers: int = 4
    mlp: int = 96
    experts: int = 8


def small(sizes):
    """Small values by the names that configs give them."""
    head = sizes.width // sizes.heads

    def all_of(names, value):
        return dict.fromkeys(names.split(), value)

    return {
        **all_of("vocab_size vocab_size_per_layer_input", sizes.vocab),
        **all_of("hidden_size n_embd d_model dim embed_dim conv_dim", sizes.width),
        **all_of("intermediate_size ffn_dim n_inner ffn_hidden_size mlp_hidden_size intermediate_dim d_ff dff dim_ff", sizes.mlp),
        **all_of("num_hidden_layers n_layer n_layers num_layers", sizes.layers),
        **all_of("num_attention_heads n_head n_heads num_heads attention_heads", sizes.heads),
        **all_of("num_key_value_heads num_kv_heads", sizes.kv_heads),
        "head_dim": head,
        **all_of("max_position_embeddings n_positions max_seq_len n_ctx", 128),
        **all_of("num_experts num_local_experts n_routed_experts moe_num_experts", sizes.experts),
        **all_of("num_experts_per_tok num_experts_per_token moe_k top_k_experts moe_topk num_selected_experts moe_top_k", 2),
        **all_of("moe_intermediate_size expert_ffn_hidden_size moe_ffn_hidden_size moe_shared_expert_intermediate_size", 24),
        **all_of("shared_expert_intermediate_size shared_intermediate_size", 40),
        **all_of("n_shared_experts num_shared_experts", 1),
        "n_group": 2,
        "topk_group": 1,
        "first_k_dense_replace": 1,
        "q_lora_rank": 24,
        "kv_lora_rank": 16,
        "qk_rope_head_dim": 8,
        "qk_nope_head_dim": 12,
        "v_head_dim": 12,
        **all_of("sliding_window sliding_window_size attention_window_size window_size", 5),
        "linear_num_value_heads": 4,
        "linear_num_key_heads": 2,
        "linear_key_head_dim": 16,
        "linear_value_head_dim": 16,
        **all_of("state_size ssm_state_size mamba_d_state time_step_rank", 8),
        "mamba_d_conv": 4,
        "mamba_expand": 2,
        **all_of("mamba_n_heads mamba_num_heads", 8),
        **all_of("mamba_d_head mamba_head_dim", 16),
        "mamba_n_groups": 1,
        "n_groups": 2,
        "mamba_d_ssm": 2 * sizes.width,
        **all_of("mamba_chunk_size chunk_size", 8),
        "hidden_size_per_layer_input": 16,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
    }


MLA = dict(num_key_value_heads=4, head_dim=8)
INDEXER = dict(index_topk=4, index_head_dim=16, index_n_heads=2)
FACTORS = dict(embedding_multiplier=6.0, logits_scaling=4.0, residual_multiplier=0.35, attention_multiplier=0.2)
INKLING = dict(swa_num_attention_heads=4, swa_num_key_value_heads=2, swa_head_dim=16, rel_extent=16, d_rel=4)

# What a type needs besides.
OWN = {
    "afmoe": dict(num_dense_layers=1, global_attn_every_n_layers=2),
    "axk1": MLA,
    "axk2": {**MLA, **INDEXER, "gated_norm_rank": 4},
    "bailing_hybrid": {**MLA, "num_expert_group": 2, "layer_group_size": 2, "linear_head_dim": 16, "linear_num_heads": 4},
    "bamba": dict(attn_layer_indices=[1, 3]),
    "codegen": dict(rotary_dim=8),
    "cohere": dict(logit_scale=0.25),
    "cohere2": dict(logit_scale=0.25),
    "cohere_compass_text": dict(layer_types=["sliding_attention", "sliding_attention", "full_attention", "full_attention"],
                                rope_parameters=dict(
                                    sliding_attention=dict(rope_type="default", rope_theta=10000.0), full_attention=None)),
    "cohere2_moe": dict(sliding_window_pattern=2),
    "cpmant": dict(dim_head=16, prompt_types=4, prompt_length=4, segment_types=4, position_bias_num_buckets=32,
                   position_bias_max_distance=128),
    "dbrx": dict(attn_config=dict(kv_n_heads=2, clip_qkv=1.0),
                 ffn_config=dict(ffn_hidden_size=24, moe_num_experts=4, moe_top_k=2, hidden_size=64)),
    "deepseek_v2": {**MLA, "topk_method": "group_limited_greedy", "num_experts_per_tok": 2, "n_group": 2, "topk_group": 1},
    "deepseek_v3": MLA,
    "deepseek_v32": {**MLA, **INDEXER},
    "deepseek_v4": {**INDEXER, "o_groups": 2, "o_lora_rank": 16, "num_key_value_heads": 1},
    "dory": dict(n_input_layers=1, n_recurrent_layers=2, n_output_layers=1),
    "dots1": dict(num_experts_per_tok=2, n_shared_experts=1, n_group=2, topk_group=1),
    "dots3_note_text": MLA,
    "ernie4_5_moe": dict(moe_layer_end_index=3),
    "gemma2": dict(query_pre_attn_scalar=20, attn_logit_softcapping=2.0, final_logit_softcapping=3.0),
    "gemma3_text": dict(query_pre_attn_scalar=20, num_hidden_layers=6, _sliding_window_pattern=3),
    "gemma3n_text": dict(num_kv_shared_layers=1, laurel_rank=8, activation_sparsity_pattern=[0.9] + [0.0] * 5,
                         num_hidden_layers=6, intermediate_size=[96] * 6),
    "gemma4_text": dict(num_hidden_layers=6, num_kv_shared_layers=0, global_head_dim=32, num_global_key_value_heads=1),
    "gemma4_unified_text": dict(num_hidden_layers=6, global_head_dim=32, num_global_key_value_heads=1),
    "glm4_moe_lite": MLA,
    "glm_moe_dsa": {**MLA, **INDEXER},
    "gpt_neo": dict(attention_types=[[["global", "local"], 2]]),
    "gpt_oss": dict(rope_scaling=None),
    "gptj": dict(rotary_dim=8),
    "granite": FACTORS,
    "granite_swa": FACTORS,
    "granitemoe": FACTORS,
    "granitemoe_swa": FACTORS,
    "granitemoehybrid": {**FACTORS, "layer_types": ["linear_attention", "full_attention"] * 2},
    "granitemoeshared": FACTORS,
    "hrm_text": dict(num_layers_per_stack=2),
    "hunyuan_v1_moe": dict(moe_topk=2, moe_intermediate_size=24, num_shared_expert=1),
    "hy_v4": {**MLA, **INDEXER},
    "hy_v4_vl_text": {**MLA, **INDEXER, "rope_parameters": dict(rope_type="default", rope_theta=10000.0,
                                                                mrope_section=[2, 1, 1])},
    "inkling_text": INKLING,
    "inkling2_text": {**INKLING, "unpadded_vocab_size": 300, "n_layers_per_attn_res_block": 2},
    "inkling2_loop_text": {**INKLING, "unpadded_vocab_size": 300, "n_layers_per_attn_res_block": 2,
                           "loop_layer_index_start": 2, "loop_layer_index_end": 4, "num_hidden_layers": 6, "loop_gate_rank": 8},
    "jamba": dict(attn_layer_period=2, attn_layer_offset=1, mamba_dt_rank=8, use_mamba_kernels=False),
    "jetmoe": dict(kv_channels=16),
    "kimi_linear": {**MLA, "linear_head_dim": 16, "linear_num_heads": 4},
    "kolibri1": dict(layer_types=["sliding_attention", "full_attention"] * 2),
    "laguna": dict(num_attention_heads_per_layer=[4, 2, 4, 6], layer_types=["full_attention", "sliding_attention"] * 2),
    "llama4_text": dict(intermediate_size_mlp=96, attention_chunk_size=4, num_local_experts=4, interleave_moe_layer_step=2),
    "lfm3": dict(layer_types=["conv", "sliding_attention", "conv", "full_attention"]),
    "lfm2_moe": dict(layer_types=["conv", "full_attention"] * 2, num_dense_layers=1),
    "longcat_flash": {**MLA, "zero_expert_num": 2, "expert_ffn_hidden_size": 24},
    "mamba2": dict(num_heads=8, head_dim=16),
    "minicpm3": {**MLA, "dim_model_base": 32},
    "minimax": dict(block_size=4),
    "minimax_m2": dict(rotary_dim=8),
    "minimax_m3_vl_text": dict(dense_intermediate_size=96, rotary_dim=8, index_n_heads=2, index_head_dim=16,
                               index_block_size=2, index_topk_blocks=2),
    "modernbert-decoder": dict(local_attention=6),
    "mpt": dict(max_seq_len=64),
    "nemotron_h": dict(layers_block_type=["linear_attention", "moe", "full_attention", "mlp"]),
    "opt": dict(word_embed_proj_dim=64),
    "qwen2_moe": dict(decoder_sparse_step=2),
    "qwen3_moe": dict(mlp_only_layers=[1]),
    "qwen4_exp_text": {"num_experts": 8, "linear_num_value_heads": 4, "linear_num_key_heads": 2, **INDEXER, "hc_count": 2, "hc_lowrank": 8, "ple_embed_dim": 16, "heads_per_ngram": 2,
                       "ngram_vocab_size_base": 97, "make_ngram_vocab_size_divisible_by": 8, "split_ngram_parts": 2},
    "recurrent_gemma": dict(lru_width=64),
    "rwkv": dict(attention_hidden_size=64, context_length=64),
    "sarvam_mla": MLA,
    "smollm3": dict(no_rope_layer_interval=2),
    "xlstm": dict(embedding_dim=64, num_blocks=2),
    # Its class zeroes the row of the padding token as it loads, whatever is stored there.
    "youtu": {**MLA, "pad_token_id": None},
    "zamba": dict(num_hidden_layers=6, layers_block_type=["linear_attention", "linear_attention", "hybrid"] * 2, attention_hidden_size=128, attention_head_dim=32, attn_layer_period=2, attn_layer_offset=1,
                  mamba_dt_rank=8, use_mamba_kernels=False),
    "zamba2": dict(adapter_rank=8, attention_hidden_size=128, attention_head_dim=32, mamba_headdim=16, n_mamba_heads=8,
                   kv_channels=16, num_query_groups=2, layers_block_type=["linear_attention", "hybrid"] * 2,
                   use_mamba_kernels=False),
    "chameleon_vqgan": dict(base_channels=32, channel_multiplier=[1, 1], num_res_blocks=1),
    "chameleon": dict(vocabulary_map={"<image>": 8, "IMGIMGA": 9}),
    "deepseek_ocr2_text": dict(mlp_layer_types=["dense", "sparse", "sparse", "sparse"], num_key_value_heads=4,
                               num_experts_per_tok=2),
    "emu3": dict(vocabulary_map={"<image>": 8, "<|extra_200|>": 9}),
    "emu3_vqgan": dict(base_channels=32, channel_multiplier=[1, 1], num_res_blocks=1, attn_resolutions=[]),
    "fun_asr_nano": dict(adaptor_config=dict(hidden_size=64, num_attention_heads=2, intermediate_size=24)),
    "blip_2_qformer": dict(hidden_size=64, num_attention_heads=1),
    "granite4_vision": dict(deepstack_layer_map=[[0, 0]], spatial_target_layers=[]),
    "ernie4_5_vl_moe_text": dict(rope_parameters=dict(rope_type="default", rope_theta=500000.0, mrope_section=[3, 3, 2])),
    "glm5_next_text": {**MLA, **INDEXER, "index_kpool": 2, "qk_rope_head_dim": 0, "qk_nope_head_dim": 20},
    "hunyuan_vl_text": dict(rope_parameters=dict(rope_type="default", rope_theta=10000.0, mrope_section=[2, 2, 2, 2])),
    "janus_vqgan": dict(base_channels=32, channel_multiplier=[1, 1], num_res_blocks=1),
    "kyutai_speech_to_text": dict(codebook_vocab_size=40, num_codebooks=2, audio_pad_token_id=39, audio_bos_token_id=38),
    "mistral4": {**MLA, "head_dim": 20, "rope_parameters": None},
    "mistral_large4_text": {**MLA, **INDEXER},
    "molmo2_adapter": dict(vision_feature_layer=[0, 0]),
    "radio": dict(video_temporal_patch_size=2),
    "step3p5": dict(sliding_window=5),
    "unlimited_ocr_text": dict(num_key_value_heads=4),
    "zaya": dict(router_hidden_size=16, num_experts_per_tok=1),
}

# Null stays null but for these, whose null only means "as wide as the rest".
NULL_IS_DERIVED = {"num_key_value_heads", "num_kv_heads", "n_inner", "head_dim"}

# Towers for what is not text: as small as their classes allow.
TOWER = dict(
    hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2, num_heads=2,
    embed_dim=16, depth=1, image_size=28, patch_size=14, out_hidden_size=64, d_model=16, encoder_layers=1,
    encoder_attention_heads=2, encoder_ffn_dim=24, projection_dim=16, output_dim=64, n_layer=1, n_head=2,
    num_layers=1, head_dim=8, mlp_dim=24, vocab_size=40, codebook_dim=16, text_hidden_size=64, audio_hidden_size=16,
)


def tiny(model_type, sizes):
    """The tiny config of a type."""
    return shrink(AutoConfig.for_model(model_type), sizes)


# Classes that share the rotation's dimensions out without saying so in their configs.
SECTIONED = """paddleocr_vl_text qwen2_vl_text qwen2_5_vl_text qwen3_vl_text qwen3_vl_moe_text glm4v_text
 glm4v_moe_text""".split()


def sectioned(cls, said, sizes):
    """The rotation with its dimensions shared out anew among time, height and width, where a class does that."""
    shares = "mrope_section" in getattr(cls, "ignore_keys_at_rope_validation", ()) or cls.model_type in SECTIONED
    key = "rope_parameters" if "rope_parameters" in said else "rope_scaling"
    rope = said.get(key)
    if not shares and not (isinstance(rope, dict) and rope.get("mrope_section")):
        return {}
    rope = rope or dict(rope_type="default")
    half = int(sizes.width // sizes.heads * rope.get("partial_rotary_factor", said.get("partial_rotary_factor", 1.0))) // 2
    side = half * 3 // 8
    return {key: rope | dict(mrope_section=[half - 2 * side, side, side])}


def shrink(config, sizes, part="text"):
    """A config of the same class, with small sizes; parts within it as well."""
    cls = type(config)
    said = config.to_dict()
    aliases = getattr(cls, "attribute_map", {})
    wanted = small(sizes) if part == "text" else TOWER
    chosen = {}
    for key, value in wanted.items():
        if key not in said and key not in aliases:
            continue
        if key in said and said[key] is None and key not in NULL_IS_DERIVED and not key.endswith("_token_id"):
            continue  # an optional mechanism that is off
        if not isinstance(said.get(key), (list, dict)):
            chosen[key] = value
    if rope := sectioned(cls, said, sizes if part == "text" else Sizes(width=16, heads=2)):
        chosen.update(rope)
    chosen.update(OWN.get(cls.model_type, {}))
    for name in cls.sub_configs:
        inner = getattr(config, name, None)
        if isinstance(inner, PretrainedConfig):
            kind = "text" if any(word in name for word in ("text", "llm", "language", "thinker")) else "tower"
            chosen[name] = shrink(inner, sizes, kind)
            if transformers.__version__ < "5":
                chosen[name] = chosen[name].to_dict()  # its classes take no configs in configs
    return cls(**chosen)
