"""Writes batches.json: token ids of real texts, the same for every benchmark and every peer.

    python benches/batches.py DATA MODEL > benches/batches.json

DATA holds snips/train.csv (Snips NLU benchmark, CC0 1.0), sms_spam/SMSSpamCollection_first1500.txt (UCI SMS Spam
Collection, CC BY 4.0) and uci_sentiment_3dom/imdb_labelled.txt (UCI Sentiment Labelled Sentences, CC BY 4.0); MODEL is the
folder of all-MiniLM-L6-v2. Needs the package tokenizers.
"""

import csv
import json
import random
import sys
from pathlib import Path

from tokenizers import Tokenizer

BATCHES, EXAMPLES, MAX_TOKENS = 8, 32, 128


def rows(data):
    with open(data / "snips/train.csv", newline="", encoding="utf-8") as file:
        yield "snips", [(row["text"], row["label"]) for row in csv.DictReader(file)]
    lines = (data / "sms_spam/SMSSpamCollection_first1500.txt").read_text(encoding="utf-8").splitlines()
    yield "sms_spam", [tuple(reversed(line.split("\t", 1))) for line in lines if line]
    lines = (data / "uci_sentiment_3dom/imdb_labelled.txt").read_text(encoding="utf-8").split("\n")
    yield "imdb", [tuple(line.strip().rsplit("\t", 1)) for line in lines if "\t" in line]


def batches(tokenizer, labelled, max_tokens, full):
    classes = sorted({label for _, label in labelled})
    encoded = []
    for text, label in labelled:
        ids = tokenizer.encode(text).ids
        if full and len(ids) < max_tokens:
            continue
        encoded.append((ids[: max_tokens - 1] + ids[-1:] if len(ids) > max_tokens else ids, classes.index(label)))
    random.Random(0).shuffle(encoded)
    needed = BATCHES * EXAMPLES
    encoded = (encoded * (needed // len(encoded) + 1))[:needed]
    parts = [encoded[i : i + EXAMPLES] for i in range(0, needed, EXAMPLES)]
    return {
        "classes": len(classes),
        "batches": [{"tokens": [ids for ids, _ in part], "labels": [label for _, label in part]} for part in parts],
    }


def main():
    data, model = map(Path, sys.argv[1:])
    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    sets = {}
    for name, labelled in rows(data):
        sets[name] = batches(tokenizer, labelled, MAX_TOKENS, False)
        if name == "sms_spam":
            # Every text as long: nothing to gain from not padding.
            sets["equal"] = batches(tokenizer, labelled, 32, True)
    lines = [f'"{name}": {json.dumps(value, separators=(",", ":"))}' for name, value in sets.items()]
    print("{\n" + ",\n".join(lines) + "\n}")


main()
