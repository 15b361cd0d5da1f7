//! Trained nets that another one learns from (distillation: Hinton et al., arXiv 1503.02531). They see
//! each picture as it is changed for the one that learns, which is what makes it work (Beyer et al.,
//! arXiv 2106.05237): that costs a forward pass of each teacher a step.

use anyhow::Result;
use tch::{Kind, Tensor};

use crate::Task;
use crate::metrics::distributions;
use crate::model::{Inference, Net};

/// How one learns from teachers: part of the key of a net that did, as [`super::VERSION`] is of all.
pub(crate) const TAUGHT: &str = "taught on pictures as they are changed";

/// A net to learn from.
#[derive(Debug)]
pub(crate) struct Teacher {
    net: Inference,
    task: Task,
    temperatures: Vec<f64>,
}

impl Teacher {
    /// A trained net, its task and the temperatures of its heads; with arithmetic in `kind`.
    pub(crate) fn new(net: &Net, task: Task, temperatures: &[f64], kind: Kind) -> Result<Self> {
        Ok(Self { net: net.inference(kind)?, task, temperatures: temperatures.to_vec() })
    }
}

/// The mean of what teachers, wherever they are, predict for normalised pictures: f32 `[n, outputs]`,
/// on the pictures' device.
pub(super) fn taught(teachers: &[Teacher], pictures: &Tensor) -> Result<Tensor> {
    let each = teachers.iter().map(|Teacher { net, task, temperatures }| {
        let logits = net.forward(pictures)?.f_to_device(pictures.device())?.f_unsqueeze(0)?;
        let heads = distributions(*task, temperatures, &logits)?;
        let heads: Vec<Tensor> = heads.into_iter().map(|(_, outputs)| outputs).collect();
        Ok(Tensor::f_cat(&heads, 1)?)
    });
    let each = Tensor::f_stack(&each.collect::<Result<Vec<_>>>()?, 0)?;
    Ok(each.f_mean_dim([0i64].as_slice(), false, Kind::Float)?)
}
