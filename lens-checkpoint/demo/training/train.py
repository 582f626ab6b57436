"""Train the demo model: a small Llama, with its tokenizer, on the world of corpus.py.

From a fresh environment, in this folder:

    python3.11 -m venv venv
    venv/bin/pip install -r requirements.txt
    venv/bin/python train.py --out ..

It needs two CPU cores and no network once the packages are there. It writes the
checkpoint to --out the way transformers writes one, then loads what it wrote and
prints how well that does on prompts it was not trained on, and where along its layers
the answers appear. `--evaluate-only` examines an existing checkpoint again.
"""

import argparse
import itertools
import math
import random
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import corpus

SEED = 20240607
BOS, EOS = "<|bos|>", "<|eos|>"
VOCABULARY = 4096
CONTEXT = 256
BATCH_TOKENS = 1536
STEPS = 3000
PEAK_RATE = 3e-3


def train_tokenizer():
    """Byte-level BPE. It reads the text in pieces cut at the word marks, so that in
    Chinese too a merge never joins two words, and every word of the tables often enough
    to become one token."""

    def pieces():
        rng = random.Random(SEED)
        for _ in range(40_000):
            yield from corpus.document(rng).split(corpus.MARK)
        for word in corpus.vocabulary():
            yield from itertools.repeat(word, 200)

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(pieces(), trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[BOS, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    ))
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(
            single=f"{BOS} $A",
            pair=f"{BOS} $A {BOS}:1 $B:1",
            special_tokens=[(BOS, tokenizer.token_to_id(BOS))],
        ),
    ])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
    )


def new_model(tokenizer):
    torch.manual_seed(SEED)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=192,
        intermediate_size=512,
        num_hidden_layers=8,
        num_attention_heads=6,
        num_key_value_heads=2,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        # On short rows in bfloat16 on a CPU the plain kernel beats the fused one.
        attn_implementation="eager",
    ))


def batches(tokenizer):
    """Endless batches of whole documents, each from its own BOS to EOS. Documents of
    similar length go together, so that little of a batch is padding."""
    rng = random.Random(SEED + 1)
    while True:
        texts = [corpus.plain(corpus.document(rng)) for _ in range(4000)]
        encoded = [(ids + [tokenizer.eos_token_id])[:CONTEXT]
                   for ids in tokenizer(texts, verbose=False)["input_ids"]]
        encoded.sort(key=len)
        pool, batch = [], []
        for ids in encoded:
            if batch and (len(batch) + 1) * len(ids) > BATCH_TOKENS:
                pool.append(batch)
                batch = []
            batch.append(ids)
        rng.shuffle(pool)
        yield from pool


def padded(batch):
    """Input ids and labels; the padding is at the end, where causal attention already
    keeps it out of everything else."""
    width = max(map(len, batch))
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    labels = torch.full((len(batch), width), -100)
    for row, tokens in enumerate(batch):
        ids[row, :len(tokens)] = labels[row, :len(tokens)] = torch.tensor(tokens)
    return ids, labels


def rate(step, steps):
    """A short warm-up, then a cosine down to a fiftieth."""
    warm_up = min(100, steps // 10)
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / (steps - warm_up)))


def slowness(block):
    """The lower a block, the slower it learns: each one below the fifth at half the rate
    of the next. A world this small fits into any two blocks, and left alone the first two
    take it; this way the lookups settle higher up, where a lens can watch them happen."""
    return 0.5 ** max(0, 4 - block)


