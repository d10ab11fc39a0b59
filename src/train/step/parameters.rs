//! [`Parameters`]: one value for every trained matrix, those of the method and those of the head.

use burn::optim::{AdamW, AdamWState, Optimizer};
use burn::tensor::{Device, Tensor, TensorData};

use crate::head::Linear;
use crate::prompt::Parameter;

/// One value for every trained matrix. Iterators and checkpoints have the same order: the method's matrices, then the head's
/// weight and bias.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters<T> {
    /// For the method's matrices, in the order of [`PromptMethod::initial`](crate::prompt::PromptMethod::initial).
    pub prompt: Vec<T>,
    /// For the head: weight `[N C, D]` and bias `[N, C]` of N members.
    pub head: Linear<T>,
}

impl<T> Parameters<T> {
    /// Applies `f` to every value.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Parameters<U> {
        Parameters { prompt: self.prompt.into_iter().map(&mut f).collect(), head: self.head.map(f) }
    }

    /// References to the values.
    pub fn as_ref(&self) -> Parameters<&T> {
        Parameters { prompt: self.prompt.iter().collect(), head: self.head.as_ref() }
    }

    /// References to all values.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.prompt.iter().chain(self.head.as_ref().into_array())
    }

    /// Mutable references to all values.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.prompt.iter_mut().chain(self.head.as_mut().into_array())
    }
}

impl<T> IntoIterator for Parameters<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::vec::IntoIter<T>, std::array::IntoIter<T, 2>>;

    fn into_iter(self) -> Self::IntoIter {
        self.prompt.into_iter().chain(self.head.into_array())
    }
}

/// A trained matrix and the state of its training, on the plain device.
pub(super) struct TrainedMatrix {
    pub(super) info: ParameterInfo,
    pub(super) values: Tensor<2>,
    /// `None` for a matrix that is not pruned.
    pub(super) mask: Option<Mask>,
    /// `None` before the first step.
    pub(super) moments: Option<AdamWState<2>>,
}

/// The constant properties of a trained matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct ParameterInfo {
    pub(super) name: &'static str,
    /// Its own learning rate, if it has one.
    pub(super) rate: Option<f64>,
}

/// The pruned elements of a matrix.
pub(super) struct Mask {
    /// 0 for a pruned element, otherwise 1.
    pub(super) values: Tensor<2>,
    /// Number of elements that are not pruned.
    left: usize,
}

impl Mask {
    /// A mask of 0 and 1 for a matrix of this shape.
    pub(super) fn new(mask: &[f32], shape: [usize; 2], device: &Device) -> Self {
        let values = Tensor::from_data(TensorData::new(mask.to_vec(), shape), device);
        Self { values, left: mask.iter().filter(|&&left| left != 0.0).count() }
    }
}

impl TrainedMatrix {
    /// An initial matrix.
    pub(super) fn new(Parameter { name, shape, values, rate }: Parameter, device: &Device) -> Self {
        let values = Tensor::from_data(TensorData::new(values, shape), device);
        Self { info: ParameterInfo { name, rate }, values, mask: None, moments: None }
    }

    /// Number of trainable parameters: the elements that are not pruned.
    pub(super) fn count(&self) -> usize {
        self.mask.as_ref().map_or_else(|| self.values.dims().iter().product(), |mask| mask.left)
    }

    /// One optimizer step with this learning rate and gradient.
    pub(super) fn step(&mut self, optimizer: &AdamW, rate: f64, gradient: Tensor<2>) {
        let (values, moments) = optimizer.step(rate, self.values.clone(), gradient, self.moments.take());
        (self.values, self.moments) = (values, moments);
    }
}
