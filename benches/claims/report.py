#!/usr/bin/env python3
"""Tables of the comparisons that `run.py` made and saved in benches/claims/results, as Markdown.

    python benches/claims/report.py [--only GROUP,..]

Accuracy in per cent, mean over seeds; behind it the mean difference to the first variant under the same seeds, and its standard error.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

from run import EPOCH, EQUAL, GROUPS, RESULTS, SAME, folder

# Bytes of MiniLM's layers as f32, which every figure of memory holds.
WEIGHTS = 6 * (4 * 384**2 + 2 * 384 * 1536 + 9 * 384 + 1536) * 4
FINE_TUNE = Path(__file__).parent / "fine_tune.json"
# Groups whose table of costs is shown: steps end where the held-out loss does, so that these costs are those of whole trainings.
COSTS = ["late", "progressive", "equal", "constant", "scoring", "efficient", "efficient-50", "ensemble", "auto", "whole"]


def short(variant):
    """A variant without the paths that all of a table share."""
    for path in ["prompt.late.", "prompt.progressive.", "prompt.efficient.", "prompt.ensemble.", "prompt.", "head.", "optim."]:
        variant = variant.replace("+" + path, " ")
    return variant.replace("=", " ")


def stored(name):
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["cells"] if path.is_file() else []


def load(group):
    """Of every set: cells of each variant by seed, of the seeds that all of the group's variants have."""
    found = {}
    variants = [*GROUPS[group].variants, *(["probe"] if group in ("late", "auto", "peft") else [])]
    for name in GROUPS[group].sets:
        cells = stored(name if group == "equal" else folder(group, name))
        table = {variant: {c["seed"]: c for c in cells if c["name"] == SAME.get(variant, variant)} for variant in variants}
        if EQUAL in table:
            table[EQUAL] = {c["seed"]: c for c in stored(folder("equal", name)) if c["name"] == "prompt"}
        for variant in (variant for variant, by_seed in table.items() if not by_seed):
            print(f"{group}, {name}: {short(variant)} was not run", file=sys.stderr)
        table = {variant: by_seed for variant, by_seed in table.items() if by_seed}
        if variants[0] not in table:
            continue
        seeds = set.intersection(*(set(by_seed) for by_seed in table.values()))
        if seeds:
            found[name] = {variant: [by_seed[seed] for seed in sorted(seeds)] for variant, by_seed in table.items()}
    return found


def spread(values):
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def accuracies(found):
    print("| | " + " | ".join(found) + " | mean difference |")
    print("|---|" + "---:|" * (len(found) + 1))
    variants = list(dict.fromkeys(variant for table in found.values() for variant in table))
    for variant in variants:
        texts, differences = [], []
        for table in found.values():
            if variant not in table:
                texts.append("–")
                continue
            here = [100 * cell["accuracy"] for cell in table[variant]]
            text = f"{statistics.mean(here):.1f}"
            if variant != variants[0]:
                first = [100 * cell["accuracy"] for cell in table[variants[0]]]
                mean, deviation = spread([a - b for a, b in zip(here, first)])
                text += f" ({mean:+.1f} ± {deviation / len(here) ** 0.5:.1f})"
                differences.append(mean)
            texts.append(text)
        print(f"| {short(variant)} | " + " | ".join(texts) + " | " + (f"{statistics.mean(differences):+.2f} |" if differences else "|"))
    print("| seeds | " + " | ".join(str(len(table[variants[0]])) for table in found.values()) + " | |")


def members(found):
    for name, table in found.items():
        cells = [cell for cells in table.values() for cell in cells if cell.get("members_accuracy") is not None]
        if cells:
            gain, deviation = spread([100 * (cell["accuracy"] - cell["members_accuracy"]) for cell in cells])
            mean = statistics.mean(100 * cell["members_accuracy"] for cell in cells)
            print(f"{name}: members {mean:.1f}, ensemble {gain:+.1f} ± {deviation / len(cells) ** 0.5:.1f}")


