//! From pooled rows to class scores.

use burn::tensor::{Device, Tensor, TensorData};

use crate::config::{HeadConfig, HeadKind};
use crate::engine::Pooling;
use crate::error::{Error, Result};
use crate::model::spec::EncoderWeights;

/// What lies between the encoder and the linear layer: the choice of rows, the pooler, the scale. Frozen.
#[derive(Clone)]
pub struct Head {
    pooling: Pooling,
    scale: f64,
    /// The encoder's pooler, transposed `[D, D]`, and its bias `[1, D]`.
    pooler: Option<(Tensor<2>, Tensor<2>)>,
}

impl Head {
    /// The head of a config, for a prompt of `prompt_length` rows.
    ///
    /// # Errors
    /// [`Error::Model`] where [`HeadKind::Peft`] is wanted and the checkpoint has no pooler.
    pub fn new(config: &HeadConfig, prompt_length: usize, weights: &EncoderWeights, device: &Device) -> Result<Self> {
        let hidden = weights.spec.hidden;
        Ok(match config.kind {
            HeadKind::Mean => Self { pooling: Pooling::Mean, scale: config.feature_scale, pooler: None },
            HeadKind::Cls => Self { pooling: Pooling::Row(prompt_length as u32), scale: config.feature_scale, pooler: None },
            HeadKind::Peft => {
                let pooler = weights.pooler.as_ref().ok_or_else(|| {
                    Error::model("the checkpoint has no pooler, which PEFT's convention reads", "use the mean or the cls head")
                })?;
                let weight = Tensor::<2>::from_data(TensorData::new(pooler.weight.clone(), [hidden, hidden]), device).transpose();
                let bias = Tensor::<2>::from_data(TensorData::new(pooler.bias.clone(), [1, hidden]), device);
                Self { pooling: Pooling::Row(0), scale: 1.0, pooler: Some((weight, bias)) }
            }
        })
    }

    /// Which rows the encoder is to pool.
    #[must_use]
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Class scores `[B, C]` of pooled rows `[B, D]` under the linear layer `weight [C, D]`, `bias [1, C]`.
    #[must_use]
    pub fn logits(&self, pooled: Tensor<2>, weight: Tensor<2>, bias: Tensor<2>) -> Tensor<2> {
        let features = match &self.pooler {
            // The pooler lives on the plain device; it joins the graph as a constant.
            Some((w, b)) if pooled.device().is_autodiff() => {
                (pooled.matmul(Tensor::from_inner(w.clone())) + Tensor::from_inner(b.clone())).tanh()
            }
            Some((w, b)) => (pooled.matmul(w.clone()) + b.clone()).tanh(),
            None => pooled * self.scale,
        };
        features.matmul(weight.transpose()) + bias
    }

    /// The linear layer at the start, weight `[C, D]` and bias `[C]`: zero, so that every class is equally likely at first and
    /// the prompt is not pulled about by a random read-out.
    #[must_use]
    pub fn initial(classes: usize, hidden: usize) -> (Vec<f32>, Vec<f32>) {
        (vec![0.0; classes * hidden], vec![0.0; classes])
    }
}
