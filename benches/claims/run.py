#!/usr/bin/env python3
"""The comparisons behind CLAIMS.md: runs `softprompt compare` group by group, data set by data set. What is done is not run again.

    cargo build --release
    python benches/claims/run.py --data DIR --model DIR [--only GROUP,..] [--sets SET,..] [--program FILE] [--out target/claims]

--data holds snips/train.csv, banking77/train.csv, sms_spam/spam_first1500.csv and uci_sentiment_3dom/{yelp,amazon_cells,imdb}_labelled.txt.
Accuracies do not depend on what else the machine does; times do: run the group `time` alone. `report.py` makes the tables.
"""

import argparse
import json
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

# Group -> variants, seeds.
GROUPS = {
    # Claim 1: late against prompt, the generators, and accuracy against k.
    "late": (["prompt", *(f"late+prompt.late.generator={g}" for g in ["none", "naive", "average", "max"]), "deep"], 5),
    "layer": ([f"late+prompt.late.layer={k}" for k in range(6)], 3),
    # Claim 2: progressive training, and what happens to the head.
    "progressive": (["prompt", *(f"progressive+prompt.progressive.shrink={s}" for s in ["compound", "depth", "width"])], 5),
    "transition": ([f"progressive+prompt.progressive.head={h}" for h in ["carry", "refit", "reset"]], 3),
    # Claim 3: efficient at equal parameters, and its ablations.
    "efficient": (
        [
            "prompt+prompt.length=20",
            f"efficient{SHORT}",
            f"dept{SHORT}",
            f"efficient{SHORT}+prompt.efficient.fusion=false",
            f"efficient{SHORT}+prompt.efficient.spaces=0",
            f"efficient{SHORT}+prompt.efficient.gate=false",
            f"efficient{SHORT}+prompt.efficient.fusion=false+prompt.efficient.update=false",
            "prompt+prompt.length=8",
            "prompt+prompt.length=50",
            f"efficient{SHORT_50}",
        ],
        5,
    ),
    # Claim 4: Lester et al.
    "length": (["prompt", *(f"prompt+prompt.length={p}" for p in [1, 5, 20, 50])], 3),
    "init": (["prompt", "prompt+prompt.init=vocabulary", "prompt+prompt.init=random"], 5),
    "ensemble": (["prompt", "ensemble", "ensemble+prompt.ensemble.vote=majority"], 3),
    "shift": (["prompt", "late", "efficient", "deep"], 5),
    # Claim 5: PEFT's convention.
    "peft": (["prompt", "prompt+head.kind=peft", "prompt+head.kind=cls"], 5),
    # Automatic choice, beside the methods that it chooses from; and pruning.
    "auto": (["auto", "prompt", "late", "efficient"], 5),
    "prune": (["prompt", "xprompt"], 3),
    # Times: on an idle machine, without early stopping, so that all take the same steps.
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
ONLY = {"shift": ["yelp"], "time": ["snips", "sms_spam"]}
FLAGS = {"time": ["--patience", "never"]}


def compare(args, group, name, variants, seeds, more):
    out = args.out / f"{group}-{name}"
    command = [args.program, "compare", args.data / SETS[name], "--methods", ",".join(variants), "--seeds", str(seeds)]
    command += ["--model", args.model, "--device", args.device, "--offline", "--out", out, *more]
    begin = time.time()
    with (args.out / f"{group}-{name}.log").open("w") as log:
        code = subprocess.run([str(word) for word in command], stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    print(f"{group} {name}: {'done' if code == 0 else f'FAILED ({code})'} in {time.time() - begin:.0f} s", flush=True)
    return out / "compare.json"


def mean_flops(path, variant):
    return next(row["flops"] for row in json.loads(path.read_text())["rows"] if row["name"] == variant)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--program", default=Path("target/release/softprompt"), type=Path)
    parser.add_argument("--out", default=Path("target/claims"), type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default=",".join(GROUPS))
    parser.add_argument("--sets", default=",".join(SETS))
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    for group in args.only.split(","):
        if group not in GROUPS:
            sys.exit(f"there is no group {group}; groups are {', '.join(GROUPS)}")
        variants, seeds = GROUPS[group]
        for name in ONLY.get(group, list(SETS)):
            if name not in args.sets.split(","):
                continue
            more = list(FLAGS.get(group, []))
            if group == "shift":
                more += [word for file in SHIFTED for word in ("--test", args.data / file)]
            path = compare(args, group, name, variants, seeds, more)
            if group == "progressive" and path.is_file():
                # Claim 2 at equal operations: prompt tuning that ends where compound training does.
                budget = mean_flops(path, "progressive+prompt.progressive.shrink=compound")
                more = [*more, "--budget", f"flops:{budget:.6e}"]
                compare(args, "equal-flops", name, ["prompt", "progressive+prompt.progressive.shrink=compound"], seeds, more)


if __name__ == "__main__":
    main()
