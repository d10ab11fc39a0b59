//! Saves and restores the whole state of a [`Trainer`].

use burn::optim::{AdamWState, AdaptiveMomentumState};
use burn::tensor::{Tensor, TensorData};

use super::{Mask, Trainer};
use crate::engine::compute::read;
use crate::error::{Error, Result};
use crate::train::checkpoint::MatrixState;

impl Trainer {
    /// The state, read back.
    ///
    /// # Errors
    /// As [`read`].
    pub async fn state(&self) -> Result<Vec<MatrixState>> {
        let mut states = Vec::with_capacity(self.parameters.len());
        for (i, parameter) in self.parameters.iter().enumerate() {
            let moments = match &self.states[i] {
                None => None,
                Some(AdamWState { momentum, .. }) => {
                    let (first, second) = (momentum.moment_1.clone(), momentum.moment_2.clone());
                    Some((momentum.time, read(first).await?, read(second).await?))
                }
            };
            let mask = match &self.masks[i] {
                None => None,
                Some(mask) => Some(read(mask.values.clone()).await?),
            };
            let (name, shape) = (self.kinds[i].name.to_owned(), parameter.dims());
            states.push(MatrixState { name, shape, values: read(parameter.clone()).await?, moments, mask });
        }
        Ok(states)
    }

    /// Checks that a state is from a trainer with the same config.
    ///
    /// # Errors
    /// [`Error::Adapter`] if the matrices differ.
    pub fn check_state(&self, states: &[MatrixState]) -> Result<()> {
        let ours = self.kinds.iter().zip(&self.parameters).map(|(kind, p)| (kind.name, p.dims()));
        if !ours.eq(states.iter().map(|state| (state.name.as_str(), state.shape))) {
            let names: Vec<_> = states.iter().map(|state| (&state.name, state.shape)).collect();
            return Err(Error::adapter(
                format!("the checkpoint has the matrices {names:?}, which do not match its settings"),
                "the checkpoint is damaged or was edited; start the run again",
            ));
        }
        Ok(())
    }

    /// Restores a state from a trainer with the same config.
    ///
    /// # Errors
    /// As [`Trainer::check_state`].
    pub fn set_state(&mut self, states: &[MatrixState]) -> Result<()> {
        self.check_state(states)?;
        for (i, state) in states.iter().enumerate() {
            let device = self.device.clone();
            let tensor = |values: &[f32]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), state.shape), &device);
            self.parameters[i] = tensor(&state.values);
            self.masks[i] = state.mask.as_deref().map(|mask| self.mask(mask, state.shape));
            self.states[i] = state.moments.as_ref().map(|(time, first, second)| AdamWState {
                momentum: AdaptiveMomentumState {
                    time: *time,
                    moment_1: tensor(first),
                    moment_2: tensor(second),
                    max_moment_2: None,
                },
            });
        }
        Ok(())
    }

    /// A mask of 0 and 1 for a matrix.
    pub(super) fn mask(&self, mask: &[f32], shape: [usize; 2]) -> Mask {
        let values = Tensor::from_data(TensorData::new(mask.to_vec(), shape), &self.device);
        Mask { values, left: mask.iter().filter(|&&left| left != 0.0).count() }
    }

    /// Reinitialises the head to zero.
    pub fn reset_head(&mut self) {
        for i in self.parameters.len() - 2..self.parameters.len() {
            self.parameters[i] = Tensor::zeros(self.parameters[i].dims(), &self.device);
            self.states[i] = None;
        }
    }

    /// Resets the optimizer's moments.
    pub fn reset_optimizer(&mut self) {
        self.states.fill(None);
    }
}