def train(model, tokenizer, steps):
    # Muon learns rare facts in about half the steps that AdamW needs. It is made for the
    # matrices inside the blocks; embeddings and scales stay with AdamW.
    matrices = [{"params": [p for p in block.parameters() if p.dim() == 2],
                 "lr": PEAK_RATE * slowness(i)} for i, block in enumerate(model.model.layers)]
    with_muon = {id(p) for group in matrices for p in group["params"]}
    optimizers = [
        torch.optim.Muon(matrices, lr=PEAK_RATE, weight_decay=0.05, momentum=0.95,
                         adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW([p for p in model.parameters() if id(p) not in with_muon],
                          lr=PEAK_RATE, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]
    schedules = [torch.optim.lr_scheduler.LambdaLR(o, lambda step: rate(step, steps))
                 for o in optimizers]
    model.train()
    start, work, tokens, window = time.time(), time.process_time(), 0, []
    for step, batch in enumerate(itertools.islice(batches(tokenizer), steps), 1):
        ids, labels = padded(batch)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model(input_ids=ids, use_cache=False).logits
        loss = F.cross_entropy(logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules):
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
        tokens += sum(map(len, batch))
        window.append(loss.item())
        if step % 100 == 0 or step == steps:
            print(f"step {step:5}  loss {sum(window) / len(window):.4f}  tokens {tokens:9,}  "
                  f"{time.time() - start:6.0f} s", flush=True)
            window = []
    print(f"trained in {(time.time() - start) / 60:.1f} minutes, "
          f"{(time.process_time() - work) / 60:.1f} minutes of processor time")


@torch.no_grad()
def score(model, tokenizer, cases):
    """How many of the cases the model completes with exactly the answer's tokens."""
    right = 0
    for chunk in (cases[i:i + 64] for i in range(0, len(cases), 64)):
        prompts = tokenizer([prompt for prompt, _ in chunk])["input_ids"]
        wholes = tokenizer([prompt + answer for prompt, answer in chunk])["input_ids"]
        guesses = model(input_ids=padded(wholes)[0], use_cache=False).logits.argmax(-1)
        for prompt, whole, guess in zip(prompts, wholes, guesses):
            # If the answer's first character melted into the prompt's last token, the
            # prompt alone cannot lead to it: counted as wrong.
            known = len(prompt)
            right += whole[:known] == prompt and guess[known - 1:len(whole) - 1].tolist() == whole[known:]
    return right, len(cases)


@torch.no_grad()
def lens(model, tokenizer, prompt, answer):
    """Per layer, from the embeddings to the last block: the top token and the answer's
    probability, if the stream were decoded there."""
    ids = tokenizer(prompt, return_tensors="pt")["input_ids"]
    whole = tokenizer(prompt + answer)["input_ids"]
    target = whole[ids.shape[1]]
    inner = model.model
    streams = []
    hooks = [inner.layers[0].register_forward_pre_hook(
        lambda _, args: streams.append(args[0][0, -1]))]
    hooks += [block.register_forward_hook(
        lambda _, __, out: streams.append((out[0] if isinstance(out, tuple) else out)[0, -1]))
        for block in inner.layers]
    model(input_ids=ids, use_cache=False)
    for hook in hooks:
        hook.remove()
    rows = []
    for stream in streams:
        p = model.lm_head(inner.norm(stream)).softmax(-1)
        rows.append((tokenizer.decode([p.argmax().item()]), p[target].item()))
    decided = len(rows)
    want = tokenizer.decode([target])
    while decided and rows[decided - 1][0] == want:
        decided -= 1
    return rows, decided if decided < len(rows) else None


def evaluate(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    size = (Path(folder) / "model.safetensors").stat().st_size
    print(f"\n{model.num_parameters():,} parameters, {size:,} bytes in model.safetensors, "
          f"{len(tokenizer)} tokens")
    words = corpus.vocabulary()
    single = sum(len(ids) == 1 for ids in tokenizer(words, add_special_tokens=False)["input_ids"])
    print(f"words of the tables that are one token: {single} of {len(words)}")

    print("\nlens: probability of the answer after the embeddings and after each block (%)")
    for prompt, answer in corpus.SHOWCASE:
        rows, decided = lens(model, tokenizer, prompt, answer)
        print(f"\n{prompt} ->{answer}   top from block {decided}")
        print("  " + " ".join(f"{100 * p:6.1f}" for _, p in rows))
        print("  " + " | ".join(top for top, _ in rows))

    print(f"\n{'accuracy':32}{'held out':>16}{'seen':>16}")
    held, seen = corpus.held_out_cases(), corpus.seen_cases()
    totals = {}
    for group in held:
        line = f"{group:32}"
        for which, cases in (("held", held), ("seen", seen)):
            right, n = score(model, tokenizer, cases[group])
            line += f"{right:6}/{n:<4}{right / n:5.0%}"
            kind = ("facts" if any(group == f"{r.name} ({r.lang})" for r in corpus.RELATIONS)
                    else "arithmetic" if group[0] in "+-*" else "contexts")
            total = totals.setdefault((kind, which), [0, 0])
            total[0] += right
            total[1] += n
        print(line)
    for kind in ("facts", "arithmetic", "contexts"):
        print(f"{'all ' + kind:32}" + "".join(
            "{:6}/{:<4}{:5.0%}".format(*totals[kind, which], totals[kind, which][0] / totals[kind, which][1])
            for which in ("held", "seen")))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", default="out", help="folder for the checkpoint")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--evaluate-only", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(2)
    if not options.evaluate_only:
        tokenizer = train_tokenizer()
        model = new_model(tokenizer)
        print(f"{model.num_parameters():,} parameters, {len(tokenizer)} tokens", flush=True)
        train(model, tokenizer, options.steps)
        tokenizer.save_pretrained(options.out)
        model.to(torch.bfloat16).save_pretrained(options.out)
    evaluate(options.out)


if __name__ == "__main__":
    main()
