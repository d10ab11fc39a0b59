#!/usr/bin/env python3
"""The comparisons behind CLAIMS.md: runs `softprompt compare` group by group, data set by data set. What is done is not run again.

    cargo build --release
    python benches/claims/run.py --data DIR --model DIR [--only GROUP,..] [--sets SET,..] [--program FILE] [--out target/claims]

--data holds snips/train.csv, banking77/train.csv, sms_spam/spam_first1500.csv and uci_sentiment_3dom/{yelp,amazon_cells,imdb}_labelled.txt.
Accuracies do not depend on what else the machine does; times do: run the group `time` alone. `report.py` makes the tables.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

SETS = {
    "snips": "snips/train.csv",
    "banking77": "banking77/train.csv",
    "sms_spam": "sms_spam/spam_first1500.csv",
    "yelp": "uci_sentiment_3dom/yelp_labelled.txt",
}
SHIFTED = ["uci_sentiment_3dom/amazon_cells_labelled.txt", "uci_sentiment_3dom/imdb_labelled.txt"]

# Equal numbers at D = 384 and texts of 128 tokens: 20 * 384 = 8 * 384 + 9 * (128 + 384), 50 * 384 = 10 * 384 + 30 * (128 + 384).
SHORT = "+prompt.length=8+prompt.efficient.rank=9"
SHORT_50 = "+prompt.length=10+prompt.efficient.rank=30"

COMPOUND = "progressive+prompt.progressive.shrink=compound"
# Claim 2 at equal operations: prompt tuning that ends where compound training does.
EQUAL = "prompt of equal operations"

# Group -> variants and seeds; differences are to the first. Variants of several groups are run once.
GROUPS = {
    # Claim 1: late against prompt, the generators, and accuracy against k.
    "late": (["prompt", *(f"late+prompt.late.generator={g}" for g in ["none", "naive", "average", "max"]), "deep"], 5),
    "layer": (["prompt", *(f"late+prompt.late.layer={k}" for k in range(6))], 5),
    # Claim 2: progressive training, and what happens to the head.
    "progressive": (["prompt", *(f"progressive+prompt.progressive.shrink={s}" for s in ["compound", "depth", "width"])], 5),
    "equal": ([EQUAL, COMPOUND], 5),
    "transition": ([COMPOUND, *(f"progressive+prompt.progressive.head={h}" for h in ["refit", "reset"])], 5),
    # The schedule of the paper (a constant learning rate), and neurons scored on fewer texts.
    "constant": (["prompt+optim.schedule=constant", f"{COMPOUND}+optim.schedule=constant"], 3),
    "scoring": ([COMPOUND, f"{COMPOUND}+prompt.progressive.score_texts=64"], 3),
    # Claim 3: efficient at equal parameters, and its ablations.
    "efficient": (["prompt+prompt.length=20", f"efficient{SHORT}", f"dept{SHORT}", "prompt+prompt.length=8"], 5),
    "efficient-50": (["prompt+prompt.length=50", f"efficient{SHORT_50}"], 5),
    "ablation": (
        [
            f"efficient{SHORT}",
            *(f"efficient{SHORT}+prompt.efficient.{off}" for off in ["fusion=false", "spaces=0", "gate=false"]),
            f"dept{SHORT}",
            f"efficient{SHORT}+prompt.efficient.fusion=false+prompt.efficient.update=false",
            "prompt+prompt.length=8",
        ],
        5,
    ),
    # Claim 4: Lester et al. Domain shift: every variant on yelp is also measured on the other two domains.
    "length": (["prompt", *(f"prompt+prompt.length={p}" for p in [1, 5, 20, 50])], 5),
    "init": (["prompt", "prompt+prompt.init=vocabulary", "prompt+prompt.init=random"], 5),
    "ensemble": (["prompt", "ensemble"], 3),
    "shift": (["prompt", "late", "efficient", "deep"], 5),
    # Claim 5: PEFT's convention.
    "peft": (["prompt", "prompt+head.kind=peft", "prompt+head.kind=cls"], 5),
    # What the head of a late prompt reads: the mean of all rows or of the text alone.
    "head": (["late", "late+head.kind=text", "prompt", "prompt+head.kind=text"], 5),
    # Automatic choice, beside the methods that it chooses from; and pruning.
    "auto": (["auto", "prompt", "late", "deep", "efficient"], 5),
    "prune": (["prompt", "xprompt"], 3),
    # Times: on an idle machine, with a fixed number of steps, so that all take the same.
    "time": (
        [
            "prompt",
            *(f"late+prompt.late.generator=none+prompt.late.layer={k}+prompt.late.cache_mb=0" for k in range(6)),
            *(f"late+prompt.late.generator=none+prompt.late.layer={k}" for k in range(6)),
            *(f"progressive+prompt.progressive.shrink={s}" for s in ["compound", "depth", "width"]),
            "prompt+prompt.length=20",
            f"efficient{SHORT}",
            f"dept{SHORT}",
            "prompt+prompt.length=50",
            f"efficient{SHORT_50}",
            "deep",
        ],
        3,
    ),
}
# Steps of an epoch: four fifths of the rows in batches of 16.
EPOCH = {"snips": 35, "sms_spam": 75}
ONLY = {"shift": ["yelp"], "time": ["snips", "sms_spam"]}
# The same settings under another name, which is the one that is run.
SAME = {
    "late": "late+prompt.late.generator=naive",
    "late+prompt.late.layer=3": "late+prompt.late.generator=naive",
    "progressive+prompt.progressive.head=carry": COMPOUND,
}


def folder(group, name):
    """Where the cells of a group are: those of the same settings share a folder."""
    return {"time": f"time-{name}", "equal": f"equal-{name}"}.get(group, name)


def compare(args, group, name, variants, seeds, more):
    out = args.out / folder(group, name)
    command = [args.program, "compare", args.data / SETS[name], "--methods", ",".join(variants), "--seeds", str(seeds)]
    command += ["--model", args.model, "--device", args.device, "--offline", "--out", out, *more]
    if name == "yelp":
        command += [word for file in SHIFTED for word in ("--test", args.data / file)]
    begin = time.time()
    with (args.out / f"{group}-{name}.log").open("w") as log:
        code = subprocess.run([str(word) for word in command], stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    print(f"{group} {name}: {'done' if code == 0 else f'FAILED ({code})'} in {time.time() - begin:.0f} s", flush=True)


def mean_flops(path, variant):
    """Mean operations of a variant's runs so far."""
    return statistics.mean(cell["flops"] for cell in json.loads(path.read_text())["cells"] if cell["name"] == variant)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--program", default=Path("target/release/softprompt"), type=Path)
    parser.add_argument("--out", default=Path("target/claims"), type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default=",".join(GROUPS))
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", type=int, help="instead of each group's own number")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for group in args.only.split(","):
        if group not in GROUPS:
            sys.exit(f"there is no group {group}; groups are {', '.join(GROUPS)}")
        variants, seeds = GROUPS[group]
        seeds = args.seeds or seeds
        names = list(dict.fromkeys(SAME.get(name, name) for name in variants))
        for name in ONLY.get(group, list(SETS)):
            if name not in args.sets.split(","):
                continue
            more = []
            if group == "time":
                # Four epochs, measured after each: the first fills the cache.
                more = ["--budget", f"steps:{4 * EPOCH[name]}", "--evaluations", "4", "--patience", "never"]
            if group == "equal":
                stored = args.out / f"equal-{name}" / "budget.txt"
                stored.parent.mkdir(exist_ok=True)
                if not stored.is_file():
                    # Written once, so that a run that goes on has the same budget.
                    stored.write_text(f"{mean_flops(args.out / name / 'compare.json', COMPOUND):.6e}")
                more, names = ["--budget", f"flops:{stored.read_text()}"], ["prompt"]
            compare(args, group, name, names, seeds, more)


if __name__ == "__main__":
    main()
