"""What `lens corpus run` is measured against: a plain evaluation loop over transformers, every layer through the unembedding.

    python benches/corpus_baseline.py CHECKPOINT TEXTS.jsonl [--documents N] [--warm N] [--context N] [--threads N] [--dtype float32]

Each document is cut into windows as `lens corpus run` cuts it. Every layer's hidden state goes through the final norm and the
unembedding, and of its logits come entropy, KL and JS to the final distribution, cross-entropy, ranks of the final and of the
next token, and the top 5, which are summed up. Prints tokens per second, without loading and the first --warm documents; and what
the sums are a position, of which `lens corpus merge` says the same: for `token_ids`, and for texts that the tokenizer begins with
a mark of its own. Before others `lens corpus run` puts the one that ends texts.
"""

import argparse
import json
import time

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def statistics(logits, final, answer, following):
    """Sums of what is measured of one layer's `logits`, `[positions, vocabulary]`."""
    log_p = logits.log_softmax(-1)
    p, log_q = log_p.exp(), final
    q = log_q.exp()
    log_m = (0.5 * (p + q)).log()
    js = 0.5 * ((p * (log_p - log_m)).sum(-1) + (q * (log_q - log_m)).sum(-1))
    n = len(following)
    rank = lambda ids, rows: (log_p[:rows] > log_p[:rows].gather(1, ids[:, None])).sum(-1) + 1
    top = log_p.topk(5, dim=-1).indices
    return [
        -(p * log_p).sum(),
        (q * (log_q - log_p)).sum(),
        js.sum(),
        -log_p[:n].gather(1, following[:, None]).sum(),
        rank(answer, len(answer)).float().log().sum(),
        rank(following, n).float().log().sum(),
        (top[:, 0] == answer).sum(),
    ]


NAMES = ["entropy", "kl_to_final", "js_to_final", "cross_entropy", "ln rank_of_final", "ln rank_of_next", "top1_agreement"]


def tokens_of(line, tokenizer):
    document = json.loads(line)
    return document["token_ids"] if "token_ids" in document else tokenizer(document["text"]).input_ids


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("texts")
    parser.add_argument("--documents", type=int, default=8)
    parser.add_argument("--warm", type=int, default=0, help="documents that come before, and are not timed or counted")
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="float32")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    with open(asked.texts) as lines:
        lines = [line for _, line in zip(range(asked.warm + asked.documents), lines)]
    # Token ids need none.
    texts = any("token_ids" not in json.loads(line) for line in lines)
    tokenizer = AutoTokenizer.from_pretrained(asked.checkpoint) if texts else None
    model = AutoModelForCausalLM.from_pretrained(asked.checkpoint, dtype=getattr(torch, asked.dtype)).eval()
    norm, head = model.model.norm, model.lm_head
    tokens, followed, sums, began, spent = 0, 0, None, time.perf_counter(), time.process_time()
    with torch.inference_mode():
        for number, line in enumerate(lines):
            if number == asked.warm:
                tokens, followed, sums, began, spent = 0, 0, None, time.perf_counter(), time.process_time()
            ids = tokens_of(line, tokenizer)
            for start in range(0, len(ids), asked.context):
                window = torch.tensor([ids[start : start + asked.context]])
                run = model.model(window, output_hidden_states=True)
                final = head(run.last_hidden_state[0]).float().log_softmax(-1)
                answer, following = final.argmax(-1), window[0, 1:]
                # The last hidden state is normed already.
                layers = [norm(h[0]) for h in run.hidden_states[1:-1]] + [run.last_hidden_state[0]]
                own = [torch.stack([s.double() for s in statistics(head(h).float(), final, answer, following)]) for h in layers]
                sums = torch.stack(own) if sums is None else sums + torch.stack(own)
                tokens += window.numel()
                followed += len(following)
    seconds, spent = time.perf_counter() - began, time.process_time() - spent
    for layer, own in enumerate(sums.tolist()):
        means = (total / (followed if "next" in name or "cross" in name else tokens) for name, total in zip(NAMES, own))
        print(f"layer {layer}:", ", ".join(f"{name} {mean:.4f}" for name, mean in zip(NAMES, means)))
    print(f"{tokens} tokens in {seconds:.1f} s ({spent:.1f} s of processors): {tokens / seconds:.1f} tokens a second")


if __name__ == "__main__":
    main()
