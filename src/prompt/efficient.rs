//! A short prompt with a low-rank update of the text embeddings, with fusion and projection: DePT (Shi and Lipani 2024, "DePT:
//! Decomposed Prompt Tuning for Parameter-Efficient Fine-tuning", arXiv 2309.05173), and the modules of EPT on top of it (Lan et
//! al. 2024, "Efficient Prompt Tuning by Multi-Space Projection and Prompt Fusion", arXiv 2405.11464). DePT follows its authors'
//! code. EPT is published without code; these are its modules as we understand them:
//!
//! ```text
//! E'_i  = E_i + alpha (A B)_i                        of token i of every text, alpha = scale / sqrt(r)
//! Phi   = softmax(Q K^T / sqrt(a)) A B               prompt fusion: Q = P W_q, K = A B W_k
//! Pi_j  = relu(P D_j) U_j                            projection into space j of S
//! g     = softmax(W_g mean_i(P_i) + b_g)             gate; 1 / S each where it is off
//! P^    = P + Phi + sum_j g_j Pi_j                   in front of E'
//! ```
//!
//! `P [P, D]`, `A [N, r]`, `B [r, D]`, `W_q` and `W_k [D, a]`, `D_j [D, b]`, `U_j [b, D]`, `W_g [S, D]`, `b_g [S]`; N is the
//! longest text in tokens. The spaces are concatenated in one matrix each: `D [D, S b]`, `U [S b, D]`. Initially `B = 0` and `U =
//! 0`, so that everything equals prompt tuning with P. `P^` does not depend on the text: an adapter stores only `P^`, `A` and
//! `alpha B`.

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, softmax};

use super::{Context, Given, Parameter, PromptMethod, Sizes, Start, prompt_tuning};
use crate::config::{EfficientConfig, PromptConfig};
use crate::engine::boundary::Prompt;
use crate::error::Result;
use crate::rng::Rng;

const UPDATE_ROWS: &str = "update_rows";
const UPDATE_BASIS: &str = "update_basis";

pub(super) struct Efficient {
    config: PromptConfig,
}

/// The trained matrices by role.
struct Parts<'a> {
    prompt: &'a Tensor<2>,
    /// A and B.
    update: Option<(&'a Tensor<2>, &'a Tensor<2>)>,
    /// `W_q` and `W_k`.
    fusion: Option<(&'a Tensor<2>, &'a Tensor<2>)>,
    /// `D` and `U`.
    spaces: Option<(&'a Tensor<2>, &'a Tensor<2>)>,
    /// `W_g` and `b_g`.
    gate: Option<(&'a Tensor<2>, &'a Tensor<2>)>,
}

impl Efficient {
    pub(super) fn new(config: PromptConfig) -> Self {
        Self { config }
    }

    fn settings(&self) -> &EfficientConfig {
        &self.config.efficient
    }

    fn alpha(&self) -> f64 {
        self.settings().scale / (self.settings().rank as f64).sqrt()
    }

    /// The order of [`PromptMethod::initial`].
    fn parts<'a>(&self, parameters: &'a [Tensor<2>]) -> Parts<'a> {
        let EfficientConfig { update, fusion, spaces, gate, .. } = *self.settings();
        let (prompt, rest) = (&parameters[0], &mut parameters[1..].chunks_exact(2).map(|pair| (&pair[0], &pair[1])));
        let mut next = |there: bool| if there { rest.next() } else { None };
        Parts { prompt, update: next(update), fusion: next(fusion), spaces: next(spaces > 0), gate: next(spaces > 0 && gate) }
    }

    /// The prompt `P^` that the encoder sees, `[P, D]`.
    fn reconstructed(&self, parts: &Parts<'_>) -> Tensor<2> {
        let EfficientConfig { attention, spaces, space_width, .. } = *self.settings();
        let mut out = parts.prompt.clone();
        if let (Some((a, b)), Some((query, key))) = (parts.update, parts.fusion) {
            // Through the factors: A B itself is never computed.
            let queries = parts.prompt.clone().matmul(query.clone());
            let keys = a.clone().matmul(b.clone().matmul(key.clone()));
            let weights = softmax(queries.matmul(keys.transpose()) / (attention as f64).sqrt(), 1);
            out = out + weights.matmul(a.clone()).matmul(b.clone());
        }
        if let Some((down, up)) = parts.spaces {
            let inside = relu(parts.prompt.clone().matmul(down.clone()));
            let weighted = match parts.gate {
                None => inside / spaces as f64,
                Some((weight, bias)) => {
                    let scores = parts.prompt.clone().mean_dim(0).matmul(weight.clone().transpose()) + bias.clone();
                    let gate = softmax(scores, 1).reshape([spaces, 1]).expand([spaces, space_width]);
                    inside * gate.reshape([1, spaces * space_width])
                }
            };
            out = out + weighted.matmul(up.clone());
        }
        out
    }
}

/// Uniformly distributed in `+-bound`, `[rows, columns]`.
fn uniform(rng: &mut Rng, [rows, columns]: [usize; 2], bound: f64) -> Vec<f32> {
    (0..rows * columns).map(|_| ((2.0 * rng.uniform() - 1.0) * bound) as f32).collect()
}

