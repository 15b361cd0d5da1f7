//! Every layer's output for one image.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use image::RgbImage;
use tch::{Device, Kind, Tensor, no_grad};

use super::tiles::tiles;
use archive::read_picture;
use ror::data::{decode, resize};
use ror::model::Net;
use ror::plot::Figure;
use utils::progress::Progress;

/// One layer's output for one image.
#[derive(Debug)]
pub struct Activation {
    /// The layer's name, as in the weights.
    pub layer: String,
    /// Shape `[channels, height, width]`, f32; `[features, 1, 1]` for dense layers.
    pub channels: Tensor,
}

/// Returns every layer's output for one image, in the order of the forward pass.
///
/// # Errors
/// The device fails.
pub fn activations(net: &Net, picture: &RgbImage) -> Result<Vec<Activation>> {
    let side = net.config().input();
    let small = resize(picture, side)?;
    let side = i64::from(side);
    let pixels = Tensor::f_from_data_size(small.as_raw(), &[1, side, side, 3], Kind::Uint8)?;
    let mut seen = vec![];
    let _logits = no_grad(|| {
        net.forward(&net.normalise(&pixels, Kind::Float)?, false, &mut |name, output| {
            let size = output.size();
            let shape = if size.len() == 4 { size[1..].to_vec() } else { vec![size[1], 1, 1] };
            let channels = output.f_reshape(shape)?.f_to_device(Device::Cpu)?;
            seen.push(Activation { layer: name.to_owned(), channels });
            Ok(())
        })
    })?;
    Ok(seen)
}

impl Activation {
    /// Draws a grid of all channels. High values are bright.
    ///
    /// # Errors
    /// The figure can't be drawn.
    pub fn figure(&self) -> Result<Figure> {
        let size = self.channels.size();
        let title = format!("{}: {} channels of {} x {}", self.layer, size[0], size[1], size[2]);
        tiles(&title, &self.channels.f_unsqueeze(1)?)
    }
}

/// Returns the file of each layer in `folder`, numbered in the order of the forward pass.
pub fn layer_files(activations: &[Activation], folder: &Path) -> Vec<PathBuf> {
    let name = |(number, activation): (usize, &Activation)| {
        folder.join(format!("{number:02}-{}.png", activation.layer))
    };
    activations.iter().enumerate().map(name).collect()
}

/// Writes one PNG per layer to `folder`, and returns their paths ([`layer_files`]).
///
/// # Errors
/// The image can't be read, or the folder can't be written.
pub fn save_activations(net: &Net, picture: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let decoded = read_picture(picture).and_then(|bytes| decode(&bytes));
    let picture = decoded.with_context(|| picture.display().to_string())?;
    let activations = activations(net, &picture)?;
    ensure!(!activations.is_empty(), "the network has no layers");
    let paths = layer_files(&activations, folder);
    let progress = Progress::new("drawing layers", activations.len());
    for (activation, path) in activations.iter().zip(&paths) {
        activation.figure()?.save(path)?;
        progress.step()?;
    }
    Ok(paths)
}
