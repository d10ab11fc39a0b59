//! Encoders as programs: every family against transformers (`tests/golden/families.py`), and what must hold of every plan.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;
use softprompt::data::batch::{Example, PackedBatch};
use softprompt::engine::Route;
use softprompt::engine::cpu::twin::Twin;
use softprompt::model::architecture;
use softprompt::program::plan::{Fusions, Plan, Purpose, Step, Tap};
use softprompt::program::{Entry, Pooling, Program, Value};
use softprompt::tensors::Tensors;

use crate::common::assert_close;

/// The scale of the features in `tests/golden`.
const FEATURE_SCALE: f64 = 8.0;
const PROMPT: usize = 3;
const FACTS: &str = include_str!("../golden/families/families.json");

struct Family {
    name: &'static str,
    config: &'static [u8],
    weights: &'static [u8],
    golden: &'static [u8],
}

macro_rules! families {
    ($($name:literal),*) => {
        [$(Family {
            name: $name,
            config: include_bytes!(concat!("../golden/families/", $name, "/config.json")),
            weights: include_bytes!(concat!("../golden/families/", $name, "/model.safetensors")),
            golden: include_bytes!(concat!("../golden/families/", $name, ".safetensors")),
        }),*]
    };
}

const FAMILIES: [Family; 7] = families!["albert", "distilbert", "electra", "modernbert", "mpnet", "nomic_bert", "roberta"];

impl Family {
    fn twin(&self) -> Twin {
        let fields = serde_json::from_slice(self.config).expect("a JSON object");
        let architecture = architecture::read(&fields).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let tensors = Tensors::parse(self.weights).expect("safetensors");
        let weights = architecture.load(&tensors, "").unwrap_or_else(|error| panic!("{}: {error}", self.name));
        Twin { program: Arc::new(architecture.program), weights: Arc::new(weights) }
    }

    fn facts(&self) -> Json {
        let facts: Json = serde_json::from_str(FACTS).expect("JSON");
        facts["families"][self.name].clone()
    }

    fn examples(&self) -> Vec<Example> {
        let facts = self.facts();
        let number = |value: &Json| value.as_u64().expect("a number") as u32;
        let texts = facts["tokens"].as_array().expect("texts").iter().zip(facts["labels"].as_array().expect("labels"));
        let tokens = |text: &Json| text.as_array().expect("token ids").iter().map(number).collect();
        texts.map(|(text, label)| Example { tokens: tokens(text), label: number(label) }).collect()
    }

    fn golden(&self, name: &str) -> Vec<f64> {
        let tensors = Tensors::parse(self.golden).expect("safetensors");
        let shape = tensors.shape(name).unwrap_or_else(|| panic!("{}: no {name}", self.name)).to_vec();
        tensors.read(name, &shape).expect("a tensor").into_iter().map(f64::from).collect()
    }
}

/// Hidden states of every layer, with and without a prompt.
#[test]
fn hidden_states_of_every_family_equal_transformers() {
    for family in &FAMILIES {
        let twin = family.twin();
        for (key, length) in [("plain", 0), ("prompted", PROMPT)] {
            let (batch, route) = (PackedBatch::new(&family.examples(), length), Route::words(Pooling::Mean));
            let purpose = route.purpose(length, twin.program.layers(), false, false);
            let plan = Plan::new(&twin.program, &purpose, Fusions::ALL);
            let prompt = if length > 0 { family.golden("prompt") } else { Vec::new() };
            let mut states = Vec::new();
            twin.begin(&plan, &purpose, &batch, (&route, &prompt, &[])).forward(|value, rows| {
                if plan.hidden.contains(&value) {
                    states.push(rows.to_vec());
                }
            });
            assert_eq!(states.len(), twin.program.layers() + 1, "{}", family.name);
            for (layer, got) in states.iter().enumerate() {
                assert_close(got, &family.golden(&format!("{key}.{layer}")), 1e-5, 1e-5);
            }
        }
    }
}

