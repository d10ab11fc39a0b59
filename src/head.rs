//! From hidden states to logits.

use burn::tensor::{Device, Tensor, TensorData};

use crate::config::{HeadConfig, HeadKind};
use crate::engine::Pooling;
use crate::error::{Error, Result};
use crate::model::spec::EncoderWeights;

/// One value for the weight and one for the bias of a linear layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Linear<T> {
    /// For the weight.
    pub weight: T,
    /// For the bias.
    pub bias: T,
}

impl<T> Linear<T> {
    /// Applies `f` to both, to the weight first.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Linear<U> {
        Linear { weight: f(self.weight), bias: f(self.bias) }
    }

    /// References to both.
    pub fn as_ref(&self) -> Linear<&T> {
        Linear { weight: &self.weight, bias: &self.bias }
    }

    /// Mutable references to both.
    pub fn as_mut(&mut self) -> Linear<&mut T> {
        Linear { weight: &mut self.weight, bias: &mut self.bias }
    }

    /// The weight, then the bias.
    pub fn into_array(self) -> [T; 2] {
        [self.weight, self.bias]
    }
}

/// The frozen part between the encoder and the linear layer: pooling, the pooler, the scale.
#[derive(Clone)]
pub struct Head {
    pooling: Pooling,
    scale: f64,
    /// The encoder's pooler, transposed `[D, D]`, and its bias `[1, D]`.
    pooler: Option<(Tensor<2>, Tensor<2>)>,
}

impl Head {
    /// The head of a config, for a prompt of `prompt_length` rows. If these are prefix rows, pooling does not include them.
    ///
    /// # Errors
    /// [`Error::Model`] if [`HeadKind::Peft`] is used and the checkpoint has no pooler.
    pub fn new(
        config: &HeadConfig,
        prompt_length: usize,
        prefix: bool,
        weights: &EncoderWeights,
        device: &Device,
    ) -> Result<Self> {
        let hidden = weights.spec.hidden;
        let text = Pooling::MeanFrom(prompt_length as u32);
        Ok(match config.kind {
            HeadKind::Mean if !prefix => Self { pooling: Pooling::Mean, scale: config.feature_scale, pooler: None },
            HeadKind::Mean | HeadKind::Text => Self { pooling: text, scale: config.feature_scale, pooler: None },
            HeadKind::Cls => Self { pooling: Pooling::Row(prompt_length as u32), scale: config.feature_scale, pooler: None },
            HeadKind::Peft => {
                let pooler = weights.pooler.as_ref().ok_or_else(|| {
                    Error::model("the checkpoint has no pooler, which PEFT's convention needs", "use `mean` or `cls` pooling")
                })?;
                let weight = Tensor::<2>::from_data(TensorData::new(pooler.weight.clone(), [hidden, hidden]), device).transpose();
                let bias = Tensor::<2>::from_data(TensorData::new(pooler.bias.clone(), [1, hidden]), device);
                // PEFT has no rows for a prefix, so its row 0 is [CLS].
                let first = if prefix { prompt_length as u32 } else { 0 };
                Self { pooling: Pooling::Row(first), scale: 1.0, pooler: Some((weight, bias)) }
            }
        })
    }

    /// The pooling that the encoder performs.
    #[must_use]
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Logits `[N B, C]` of pooled rows `[N B, D]` from the linear layers of N members, `weight [N C, D]`, `bias [N, C]`: the
    /// first layer is for the first B rows.
    #[must_use]
    pub fn logits(&self, pooled: Tensor<2>, Linear { weight, bias }: Linear<Tensor<2>>) -> Tensor<2> {
        let features = match &self.pooler {
            // The pooler is on the plain device; it joins the graph as a constant.
            Some((w, b)) if pooled.device().is_autodiff() => {
                (pooled.matmul(Tensor::from_inner(w.clone())) + Tensor::from_inner(b.clone())).tanh()
            }
            Some((w, b)) => (pooled.matmul(w.clone()) + b.clone()).tanh(),
            None => pooled * self.scale,
        };
        let ([members, classes], rows) = (bias.dims(), features.dims()[0]);
        if members == 1 {
            return features.matmul(weight.transpose()) + bias;
        }
        let (each, hidden) = (rows / members, features.dims()[1]);
        let member = |m: usize| {
            let weight = weight.clone().slice([m * classes..(m + 1) * classes, 0..hidden]);
            let features = features.clone().slice([m * each..(m + 1) * each, 0..hidden]);
            features.matmul(weight.transpose()) + bias.clone().slice([m..m + 1, 0..classes])
        };
        Tensor::cat((0..members).map(member).collect(), 0)
    }

    /// The initial linear layer, weight `[C, D]` and bias `[C]`: zero. All classes are equally likely at first, and the prompt
    /// gets no gradient from a random head.
    #[must_use]
    pub fn initial(classes: usize, hidden: usize) -> Linear<Vec<f32>> {
        Linear { weight: vec![0.0; classes * hidden], bias: vec![0.0; classes] }
    }
}
