"""Tiny random checkpoints of every decoder type, and what transformers says of two texts in float64."""

import json
import math
import shutil
import zlib

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText

from tiny import CAUSAL, tiny

MOST_PARAMETERS = 20_000_000
FLOAT32 = 2.0**-24  # the unit roundoff
NOT_EAGER = {"falcon"}  # its eager attention adds ALiBi twice: to the mask and again to the scores
LENGTHS = (8, 23)  # the second is longer than any window and any chunk of the tiny configs


def model_of(config, multimodal, device=None):
    auto = AutoModelForCausalLM if config.model_type in CAUSAL and not multimodal else auto_multimodal()
    for attention in (None,) if config.model_type in NOT_EAGER else ("eager", None):
        try:
            with torch.device(device or "cpu"):
                return auto.from_config(config, **({"attn_implementation": attention} if attention else {}))
        except ValueError as error:
            if attention is None or "attn" not in str(error):
                raise


def auto_multimodal():
    return getattr(transformers, "AutoModelForMultimodalLM", AutoModelForImageTextToText)


@torch.no_grad()
def draw(model, seed):
    """Draws every parameter, and the buffers that routing learns: vectors around the value that they begin with."""
    generator = torch.Generator().manual_seed(seed)

    def noise(shape, spread):
        return spread * torch.randn(shape, generator=generator)

    for name, parameter in sorted(model.named_parameters()):
        if parameter.dim() <= 1:
            begin = parameter.nan_to_num(0.0, 0.0, 0.0).clamp(-10, 10)
            parameter.copy_(begin + noise(parameter.shape, 0.3))
        else:
            parameter.copy_(noise(parameter.shape, 1.6 / math.sqrt(parameter.shape[-1])))
    for name, buffer in sorted(model.named_buffers()):
        if name.endswith(("correction_bias", "expert_bias", "layer_scalar")):
            buffer.copy_(buffer + noise(buffer.shape, 0.2))


@torch.no_grad()
def logits(model, tokens):
    return model(input_ids=torch.tensor([tokens]), use_cache=False).logits[0].double()


@torch.no_grad()
def shaken(model, texts, exact, seed):
    """How far rounding each parameter of a float64 model to float32 and back would move each position's logits: two draws
    of such roundings, and the larger difference. Where that is much, any float32 run is off as much."""
    generator = torch.Generator().manual_seed(seed)
    begin = {name: parameter.clone() for name, parameter in model.named_parameters()}
    moved = [torch.zeros(len(text), dtype=torch.float64) for text in texts]
    for _ in range(2):
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            parameter.copy_(begin[name] * (1 + FLOAT32 * noise))
        for i, text in enumerate(texts):
            moved[i] = torch.maximum(moved[i], (logits(model, text) - exact[i]).abs().amax(-1))
    return moved


def write_tokenizer(folder, n):
    """One token for each id, called by its number: no text is encoded here."""
    vocabulary = {f"<{i}>": i for i in range(n)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<0>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.Fuse()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))


def make(model_type, folder, sizes, seed, multimodal=False, config=None, lengths=LENGTHS):
    """Writes the checkpoint (of the type's tiny config, unless another is given) and `expected.tensors`; returns a line
    about it."""
    from safetensors.torch import save_file

    config = config or tiny(model_type, sizes)
    config.use_cache = False
    config._experts_implementation = "eager"
    sketch = model_of(config, multimodal, "meta")
    n = sum(parameter.numel() for parameter in sketch.parameters())
    if n > MOST_PARAMETERS:
        largest = sorted(sketch.named_parameters(), key=lambda pair: -pair[1].numel())[:3]
        raise RuntimeError(f"{n} parameters: " + ", ".join(f"{name} {tuple(p.shape)}" for name, p in largest))
    torch.manual_seed(seed)
    model = model_of(config, multimodal).float().eval()
    draw(model, seed + zlib.crc32(model_type.encode()))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model.save_pretrained(folder)
    write_tokenizer(folder, sizes.vocab)

    eager = {"attn_implementation": model.config._attn_implementation}
    if transformers.__version__ >= "5":
        eager["experts_implementation"] = "eager"
    loaded = type(model).from_pretrained(folder, dtype=torch.float32, **eager).eval()
    generator = torch.Generator().manual_seed(seed)
    # The first ids are special in some class or other, and the last are padding in one.
    texts = [torch.randint(8, sizes.vocab - 12, (length,), generator=generator).tolist() for length in lengths]
    single = [logits(loaded, text) for text in texts]
    reference = "float64"
    try:
        double = loaded.double()
        exact = [logits(double, text) for text in texts]
        moved = shaken(double, texts, exact, seed)
    except (RuntimeError, ValueError, TypeError) as error:
        reference, exact = f"float32 ({str(error)[:60]})", single
        moved = [torch.zeros(len(text), dtype=torch.float64) for text in texts]
    tensors = {}
    for i, (text, answer) in enumerate(zip(texts, exact)):
        tensors[f"tokens.{i}"] = torch.tensor(text, dtype=torch.int32)
        tensors[f"logits.{i}"] = answer.contiguous()
        tensors[f"shaken.{i}"] = moved[i]
    residue = max((a - b).abs().max().item() for a, b in zip(exact, single))
    about = dict(transformers=transformers.__version__, model_type=model_type, parameters=str(n), reference=reference,
                 residue=repr(residue), seed=str(seed))
    save_file(tensors, folder / "expected.safetensors", about)
    # The reader of a checkpoint takes every file of tensors for weights; this one is no part of it.
    (folder / "expected.safetensors").rename(folder / "expected.tensors")
    return f"{n} parameters, {reference}, float32 differs by {residue:.1e}"