/// Loss and prompt gradient of one batch, for every way to compute them.
#[test]
fn prompt_gradients_of_every_family_equal_pytorch() {
    for family in &FAMILIES {
        let (twin, examples) = (family.twin(), family.examples());
        let (batch, route) = (PackedBatch::new(&examples, PROMPT), Route::words(Pooling::Mean));
        for (fusions, recompute) in [(Fusions::NONE, false), (Fusions::ALL, false), (Fusions::NONE, true), (Fusions::ALL, true)] {
            let purpose = route.purpose(PROMPT, twin.program.layers(), true, recompute);
            let plan = Plan::new(&twin.program, &purpose, fusions);
            let mut pass = twin.begin(&plan, &purpose, &batch, (&route, &family.golden("prompt"), &[]));
            let pooled = pass.forward(|_, _| {})[0].clone();
            let (loss, d_pooled) = cross_entropy(&pooled, &examples, &family.golden("head.weight"), &family.golden("head.bias"));
            let want = family.facts()["loss"].as_f64().expect("a loss");
            assert!((loss - want).abs() <= 1e-6, "{}: loss {loss}, PyTorch {want}", family.name);
            assert_close(&pass.backward(&[d_pooled]), &family.golden("mean.grad.prompt"), 1e-5, 1e-5);
        }
    }
}

/// The mean loss of a linear head on scaled features, and its gradient with respect to the pooled rows.
fn cross_entropy(pooled: &[f64], examples: &[Example], weight: &[f64], bias: &[f64]) -> (f64, Vec<f64>) {
    let (hidden, count) = (pooled.len() / examples.len(), examples.len() as f64);
    let (mut loss, mut d_pooled) = (0.0, vec![0.0; pooled.len()]);
    let rows = pooled.chunks_exact(hidden).zip(d_pooled.chunks_exact_mut(hidden));
    for ((row, d_row), example) in rows.zip(examples) {
        let dot = |class: &[f64]| class.iter().zip(row).map(|(w, x)| w * x * FEATURE_SCALE).sum::<f64>();
        let scores: Vec<f64> = weight.chunks_exact(hidden).zip(bias).map(|(class, bias)| dot(class) + bias).collect();
        let sum = scores.iter().map(|score| score.exp()).sum::<f64>();
        loss += (sum.ln() - scores[example.label as usize]) / count;
        for (class, score) in scores.iter().enumerate() {
            let hit = f64::from(u8::from(class == example.label as usize));
            let d_score = (score.exp() / sum - hit) / count * FEATURE_SCALE;
            d_row.iter_mut().zip(&weight[class * hidden..]).for_each(|(d, w)| *d += d_score * w);
        }
    }
    (loss, d_pooled)
}

/// Purposes of every kind for an encoder of this number of layers.
fn purposes(layers: usize) -> Vec<Purpose> {
    let mut purposes = vec![Purpose::states(Entry::Words, layers), Purpose::states(Entry::Words, 0)];
    purposes.push(Purpose { scores: true, ..Purpose::states(Entry::Words, layers) });
    let last = vec![Tap { layers, pooling: Pooling::Mean }];
    let some = vec![Tap { layers: 1, pooling: Pooling::MeanFrom(2) }, Tap { layers, pooling: Pooling::Row(0) }];
    let entered = vec![Tap { layers: 0, pooling: Pooling::Mean }, Tap { layers, pooling: Pooling::Mean }];
    for tracked in [false, true] {
        for recompute in [false, true] {
            for taps in [&last, &some, &entered] {
                for (prompt, update, prefix) in
                    [(true, false, false), (true, true, false), (false, true, false), (false, false, true)]
                {
                    let purpose = Purpose {
                        prompt,
                        update,
                        prefix,
                        taps: taps.clone(),
                        tracked,
                        recompute,
                        ..Purpose::states(Entry::Words, layers)
                    };
                    purposes.push(purpose);
                }
            }
            let late =
                Purpose { prompt: true, taps: last.clone(), tracked, recompute, ..Purpose::states(Entry::After(1), layers) };
            purposes.push(late);
        }
    }
    purposes
}

