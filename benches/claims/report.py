#!/usr/bin/env python3
"""Tables of the comparisons that `run.py` made, as Markdown.

    python benches/claims/report.py [--only GROUP,..] [--out target/claims]

Accuracy in per cent, mean over seeds; behind it the mean difference to the first variant under the same seeds, and its standard error.
"""

import argparse
import json
import statistics
from pathlib import Path

from run import GROUPS, SETS


def short(variant):
    """A variant without the paths that all of a table share."""
    for path in ["prompt.late.", "prompt.progressive.", "prompt.efficient.", "prompt.ensemble.", "prompt.", "head."]:
        variant = variant.replace("+" + path, " ")
    return variant.replace("=", " ")


def load(out, group):
    found = {}
    for name in SETS:
        path = out / f"{group}-{name}" / "compare.json"
        if path.is_file():
            found[name] = json.loads(path.read_text())
    return found


def accuracies(found, key=lambda row: row):
    print("| | " + " | ".join(found) + " | mean difference |")
    print("|---|" + "---|" * (len(found) + 1))
    first = next(iter(found.values()))
    for variant in [row["name"] for row in first["rows"]]:
        cells, differences = [], []
        for stored in found.values():
            row = next((row for row in stored["rows"] if row["name"] == variant), None)
            if row is None:
                cells.append("–")
                continue
            text = f"{100 * row['accuracy']['mean']:.1f}"
            if row["difference"]:
                error = row["difference"]["error"]
                text += f" ({100 * row['difference']['mean']:+.1f}" + (f" ± {100 * error:.1f})" if error is not None else ")")
                differences.append(100 * row["difference"]["mean"])
            cells.append(text)
        mean = f"{statistics.mean(differences):+.2f}" if differences else ""
        print(f"| {short(variant)} | " + " | ".join(cells) + f" | {mean} |")
    print("| seeds | " + " | ".join(str(len(stored["seeds"])) for stored in found.values()) + " | |")


def shifted(found):
    for name, stored in found.items():
        tests = [test["name"] for test in stored["rows"][0]["tests"]]
        print(f"| trained on {name} | held out | " + " | ".join(tests) + " |\n|---|---|" + "---|" * len(tests))
        for row in stored["rows"]:
            figures = [row["accuracy"], *(test["accuracy"] for test in row["tests"])]
            print(f"| {short(row['name'])} | " + " | ".join(f"{100 * f['mean']:.1f} ± {100 * f['deviation']:.1f}" for f in figures) + " |")


# Bytes of MiniLM's layers as f32, which every figure of memory holds.
WEIGHTS = 6 * (4 * 384**2 + 2 * 384 * 1536 + 9 * 384 + 1536) * 4


def costs(found):
    """Relative to the first variant: operations, memory, time of a step in the first epoch and after it, of all steps."""
    for name, stored in found.items():
        print(f"\n{name}, relative to the first row; a step of it in ms\n")
        print("| | operations | memory beyond the weights | first epoch, a step | later, a step | all steps |\n|---|---|---|---|---|---|")
        base = None
        for row in stored["rows"]:
            cells = [cell for cell in stored["cells"] if cell["name"] == row["name"]]
            if row["name"] in ("probe", "majority") or not cells:
                continue
            early, late, whole = [], [], []
            for cell in cells:
                curve = cell["curve"]
                fifth = next(point for point in curve if point["step"] * 5 >= curve[-1]["step"])
                early.append(fifth["seconds"] / fifth["step"])
                late.append((curve[-1]["seconds"] - fifth["seconds"]) / max(1, curve[-1]["step"] - fifth["step"]))
                whole.append(cell["training_seconds"] / cell["steps"])
            figures = [row["flops"], row["peak_bytes"] - WEIGHTS, *map(statistics.median, (early, late, whole))]
            base = base or figures
            texts = [f"{figure / first:.3f}" for figure, first in zip(figures, base)]
            if figures is base:
                texts = [f"{figures[0] / 1e9:.0f} GFLOP", f"{figures[1] / 1e6:.0f} MB", *(f"{1e3 * f:.1f} ms" for f in figures[2:])]
            print(f"| {short(row['name'])} | " + " | ".join(texts) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", default=Path("target/claims"), type=Path)
    parser.add_argument("--only", default=",".join([*GROUPS, "equal-flops"]))
    args = parser.parse_args()
    for group in args.only.split(","):
        found = load(args.out, group)
        if not found:
            continue
        print(f"\n## {group}\n")
        if group == "shift":
            shifted(found)
        elif group == "time":
            costs(found)
        else:
            accuracies(found)
            if group in ("progressive", "equal-flops", "efficient", "late", "ensemble", "auto"):
                costs(found)


if __name__ == "__main__":
    main()
