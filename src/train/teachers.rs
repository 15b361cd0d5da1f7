//! Teachers: trained networks that another one learns from (distillation: Hinton et al., arXiv
//! 1503.02531). They see each image as it is augmented for the student, which is what makes it work
//! (Beyer et al., arXiv 2106.05237) and costs a forward pass per teacher and step. Images are augmented
//! at the largest input of student and teachers; the others see them reduced.

use anyhow::Result;
use tch::{Kind, Tensor};

use crate::Task;
use crate::metrics::distributions;
use crate::model::{Inference, Net};

/// Part of the key of a network with teachers, as [`super::VERSION`] is of all keys.
pub(crate) const TAUGHT: &str = "taught on pictures as they are changed";

/// A network to learn from.
#[derive(Debug)]
pub(crate) struct Teacher {
    net: Inference,
    input: i64,
    task: Task,
    temperatures: Vec<f64>,
}

impl Teacher {
    /// Creates a teacher from a trained network, its task and the temperatures of its heads. It
    /// computes in `kind`.
    pub(crate) fn new(net: &Net, task: Task, temperatures: &[f64], kind: Kind) -> Result<Self> {
        Ok(Self {
            net: net.inference(kind)?,
            input: net.config().input().into(),
            task,
            temperatures: temperatures.to_vec(),
        })
    }

    /// Side length of its input in pixels.
    pub(super) fn input(&self) -> u32 {
        self.input as u32
    }

    /// Probabilities for normalized images `[n, 3, side, side]`, on their device: f32 `[n,
    /// outputs]`.
    fn outputs(&self, pictures: &Tensor) -> Result<Tensor> {
        let logits = self.net.forward(&reduced(pictures, self.input)?)?;
        let logits = logits.f_to_device(pictures.device())?.f_unsqueeze(0)?;
        let heads = distributions(self.task, &self.temperatures, &logits)?;
        let heads: Vec<Tensor> = heads.into_iter().map(|(_, outputs)| outputs).collect();
        Ok(Tensor::f_cat(&heads, 1)?)
    }
}

/// The mean prediction of teachers, on any devices, for normalized images: f32 `[n, outputs]`, on
/// the images' device.
pub(super) fn taught(teachers: &[Teacher], pictures: &Tensor) -> Result<Tensor> {
    let each = teachers.iter().map(|teacher| teacher.outputs(pictures));
    let each = Tensor::f_stack(&each.collect::<Result<Vec<_>>>()?, 0)?;
    Ok(each.f_mean_dim([0i64].as_slice(), false, Kind::Float)?)
}

/// Images `[n, 3, height, height]`, reduced to `side` if they are larger.
pub(super) fn reduced(pictures: &Tensor, side: i64) -> Result<Tensor> {
    // Smaller ones are unchanged: the first epochs of a progressive training.
    match pictures.size().last() > Some(&side) {
        true => Ok(pictures.f_internal_upsample_bilinear2d_aa([side, side], false, None, None)?),
        false => Ok(pictures.shallow_clone()),
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Result;
    use tch::{Kind, Tensor};

    use super::reduced;
    use crate::data::Faces;

    /// A teacher sees a larger image as it would see its own input.
    #[test]
    fn pictures_are_reduced_as_they_are_when_they_are_read() -> Result<()> {
        let faces = Faces::synthetic(8, 3)?;
        let read = |size| -> Result<Tensor> {
            let pictures = faces.pictures(size)?.f_to_kind(Kind::Float)?;
            Ok(pictures.f_permute([0, 3, 1, 2])?)
        };
        let apart =
            |a: &Tensor, b: &Tensor| f64::try_from((a - b).abs().mean(Kind::Float)).unwrap();
        let (large, small) = (read(96)?, read(64)?);
        let levels = apart(&reduced(&large, 64)?, &small);
        assert!(levels < 2.0, "{levels} of 255");
        assert_eq!(apart(&reduced(&small, 64)?, &small), 0.0);
        assert_eq!(reduced(&small, 96)?.size(), small.size());
        Ok(())
    }
}
