#!/usr/bin/env python3
"""The comparisons behind CLAIMS.md: runs `softprompt compare` group by group, data set by data set. What is done is not run again.

    cargo build --release
    python benches/claims/run.py --data DIR --model DIR [--only GROUP,..] [--sets SET,..] [--program FILE] [--out target/claims]

--data holds snips/train.csv, banking77/train.csv, sms_spam/spam_first1500.csv and uci_sentiment_3dom/{yelp,amazon_cells,imdb}_labelled.txt.
Accuracies do not depend on what else the machine does; times do: run the groups `time`, `time-late` and `whole` alone, on an idle machine. `report.py` makes the tables.

Every result is kept in benches/claims/results, without its curves, and a run goes on from there: with --fresh it begins anew.
"""

import argparse
import csv
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

RESULTS = Path(__file__).parent / "results"

SETS = {
    "snips": "snips/train.csv",
    "banking77": "banking77/train.csv",
    "sms_spam": "sms_spam/spam_first1500.csv",
    "yelp": "uci_sentiment_3dom/yelp_labelled.txt",
}
# Texts of 64 tokens, where the sources predict what a late prompt saves: eight rows of a class of Snips one after another, cut.
EQUAL_LENGTHS = "tokens64"
SHIFTED = ["uci_sentiment_3dom/amazon_cells_labelled.txt", "uci_sentiment_3dom/imdb_labelled.txt"]

# Equal trained numbers at D = 384 and texts of 128 tokens, DePT: 20 * 384 = 8 * 384 + 9 * (128 + 384) = 7,680. Fusion, spaces and
# gate of `efficient` are trained beside them (25,346 numbers) and are gone at export, so that here what is stored is equal.
SHORT = "+prompt.length=8+prompt.efficient.rank=9"
# The same with everything that is trained counted: 50 * 384 = 19,200; 8 * 384 + 18 * (128 + 384), and 6,914 of narrow modules.
SHORT_50 = "+prompt.length=8+prompt.efficient.rank=18+prompt.efficient.attention=4+prompt.efficient.space_width=2"

FREE = "late+prompt.late.generator=none"
COMPOUND = "progressive+prompt.progressive.shrink=compound"
# Claim 2 at equal operations: prompt tuning that ends where compound training does.
EQUAL = "prompt of equal operations"

ALL = list(SETS)
# Groups of many variants: the sets whose runs are shortest, one near its ceiling, one of many classes with few rows each.
QUICK = ["snips", "banking77"]


class Group(NamedTuple):
    """Variants, the first of which the others are measured against; seeds 0, 1, ..; data sets."""

    variants: list
    seeds: int = 5
    sets: list = ALL