/// Every step finds what it reads in its buffer: the last value that was written there, and none that was never written.
#[test]
fn no_buffer_is_overwritten_before_its_last_use() {
    for family in &FAMILIES {
        let program = &family.twin().program;
        for purpose in purposes(program.layers()) {
            for fusions in [Fusions::NONE, Fusions::ALL] {
                let plan = Plan::new(program, &purpose, fusions);
                if let Err(problem) = check(&plan) {
                    panic!("{} {purpose:?} {fusions:?}: {problem}\n{}", family.name, plan.printed(program));
                }
            }
        }
    }
}

fn check(plan: &Plan) -> Result<(), String> {
    let mut holds: HashMap<usize, Value> = HashMap::new();
    for step in plan.forward.iter().chain(&plan.backward) {
        for value in step.inputs() {
            let slot = plan.value(value).slot;
            if holds.get(&slot) != Some(&value) {
                return Err(format!(
                    "{step:?} reads {} from buffer {slot}, which holds {:?}",
                    plan.value(value).name,
                    holds.get(&slot)
                ));
            }
        }
        let outputs: Vec<Value> = step.outputs().collect();
        for (number, &out) in outputs.iter().enumerate() {
            let info = plan.value(out);
            if plan.slots[info.slot] < info.width {
                return Err(format!("{} is wider than buffer {}", info.name, info.slot));
            }
            // A step must not write what it reads, unless it takes it over.
            let over = |value: Value| step.takes_over() == Some(value) && number == 0;
            if step.inputs().into_iter().any(|value| plan.value(value).slot == info.slot && !over(value)) {
                return Err(format!("{step:?} writes {} over an input", info.name));
            }
            holds.insert(info.slot, out);
        }
        if let (Some(x), Some(&out)) = (step.takes_over(), outputs.first())
            && plan.value(x).slot != plan.value(out).slot
        {
            return Err(format!("{step:?} cannot take over the buffer of {}", plan.value(x).name));
        }
    }
    Ok(())
}

#[test]
fn the_check_sees_a_planted_overlap() {
    let program = &FAMILIES[0].twin().program;
    let mut plan = Plan::new(program, &Route::words(Pooling::Mean).purpose(PROMPT, program.layers(), true, false), Fusions::ALL);
    assert_eq!(check(&plan), Ok(()));
    let first = plan.kept[0];
    let slot = plan.value(first).slot;
    let other = plan.forward.iter().rev().find_map(|step| match *step {
        Step::Linear { out, .. } if out != first => Some(out),
        _ => None,
    });
    plan.values[other.expect("a product").index()].slot = slot;
    assert!(check(&plan).is_err());
}

/// The program and the plans of three families as text. `UPDATE_GOLDEN=1` writes the files anew.
#[test]
fn programs_and_plans_are_as_printed() {
    use std::fmt::Write as _;

    let bert = serde_json::from_str(include_str!("../golden/tiny/config.json")).expect("a JSON object");
    let mut programs = vec![("bert", architecture::read(&bert).expect("BERT").program)];
    for name in ["mpnet", "modernbert"] {
        let family = FAMILIES.iter().find(|family| family.name == name).expect("a family");
        programs.push((name, Program::clone(&family.twin().program)));
    }
    for (name, program) in programs {
        let mut text = format!("{program}\n");
        for (what, recompute) in [("", false), (", with recomputation", true)] {
            let purpose = Route::words(Pooling::Mean).purpose(PROMPT, program.layers(), true, recompute);
            let plan = Plan::new(&program, &purpose, Fusions::ALL);
            writeln!(text, "Prompt tuning{what}\n\n{}", plan.printed(&program)).expect("a String");
        }
        let path = format!("{}/tests/golden/programs/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &text).expect("a golden file");
        }
        let want = std::fs::read_to_string(&path).expect("a golden file");
        assert!(text == want, "{path} differs: see the new text with UPDATE_GOLDEN=1 and git diff");
    }
}
