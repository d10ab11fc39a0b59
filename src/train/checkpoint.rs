//! [`Checkpoint`]: the complete state of a run as bytes, from which it resumes bit for bit on the same machine.
//!
//! A zip of `checkpoint.json` (settings, hashes, counters, the order of the examples; floating-point numbers as their bits) and
//! `state.safetensors` (trained matrices, moments of AdamW, masks, the best parameters so far). It contains no texts of the data.

use serde::{Deserialize, Serialize};

use crate::adapter::{Matrix, archive};
use crate::config::{DeviceChoice, RunConfig};
use crate::error::{Error, Result};
use crate::tensors::{self, Tensors};

/// Version of the format. Readers reject others, except the previous one, which does not name the machine.
const FORMAT: u64 = 3;
const HEADER_FILE: &str = "checkpoint.json";
const TENSORS_FILE: &str = "state.safetensors";
const SCORES: &str = "best.scores";

/// Everything that is needed to resume a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint {
    /// Settings.
    pub config: RunConfig,
    /// SHA-256 of the data, and of the encoder's files.
    pub data_sha256: String,
    /// See `data_sha256`.
    pub encoder_sha256: String,
    /// The machine it was made on; `None` in files of an earlier version.
    pub machine: Option<Machine>,
    /// Whether trials chose the method ([`crate::config::Method::Auto`]).
    pub chosen: bool,
    /// Position in the run.
    pub counters: Counters,
    /// For each member: the state of the order's generator, the order of the examples, and how many of them are done.
    pub orders: Vec<(u64, Vec<usize>, usize)>,
    /// The trained matrices.
    pub matrices: Vec<MatrixState>,
    /// The best parameters so far.
    pub best: Option<SavedBest>,
    /// The linear probe, if it is known.
    pub probe: Option<SavedProbe>,
}

/// The machine of a run. On another one, the result may differ in the last bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// GPU or CPU.
    pub device: DeviceChoice,
    /// [`crate::engine::compute::Compute::machine`].
    pub name: String,
}

/// A trained matrix with its optimizer state.
#[derive(Debug, Clone, PartialEq)]
pub struct MatrixState {
    /// Its name.
    pub name: String,
    /// Rows and columns.
    pub shape: [usize; 2],
    /// Its values, row-major.
    pub values: Vec<f32>,
    /// Steps so far and the first and second moments of AdamW; `None` before the first step.
    pub moments: Option<(usize, Vec<f32>, Vec<f32>)>,
    /// 0 for a pruned element, otherwise 1; `None` if nothing is pruned.
    pub mask: Option<Vec<f32>>,
}

/// The parameters that inference needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Trained {
    /// The matrices that the method stores.
    pub stored: Vec<Matrix>,
    /// Head weight `[C, D]`; `[N C, D]` for N members.
    pub head_weight: Vec<f32>,
    /// Head bias `[C]`; `[N C]` for N members.
    pub head_bias: Vec<f32>,
}

/// Counters of a run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// Steps done.
    pub step: usize,
    /// Evaluations without a lower held-out loss.
    pub stale: usize,
    /// Whether the next thing is an evaluation.
    pub due: bool,
    /// The current stage, if the run has stages.
    pub stage: Option<usize>,
    /// Finished rounds.
    pub round: usize,
    /// Steps before this round.
    pub before: usize,
    /// Milliseconds so far: of the whole run, of the steps, and of training as counted by [`crate::train::cost::Cost`].
    pub milliseconds: (u64, u64, u64),
    /// FLOPs of training and of evaluations, and peak memory in bytes.
    pub work: (u64, u64, u64),
}

/// The best parameters so far.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedBest {
    /// Steps up to them.
    pub step: usize,
    /// Mean held-out cross-entropy.
    pub loss: f64,
    /// The parameters.
    pub trained: Trained,
    /// Logits of the watched examples: `[n, C]`.
    pub scores: Vec<f32>,
    /// The whole trainer, if pruning will rewind to it.
    pub state: Option<Vec<MatrixState>>,
}