def shifted(found):
    """Accuracy on files of other domains, beside full fine-tuning (`fine_tune.py`: draws of its own, so not paired)."""
    for name, table in found.items():
        first = next(iter(table.values()))[0]
        tests = [Path(test["name"]).name for test in first["tests"]]
        print(f"| trained on {name} | held-out set | " + " | ".join(tests) + " |\n|---|---:|" + "---:|" * len(tests))

        def row(title, figures):
            print(f"| {title} | " + " | ".join(f"{100 * mean:.1f} ± {100 * deviation:.1f}" for mean, deviation in map(spread, figures)) + " |")

        for variant, cells in table.items():
            row(short(variant), [[c["accuracy"] for c in cells], *([c["tests"][i]["accuracy"] for c in cells] for i in range(len(tests)))])
        if FINE_TUNE.is_file():
            report = json.loads(FINE_TUNE.read_text())
            runs = [run["accuracy"] for run in report["rates"][report["best_rate"]]["runs"]]
            keys = [name, *(next(key for key in runs[0] if test.startswith(key)) for test in tests)]
            row(f"full fine-tuning (PyTorch, {len(runs)} seeds, learning rate {report['best_rate']})", [[run[key] for run in runs] for key in keys])


def mean_costs(found):
    """Whole trainings, to the first variant: FLOPs, seconds, steps."""
    print("\n| | " + " | ".join(f"{name}: FLOPs, seconds, steps" for name in found) + " |\n|---|" + "---:|" * len(found))
    base = {}
    for variant in dict.fromkeys(variant for table in found.values() for variant in table):
        texts = []
        for name, table in found.items():
            if variant not in table:
                texts.append("–")
                continue
            figures = [statistics.mean(c[key] for c in table[variant]) for key in ("flops", "training_seconds", "steps")]
            first = base.setdefault(name, figures)
            if figures is first:
                texts.append(f"{figures[0] / 1e12:.2f} T, {figures[1]:.1f} s, {figures[2]:.0f}")
            else:
                texts.append(", ".join(f"{figure / other:.2f}" for figure, other in zip(figures, first)))
        print(f"| {short(variant)} | " + " | ".join(texts) + " |")


def times(found):
    """Relative to the first variant: FLOPs, peak memory, time of a step in the first epoch and after it, of all steps."""
    for name, table in found.items():
        print(f"\n{name}, relative to the first row; medians of {len(next(iter(table.values())))} runs\n")
        print("| | FLOPs | peak memory beyond the weights | first epoch, per step | later, per step | all steps | time to FLOPs |")
        print("|---|" + "---:|" * 6)
        base = None
        for variant, cells in table.items():
            early, late, whole = [], [], []
            for cell in cells:
                end = next(point for point in cell["curve"] if point["step"] >= EPOCH[name])
                last = cell["curve"][-1]
                early.append(end["seconds"] / end["step"])
                late.append((last["seconds"] - end["seconds"]) / max(1, last["step"] - end["step"]))
                whole.append(cell["training_seconds"] / cell["steps"])
            memory = max(cell["peak_bytes"] for cell in cells) - WEIGHTS
            figures = [statistics.mean(cell["flops"] for cell in cells), memory, *map(statistics.median, (early, late, whole))]
            base = base or figures
            texts = [f"{figure / first:.3f}" for figure, first in zip(figures, base)]
            texts.append(f"{figures[-1] / base[-1] / (figures[0] / base[0]):.2f}")
            if figures is base:
                texts = [f"{figures[0] / 1e9:.0f} GFLOP", f"{figures[1] / 1e6:.0f} MB", *(f"{1e3 * f:.1f} ms" for f in figures[2:]), ""]
            print(f"| {short(variant)} | " + " | ".join(texts) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", default=",".join(GROUPS))
    args = parser.parse_args()
    for group in args.only.split(","):
        found = load(group)
        if not found:
            continue
        print(f"\n## {group}\n")
        if group == "shift":
            shifted(found)
        elif group.startswith("time"):
            times(found)
        else:
            accuracies(found)
            if group == "ensemble":
                members(found)
            if group in COSTS:
                mean_costs(found)


if __name__ == "__main__":
    main()
