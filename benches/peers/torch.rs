//! Ours against PyTorch + PEFT, on the CPU or on an NVIDIA GPU: a child process that does one step per line.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use softprompt::engine::compute::Compute;

use crate::{Bench, CHECKED, FIRST_TOKEN, Outcome, TOLERANCE, in_turn, mean};

/// `torch_step.py --serve`; it ends when its input is closed.
struct Torch {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Torch {
    fn start(bench: &Bench, device: &str, dtype: &str) -> Outcome<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/torch_step.py");
        let python = bench.args.python.clone().or_else(|| std::env::var_os("PYTHON").map(PathBuf::from));
        let python = python.unwrap_or_else(|| "python3".into());
        let mut command = Command::new(&python);
        command.arg(script).arg("--serve").arg("--model").arg(&bench.folder);
        command.args(["--device", device, "--dtype", dtype]);
        command.arg("--threads").arg(bench.args.threads.to_string());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}; pass --python PYTHON", python.display()))?;
        let (orders, answers) = (child.stdin.take(), child.stdout.take().ok_or("no pipe from Python")?);
        Ok(Self { child, orders, answers: BufReader::new(answers) })
    }

    fn answer(&mut self) -> Outcome<Value> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        serde_json::from_str(&line).map_err(|_| "Python ended; it needs benches/peers/requirements.txt".into())
    }

    fn ask(&mut self, order: &Value) -> Outcome<Value> {
        let pipe = self.orders.as_mut().ok_or("no pipe to Python")?;
        writeln!(pipe, "{order}")?;
        self.answer()
    }

    /// Seconds of each of `count` steps if only the last loss is read back.
    fn queued_steps(&mut self, count: usize) -> Outcome<f64> {
        let answer = self.ask(&json!({ "queued": count }))?;
        answer["seconds"].as_f64().ok_or_else(|| format!("PyTorch's steps have no seconds: {answer}").into())
    }

    /// Step `index`, on the batch with that number: seconds and loss.
    fn step(&mut self, index: usize) -> Outcome<(f64, f64)> {
        let answer = self.ask(&json!({ "step": index }))?;
        let number = |name: &str| answer[name].as_f64().ok_or_else(|| format!("PyTorch's step has no {name}: {answer}"));
        Ok((number("seconds")?, number("loss")?))
    }
}

impl Drop for Torch {
    fn drop(&mut self) {
        drop(self.orders.take());
        // It has no further output.
        let _ = self.child.wait();
    }
}

/// Ours on the CPU.
pub(crate) fn cpu(bench: &Bench) -> Outcome<Value> {
    let compute = Compute::cpu(&bench.weights);
    println!("\nours on the CPU, PyTorch + PEFT on the CPU; {} threads each", bench.args.threads);
    compare(bench, &compute, Torch::start(bench, "cpu", "f32")?, TOLERANCE)
}

/// Our WGSL kernels.
pub(crate) fn cuda(bench: &Bench) -> Outcome<Value> {
    let compute = pollster::block_on(Compute::gpu(&bench.weights))?;
    let mut all = serde_json::Map::new();
    for (dtype, tolerance) in [("f32", TOLERANCE), ("tf32", f64::INFINITY), ("bf16", f64::INFINITY)] {
        println!("\nour WGSL kernels on {}, PyTorch + PEFT in {dtype}", compute.name);
        let torch = Torch::start(bench, "cuda", dtype)?;
        all.insert(dtype.to_owned(), compare(bench, &compute, torch, tolerance)?);
    }
    Ok(all.into())
}

fn compare(bench: &Bench, compute: &Compute, mut torch: Torch, tolerance: f64) -> Outcome<Value> {
    let config = json!({
        "prompt_length": bench.config.prompt.length,
        "first_token": FIRST_TOKEN,
        "feature_scale": bench.config.head.feature_scale,
        "prompt_lr": bench.config.optim.prompt_lr,
        "head_lr": bench.config.optim.head_lr,
        "weight_decay": bench.config.optim.weight_decay,
        "clip_norm": bench.config.optim.clip_norm,
    });
    let peer = torch.answer()?;
    println!("PyTorch {}, PEFT {}, {}", peer["torch"], peer["peft"], peer["device"]);
    println!("set       batch packed rows padded rows   ours ms  torch ms  ratio loss diff.");
    let mut rows = Vec::new();
    for (set, size) in bench.tasks(&["snips", "sms_spam", "imdb", "equal"], &[16, 32])? {
        let mut ours = bench.ours(compute, &set, size)?;
        let begun = torch.ask(&json!({ "set": set, "batch": size, "config": config }))?;
        let padded: Vec<usize> = serde_json::from_value(begun["rows"].clone())?;
        let (packed, padded, pass) = (mean(&ours.rows()), mean(&padded), ours.batches.len());
        let steps = pass * bench.args.repeats;
        let timed = in_turn((CHECKED, tolerance), pass, steps, |i| ours.step(i), |i| torch.step(i))?;
        let ratio = timed.ours / timed.theirs;
        println!(
            "{set:9} {size:5} {packed:11.0} {padded:11.0} {:9.2} {:9.2} {ratio:6.2} {:10.1e}",
            timed.ours, timed.theirs, timed.difference
        );
        let mut row = json!({
            "set": set, "batch": size, "packed_rows": packed, "padded_rows": padded, "ours_ms": timed.ours,
            "torch_ms": timed.theirs, "ratio": ratio, "loss_difference": timed.difference,
        });
        if compute.gpu {
            let (ours, theirs) = (1e3 * ours.queued_steps(steps)?, 1e3 * torch.queued_steps(steps)?);
            println!("{:39} {ours:9.2} {theirs:9.2} {:6.2}", "  no wait between steps", ours / theirs);
            row["ours_queued_ms"] = ours.into();
            row["torch_queued_ms"] = theirs.into();
        }
        rows.push(row);
    }
    Ok(json!({ "peer": peer, "adapter": compute.name, "rows": rows }))
}
