//! A network's parameters and statistics as two flat tensors.
//!
//! The parameters are views of one flat tensor, so a step is a dozen large operations instead of a
//! dozen for each of a hundred tensors, and a training has only a few tensors to save and restore.

use std::collections::BTreeMap;

use anyhow::Result;
use tch::{Device, Kind, Tensor, no_grad};

/// Parameters and running statistics, f32, of a network or copied.
#[derive(Debug)]
pub struct Weights {
    /// Trained numbers.
    pub parameters: Tensor,
    /// Running means and variances of the normalizations.
    pub statistics: Tensor,
}

impl Weights {
    /// Copies the tensors.
    ///
    /// # Errors
    /// No memory for the copy.
    pub fn copied(&self) -> Result<Self> {
        Ok(Self { parameters: copied(&self.parameters)?, statistics: copied(&self.statistics)? })
    }

    /// Overwrites the values with those of `other`.
    ///
    /// # Errors
    /// Weights of another size.
    pub fn copy_from(&mut self, other: &Self) -> Result<()> {
        no_grad(|| {
            self.parameters.f_copy_(&other.parameters)?;
            self.statistics.f_copy_(&other.statistics)?;
            Ok(())
        })
    }

    /// As an exponential moving average (EMA), follows the weights after `steps` steps (from 1) with
    /// a decay per step; a decay of 0 copies them.
    ///
    /// At first the average follows quickly, as in TensorFlow, so that the initial weights do not
    /// dominate it.
    ///
    /// # Errors
    /// Weights of another size.
    pub fn follow(&mut self, other: &Self, decay: f64, steps: i64) -> Result<()> {
        let share = share(decay, steps);
        no_grad(|| {
            let _ = self.parameters.f_lerp_(&other.parameters, share)?;
            let _ = self.statistics.f_lerp_(&other.statistics, share)?;
            Ok(())
        })
    }
}

/// How far the average moves towards the weights, 0 to 1.
fn share(decay: f64, steps: i64) -> f64 {
    if decay <= 0.0 {
        return 1.0;
    }
    let steps = steps as f64;
    1.0 - decay.min((1.0 + steps) / (10.0 + steps))
}

fn copied(tensor: &Tensor) -> Result<Tensor> {
    let mut copy = tensor.f_empty_like()?;
    no_grad(|| copy.f_copy_(tensor))?;
    Ok(copy)
}

/// Consecutive parameters that the optimizer treats alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Number of parameters.
    pub numel: i64,
    /// Whether weight decay applies: to weights, but not to biases or normalization.
    pub decays: bool,
    /// Whether they belong to a pretrained backbone, which has its own learning rate.
    pub is_backbone: bool,
}

/// A network's parameters as views of its [`Weights`].
#[derive(Debug)]
pub struct FlatNet {
    views: Vec<Tensor>,
    /// All its numbers.
    pub weights: Weights,
    /// Groups of the parameters, in the order of the flat tensor.
    pub groups: Vec<Group>,
}

impl FlatNet {
    /// Makes all of a network's tensors, by their names, views of two flat ones on `device`.
    ///
    /// # Errors
    /// No memory for the flat tensors.
    pub fn new(
        variables: BTreeMap<String, Tensor>,
        device: Device,
        is_backbone: impl Fn(&str) -> bool,
    ) -> Result<Self> {
        let (parameters, statistics): (Vec<_>, Vec<_>) =
            variables.into_iter().partition(|(_, tensor)| tensor.requires_grad());
        let mut parameters: Vec<(Group, Tensor)> = parameters
            .into_iter()
            .map(|(name, tensor)| {
                let is_backbone = is_backbone(&name);
                let (numel, decays) = (tensor.numel() as i64, tensor.dim() > 1);
                (Group { numel, decays, is_backbone }, tensor)
            })
            .collect();
        parameters.sort_by_key(|(group, _)| (group.is_backbone, !group.decays));
        let (each, mut views): (Vec<Group>, Vec<Tensor>) = parameters.into_iter().unzip();
        let mut statistics: Vec<Tensor> =
            statistics.into_iter().map(|(_, tensor)| tensor).collect();
        let alike = |a: &Group, b: &Group| (a.decays, a.is_backbone) == (b.decays, b.is_backbone);
        let groups = each
            .chunk_by(alike)
            .map(|row| Group { numel: row.iter().map(|group| group.numel).sum(), ..row[0] })
            .collect();
        let weights = Weights {
            parameters: flatten(&mut views, device)?,
            statistics: flatten(&mut statistics, device)?,
        };
        Ok(Self { views, weights, groups })
    }

    /// The gradient of a loss, flat like the parameters.
    ///
    /// # Errors
    /// A loss that does not depend on all of the parameters.
    pub fn gradient(&self, loss: &Tensor) -> Result<Tensor> {
        let gradients = Tensor::f_run_backward(&[loss], &self.views, false, false)?;
        no_grad(|| {
            let parts =
                gradients.iter().map(|g| Ok(g.f_reshape([-1])?)).collect::<Result<Vec<_>>>()?;
            Ok(Tensor::f_cat(&parts, 0)?)
        })
    }
}

/// Copies tensors into one flat f32 tensor and makes them views of it.
fn flatten(tensors: &mut [Tensor], device: Device) -> Result<Tensor> {
    no_grad(|| {
        let parts = tensors
            .iter()
            .map(|t| Ok(t.f_detach()?.f_reshape([-1])?))
            .collect::<Result<Vec<_>>>()?;
        if parts.is_empty() {
            // A custom network may have no running statistics.
            return Ok(Tensor::f_zeros([0], (Kind::Float, device))?);
        }
        let flat = Tensor::f_cat(&parts, 0)?;
        let mut at = 0;
        for tensor in tensors {
            let n = tensor.numel() as i64;
            let shape = tensor.size();
            tensor.f_set_data(&flat.f_narrow(0, at, n)?.f_view(shape.as_slice())?)?;
            at += n;
        }
        Ok(flat)
    })
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn the_average_follows_quickly_at_first() {
        assert!((share(0.995, 1) - 9.0 / 11.0).abs() < 1e-12);
        assert!((share(0.995, 100_000) - 0.005).abs() < 1e-12);
        assert_eq!(share(0.0, 5), 1.0);
    }
}