/// The linear probe at its lowest held-out loss.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedProbe {
    /// Mean held-out cross-entropy.
    pub loss: f64,
    /// Its head.
    pub trained: Trained,
    /// Predicted class of each watched example.
    pub predicted: Vec<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u64,
    config: RunConfig,
    data_sha256: String,
    encoder_sha256: String,
    #[serde(default)]
    machine: Option<Machine>,
    #[serde(default)]
    chosen: bool,
    #[serde(rename = "place")]
    counters: Counters,
    orders: Vec<(u64, Vec<usize>, usize)>,
    matrices: Vec<MatrixHeader>,
    best: Option<BestHeader>,
    probe: Option<BestHeader>,
}

#[derive(Serialize, Deserialize)]
struct MatrixHeader {
    name: String,
    shape: [usize; 2],
    /// Steps of AdamW; `None` before the first.
    time: Option<usize>,
    masked: bool,
}

#[derive(Serialize, Deserialize)]
struct BestHeader {
    step: usize,
    /// The bits of the loss.
    loss: u64,
    stored: Vec<(String, [usize; 2])>,
    head: [usize; 2],
    /// Only for the linear probe.
    #[serde(default)]
    predicted: Vec<u32>,
    state: Option<Vec<MatrixHeader>>,
}

/// The error for an unusable checkpoint.
pub(super) fn damaged(problem: impl std::fmt::Display) -> Error {
    Error::adapter(
        format!("the checkpoint cannot be used: {problem}"),
        "start the run again; resuming needs the same data and encoder",
    )
}

type Part<'a> = (String, Vec<usize>, &'a [f32]);

fn put<'a>(parts: &mut Vec<Part<'a>>, prefix: &str, states: &'a [MatrixState]) -> Vec<MatrixHeader> {
    for (i, state) in states.iter().enumerate() {
        let shape = state.shape.to_vec();
        parts.push((format!("{prefix}.{i}"), shape.clone(), &state.values));
        if let Some((_, first, second)) = &state.moments {
            parts.push((format!("{prefix}.{i}.first"), shape.clone(), first));
            parts.push((format!("{prefix}.{i}.second"), shape.clone(), second));
        }
        if let Some(mask) = &state.mask {
            parts.push((format!("{prefix}.{i}.mask"), shape, mask));
        }
    }
    let header = |state: &MatrixState| MatrixHeader {
        name: state.name.clone(),
        shape: state.shape,
        time: state.moments.as_ref().map(|(time, ..)| *time),
        masked: state.mask.is_some(),
    };
    states.iter().map(header).collect()
}

fn take(tensors: &Tensors<'_>, prefix: &str, headers: Vec<MatrixHeader>) -> Result<Vec<MatrixState>> {
    let read = |name: &str, shape: &[usize; 2]| tensors.read(name, shape).map_err(damaged);
    let state = |(i, header): (usize, MatrixHeader)| {
        let MatrixHeader { name, shape, time, masked } = header;
        let key = format!("{prefix}.{i}");
        let moments = match time {
            None => None,
            Some(time) => Some((time, read(&format!("{key}.first"), &shape)?, read(&format!("{key}.second"), &shape)?)),
        };
        let mask = if masked { Some(read(&format!("{key}.mask"), &shape)?) } else { None };
        Ok(MatrixState { name, shape, values: read(&key, &shape)?, moments, mask })
    };
    headers.into_iter().enumerate().map(state).collect()
}

fn put_trained<'a>(parts: &mut Vec<Part<'a>>, prefix: &str, trained: &'a Trained) -> [usize; 2] {
    for (i, matrix) in trained.stored.iter().enumerate() {
        parts.push((format!("{prefix}.stored.{i}"), matrix.shape.to_vec(), &matrix.values));
    }
    let rows = trained.head_bias.len();
    let head = [rows, trained.head_weight.len() / rows.max(1)];
    parts.push((format!("{prefix}.head.weight"), head.to_vec(), &trained.head_weight));
    parts.push((format!("{prefix}.head.bias"), vec![rows], &trained.head_bias));
    head
}

fn take_trained(tensors: &Tensors<'_>, prefix: &str, header: &BestHeader) -> Result<Trained> {
    let stored = header.stored.iter().enumerate().map(|(i, (name, shape))| {
        let values = tensors.read(&format!("{prefix}.stored.{i}"), shape).map_err(damaged)?;
        Ok(Matrix { name: name.clone(), shape: *shape, values })
    });
    Ok(Trained {
        stored: stored.collect::<Result<_>>()?,
        head_weight: tensors.read(&format!("{prefix}.head.weight"), &header.head).map_err(damaged)?,
        head_bias: tensors.read(&format!("{prefix}.head.bias"), &header.head[..1]).map_err(damaged)?,
    })
}

