"""Times plain PyTorch on the work of `lens run --prompts`: a forward pass of transformers with hooks, and all readouts of the
last positions in one batched product. Used by `cargo xtask throughput`, which hands this text to python's stdin.

    (echo "PROMPTS = '[[3, 4], [5, 6]]'"; cat plain.py) | python - MODEL DEVICE DTYPE THREADS REPEATS

Prints one JSON object: seconds of each repeat, the model's load and one warm-up apart.
"""

import json
import os
import sys
import time

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import torch.nn.functional as F
import transformers
from transformers import AutoModelForCausalLM

# As many tokens of short prompts as lens puts into one forward pass.
PACK = 512
TOP = 10

model_dir, device, dtype, threads, repeats = sys.argv[1:6]
prompts = json.loads(PROMPTS)
if int(threads) > 0:
    torch.set_num_threads(int(threads))
kinds = {"auto": "auto", "f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}
model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=kinds[dtype]).to(device).eval()

base = model.base_model
layers = next((getattr(base, name) for name in ("layers", "h") if hasattr(base, name)), None)
norm = next((getattr(base, name) for name in ("norm", "ln_f") if hasattr(base, name)), None)
block = layers[0] if layers is not None else None
names = [next((n for n in options if hasattr(block, n)), None) for options in (("self_attn", "attn"), ("mlp",))]
if norm is None or None in names:
    sys.exit(f"{type(model).__name__} has no layers, norm, attention and MLP under the usual names")

captured = []


def keep(_, __, output):
    captured.append((output[0] if isinstance(output, tuple) else output)[:, -1])


for layer in layers:
    for name in names:
        getattr(layer, name).register_forward_hook(keep)
    layer.register_forward_hook(keep)


@torch.inference_mode()
def read(batch):
    """attn_out, resid_mid, mlp_out and resid_post of every layer at the last position, and embed: decoded."""
    captured.clear()
    ids = torch.tensor(batch, device=device)
    base(ids, use_cache=False)
    stream = base.get_input_embeddings()(ids)[:, -1]
    points = [stream]
    for attn, mlp, post in zip(captured[0::3], captured[1::3], captured[2::3]):
        points += [attn, stream + attn, mlp, post]
        stream = post
    normed = norm(torch.stack(points))  # [points, batch, d_model]
    logits = F.linear(normed, model.lm_head.weight).float()
    log_p = logits.log_softmax(-1)
    p = log_p.exp()
    entropy = -(p * log_p).sum(-1)
    final = log_p[-1]
    kl = (final.exp() * (final - log_p)).sum(-1)
    top = logits.topk(TOP, -1)
    return top.indices.cpu(), top.values.cpu(), entropy.cpu(), kl.cpu()


def run():
    length = len(prompts[0])
    size = max(1, PACK // length)
    # Readouts of a whole pack of one-token prompts would need gigabytes of logits: as many as fit into about one.
    logits = 4 * (4 * len(layers) + 1) * model.config.vocab_size  # bytes of one prompt's, in float32
    size = min(size, max(1, (1 << 28) // logits))
    for start in range(0, len(prompts), size):
        read(prompts[start : start + size])
    if device.startswith("cuda"):
        torch.cuda.synchronize()


read(prompts[:1])
seconds = []
for _ in range(int(repeats)):
    start = time.perf_counter()
    run()
    seconds.append(time.perf_counter() - start)
print(json.dumps({"seconds": seconds, "versions": f"torch {torch.__version__}, transformers {transformers.__version__}"}))
