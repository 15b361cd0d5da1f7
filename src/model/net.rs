//! A network with its parameters: creation, forward pass, saving and loading.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use tch::{Device, Kind, Tensor, nn, no_grad};

use super::{NetConfig, Network, Params, Tap};
use layers::First;
use utils::files;

/// A network with its parameters, on one device.
///
/// ```
/// use ror::model::{Net, RorConfig};
/// use ror::tch::{Device, Kind, Tensor};
///
/// # fn main() -> anyhow::Result<()> {
/// let net = Net::new(RorConfig::new(12), Device::Cpu, 0)?;
/// let pictures = Tensor::zeros([2, 32, 32, 3], (Kind::Uint8, Device::Cpu));
/// assert_eq!(net.logits(&pictures)?.size(), [2, 12]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Net {
    config: NetConfig,
    network: Box<dyn Network>,
    variables: nn::VarStore,
}

impl Net {
    /// Creates a network with random parameters, reproducible by the seed: it sets libtorch's
    /// generator.
    ///
    /// # Errors
    /// A shape that [`NetConfig::check`] rejects.
    pub fn new(config: impl Into<NetConfig>, device: Device, seed: i64) -> Result<Self> {
        tch::manual_seed(seed);
        Self::build(config.into(), device, First::Random)
    }

    fn build(config: NetConfig, device: Device, first: First) -> Result<Self> {
        let variables = nn::VarStore::new(device);
        let network = config.build(&Params::new(&variables, first))?;
        Ok(Self { config, network, variables })
    }

    /// Loads a network of this shape from a `.safetensors` file.
    ///
    /// # Errors
    /// A file that is missing, truncated or of another shape; the message names the difference.
    pub fn open(config: impl Into<NetConfig>, weights: &Path, device: Device) -> Result<Self> {
        let saved = Tensor::read_safetensors(weights).with_context(|| {
            format!("cannot load weights from {} (missing or truncated?)", weights.display())
        })?;
        let mut saved: BTreeMap<String, Tensor> = saved.into_iter().collect();
        let wrong = || format!("{} is not a network of this shape", weights.display());
        let net = Self::build(config.into(), device, First::Like(&saved)).with_context(wrong)?;
        for (name, mut variable) in net.variables() {
            let value = saved.remove(&name).with_context(|| format!("it has no tensor {name}"));
            let value = value.with_context(wrong)?;
            ensure!(
                value.size() == variable.size(),
                "{}: its tensor {name} has the shape {:?}, not {:?}",
                wrong(),
                value.size(),
                variable.size()
            );
            no_grad(|| variable.f_copy_(&value))?;
        }
        if let Some(name) = saved.keys().next() {
            bail!("{}: it has {} unknown tensors, such as {name}", wrong(), saved.len());
        }
        Ok(net)
    }

    /// Copies pretrained weights into the layers with the same names.
    ///
    /// # Errors
    /// A missing file, or one with a tensor that no layer of this network takes.
    pub(crate) fn load_pretrained(&self, weights: &Path) -> Result<()> {
        let own = self.variables();
        for (name, value) in Tensor::read_safetensors(weights)? {
            let variable = own.get(&name).filter(|variable| variable.size() == value.size());
            let variable = variable
                .with_context(|| format!("no layer has the name and shape of its tensor {name}"))?;
            no_grad(|| variable.shallow_clone().f_copy_(&value))?;
        }
        Ok(())
    }

    /// Copies all parameters and running statistics of another network that have the same name and
    /// shape: all but the head if the two predict different things.
    pub(crate) fn copy_from(&self, other: &Net) -> Result<()> {
        let mut copied = 0;
        let from = other.variables();
        for (name, mut own) in self.variables() {
            if let Some(value) = from.get(&name).filter(|value| value.size() == own.size()) {
                no_grad(|| own.f_copy_(value))?;
                copied += 1;
            }
        }
        ensure!(copied > 0, "the network to start from has no layer of this network's shape");
        Ok(())
    }

