#!/usr/bin/env python3
"""The prompt-tuning step of the benchmarks with PyTorch, transformers and PEFT: PEFT's prompt tuning around a frozen BertModel
(sdpa attention, no pooler, no dropout), batches padded to their longest text, mean over prompt and text rows, a linear head.

    python benches/peers/torch_step.py --model DIR                                  # CPU, 2 threads
    python benches/peers/torch_step.py --model DIR --device cuda --dtype f32,tf32,bf16

DIR holds config.json and model.safetensors of all-MiniLM-L6-v2. Prints JSON: of each set and batch size the median time of a
step over all batches and repeats, and the losses of the first steps. A step ends when its loss is on the host; on a GPU
`queued_ms` is beside it, the time of a step where only the last loss is read back.

With --serve it does one step per line of stdin, for `cargo bench --bench peers`.
"""

import argparse
import json
import os
import statistics
import sys
import time
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import peft
import torch
import transformers
from transformers import BertModel

BATCHES = Path(__file__).resolve().parent.parent / "batches.json"
SETS = ["snips", "sms_spam", "imdb", "equal"]
# Those of the crate's RunConfig; --serve is told.
DEFAULTS = {
    "prompt_length": 10,
    "first_token": 2000,
    "feature_scale": 2.0,
    "prompt_lr": 2e-2,
    "head_lr": 5e-3,
    "weight_decay": 0.01,
    "clip_norm": 1.0,
}
DTYPES = {"f32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16}


class Task:
    """One set at one batch size, from its first step on."""

    def __init__(self, base, data, size, config, device):
        self.config, self.device = config, device
        length, first = config["prompt_length"], config["first_token"]
        kind = peft.PromptTuningConfig(task_type="FEATURE_EXTRACTION", num_virtual_tokens=length)
        self.model = peft.get_peft_model(base, kind)
        # Only the prompt and the head have gradients; eval leaves dropout out and has no other effect.
        self.model.eval()
        prompt = self.model.prompt_encoder["default"].embedding.weight
        with torch.no_grad():
            prompt.copy_(base.embeddings.word_embeddings.weight[first : first + length])
        self.head = torch.nn.Linear(base.config.hidden_size, data["classes"]).to(device)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)
        self.trained = [prompt, *self.head.parameters()]
        assert {id(p) for p in self.model.parameters() if p.requires_grad} == {id(prompt)}
        groups = [{"params": [prompt], "lr": config["prompt_lr"]}, {"params": [*self.head.parameters()], "lr": config["head_lr"]}]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=config["weight_decay"])
        self.batches = [self.padded(batch, size) for batch in data["batches"]]

    def padded(self, batch, size):
        """Ids [B, S], their mask, the mask of prompt and text rows [B, P + S, 1], labels: on the device, not timed."""
        texts = [torch.tensor(ids) for ids in batch["tokens"][:size]]
        ids = torch.nn.utils.rnn.pad_sequence(texts, batch_first=True)
        lengths = torch.tensor([len(text) for text in texts])
        mask = (torch.arange(ids.shape[1]) < lengths[:, None]).long()
        rows = torch.nn.functional.pad(mask, (self.config["prompt_length"], 0), value=1)[..., None].float()
        labels = torch.tensor(batch["labels"][:size])
        return tuple(tensor.to(self.device) for tensor in (ids, mask, rows, labels))

    def step(self, index):
        """The loss before the update, not read back."""
        ids, mask, rows, labels = self.batches[index % len(self.batches)]
        hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        pooled = (hidden.float() * rows).sum(1) / rows.sum(1)
        loss = torch.nn.functional.cross_entropy(self.head(pooled * self.config["feature_scale"]), labels)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, self.config["clip_norm"])
        self.optimizer.step()
        return loss.detach()

    def timed_step(self, index):
        synchronize(self.device)
        begin = time.perf_counter()
        loss = self.step(index).item()
        synchronize(self.device)
        return time.perf_counter() - begin, loss

    def queued_steps(self, count):
        """Seconds of a step where only the last loss is read back."""
        synchronize(self.device)
        begin = time.perf_counter()
        for index in range(count):
            loss = self.step(index)
        loss.item()
        synchronize(self.device)
        return (time.perf_counter() - begin) / count


def synchronize(device):
    if device == "cuda":
        torch.cuda.synchronize()


def load(folder, device, dtype):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = dtype == "tf32"
    kind = {"attn_implementation": "sdpa", "add_pooling_layer": False, "dtype": DTYPES[dtype]}
    return BertModel.from_pretrained(folder, local_files_only=True, **kind).requires_grad_(False).to(device)


def about(device):
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    versions = {module.__name__: module.__version__ for module in (torch, transformers, peft)}
    return {"device": name, "threads": torch.get_num_threads(), **versions}


def serve(base, sets, device):
    """Lines of JSON in and out: {"set", "batch", "config"} begins a task, {"step"} does a step of it, {"queued"} so many."""
    print(json.dumps(about(device)), flush=True)
    task = None
    for line in sys.stdin:
        order = json.loads(line)
        if "set" in order:
            task = Task(base, sets[order["set"]], order["batch"], order["config"], device)
            answer = {"rows": [rows.numel() for _, _, rows, _ in task.batches]}
        elif "queued" in order:
            answer = {"seconds": task.queued_steps(order["queued"])}
        else:
            seconds, loss = task.timed_step(order["step"])
            answer = {"seconds": seconds, "loss": loss}
        print(json.dumps(answer), flush=True)


def measure(base, data, size, device, repeats):
    task = Task(base, data, size, DEFAULTS, device)
    count = len(task.batches)
    # The first pass warms up.
    losses = [task.timed_step(i)[1] for i in range(count)]
    seconds = [task.timed_step(i)[0] for i in range(count * repeats)]
    result = {"batch": size, "median_ms": 1e3 * statistics.median(seconds), "losses": losses}
    if device == "cuda":
        result["queued_ms"] = 1e3 * task.queued_steps(count * repeats)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="folder of the encoder")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dtype", default="f32", help="of " + ", ".join(DTYPES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--batches", default="16,32")
    parser.add_argument("--repeats", type=int, default=3, help="timed passes over the batches")
    parser.add_argument("--serve", action="store_true")
    args = parser.parse_args()
    # What transformers says about weights that are left out, and about names that it will change.
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore", FutureWarning)
    torch.set_num_threads(args.threads)
    sets = json.loads(BATCHES.read_text())
    if args.serve:
        serve(load(args.model, args.device, args.dtype), sets, args.device)
        return
    results = []
    for dtype in args.dtype.split(","):
        base = load(args.model, args.device, dtype)
        for name in args.sets.split(","):
            for size in map(int, args.batches.split(",")):
                measured = measure(base, sets[name], size, args.device, args.repeats)
                results.append({"dtype": dtype, "set": name, **measured})
                print(f"{dtype} {name} {size}: {measured['median_ms']:.2f} ms", file=sys.stderr)
    print(json.dumps({**about(args.device), "results": results}, indent=1))


main()
