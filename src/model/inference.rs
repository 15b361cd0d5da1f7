//! Networks for inference only: folded, and in the fastest precision.

use anyhow::{Context, Result, ensure};
use tch::{Device, Kind, Tensor, no_grad};

use super::net::normalise;
use super::{Net, Network};
use crate::data::Faces;
use utils::progress::Progress;
use utils::threads::on_every_core;

/// A network for inference only: see [`Net::inference`].
#[derive(Debug)]
pub(crate) struct Inference {
    network: Box<dyn Network>,
    kind: Kind,
    device: Device,
}

impl Net {
    /// Copies the network for inference only, with arithmetic in `kind` if its layers allow it.
    /// Normalizations directly after a convolution are folded into it.
    pub(crate) fn inference(&self, kind: Kind) -> Result<Inference> {
        let kind = self.kind(kind);
        let mut network = self.copied_layers()?;
        no_grad(|| {
            for (conv, norm) in network.convolutions() {
                conv.fold(norm, kind)?;
            }
            Ok(Inference { network, kind, device: self.device() })
        })
    }
}

impl Inference {
    /// Logits (f32, `[n, outputs]`) of u8 images of any size, `[n, size, size, 3]`.
    pub(crate) fn logits(&self, pictures: &Tensor) -> Result<Tensor> {
        self.forward(&normalise(pictures, self.kind, self.device)?)
    }

    /// Logits (f32, `[n, outputs]`, on the network's device) of normalized images `[n, 3, size,
    /// size]` on any device.
    pub(crate) fn forward(&self, pictures: &Tensor) -> Result<Tensor> {
        no_grad(|| {
            let x = pictures.f_to_device(self.device)?.f_to_kind(self.kind)?;
            self.network.forward(&x, false, &mut |_, _| Ok(()))
        })
    }

    /// See [`embeddings_of`].
    fn embeddings(&self, pictures: &Tensor) -> Result<Tensor> {
        let mut last = None;
        let x = normalise(pictures, self.kind, self.device)?;
        let mut keep = |name: &str, output: &Tensor| {
            if name != "head" && output.dim() == 2 {
                last = Some(output.shallow_clone());
            }
            Ok(())
        };
        let _logits = no_grad(|| self.network.forward(&x, false, &mut keep))?;
        let last = last.context("this architecture names no layer of features before its head")?;
        let length = last.f_norm_scalaropt_dim(2, [1i64].as_slice(), true)?.f_clamp_min(1e-12)?;
        Ok(last.f_div(&length)?.f_to_device(Device::Cpu)?)
    }

    /// Logits of images and of their mirror images, f32 `[2, n, outputs]` on the CPU: the two are
    /// averaged as probabilities.
    pub(crate) fn mirrored_logits(&self, pictures: &Tensor) -> Result<Tensor> {
        // In one call: twice as fast for a single image, which is what a user waits for.
        let both = Tensor::f_cat(&[pictures, &pictures.f_flip([2])?], 0)?;
        let logits = self.logits(&both)?;
        let outputs = *logits.size().last().unwrap_or(&1);
        Ok(logits.f_view([2, -1, outputs])?.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?)
    }
}

/// Batch size for prediction. On a CPU it is so small that activations between two layers stay in a
/// core's cache.
pub fn batch(device: Device) -> usize {
    if device.is_cuda() { 512 } else { 32 }
}

/// Logits of the images at `indices` and of their mirror images, f32 `[2, n, outputs]`.
///
/// `size` is the network's input size, or another one in a training that starts with smaller
/// images.
///
/// # Errors
/// No images, an index outside the set, images that can't be decoded, or the network failing.
pub(crate) fn logits_of(
    net: &Net,
    kind: Kind,
    faces: &Faces,
    indices: &[usize],
    size: u32,
) -> Result<Tensor> {
    each_batch(net, kind, faces, indices, size, 1, Inference::mirrored_logits)
}

/// What the last layer before the head computes of the images at `indices`, f32 `[n, features]`, each
/// row of length 1: similar faces have a product near 1.
///
/// # Errors
/// No images, an index outside the set, images that can't be decoded, or the network failing.
pub(crate) fn embeddings_of(net: &Net, faces: &Faces, indices: &[usize]) -> Result<Tensor> {
    let size = net.config().input();
    each_batch(net, Kind::Float, faces, indices, size, 0, Inference::embeddings)
}

/// Computes batches of the images at `indices` on every core, and joins the results along `dim`.
fn each_batch(
    net: &Net,
    kind: Kind,
    faces: &Faces,
    indices: &[usize],
    size: u32,
    dim: i64,
    compute: impl Fn(&Inference, &Tensor) -> Result<Tensor> + Sync,
) -> Result<Tensor> {
    ensure!(!indices.is_empty(), "there are no images to evaluate on");
    for index in indices {
        faces.record(*index)?;
    }
    let pictures = faces.pictures(size)?;
    let rows: Vec<i64> = indices.iter().map(|i| *i as i64).collect();
    let some = batch(net.device());
    let jobs = rows.len().div_ceil(some);
    let progress = Progress::after(10, &format!("evaluating (batches of {some})"), jobs);
    let computed = on_every_core(
        net.device(),
        || Ok((net.inference(kind)?, pictures.shallow_clone())),
        jobs,
        |(net, pictures), job| {
            let rows = &rows[job * some..rows.len().min((job + 1) * some)];
            let chosen = pictures.f_index_select(0, &Tensor::f_from_slice(rows)?)?;
            let computed = compute(net, &chosen)?;
            progress.step()?;
            Ok(computed)
        },
    )?;
    Ok(Tensor::f_cat(&computed, dim)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{KerasBaselineConfig, NetConfig, RorConfig};

    #[test]
    fn folding_changes_nothing() {
        let _turn = utils::random::turn();
        let configs: [NetConfig; 2] =
            [RorConfig::small(12).into(), KerasBaselineConfig::new(1).into()];
        for config in configs {
            let net = Net::new(config, Device::Cpu, 0).unwrap();
            // Statistics, scales and shifts as in a trained network.
            for (name, mut variable) in net.variables() {
                if variable.dim() == 1 && !name.starts_with("dense") && !name.starts_with("head") {
                    let random = variable.rand_like() + 0.5;
                    no_grad(|| variable.copy_(&random));
                }
            }
            let pictures = Tensor::randint(255, [3, 32, 32, 3], (Kind::Uint8, Device::Cpu));
            let plain = net.logits(&pictures).unwrap();
            let range = plain.abs().max().double_value(&[]);
            for (kind, reach) in [(Kind::Float, 1e-4), (Kind::BFloat16, 0.1)] {
                let folded = net.inference(kind).unwrap().logits(&pictures).unwrap();
                let apart = (&plain - &folded).abs().max().double_value(&[]);
                assert!(range > 0.01 && apart < reach * range, "{apart} of {range} in {kind:?}");
            }
        }
    }

    #[test]
    fn loading_and_inference_leave_the_generator_alone() {
        let _turn = utils::random::turn();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.safetensors");
        let net = Net::new(RorConfig::small(1), Device::Cpu, 0).unwrap();
        net.save(&path, false).unwrap();
        let draw = || f64::try_from(Tensor::rand([], (Kind::Double, Device::Cpu))).unwrap();
        tch::manual_seed(5);
        let expected = draw();
        tch::manual_seed(5);
        let loaded = Net::open(RorConfig::small(1), &path, Device::Cpu).unwrap();
        loaded.inference(Kind::Float).unwrap();
        assert_eq!(draw(), expected);
    }
}