    /// Saves parameters and running statistics atomically as `.safetensors`: in f32, or with the
    /// parameters in f16, which halves the file size.
    ///
    /// # Errors
    /// A path that can't be written.
    pub fn save(&self, weights: &Path, half: bool) -> Result<()> {
        let tensors = self
            .variables()
            .into_iter()
            .map(|(name, tensor)| {
                let kind = match half && tensor.requires_grad() {
                    true => Kind::Half,
                    false => Kind::Float,
                };
                let tensor = tensor.f_detach()?.f_to_kind(kind)?;
                Ok((name, tensor.f_to_device(Device::Cpu)?.f_contiguous()?))
            })
            .collect::<Result<Vec<_>>>()?;
        files::write_whole(weights, |half| Ok(Tensor::write_safetensors(&tensors, half)?))
    }

    /// The network's shape.
    pub fn config(&self) -> &NetConfig {
        &self.config
    }

    /// The device of its parameters.
    pub fn device(&self) -> Device {
        self.variables.device()
    }

    /// Parameters and running statistics by name, in order of the names.
    pub fn variables(&self) -> BTreeMap<String, Tensor> {
        self.variables.variables().into_iter().collect()
    }

    /// Number of trained parameters.
    pub fn parameters(&self) -> usize {
        self.variables.trainable_variables().iter().map(Tensor::numel).sum()
    }

    /// Converts images to the layers' input: u8 `[n, side, side, 3]` to `[n, 3, side, side]` of
    /// `kind`, around 0, on the network's device.
    ///
    /// # Errors
    /// Images of another shape, or the device failing.
    pub fn normalise(&self, pictures: &Tensor, kind: Kind) -> Result<Tensor> {
        normalise(pictures, kind, self.device())
    }

    /// Logits (f32, `[n, outputs]`) of u8 images `[n, side, side, 3]`, without gradients.
    ///
    /// # Errors
    /// Images of another size, or the device failing.
    pub fn logits(&self, pictures: &Tensor) -> Result<Tensor> {
        let side = i64::from(self.config.input());
        ensure!(
            pictures.size().get(1..) == Some(&[side, side, 3]),
            "the images have the shape {:?}, but the network takes [n, {side}, {side}, 3]",
            pictures.size()
        );
        // Not folded: copying all weights costs more than it saves in one call.
        let x = self.normalise(pictures, Kind::Float)?;
        no_grad(|| self.forward(&x, false, &mut |_, _| Ok(())))
    }

    /// Copies the network and its parameters.
    pub(crate) fn copied(&self) -> Result<Self> {
        let copy = Self::build(self.config.clone(), self.device(), First::Zeros)?;
        copy.copy_from(self)?;
        Ok(copy)
    }

    /// The layers of a copy whose parameters can be changed.
    pub(super) fn copied_layers(&self) -> Result<Box<dyn Network>> {
        Ok(self.copied()?.network)
    }

    /// `kind` if the layers support other precisions than f32.
    pub(crate) fn kind(&self, kind: Kind) -> Kind {
        match self.network.is_mixed_precision() {
            true => kind,
            false => Kind::Float,
        }
    }

    /// Logits `[n, outputs]` of normalized images, with gradients; `tap` receives each layer's
    /// output.
    ///
    /// # Errors
    /// Images of a shape that the layers can't take, or the error of `tap`.
    pub fn forward(&self, x: &Tensor, train: bool, tap: Tap) -> Result<Tensor> {
        self.network.forward(x, train, tap)
    }
}

/// Subtracted from a level of 0 to 255 before it is divided by [`LEVEL_SCALE`].
pub const LEVEL_MEAN: f64 = 127.5;
/// Divisor of a level: see [`LEVEL_MEAN`].
pub const LEVEL_SCALE: f64 = 64.0;

/// Converts u8 images `[n, side, side, 3]` to `[n, 3, side, side]` around 0, channels last in
/// memory.
pub(super) fn normalise(pictures: &Tensor, kind: Kind, device: Device) -> Result<Tensor> {
    let scaled = pictures
        .f_to_device(device)?
        .f_to_kind(Kind::Float)?
        .f_sub_scalar(LEVEL_MEAN)?
        .f_div_scalar(LEVEL_SCALE)?;
    Ok(scaled.f_to_kind(kind)?.f_permute([0, 3, 1, 2])?)
}
