"""Random configs of a decoder type: its tiny config with sizes, switches, factors, windows, kinds of layers, activations
and rotations drawn anew. Whatever the class takes is fair; what it refuses is drawn again."""

import copy
import random

from transformers import PretrainedConfig

from tiny import OWN, Sizes, tiny

COMMON = set(PretrainedConfig().to_dict()) - {"tie_word_embeddings"}
# Switches that change nothing of a text's logits, or ask for kernels that are not here.
# transformers 5.24 rescales what it loads once more where `rescale_prenorm_residual` is set.
NO_SWITCHES = """rescale_prenorm_residual use_cache use_mamba_kernels reorder_and_upcast_attn summary_use_proj
 output_router_logits is_decoder add_cross_attention do_sample tie_encoder_decoder use_kernels
 summary_proj_to_labels""".split()
# Types whose state spaces have as many channels as their tiny configs say, whatever the width.
FIXED_WIDTH = {"bamba", "falcon_h1", "granitemoehybrid", "mamba2", "nemotron_h"}
# Factors that a wild value turns into noise, or that are counts or probabilities of training.
NO_FACTORS = ("dropout", "pdrop", "jitter", "initializer", "aux_loss", "_loss_", "time_step", "init", "z_loss", "decay")
ACTIVATIONS = ["gelu", "gelu_new", "gelu_pytorch_tanh", "silu", "relu", "relu2", "quick_gelu", "gelu_fast"]
ACTIVATION_KEYS = ("hidden_act", "activation_function", "hidden_activation", "mlp_hidden_act")
WINDOWS = ("sliding_window", "sliding_window_size", "window_size", "attention_window_size", "attention_chunk_size")


