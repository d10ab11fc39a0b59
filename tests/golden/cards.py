#!/usr/bin/env python3
"""Checks the model card of every method and its `classify.py`: runs the Python in them, as a user would, and compares with
`softprompt predict`.

    python3 cards.py PROGRAM        # target/release/softprompt

Trains each method for a few steps on the tiny encoder, for each head and variant, and compares the probabilities of some texts.
"""
import contextlib
import io
import json
import math
import os
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

os.environ["HF_HUB_OFFLINE"] = "1"

import peft
import transformers

TINY = Path(__file__).resolve().parent / "tiny"
TEXTS = ["Will it rain tomorrow?", "play", "the fish was cold and the waiter slow, " * 6, "café naïve 漢"]
CLASSES = {"weather": ["will it rain", "is there snow", "how cold is it"], "music": ["play a song", "add this film music", "play a list"],
           "food": ["book a table", "the fish is cold", "a good restaurant"]}
CASES = {
    "probe": ["--method", "probe"],
    "prompt": ["--method", "prompt"],
    "progressive": ["--method", "progressive", "--base", "efficient", "--shrink", "width"],
    "late, no generator": ["--method", "late", "--generator", "none"],
    "late, first layer": ["--method", "late", "--generator", "none", "--layer", "0"],
    "late, naive": ["--method", "late", "--generator", "naive"],
    "late, naive, mean": ["--method", "late", "--generator", "naive", "--reads", "mean"],
    "late, average": ["--method", "late", "--generator", "average"],
    "late, max": ["--method", "late", "--generator", "max", "--layer", "0"],
    "efficient": ["--method", "efficient"],
    "efficient, no update": ["--method", "efficient", "--no-update", "--no-fusion"],
    "deep": ["--method", "deep"],
    "ensemble": ["--method", "ensemble", "--members", "3"],
    "ensemble, majority": ["--method", "ensemble", "--members", "3", "--vote", "majority"],
}
# So that everything that is trained moves far in a few steps.
FAST = ["--steps", "12", "--lr", "0.3", "--head-lr", "0.1", "--generator-lr", "0.1", "--low-rank-lr", "0.1", "--module-lr", "0.1"]


def softprompt(folder, *arguments, stdin=""):
    environment = os.environ | {"SOFTPROMPT_OFFLINE": "1", "SOFTPROMPT_CACHE": str(folder / "cache")}
    done = subprocess.run([PROGRAM, *arguments], input=stdin, capture_output=True, text=True, cwd=folder, env=environment)
    if done.returncode:
        raise SystemExit(f"softprompt {' '.join(arguments)}\n{done.stderr}")
    return done.stdout


def script_says(folder, adapter, text):
    """What the card's script prints, with its text and its folders filled in."""
    card = (folder / adapter / "README.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```python\n(.*?)```", card, re.S)
    assert script.count('"a text"') == 1 and script.count(', "."\n') == 1
    script = script.replace('"a text"', json.dumps(text)).replace(', "."\n', f", {str(folder / adapter)!r}\n")
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(compile(script, "card", "exec"), {})
    return eval(out.getvalue())


def program_says(folder, adapter, texts):
    """What `classify.py` of the adapter answers to lines."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), mock.patch("sys.stdin", io.StringIO("\n".join(texts) + "\n")):
        runpy.run_path(str(folder / adapter / "classify.py"), run_name="__main__")
    return [json.loads(line) for line in out.getvalue().splitlines()]


def main():
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    worst_of_all, refused = 0.0, set()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        rows = [f'"{text} {i}",{label}' for i in range(8) for label, texts in CLASSES.items() for text in texts]
        (folder / "data.csv").write_text("\n".join(["text,label", *rows]), encoding="utf-8")
        for name, flags in CASES.items():
            for head in ("mean", "text", "cls", "peft"):
                common = ["--model", str(TINY), "--device", "cpu", "--prompt-length", "4", "--head", head]
                softprompt(folder, "train", "data.csv", "--out", "adapter", *common, *FAST, *flags)
                predict = ["predict", "adapter", "--model", str(TINY), "--device", "cpu", "--json"]
                lines = softprompt(folder, *predict, stdin="\n".join(TEXTS) + "\n").splitlines()
                worst, spread = 0.0, set()
                programs = program_says(folder, "adapter", TEXTS)
                for text, line, program in zip(TEXTS, lines, programs, strict=True):
                    ours = {p["label"]: p["probability"] for p in json.loads(line)["probabilities"]}
                    try:
                        theirs = script_says(folder, "adapter", text)
                    except ValueError as error:
                        # PEFT asks BERT for an argument that later versions of transformers call otherwise.
                        if "past key values" not in str(error):
                            raise
                        theirs = program["probabilities"]
                        refused.add(f"{name}, {head}: PEFT {peft.__version__} with transformers {transformers.__version__}: {error}")
                    assert ours.keys() == theirs.keys(), (name, head, ours, theirs)
                    assert program["text"] == text and program["label"] == json.loads(line)["label"], (program, line)
                    # Logits up to their common constant.
                    differences = [abs(math.log(ours[label]) - math.log(program["probabilities"][label])) for label in ours]
                    assert max(differences) < 1e-3, (name, head, ours, program)
                    worst = max(worst, *(abs(ours[label] - theirs[label]) for label in ours))
                    spread.add(round(max(ours.values()), 4))
                kind = json.loads((folder / "adapter/adapter_config.json").read_text())["peft_type"]
                print(f"{name:22} {head:5} {kind:14} worst difference of a probability {worst:.1e}, {len(spread)} different answers")
                if not worst < 1e-5 or len(spread) < 2:
                    raise SystemExit("the card's script computes something else")
                worst_of_all = max(worst_of_all, worst)
    for line in sorted(refused):
        print(line)
    print(f"all scripts agree; worst {worst_of_all:.1e}")


if __name__ == "__main__":
    PROGRAM = str(Path(sys.argv[1]).resolve())
    main()