/// The first rows of the update, as many as the longest text of the batch has tokens.
fn update(rows: &Tensor<2>, basis: &Tensor<2>, context: &Context<'_>) -> Tensor<2> {
    let longest = context.batch.longest().saturating_sub(context.batch.prompt_length());
    rows.clone().slice([0..longest, 0..rows.dims()[1]]).matmul(basis.clone())
}

impl PromptMethod for Efficient {
    fn prompt_length(&self) -> usize {
        self.config.length
    }

    fn trained(&self, sizes: Sizes) -> Vec<(&'static str, [usize; 2])> {
        let EfficientConfig { rank, update, fusion, attention, spaces, space_width, gate, .. } = *self.settings();
        let Sizes { hidden, longest, .. } = sizes;
        let mut all = vec![("prompt.length", [self.config.length, hidden])];
        let mut pair = |there: bool, setting, first, second| {
            if there {
                all.extend([(setting, first), (setting, second)]);
            }
        };
        pair(update, "prompt.efficient.rank", [longest, rank], [rank, hidden]);
        pair(fusion, "prompt.efficient.attention", [hidden, attention], [hidden, attention]);
        let width = spaces.saturating_mul(space_width);
        pair(spaces > 0, "prompt.efficient.space_width", [hidden, width], [width, hidden]);
        pair(spaces > 0 && gate, "prompt.efficient.spaces", [spaces, hidden], [1, spaces]);
        all
    }

    /// `A` is uniform in `+-1 / sqrt(r)`: PyTorch's `kaiming_uniform_(A, a=sqrt(5))`, used in DePT's code, is uniform in `+-gain
    /// sqrt(3 / fan_in)` with `gain = sqrt(2 / (1 + a^2)) = sqrt(1 / 3)`, and the fan-in of a matrix is its number of columns, r.
    /// `W_q`, `W_k`, `D` and `W_g` are initialised like PyTorch's linear layers with D inputs, by the same rule: uniform in `+-1
    /// / sqrt(D)`. `B`, `U` and `b_g` are 0.
    fn initial(&self, mut start: Start<'_>) -> Result<Vec<Parameter>> {
        let EfficientConfig { rank, update, fusion, attention, spaces, space_width, gate, .. } = *self.settings();
        let (low_rank, module) = (self.settings().low_rank_lr, self.settings().module_lr);
        let (hidden, longest) = (start.weights.spec.hidden, start.longest);
        let mut all = vec![Parameter::new(
            prompt_tuning::NAME,
            [self.config.length, hidden],
            prompt_tuning::rows(&self.config, &mut start)?,
        )];
        let rng = &mut start.rng;
        let linear = 1.0 / (hidden as f64).sqrt();
        let mut drawn = |name, shape, bound, rate| Parameter::new(name, shape, uniform(rng, shape, bound)).with_rate(rate);
        let zero = |name, shape: [usize; 2], rate| Parameter::new(name, shape, vec![0.0; shape[0] * shape[1]]).with_rate(rate);
        if update {
            all.push(drawn(UPDATE_ROWS, [longest, rank], 1.0 / (rank as f64).sqrt(), low_rank));
            all.push(zero(UPDATE_BASIS, [rank, hidden], low_rank));
        }
        if fusion {
            all.push(drawn("fusion_query", [hidden, attention], linear, module));
            all.push(drawn("fusion_key", [hidden, attention], linear, module));
        }
        if spaces > 0 {
            all.push(drawn("space_down", [hidden, spaces * space_width], linear, module));
            all.push(zero("space_up", [spaces * space_width, hidden], module));
        }
        if spaces > 0 && gate {
            all.push(drawn("gate_weight", [spaces, hidden], linear, module));
            all.push(zero("gate_bias", [1, spaces], module));
        }
        Ok(all)
    }

    fn given(&self, parameters: &[Tensor<2>], context: &Context<'_>) -> Given {
        let parts = self.parts(parameters);
        Given {
            prompt: Prompt::Shared(self.reconstructed(&parts)),
            update: parts.update.map(|(rows, basis)| update(rows, basis, context) * self.alpha()),
        }
    }

    fn stored(&self, sizes: Sizes) -> Vec<(&'static str, [usize; 2])> {
        let mut stored = vec![(prompt_tuning::NAME, [self.config.length, sizes.hidden])];
        if self.settings().update {
            let rank = self.settings().rank;
            stored.extend([(UPDATE_ROWS, [sizes.longest, rank]), (UPDATE_BASIS, [rank, sizes.hidden])]);
        }
        stored
    }

    fn exported(&self, parameters: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let parts = self.parts(parameters);
        let mut out = vec![self.reconstructed(&parts)];
        if let Some((rows, basis)) = parts.update {
            out.extend([rows.clone(), basis.clone() * self.alpha()]);
        }
        out
    }

    fn given_exported(&self, stored: &[Tensor<2>], context: &Context<'_>) -> Given {
        let update = stored.get(1).zip(stored.get(2)).map(|(rows, basis)| update(rows, basis, context));
        Given { prompt: Prompt::Shared(stored[0].clone()), update }
    }
}
