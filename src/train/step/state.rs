//! Saves and restores the whole state of a [`Trainer`].

use burn::optim::{AdamWState, AdaptiveMomentumState};
use burn::tensor::{Tensor, TensorData};

use super::Trainer;
use super::parameters::Mask;
use crate::engine::compute::read;
use crate::error::{Error, Result};
use crate::train::checkpoint::MatrixState;

impl Trainer {
    /// The state, read back.
    ///
    /// # Errors
    /// As [`read`].
    pub async fn state(&self) -> Result<Vec<MatrixState>> {
        let mut states = Vec::new();
        for matrix in self.parameters.iter() {
            let moments = match &matrix.moments {
                None => None,
                Some(AdamWState { momentum, .. }) => {
                    let (first, second) = (momentum.moment_1.clone(), momentum.moment_2.clone());
                    Some((momentum.time, read(first).await?, read(second).await?))
                }
            };
            let mask = match &matrix.mask {
                None => None,
                Some(mask) => Some(read(mask.values.clone()).await?),
            };
            let (name, shape) = (matrix.info.name.to_owned(), matrix.values.dims());
            states.push(MatrixState { name, shape, values: read(matrix.values.clone()).await?, moments, mask });
        }
        Ok(states)
    }

    /// Checks that a state is from a trainer with the same config.
    ///
    /// # Errors
    /// [`Error::Adapter`] if the matrices differ.
    pub fn check_state(&self, states: &[MatrixState]) -> Result<()> {
        let ours = self.parameters.iter().map(|matrix| (matrix.info.name, matrix.values.dims()));
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
        let device = &self.device;
        for (matrix, state) in self.parameters.iter_mut().zip(states) {
            let tensor = |values: &[f32]| Tensor::<2>::from_data(TensorData::new(values.to_vec(), state.shape), device);
            matrix.values = tensor(&state.values);
            matrix.mask = state.mask.as_deref().map(|mask| Mask::new(mask, state.shape, device));
            matrix.moments = state.moments.as_ref().map(|(time, first, second)| AdamWState {
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

    /// Reinitialises the head to zero.
    pub fn reset_head(&mut self) {
        for matrix in self.parameters.head.as_mut().into_array() {
            matrix.values = Tensor::zeros(matrix.values.dims(), &self.device);
            matrix.moments = None;
        }
    }

    /// Resets the optimizer's moments.
    pub fn reset_optimizer(&mut self) {
        self.parameters.iter_mut().for_each(|matrix| matrix.moments = None);
    }
}