# Variants of several groups are run once. In the order of their weight: what the issue of the day needs first.
GROUPS = {
    # Claim 1: late against prompt, the generators, and accuracy against k.
    "late": Group(["prompt", "late"]),
    "layer": Group(["prompt", *(f"late+prompt.late.layer={k}" for k in range(6))], sets=QUICK),
    # Claim 2: progressive training, also at equal operations.
    "progressive": Group(["prompt", COMPOUND]),
    "equal": Group([EQUAL, COMPOUND]),
    # Claim 3: efficient at equal parameters, and its ablations.
    "efficient": Group(["prompt+prompt.length=20", f"dept{SHORT}", f"efficient{SHORT}"]),
    "ablation": Group(
        [
            f"efficient{SHORT}",
            *(f"efficient{SHORT}+prompt.efficient.{off}" for off in ["fusion=false", "spaces=0", "gate=false"]),
            f"dept{SHORT}",
            f"efficient{SHORT}+prompt.efficient.fusion=false+prompt.efficient.update=false",
            "prompt+prompt.length=8",
        ],
        sets=QUICK,
    ),
    # Claim 5: PEFT's convention.
    "peft": Group(["prompt", "prompt+head.kind=peft"]),
    # Claim 4: Lester et al. Domain shift: every variant on yelp is also measured on the other two domains.
    "length": Group(["prompt", *(f"prompt+prompt.length={p}" for p in [1, 5, 20, 50])], sets=QUICK),
    "init": Group(["prompt", "prompt+prompt.init=vocabulary", "prompt+prompt.init=random"], sets=QUICK),
    "shift": Group(["prompt", "late", "deep", f"efficient{SHORT}", COMPOUND], sets=["yelp"]),
    # Automatic choice, beside the methods that it chooses from.
    "auto": Group(["auto", "prompt", "late", "deep", COMPOUND, f"efficient{SHORT}"]),
    "ensemble": Group(["prompt", "ensemble"], sets=QUICK),
    # What happens to the head where progressive training goes from one stage to the next.
    "transition": Group([COMPOUND, *(f"{COMPOUND}+prompt.progressive.head={h}" for h in ["refit", "reset"])], sets=QUICK),
    # What the head of a late prompt reads: the mean of all rows or of the text alone.
    "head": Group(["late", "late+head.kind=text", "prompt", "prompt+head.kind=text", "prompt+head.kind=cls"], sets=QUICK),
    "generators": Group(["prompt", *(f"late+prompt.late.generator={g}" for g in ["none", "naive", "average", "max"])], sets=QUICK),
    "shrink": Group(["prompt", *(f"progressive+prompt.progressive.shrink={s}" for s in ["compound", "depth", "width"])], sets=QUICK),
    "efficient-50": Group(["prompt+prompt.length=50", f"efficient{SHORT_50}"], sets=QUICK),
    # The schedule of the paper (a constant learning rate), and neurons scored on as many texts as in the paper.
    "constant": Group(["prompt+optim.schedule=constant", f"{COMPOUND}+optim.schedule=constant"], seeds=3, sets=QUICK),
    "scoring": Group([COMPOUND, f"{COMPOUND}+prompt.progressive.score_texts=1000"], seeds=3, sets=QUICK),
    "prune": Group(["prompt", "xprompt"], seeds=3, sets=QUICK),
    # Times: on an idle machine, with a fixed number of steps, so that all take the same.
    "time": Group(
        [
            "prompt",
            *(f"{FREE}+prompt.late.layer={k}+prompt.late.cache_mb=0" for k in range(6)),
            f"{FREE}+prompt.late.layer=3",
            "late",
            *(f"progressive+prompt.progressive.shrink={s}" for s in ["compound", "depth", "width"]),
            "prompt+prompt.length=20",
            f"dept{SHORT}",
            f"efficient{SHORT}",
            "prompt+prompt.length=50",
            f"efficient{SHORT_50}",
            "deep",
        ],
        seeds=3,
        sets=["snips"],
    ),
    "time-late": Group(
        [
            "prompt",
            *(f"{FREE}+prompt.late.layer={k}+prompt.late.cache_mb=0" for k in range(1, 6)),
            f"{FREE}+prompt.late.layer=3",
        ],
        seeds=3,
        sets=[EQUAL_LENGTHS],
    ),
    # Whole trainings, with what choosing takes.
    "whole": Group(["prompt", "auto", "late", "deep", COMPOUND], seeds=3, sets=["snips"]),
}
# One evaluation an epoch, and always all five epochs: equal steps, whatever stops a run early elsewhere.
SCHEDULE = ["--evaluations", "5", "--patience", "never"]
# Steps of an epoch: four fifths of the rows in batches of 16.
EPOCH = {"snips": 35, EQUAL_LENGTHS: 8}
# The same settings under another name, which is the one that is run.
SAME = {
    "late+prompt.late.generator=naive": "late",
    "late+prompt.late.layer=3": "late",
}


def folder(group, name):
    """Where the cells of a group are: those of the same settings share a folder."""
    return f"{group.split('-')[0]}-{name}" if group in ("time", "time-late", "whole", "equal") else name


