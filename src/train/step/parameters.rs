//! [`Parameters`]: what there is of every trained matrix, that of the method's apart from that of the head's.

use burn::optim::{AdamW, AdamWState, Optimizer};
use burn::tensor::{Device, Tensor, TensorData};

use crate::head::Linear;
use crate::prompt::Parameter;

/// One value for every trained matrix. The order of checkpoints is that of the iterators: the method's, then the head's weight and
/// bias.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters<T> {
    /// Those of the method, in the order of [`PromptMethod::initial`](crate::prompt::PromptMethod::initial).
    pub prompt: Vec<T>,
    /// Those of the head: weight `[N C, D]` and bias `[N, C]` of N members.
    pub head: Linear<T>,
}

impl<T> Parameters<T> {
    /// The same of what `f` makes of every value.
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Parameters<U> {
        Parameters { prompt: self.prompt.into_iter().map(&mut f).collect(), head: self.head.map(f) }
    }

    /// References to the values.
    pub fn as_ref(&self) -> Parameters<&T> {
        Parameters { prompt: self.prompt.iter().collect(), head: self.head.as_ref() }
    }

    /// All values.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.prompt.iter().chain(self.head.as_ref().into_array())
    }

    /// All values, to be changed.
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

/// A trained matrix and what a step needs of it, on the plain device.
pub(super) struct TrainedMatrix {
    pub(super) info: ParameterInfo,
    pub(super) values: Tensor<2>,
    /// None where the matrix is whole.
    pub(super) mask: Option<Mask>,
    /// None before the first step.
    pub(super) moments: Option<AdamWState<2>>,
}

/// What does not change of a trained matrix.
#[derive(Debug, Clone, Copy)]
pub(super) struct ParameterInfo {
    pub(super) name: &'static str,
    /// A learning rate of its own.
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
    /// A matrix at its start.
    pub(super) fn new(Parameter { name, shape, values, rate }: Parameter, device: &Device) -> Self {
        let values = Tensor::from_data(TensorData::new(values, shape), device);
        Self { info: ParameterInfo { name, rate }, values, mask: None, moments: None }
    }

    /// Numbers that are trained: those that are not pruned.
    pub(super) fn count(&self) -> usize {
        self.mask.as_ref().map_or_else(|| self.values.dims().iter().product(), |mask| mask.left)
    }

    /// One step with this learning rate and gradient.
    pub(super) fn step(&mut self, optimizer: &AdamW, rate: f64, gradient: Tensor<2>) {
        let (values, moments) = optimizer.step(rate, self.values.clone(), gradient, self.moments.take());
        (self.values, self.moments) = (values, moments);
    }
}
