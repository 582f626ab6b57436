"""What `lens corpus run` is measured against: a plain evaluation loop over transformers, every layer through the unembedding.

    python benches/corpus_baseline.py CHECKPOINT TEXTS.jsonl [--documents N] [--context N] [--threads N] [--dtype float32]

Each document is cut into windows as `lens corpus run` cuts it. Every layer's hidden state goes through the final norm and the
unembedding, and of its logits come entropy, KL and JS to the final distribution, cross-entropy, ranks of the final and of the
next token, and the top 5, which are summed up. Prints tokens per second, without loading.
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("texts")
    parser.add_argument("--documents", type=int, default=8)
    parser.add_argument("--context", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="float32")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    tokenizer = None
    model = AutoModelForCausalLM.from_pretrained(asked.checkpoint, dtype=getattr(torch, asked.dtype)).eval()
    norm, head = model.model.norm, model.lm_head
    tokens, sums, began = 0, None, time.perf_counter()
    with torch.inference_mode(), open(asked.texts) as lines:
        for _, line in zip(range(asked.documents), lines):
            document = json.loads(line)
            if "token_ids" in document:
                ids = document["token_ids"]
            else:
                tokenizer = tokenizer or AutoTokenizer.from_pretrained(asked.checkpoint)
                ids = tokenizer(document["text"]).input_ids
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
    seconds = time.perf_counter() - began
    print(f"{tokens} tokens in {seconds:.1f} s: {tokens / seconds:.1f} tokens a second; KL of layer 0: {sums[0, 1] / tokens:.4f}")


if __name__ == "__main__":
    main()