def equal_lengths(args):
    """The file of `EQUAL_LENGTHS`: 160 texts."""
    path = args.out / f"{EQUAL_LENGTHS}.csv"
    with (args.data / SETS["snips"]).open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    classes = {}
    for text, label in rows:
        classes.setdefault(label, []).append(text)
    texts = [(" ".join(of[i : i + 8]), label) for label, of in classes.items() for i in range(len(of) - 8)]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *texts[:: len(texts) // 160][:160]])
    return path


def compare(args, group, name, variants, seeds, more):
    out = args.out / folder(group, name)
    restore(args, out)
    data = equal_lengths(args) if name == EQUAL_LENGTHS else args.data / SETS[name]
    more = [*more, "--max-tokens", "64"] if name == EQUAL_LENGTHS else more
    command = [args.program, "compare", data, "--methods", ",".join(variants), "--seeds", str(seeds)]
    command += ["--model", args.model, "--device", args.device, "--offline", "--out", out, *more]
    if name == "yelp":
        command += [word for file in SHIFTED for word in ("--test", args.data / file)]
    begin = time.time()
    with (args.out / f"{group}-{name}.log").open("w") as log:
        code = subprocess.run([str(word) for word in command], stdout=log, stderr=subprocess.STDOUT, check=False).returncode
    keep(out)
    print(f"{group} {name}: {'done' if code == 0 else f'FAILED ({code})'} in {time.time() - begin:.0f} s", flush=True)


def restore(args, out):
    """Results of earlier days, from which `compare` goes on."""
    kept = RESULTS / f"{out.name}.json"
    if kept.is_file() and not args.fresh and not (out / "compare.json").exists():
        out.mkdir(parents=True, exist_ok=True)
        shutil.copy(kept, out / "compare.json")


def keep(out):
    """Everything that `compare.json` says but curves, which only times need, a cell a line."""
    path = out / "compare.json"
    if not path.is_file():
        return
    found = json.loads(path.read_text())
    found["rows"] = []
    for cell in found["cells"]:
        for test in cell["tests"]:
            test["name"] = Path(test["name"]).name
        if not out.name.startswith("time-"):
            cell["curve"] = []
        for key in ("training_seconds", "seconds"):
            cell[key] = round(cell[key], 3)
    cells = ",\n".join(json.dumps(cell, separators=(",", ":")) for cell in found.pop("cells"))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{out.name}.json").write_text(json.dumps(found)[:-1] + f', "cells": [\n{cells}\n]}}\n')


def equal_budget(args, name):
    """Mean operations of compound training on a set; of a comparison that goes on, those that it began with."""
    for path in (args.out / f"equal-{name}" / "compare.json", RESULTS / f"equal-{name}.json"):
        if path.is_file():
            return json.loads(path.read_text())["budget"]
    for path in (args.out / name / "compare.json", RESULTS / f"{name}.json"):
        cells = json.loads(path.read_text())["cells"] if path.is_file() else []
        flops = [cell["flops"] for cell in cells if cell["name"] == COMPOUND]
        if flops:
            return f"flops:{statistics.mean(flops):.6e}"
    sys.exit("the group equal needs the results of the group progressive")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--program", default=Path("target/release/softprompt"), type=Path)
    parser.add_argument("--out", default=Path("target/claims"), type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", default=",".join(GROUPS))
    parser.add_argument("--sets", default=",".join([*SETS, EQUAL_LENGTHS]))
    parser.add_argument("--seeds", type=int, help="instead of each group's own number")
    parser.add_argument("--fresh", action="store_true", help="leave the results of earlier days out")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.fresh:
        for old in args.out.glob("*/compare.json"):
            old.unlink()
    for group in args.only.split(","):
        if group not in GROUPS:
            sys.exit(f"there is no group {group}; groups are {', '.join(GROUPS)}")
        variants, seeds, sets = GROUPS[group]
        seeds = args.seeds or seeds
        names = list(dict.fromkeys(SAME.get(name, name) for name in variants))
        for name in sets:
            if name not in args.sets.split(","):
                continue
            more = SCHEDULE
            if group.startswith("time"):
                # Four epochs, measured after each: the first fills the cache.
                more = ["--budget", f"steps:{4 * EPOCH[name]}", "--evaluations", "4", "--patience", "never"]
            if group == "equal":
                more, names = [*SCHEDULE, "--budget", equal_budget(args, name)], ["prompt"]
            compare(args, group, name, names, seeds, more)


if __name__ == "__main__":
    main()
