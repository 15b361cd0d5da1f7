//! A network's parameters and statistics as two flat tensors.
//!
//! The parameters are views of one flat tensor, so a step is a dozen large operations instead of a
//! dozen for each of a hundred tensors, and a training has only a few tensors to save and restore.

use anyhow::Result;
use tch::{Tensor, no_grad};

use crate::model::Net;

/// Parameters and running statistics, f32, of a network or copied.
#[derive(Debug)]
pub(super) struct Weights {
    pub(super) parameters: Tensor,
    /// Running means and variances of the normalizations.
    pub(super) statistics: Tensor,
}

impl Weights {
    /// Copies the tensors.
    pub(super) fn copied(&self) -> Result<Self> {
        Ok(Self { parameters: copied(&self.parameters)?, statistics: copied(&self.statistics)? })
    }

    /// Overwrites the values with those of `other`.
    pub(super) fn copy_from(&mut self, other: &Self) -> Result<()> {
        no_grad(|| {
            self.parameters.f_copy_(&other.parameters)?;
            self.statistics.f_copy_(&other.statistics)?;
            Ok(())
        })
    }

    /// Moves by a share of the way towards `other`.
    pub(super) fn move_towards(&mut self, other: &Self, share: f64) -> Result<()> {
        no_grad(|| {
            let _ = self.parameters.f_lerp_(&other.parameters, share)?;
            let _ = self.statistics.f_lerp_(&other.statistics, share)?;
            Ok(())
        })
    }
}

fn copied(tensor: &Tensor) -> Result<Tensor> {
    let mut copy = tensor.f_empty_like()?;
    no_grad(|| copy.f_copy_(tensor))?;
    Ok(copy)
}

/// Consecutive parameters that the optimizer treats alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    /// Number of parameters.
    pub(super) numel: i64,
    /// Whether weight decay applies: to weights, but not to biases or normalization.
    pub(super) decays: bool,
    /// Whether they belong to a pretrained backbone, which has its own learning rate.
    pub(super) is_backbone: bool,
}

/// A network's parameters as views of its [`Weights`].
#[derive(Debug)]
pub(super) struct FlatNet {
    views: Vec<Tensor>,
    pub(super) weights: Weights,
    /// Groups of the parameters, in the order of the flat tensor.
    pub(super) groups: Vec<Group>,
}

impl FlatNet {
    /// Makes all of a network's tensors views of two flat ones.
    pub(super) fn new(net: &Net) -> Result<Self> {
        let (parameters, statistics): (Vec<_>, Vec<_>) =
            net.variables().into_iter().partition(|(_, tensor)| tensor.requires_grad());
        let mut parameters: Vec<(Group, Tensor)> = parameters
            .into_iter()
            .map(|(name, tensor)| {
                let is_backbone = net.config().is_backbone(&name);
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
            parameters: flatten(&mut views, net)?,
            statistics: flatten(&mut statistics, net)?,
        };
        Ok(Self { views, weights, groups })
    }

    /// The gradient of a loss, flat like the parameters.
    pub(super) fn gradient(&self, loss: &Tensor) -> Result<Tensor> {
        let gradients = Tensor::f_run_backward(&[loss], &self.views, false, false)?;
        no_grad(|| {
            let parts =
                gradients.iter().map(|g| Ok(g.f_reshape([-1])?)).collect::<Result<Vec<_>>>()?;
            Ok(Tensor::f_cat(&parts, 0)?)
        })
    }
}

/// Copies tensors into one flat f32 tensor and makes them views of it.
fn flatten(tensors: &mut [Tensor], net: &Net) -> Result<Tensor> {
    no_grad(|| {
        let parts = tensors
            .iter()
            .map(|t| Ok(t.f_detach()?.f_reshape([-1])?))
            .collect::<Result<Vec<_>>>()?;
        if parts.is_empty() {
            // A custom network may have no running statistics.
            return Ok(Tensor::f_zeros([0], (tch::Kind::Float, net.device()))?);
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
