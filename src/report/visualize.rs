//! What a net sees: the activations of every layer, and the pattern that excites each filter most.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use image::{Rgb, RgbImage};
use tch::{Kind, Tensor, no_grad};

use crate::data::{decode, resize};
use crate::model::Net;
use crate::plot::{self, Figure};
use crate::support::progress::Progress;

/// Steps of gradient ascent, as in the original.
const STEPS: usize = 30;

/// Width of a page of tiles, pixels.
const PAGE: i64 = 720;

/// One layer's output for one picture.
#[derive(Debug)]
pub struct Activation {
    /// The layer's name, as in the weights.
    pub layer: String,
    /// Shape `[channels, height, width]`, f32; of dense layers `[features, 1, 1]`.
    pub channels: Tensor,
}

/// Every layer's output for one picture, in the order it passes them.
///
/// # Errors
/// The device failing.
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
            let channels = output.f_reshape(shape)?.f_to_device(tch::Device::Cpu)?;
            seen.push(Activation { layer: name.to_owned(), channels });
            Ok(())
        })
    })?;
    Ok(seen)
}

impl Activation {
    /// A titled grid of all channels, dark for low and bright for high.
    ///
    /// # Errors
    /// A plot that can't be drawn.
    pub fn figure(&self) -> Result<Figure> {
        let size = self.channels.size();
        let title = format!("{}: {} channels of {} x {}", self.layer, size[0], size[1], size[2]);
        tiles(&title, &self.channels.f_unsqueeze(1)?)
    }
}

/// The patterns that excite a layer's filters most, found by gradient ascent from noise: one tile
/// a filter.
///
/// # Errors
/// A layer that the net does not have (the message lists them), or the device failing.
pub fn filter_patterns(net: &Net, layer: &str) -> Result<Figure> {
    let side = i64::from(net.config().input());
    let summary = net.summary()?;
    let known = || summary.layers.iter().map(|l| l.name.as_str()).collect::<Vec<_>>().join(", ");
    let filters = summary
        .layers
        .iter()
        .find(|l| l.name == layer)
        .with_context(|| format!("the net has no layer {layer}; it has {}", known()))?
        .output[0];
    tch::manual_seed(0);
    // Each filter has a picture of its own in one batch.
    let mut x = Tensor::f_randn([filters, 3, side, side], (Kind::Float, net.device()))?
        .f_mul_scalar(0.1)?;
    let own = Tensor::f_arange(filters, (Kind::Int64, net.device()))?.f_view([filters, 1])?;
    let progress = Progress::new("gradient ascent, steps", STEPS);
    for _ in 0..STEPS {
        let input = x.f_detach()?.f_set_requires_grad(true)?;
        let mut response = None;
        let _logits = net.forward(&input, false, &mut |name, output| {
            if name == layer {
                response = Some(output.shallow_clone());
            }
            Ok(())
        })?;
        let response = response
            .context("the layer gave no output")?
            .f_reshape([filters, filters, -1])?
            .f_mean_dim(2i64, false, Kind::Float)?;
        let gradient = Tensor::f_run_backward(
            &[response.f_gather(1, &own, false)?.f_sum(Kind::Float)?],
            &[&input],
            false,
            false,
        )?
        .pop()
        .context("the layer has no gradient")?;
        // Smoothed, so that patterns grow before single pixels do.
        let gradient = gradient.f_avg_pool2d([3, 3], [1, 1], [1, 1], false, false, None)?;
        let scale = gradient
            .f_square()?
            .f_mean_dim([1i64, 2, 3].as_slice(), true, Kind::Float)?
            .f_sqrt()?
            .f_add_scalar(1e-8)?;
        x = input.f_detach()?.f_add(&gradient.f_div(&scale)?.f_mul_scalar(0.2)?)?;
        progress.step();
    }
    tiles(
        &format!("What excites the {filters} filters of {layer}"),
        &x.f_to_device(tch::Device::Cpu)?,
    )
}

/// Pictures `[n, 1 or 3, height, width]` of any range as one titled grid of tiles.
fn tiles(title: &str, pictures: &Tensor) -> Result<Figure> {
    let size = pictures.size();
    let [n, colours, height, width] = size[..] else { anyhow::bail!("tiles of shape {size:?}") };
    // Each tile has its own range: a quiet channel shows its pattern too.
    let flat = pictures.f_reshape([n, -1])?;
    let (low, high) =
        (flat.f_amin([1i64].as_slice(), true)?, flat.f_amax([1i64].as_slice(), true)?);
    let levels = flat
        .f_sub(&low)?
        .f_div(&high.f_sub(&low)?.f_clamp_min(1e-8)?)?
        .f_mul_scalar(255.0)?
        .f_to_kind(Kind::Uint8)?;
    let levels: Vec<u8> = Vec::try_from(levels.f_reshape([-1])?)?;

    let columns = (n as f64).sqrt().ceil() as u32;
    // Enlarged to whole multiples, so that a pixel stays a square, as far as the page is wide.
    let zoom = (PAGE / (columns as i64 * height.max(width)).max(1)).clamp(1, 32) as u32;
    let (tile_w, tile_h) = (width as u32 * zoom, height as u32 * zoom);
    let rows = (n as u32).div_ceil(columns);
    let mut grid = RgbImage::from_pixel(columns * (tile_w + 2), rows * (tile_h + 2), Rgb([255; 3]));
    for (x, y, pixel) in grid.enumerate_pixels_mut() {
        let (tile, (u, v)) =
            (y / (tile_h + 2) * columns + x / (tile_w + 2), (x % (tile_w + 2), y % (tile_h + 2)));
        if i64::from(tile) < n && u < tile_w && v < tile_h {
            let at = |colour: i64| {
                levels[(((i64::from(tile) * colours + colour) * height + i64::from(v / zoom))
                    * width
                    + i64::from(u / zoom)) as usize]
            };
            *pixel = Rgb(if colours == 3 { [at(0), at(1), at(2)] } else { [at(0); 3] });
        }
    }
    plot::picture(title, &grid)
}

/// Writes one PNG a layer into `folder`, numbered in the order a picture passes them, and
/// returns their paths.
///
/// # Errors
/// A picture that can't be read, or a folder that can't be written.
pub fn save_activations(net: &Net, picture: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let bytes =
        std::fs::read(picture).with_context(|| format!("cannot read {}", picture.display()))?;
    let picture = decode(&bytes).with_context(|| picture.display().to_string())?;
    let activations = activations(net, &picture)?;
    ensure!(!activations.is_empty(), "the net has no layers");
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let progress = Progress::new("drawing layers", activations.len());
    activations
        .iter()
        .enumerate()
        .map(|(number, activation)| {
            let path = folder.join(format!("{number:02}-{}.png", activation.layer));
            activation.figure()?.save(&path)?;
            progress.step();
            Ok(path)
        })
        .collect()
}
