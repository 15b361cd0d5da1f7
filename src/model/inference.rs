//! Nets that only answer: folded, in the kind of number that is fastest.

use anyhow::Result;
use tch::{Device, Kind, Tensor, no_grad};

use super::NetConfig;
use super::net::{Layers, normalise};

/// A net for inference alone: see [`super::Net::inference`].
#[derive(Debug)]
pub(crate) struct Inference {
    layers: Layers,
    outputs: i64,
    kind: Kind,
    device: Device,
}

impl Inference {
    pub(super) fn new(
        layers: &Layers,
        config: &NetConfig,
        kind: Kind,
        device: Device,
    ) -> Result<Self> {
        let layers = no_grad(|| match layers {
            Layers::Ror(ror) => Ok::<_, anyhow::Error>(Layers::Ror(Box::new(ror.folded(kind)?))),
            Layers::Coded(coded) => Ok(Layers::Coded(Box::new(coded.folded(kind)?))),
        })?;
        Ok(Self {
            layers,
            outputs: config.outputs,
            kind,
            device,
        })
    }

    /// Logits (f32, `[n, outputs]`) of u8 pictures of any size, `[n, size, size, 3]`.
    pub(crate) fn logits(&self, pictures: &Tensor) -> Result<Tensor> {
        no_grad(|| {
            let x = normalise(pictures, self.kind, self.device)?;
            self.layers.forward(&x, false, &mut |_, _| Ok(()))
        })
    }

    /// Logits of pictures and of their mirror images, f32 `[2, n, outputs]` on the CPU: what the
    /// two say is averaged as probabilities.
    pub(crate) fn mirrored_logits(&self, pictures: &Tensor) -> Result<Tensor> {
        // In one go: half the calls for a single picture, which is what a user waits for.
        let both = Tensor::f_cat(&[pictures, &pictures.f_flip([2])?], 0)?;
        Ok(self
            .logits(&both)?
            .f_view([2, -1, self.outputs])?
            .f_to_device(Device::Cpu)?)
    }
}

/// How many pictures are answered at a time: on a CPU so few that what passes between two
/// layers stays in the cache of a core.
pub(crate) fn batch(device: Device) -> usize {
    if device.is_cuda() { 512 } else { 32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Net;

    #[test]
    fn folding_changes_nothing() {
        let _turn = crate::random::turn();
        for config in [NetConfig::small(12), NetConfig::coded(1)] {
            let net = Net::new(&config, Device::Cpu, 0).unwrap();
            // Statistics, scales and shifts of a net that has learnt something.
            for (name, mut variable) in net.variables() {
                if variable.dim() == 1 && !name.starts_with("dense") && !name.starts_with("head") {
                    let random = variable.rand_like() + 0.5;
                    no_grad(|| variable.copy_(&random));
                }
            }
            let pictures = Tensor::randint(255, [3, 32, 32, 3], (Kind::Uint8, Device::Cpu));
            let plain = no_grad(|| {
                let x = net.normalise(&pictures, Kind::Float).unwrap();
                net.forward(&x, false, &mut |_, _| Ok(())).unwrap()
            });
            let folded = net
                .inference(Kind::Float)
                .unwrap()
                .logits(&pictures)
                .unwrap();
            let range = plain.abs().max().double_value(&[]);
            let apart = (&plain - &folded).abs().max().double_value(&[]);
            assert!(range > 0.01 && apart < 1e-4 * range, "{apart} of {range}");
            let rough = net
                .inference(Kind::BFloat16)
                .unwrap()
                .logits(&pictures)
                .unwrap();
            let apart = (&plain - &rough).abs().max().double_value(&[]);
            assert!(apart < 0.1 * range, "{apart} of {range}");
        }
    }
}
