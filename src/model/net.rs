//! A net with its parameters: made, run, saved and loaded.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use tch::{Device, Kind, Tensor, nn, no_grad};

use super::params::First;
use super::{NetConfig, Network, Params, Tap};
use utils::files;

/// A net with its parameters, on one device.
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
    /// Makes a net with random parameters, the same for the same seed: libtorch's generator is
    /// set to it.
    ///
    /// # Errors
    /// A shape that [`NetConfig::check`] refuses.
    pub fn new(config: impl Into<NetConfig>, device: Device, seed: i64) -> Result<Self> {
        tch::manual_seed(seed);
        Self::build(config.into(), device, First::Random)
    }

    fn build(config: NetConfig, device: Device, first: First) -> Result<Self> {
        let variables = nn::VarStore::new(device);
        let network = config.build(&Params::new(&variables, first))?;
        Ok(Self { config, network, variables })
    }

    /// Loads a net of this shape from a `.safetensors` file.
    ///
    /// # Errors
    /// A file that is missing, cut off or of another shape: what differs is named.
    pub fn load(config: impl Into<NetConfig>, weights: &Path, device: Device) -> Result<Self> {
        let saved = Tensor::read_safetensors(weights).with_context(|| {
            format!("cannot load weights from {} (missing, or cut off?)", weights.display())
        })?;
        let mut saved: BTreeMap<String, Tensor> = saved.into_iter().collect();
        let wrong = || format!("{} is not a net of this shape", weights.display());
        let net = Self::build(config.into(), device, First::Like(&saved)).with_context(wrong)?;
        for (name, mut variable) in net.variables() {
            let value = saved.remove(&name).with_context(|| format!("it has no {name}"));
            let value = value.with_context(wrong)?;
            ensure!(
                value.size() == variable.size(),
                "{}: its {name} is {:?}, not {:?}",
                wrong(),
                value.size(),
                variable.size()
            );
            no_grad(|| variable.f_copy_(&value))?;
        }
        if let Some(name) = saved.keys().next() {
            bail!("{}: it has {} more tensors, such as {name}", wrong(), saved.len());
        }
        Ok(net)
    }

    /// Copies pretrained weights into the layers that have their names.
    ///
    /// # Errors
    /// A file that is missing, or that has a tensor without a place in this network.
    pub(crate) fn load_pretrained(&self, weights: &Path) -> Result<()> {
        let own = self.variables();
        for (name, value) in Tensor::read_safetensors(weights)? {
            let variable = own.get(&name).filter(|variable| variable.size() == value.size());
            let variable = variable.with_context(|| format!("no layer takes its {name}"))?;
            no_grad(|| variable.shallow_clone().f_copy_(&value))?;
        }
        Ok(())
    }

    /// Copies all parameters and running statistics of another net that have the same name and
    /// shape: all but the head, where the two predict different things.
    pub(crate) fn copy_from(&self, other: &Net) -> Result<()> {
        let mut copied = 0;
        let from = other.variables();
        for (name, mut own) in self.variables() {
            if let Some(value) = from.get(&name).filter(|value| value.size() == own.size()) {
                no_grad(|| own.f_copy_(value))?;
                copied += 1;
            }
        }
        ensure!(copied > 0, "the net to start from has not one layer of this net's shape");
        Ok(())
    }

    /// Saves parameters and running statistics as `.safetensors`, whole or not at all: in f32,
    /// or the parameters in f16, which halves the file.
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

    /// The net's shape.
    pub fn config(&self) -> &NetConfig {
        &self.config
    }

    /// Where its parameters are.
    pub fn device(&self) -> Device {
        self.variables.device()
    }

    /// Parameters and running statistics by name, in order of the names.
    pub fn variables(&self) -> BTreeMap<String, Tensor> {
        self.variables.variables().into_iter().collect()
    }

    /// How many numbers are trained.
    pub fn parameters(&self) -> usize {
        self.variables.trainable_variables().iter().map(Tensor::numel).sum()
    }

    /// Images as the layers take them: u8 `[n, side, side, 3]` to `[n, 3, side, side]` of `kind`, around
    /// 0, on the network's device.
    ///
    /// # Errors
    /// Images of another shape, or the device failing.
    pub fn normalise(&self, pictures: &Tensor, kind: Kind) -> Result<Tensor> {
        normalise(pictures, kind, self.device())
    }

    /// Logits (f32, `[n, outputs]`) of u8 pictures `[n, side, side, 3]`, without gradients.
    ///
    /// # Errors
    /// Pictures of another size, or the device failing.
    pub fn logits(&self, pictures: &Tensor) -> Result<Tensor> {
        let side = i64::from(self.config.input());
        ensure!(
            pictures.size().get(1..) == Some(&[side, side, 3]),
            "pictures of shape {:?} for a net that takes [n, {side}, {side}, 3]",
            pictures.size()
        );
        // Not folded: a copy of all weights costs more than it saves in one call.
        let x = self.normalise(pictures, Kind::Float)?;
        no_grad(|| self.forward(&x, false, &mut |_, _| Ok(())))
    }

    /// The same with parameters of its own.
    pub(crate) fn copied(&self) -> Result<Self> {
        let copy = Self::build(self.config.clone(), self.device(), First::Zeros)?;
        copy.copy_from(self)?;
        Ok(copy)
    }

    /// The layers of a copy whose parameters can be changed.
    pub(super) fn copied_layers(&self) -> Result<Box<dyn Network>> {
        Ok(self.copied()?.network)
    }

    /// `kind` where the layers allow other kinds of number than f32.
    pub(crate) fn kind(&self, kind: Kind) -> Kind {
        match self.network.is_mixed_precision() {
            true => kind,
            false => Kind::Float,
        }
    }

    /// Logits `[n, outputs]` of normalised images; `tap` sees each layer's output, and gradients pass.
    ///
    /// # Errors
    /// Images of a shape that the layers can't take, or what `tap` returns.
    pub fn forward(&self, x: &Tensor, train: bool, tap: Tap) -> Result<Tensor> {
        self.network.forward(x, train, tap)
    }
}

/// What is taken from a level of 0 to 255, and what the rest is divided by.
pub const LEVEL_MEAN: f64 = 127.5;
/// See [`LEVEL_MEAN`].
pub const LEVEL_SCALE: f64 = 64.0;

/// Pictures as the layers want them: u8 `[n, side, side, 3]` to `[n, 3, side, side]` around 0,
/// channels last in memory.
pub(super) fn normalise(pictures: &Tensor, kind: Kind, device: Device) -> Result<Tensor> {
    let scaled = pictures
        .f_to_device(device)?
        .f_to_kind(Kind::Float)?
        .f_sub_scalar(LEVEL_MEAN)?
        .f_div_scalar(LEVEL_SCALE)?;
    Ok(scaled.f_to_kind(kind)?.f_permute([0, 3, 1, 2])?)
}