impl Checkpoint {
    /// The file's bytes.
    ///
    /// # Errors
    /// [`Error::Adapter`] if it is too large for its format.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut parts = Vec::new();
        let matrices = put(&mut parts, "trainer", &self.matrices);
        let names = |trained: &Trained| trained.stored.iter().map(|m| (m.name.clone(), m.shape)).collect();
        if let Some(best) = &self.best {
            parts.push((SCORES.to_owned(), vec![best.scores.len()], best.scores.as_slice()));
        }
        let best = self.best.as_ref().map(|best| BestHeader {
            step: best.step,
            loss: best.loss.to_bits(),
            stored: names(&best.trained),
            head: put_trained(&mut parts, "best", &best.trained),
            predicted: Vec::new(),
            state: best.state.as_ref().map(|state| put(&mut parts, "best.trainer", state)),
        });
        let probe = self.probe.as_ref().map(|probe| BestHeader {
            step: 0,
            loss: probe.loss.to_bits(),
            stored: Vec::new(),
            head: put_trained(&mut parts, "probe", &probe.trained),
            predicted: probe.predicted.clone(),
            state: None,
        });
        let header = Header {
            format: FORMAT,
            config: self.config.clone(),
            data_sha256: self.data_sha256.clone(),
            encoder_sha256: self.encoder_sha256.clone(),
            machine: self.machine.clone(),
            chosen: self.chosen,
            counters: self.counters,
            orders: self.orders.clone(),
            matrices,
            best,
            probe,
        };
        let parts: Vec<_> = parts.iter().map(|(name, shape, values)| (name.as_str(), shape.clone(), *values)).collect();
        let header = serde_json::to_vec(&header).map_err(damaged)?;
        archive::write(&[(HEADER_FILE.to_owned(), header), (TENSORS_FILE.to_owned(), tensors::write(&parts).map_err(damaged)?)])
    }

    /// Reads the bytes of [`Checkpoint::to_bytes`].
    ///
    /// # Errors
    /// [`Error::Adapter`] with what is wrong with it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let files = archive::read(bytes).map_err(|error| damaged(error.to_string()))?;
        let find = |wanted: &str| {
            let found = files.iter().find(|(name, _)| name == wanted).map(|(_, bytes)| bytes.as_slice());
            found.ok_or_else(|| damaged(format!("{wanted} is missing")))
        };
        let header: Header =
            serde_json::from_slice(find(HEADER_FILE)?).map_err(|error| damaged(format!("{HEADER_FILE}: {error}")))?;
        if !(FORMAT - 1..=FORMAT).contains(&header.format) {
            return Err(damaged(format!("it has format {}, but this program reads {FORMAT}", header.format)));
        }
        let tensors = Tensors::parse(find(TENSORS_FILE)?).map_err(damaged)?;
        let best = match header.best {
            None => None,
            Some(mut best) => Some(SavedBest {
                step: best.step,
                loss: f64::from_bits(best.loss),
                trained: take_trained(&tensors, "best", &best)?,
                state: match best.state.take() {
                    None => None,
                    Some(state) => Some(take(&tensors, "best.trainer", state)?),
                },
                scores: tensors.read(SCORES, tensors.shape(SCORES).unwrap_or_default()).map_err(damaged)?,
            }),
        };
        let probe = match header.probe {
            None => None,
            Some(probe) => Some(SavedProbe {
                loss: f64::from_bits(probe.loss),
                trained: take_trained(&tensors, "probe", &probe)?,
                predicted: probe.predicted,
            }),
        };
        Ok(Self {
            config: header.config,
            data_sha256: header.data_sha256,
            encoder_sha256: header.encoder_sha256,
            machine: header.machine,
            chosen: header.chosen,
            counters: header.counters,
            orders: header.orders,
            matrices: take(&tensors, "trainer", header.matrices)?,
            best,
            probe,
        })
    }
}
