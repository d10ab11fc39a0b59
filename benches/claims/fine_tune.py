#!/usr/bin/env python3
"""The reference of the domain-shift claim (Lester et al. 2021, section 5): all weights of the encoder trained with PyTorch.

    python benches/claims/fine_tune.py --model DIR --data DIR --out benches/claims/fine_tune.json

--model holds config.json, tokenizer.json and model.safetensors of all-MiniLM-L6-v2; --data holds yelp_labelled.txt,
amazon_cells_labelled.txt and imdb_labelled.txt (a text, a tab, 0 or 1). Trains on four fifths of one domain (stratified, by
seed), takes the epoch with the lowest loss on the rest, and measures that on the rest and on the other two domains: mean of all
rows of the last layer, a linear head, AdamW, linear warm-up and decay, no dropout in the encoder, five epochs, batches of 16.
Prints a line a seed and writes every figure. torch 2.15, transformers 5.24.
"""

import argparse
import copy
import json
import os
import random
import statistics
import time
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch
import transformers
from tokenizers import Tokenizer
from transformers import BertModel

FILES = {"yelp": "yelp_labelled.txt", "amazon": "amazon_cells_labelled.txt", "imdb": "imdb_labelled.txt"}
BATCH, EPOCHS, HELD_OUT, MAX_TOKENS, WARMUP = 16, 5, 0.2, 128, 0.06


def read(path, tokenizer):
    """Token ids and label of every row."""
    rows = [line.rsplit("\t", 1) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    return [(tokenizer.encode(text.strip()).ids, int(label)) for text, label in rows]


def split(rows, seed):
    """Training rows and held-out rows, each class with its share."""
    rng, train, held_out = random.Random(seed), [], []
    for label in sorted({label for _, label in rows}):
        of_class = [row for row in rows if row[1] == label]
        rng.shuffle(of_class)
        cut = round(len(of_class) * HELD_OUT)
        held_out += of_class[:cut]
        train += of_class[cut:]
    return train, held_out


def forward(model, head, rows):
    longest = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([ids + [0] * (longest - len(ids)) for ids, _ in rows])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in rows])
    hidden = model(input_ids=ids, attention_mask=mask).last_hidden_state
    pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    return head(pooled), torch.tensor([label for _, label in rows])


def measure(model, head, rows):
    """Mean cross-entropy and accuracy."""
    losses, right = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(rows), 64):
            logits, labels = forward(model, head, rows[start : start + 64])
            losses += torch.nn.functional.cross_entropy(logits, labels, reduction="sum").item()
            right += (logits.argmax(1) == labels).sum().item()
    return losses / len(rows), right / len(rows)


def run(folder, data, domain, rate, seed):
    torch.manual_seed(seed)
    train, held_out = split(data[domain], seed)
    model = BertModel.from_pretrained(folder, add_pooling_layer=False).eval()
    head = torch.nn.Linear(model.config.hidden_size, 2)
    optimizer = torch.optim.AdamW([*model.parameters(), *head.parameters()], lr=rate, weight_decay=0.01)
    steps = EPOCHS * -(-len(train) // BATCH)
    warm = max(1, round(WARMUP * steps))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: (step + 1) / warm if step < warm else (steps - step) / (steps - warm)
    )
    rng, best, begin = random.Random(seed + 1), None, time.perf_counter()
    for epoch in range(EPOCHS):
        rng.shuffle(train)
        for start in range(0, len(train), BATCH):
            logits, labels = forward(model, head, train[start : start + BATCH])
            torch.nn.functional.cross_entropy(logits, labels).backward()
            torch.nn.utils.clip_grad_norm_([*model.parameters(), *head.parameters()], 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        loss, accuracy = measure(model, head, held_out)
        if best is None or loss < best[0]:
            best = (loss, epoch + 1, accuracy, copy.deepcopy((model.state_dict(), head.state_dict())))
    seconds = time.perf_counter() - begin
    loss, epoch, accuracy, (model_state, head_state) = best
    model.load_state_dict(model_state)
    head.load_state_dict(head_state)
    shifted = {name: measure(model, head, rows)[1] for name, rows in data.items() if name != domain}
    return {"seed": seed, "epoch": epoch, "held_out_loss": loss, "accuracy": {domain: accuracy, **shifted}, "seconds": seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--domain", default="yelp", choices=FILES)
    parser.add_argument("--seeds", default=5, type=int)
    parser.add_argument("--rates", default="2e-5,5e-5")
    parser.add_argument("--threads", default=2, type=int)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tokenizer = Tokenizer.from_file(str(args.model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    data = {name: read(args.data / file, tokenizer) for name, file in FILES.items()}
    report = {"domain": args.domain, "torch": torch.__version__, "transformers": transformers.__version__, "rates": {}}
    for rate in args.rates.split(","):
        runs = []
        for seed in range(args.seeds):
            runs.append(run(args.model, data, args.domain, float(rate), seed))
            print(rate, runs[-1], flush=True)
        names = runs[0]["accuracy"]
        mean = {name: statistics.mean(r["accuracy"][name] for r in runs) for name in names}
        loss = statistics.mean(r["held_out_loss"] for r in runs)
        report["rates"][rate] = {"mean_accuracy": mean, "mean_held_out_loss": loss, "runs": runs}
    report["best_rate"] = min(report["rates"], key=lambda rate: report["rates"][rate]["mean_held_out_loss"])
    args.out.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