class Draw:
    """One random config of a type, by its seed."""

    def __init__(self, model_type, seed):
        self.random = random.Random(f"{model_type} {seed}")  # a seed may be any text
        self.model_type = model_type
        self.sizes = self.draw_sizes()
        self.changed = {}

    def draw_sizes(self):
        own = OWN.get(self.model_type, {})
        # What is said layer by layer, or head by head, for this type holds for these numbers of them.
        layered = any(isinstance(value, list) for value in own.values())
        heads = own.get("num_key_value_heads") or self.random.choice([2, 4, 4, 6])
        divisors = [n for n in range(1, heads + 1) if heads % n == 0]
        head = self.random.choice([8, 16, 16, 20])
        if self.model_type in FIXED_WIDTH:
            heads, head, divisors = 4, 16, [1, 2, 4]
        return Sizes(
            vocab=self.random.choice([101, 160, 307]),
            width=heads * head,
            heads=heads,
            kv_heads=self.random.choice(divisors),
            layers=4 if layered else self.random.choice([2, 3, 4, 4, 6]),
            mlp=self.random.choice([24, 72, 96]),
            experts=self.random.choice([4, 8]),
        )

    def config(self):
        """The config, and what was drawn in it."""
        begin = tiny(self.model_type, self.sizes)
        said = begin.to_dict()
        texts = [begin] + [v for k in type(begin).sub_configs if isinstance(v := getattr(begin, k, None), PretrainedConfig)]
        config = copy.deepcopy(begin)
        for part in texts:
            name = next((k for k in type(begin).sub_configs if getattr(begin, k, None) is part), None)
            if name is None or "text" in name:
                self.draw_keys(part.to_dict(), name)
        if not self.changed:
            return config
        said = {k: v for k, v in said.items() if k not in ("transformers_version", "model_type", "architectures")}
        for (part, key), value in self.changed.items():
            (said if part is None else said[part])[key] = value
        return type(begin).from_dict(said)

    def draw_keys(self, said, part):
        for key, value in sorted(said.items()):
            if key in COMMON or key.startswith("_") or isinstance(said.get(key), dict) and "rope" not in key:
                continue
            new = self.drawn(key, value, said)
            if new is not None and new != value:
                self.changed[part, key] = new

    def chance(self, p):
        return self.random.random() < p

    def drawn(self, key, value, said):
        """A new value for a key, or None to leave it."""
        if isinstance(value, bool):
            return not value if key not in NO_SWITCHES and self.chance(0.25) else None
        if key in ACTIVATION_KEYS and isinstance(value, str):
            return self.random.choice(ACTIVATIONS) if self.chance(0.3) else None
        if key in WINDOWS and self.chance(0.4):
            return self.random.randint(3, 9) if value is not None else None
        if key == "layer_types" and isinstance(value, list):
            return self.layers(value)
        if key == "rope_scaling" and "rope_parameters" in said:
            return None
        if key in ("rope_parameters", "rope_scaling") and self.chance(0.6):
            return self.rope(key, value, said)
        if key == "partial_rotary_factor" and self.chance(0.5):
            return self.random.choice([0.25, 0.5, 1.0])
        if isinstance(value, float) and not any(word in key for word in NO_FACTORS) and self.chance(0.35):
            return self.factor(key, value)
        return None

    def factor(self, key, value):
        if "eps" in key:
            return 10 ** self.random.uniform(-8, -1.5)
        if value == 0:
            return None
        if "theta" in key:
            return self.random.choice([100.0, 1000.0, 1_000_000.0])
        return round(value * self.random.uniform(0.5, 2), 4)

    def layers(self, value):
        """Another order of the kinds of layers that there are, each still there."""
        kinds = list(value)
        if self.chance(0.5):
            self.random.shuffle(kinds)
            return kinds
        return None

    def rope(self, key, value, said):
        """Another rotation: alone, or for each kind of layer where the type has one for each."""
        if value and all(isinstance(inner, dict) for inner in value.values()):
            return {kind: self.one_rope(inner, said) for kind, inner in value.items()}
        if value and "mrope_section" in value:
            return None
        return self.one_rope(value or {}, said)

    def one_rope(self, before, said):
        kept = {k: v for k, v in before.items() if k in ("rope_theta", "partial_rotary_factor")}
        if "rope_theta" in kept and self.chance(0.5):
            kept["rope_theta"] = self.random.choice([100.0, 5000.0, 500_000.0])
        # Shorter than the longer text, so that what begins there is seen.
        length = self.random.choice([8, 12, 16, 64])
        factor = self.random.choice([1.5, 2.0, 4.0, 8.0])
        kinds = ["default", "linear", "dynamic", "yarn", "llama3", "longrope"]
        kind = self.random.choice(["default", "longrope"] if self.model_type.startswith("phi") else kinds)
        rope = dict(kept, rope_type=kind)
        if kind != "default":
            rope["factor"] = factor
        if kind in ("yarn", "llama3", "longrope", "dynamic"):
            rope["original_max_position_embeddings"] = length
        if kind == "yarn":
            self.yarn(rope)
        if kind == "llama3":
            rope.update(low_freq_factor=self.random.choice([1.0, 1.5]), high_freq_factor=self.random.choice([4.0, 3.0]))
        if kind == "longrope":
            half = self.rotated(kept, said) // 2
            rope["short_factor"] = [round(self.random.uniform(1, 1.5), 3) for _ in range(half)]
            rope["long_factor"] = [round(self.random.uniform(1, 8), 3) for _ in range(half)]
        return rope

    def yarn(self, rope):
        if self.chance(0.5):
            rope.update(beta_fast=self.random.choice([16.0, 32.0, 8.0]), beta_slow=self.random.choice([1.0, 2.0]))
        if self.chance(0.3):
            rope.update(mscale=self.random.choice([0.7, 1.0]), mscale_all_dim=self.random.choice([0.5, 1.0]))
        if self.chance(0.3):
            rope["attention_factor"] = round(self.random.uniform(0.7, 1.4), 3)
        if self.chance(0.3):
            rope["truncate"] = self.chance(0.5)

    def rotated(self, kept, said):
        head = said.get("qk_rope_head_dim") or said.get("head_dim") or self.sizes.width // self.sizes.heads
        factor = kept.get("partial_rotary_factor", said.get("partial_rotary_factor") or 1.0)
        return int(head * factor)
