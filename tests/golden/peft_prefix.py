#!/usr/bin/env python3
"""Writes peft_prefix/ beside this script: a PREFIX_TUNING adapter of the tiny encoder as PEFT saves it, and what PEFT computes with it.

    python3 peft_prefix.py

Needs tiny/ and tiny.json, which generate.py writes. adapter_config.json and adapter_model.safetensors are PEFT's; logits.json has the
class scores of the texts of tiny.json.
"""
import json
import tempfile
from pathlib import Path

import peft
import torch
from transformers import BertForSequenceClassification

from generate import draw, padded, save_json

HERE = Path(__file__).resolve().parent


def main():
    base = BertForSequenceClassification.from_pretrained(HERE / "tiny", num_labels=3)
    base.config._name_or_path = base.name_or_path = "tiny"
    config = peft.PrefixTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=5, base_model_name_or_path="tiny")
    model = peft.get_peft_model(base, config).eval()
    head = model.base_model.classifier.modules_to_save["default"]
    trained = {"prefix": model.prompt_encoder["default"].embedding.weight, "weight": head.weight, "bias": head.bias}
    for name, parameter in trained.items():
        parameter.data = draw(tuple(parameter.shape), 0.7, f"peft_prefix.{name}").to(torch.float32)
    out = HERE / "peft_prefix"
    out.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        for name in ("adapter_config.json", "adapter_model.safetensors"):
            (out / name).write_bytes((Path(folder) / name).read_bytes())
    examples = [(e["tokens"], e["label"]) for e in json.loads((HERE / "tiny.json").read_text())["examples"]]
    with torch.no_grad():
        logits = model.to(torch.float64)(**padded(examples)).logits
    save_json(out / "logits.json", {"logits": logits.tolist()})


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
