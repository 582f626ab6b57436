"""What plain PyTorch needs for the same work, on the same device: a forward pass with the stream captured at every point,
and one batched product with the unembedding, with top-10, log-sum-exp and entropy of each readout.

    python -c SCRIPT FOLDER DEVICE SHORT WHOLE LONG WRITTEN

FOLDER has a Llama or Qwen2 checkpoint; the others are numbers of tokens. Prints one JSON object of seconds.
"""

import json
import math
import os
import sys
import time

import torch
import torch.nn.functional as F

POINTS_OF_A_LAYER = 4
READOUTS_AT_ONCE = 2048
DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}


def weights_of(folder, device):
    weights = {}
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".safetensors"):
            continue
        path = os.path.join(folder, name)
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
        data = torch.from_file(path, shared=False, size=os.path.getsize(path), dtype=torch.uint8)[8 + length :]
        for key, item in header.items():
            if key != "__metadata__":
                start, end = item["data_offsets"]
                tensor = data[start:end].view(DTYPES[item["dtype"]]).view(item["shape"])
                weights[key] = tensor.to(device)
    return weights


def frequencies(config, dim):
    theta = config["rope_theta"]
    freq = 1.0 / theta ** (torch.arange(0, dim, 2, dtype=torch.float64) / dim)
    stretch = config.get("rope_scaling")
    if not stretch or stretch.get("rope_type") != "llama3":
        return freq
    low, high = stretch["low_freq_factor"], stretch["high_freq_factor"]
    turns = stretch["original_max_position_embeddings"] * freq / (2 * math.pi)
    smooth = ((turns - low) / (high - low)).clamp(0, 1)
    return (1 - smooth) * freq / stretch["factor"] + smooth * freq


class Model:
    def __init__(self, folder, device):
        with open(os.path.join(folder, "config.json")) as file:
            self.config = json.load(file)
        self.device = device
        self.weights = weights_of(folder, device)
        self.heads = self.config["num_attention_heads"]
        self.kv_heads = self.config["num_key_value_heads"]
        self.dim = self.config.get("head_dim") or self.config["hidden_size"] // self.heads
        self.embed = self.weights["model.embed_tokens.weight"]
        self.unembed = self.weights.get("lm_head.weight", self.embed)
        self.freq = frequencies(self.config, self.dim).to(device=device, dtype=torch.float32)

    def norm(self, x, name):
        return F.rms_norm(x, x.shape[-1:], self.weights[name], self.config["rms_norm_eps"])

    def linear(self, x, name):
        return F.linear(x, self.weights[name + ".weight"], self.weights.get(name + ".bias"))

    def heads_of(self, x, name, n):
        return self.linear(x, name).view(x.shape[0], n, self.dim).transpose(0, 1)

    def turned(self, x, cos, sin):
        a, b = x.chunk(2, dim=-1)
        return x * cos + torch.cat((-b, a), dim=-1) * sin

    def forward(self, ids, cache, points=None):
        """The stream after the last layer, [tokens, d]; `cache` has keys and values of each layer, `points` gets all that
        is captured."""
        past = cache[0][0].shape[1] if cache else 0
        x = self.embed[ids]
        place = torch.arange(past, past + len(ids), device=self.device, dtype=torch.float32)
        angle = torch.outer(place, self.freq)
        angle = torch.cat((angle, angle), dim=-1)
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        kept = []
        for layer in range(self.config["num_hidden_layers"]):
            of = f"model.layers.{layer}."
            h = self.norm(x, of + "input_layernorm.weight")
            q = self.turned(self.heads_of(h, of + "self_attn.q_proj", self.heads), cos, sin)
            k = self.turned(self.heads_of(h, of + "self_attn.k_proj", self.kv_heads), cos, sin)
            v = self.heads_of(h, of + "self_attn.v_proj", self.kv_heads)
            if cache:
                k, v = torch.cat((cache[layer][0], k), dim=1), torch.cat((cache[layer][1], v), dim=1)
            kept.append((k, v))
            z = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=past == 0, enable_gqa=True)
            attn = self.linear(z[0].transpose(0, 1).reshape(len(ids), -1), of + "self_attn.o_proj")
            x = x + attn
            mid = x
            h = self.norm(x, of + "post_attention_layernorm.weight")
            h = F.silu(self.linear(h, of + "mlp.gate_proj")) * self.linear(h, of + "mlp.up_proj")
            mlp = self.linear(h, of + "mlp.down_proj")
            x = x + mlp
            if points is not None:
                points += [attn, mid, mlp, x]
        cache[:] = kept
        return x

    def products(self, vectors):
        """Logits of [n, d], some readouts at a time."""
        for some in vectors.split(READOUTS_AT_ONCE):
            yield F.linear(self.norm(some, "model.norm.weight"), self.unembed)

    def readout(self, vectors):
        answers = []
        for logits in self.products(vectors):
            logits = logits.float()
            log_probs = logits.log_softmax(-1)
            entropy = -(log_probs.exp() * log_probs).sum(-1)
            top, ids = logits.topk(min(10, logits.shape[-1]), dim=-1)
            answers.append((top.cpu(), ids.cpu(), logits.logsumexp(-1).cpu(), entropy.cpu()))
        return answers


def main():
    folder, device = sys.argv[1:3]
    short, whole, long, written = map(int, sys.argv[3:])
    wait = torch.cuda.synchronize if device.startswith("cuda") else lambda: None

    def timed(work, times=3):
        """The fastest of some runs, of which the first warms libraries up."""
        best = math.inf
        for _ in range(times):
            wait()
            start = time.perf_counter()
            result = work()
            wait()
            best = min(best, time.perf_counter() - start)
        return best, result

    torch.zeros(1, device=device)
    load, model = timed(lambda: Model(folder, device), 1)

    def ids(n):
        return torch.tensor([i * 37 % 199 + 3 for i in range(n)], device=device)

    def forward(n):
        points = []
        last = model.forward(ids(n), [], points)
        return last, points

    def step():
        points = forward(short)[1]
        return model.readout(torch.stack([point[-1] for point in points]))

    def write():
        cache, token = [], None
        x = model.forward(ids(short), cache)
        for _ in range(written):
            logits = next(model.products(x[-1:]))
            token = logits.argmax(-1)
            x = model.forward(token, cache)

    seconds = {"load": load}
    with torch.inference_mode():
        seconds["forward_whole"], (_, points) = timed(lambda: forward(whole))
        # The final readout is one more point of every position.
        vectors = torch.stack(points + points[-1:], dim=1).flatten(0, 1)
        del points
        assert vectors.shape[0] == whole * (POINTS_OF_A_LAYER * model.config["num_hidden_layers"] + 1)
        seconds["product"], _ = timed(lambda: [logits.shape for logits in model.products(vectors)])
        seconds["readout_whole"], _ = timed(lambda: model.readout(vectors))
        del vectors
        seconds["forward_long"], _ = timed(lambda: forward(long)[0])
        seconds["step_short"], _ = timed(step)
        prompt = timed(lambda: model.forward(ids(short), []))[0]
        seconds["token"] = (timed(write)[0] - prompt) / written
    print(json.dumps(seconds))


main()
