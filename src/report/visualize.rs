//! What a net sees: the activations of every layer, and the pattern that excites each filter most.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use image::{Rgb, RgbImage};
use polars::prelude::DataFrame;
use tch::{Device, Kind, Tensor, no_grad};

use crate::data::{Faces, decode, read_picture, resize};
use crate::model::{LEVEL_SCALE, Net};
use crate::plot::{self, Figure};
use crate::support::progress::Progress;

/// Steps of gradient ascent; the original's 30 end in noise.
const STEPS: usize = 96;

/// Faces shown for a channel, and faces that pass the net at a time.
const EXCITING: usize = 9;
const BATCH: usize = 128;

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
            let channels = output.f_reshape(shape)?.f_to_device(Device::Cpu)?;
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

/// The patterns that excite a layer's filters most: one tile a filter.
///
/// Found by gradient ascent, as Olah et al., "Feature Visualization" (Distill, 2017), keep it from
/// ending in noise: on the pattern's spatial frequencies, each scaled by its length, with colours
/// decorrelated, and moved by some pixels at random at each step.
///
/// # Errors
/// A layer that the net does not have (the message lists them), or the device failing.
pub fn filter_patterns(net: &Net, layer: &str) -> Result<Figure> {
    let filters = channels_of(net, layer)?;
    let side = i64::from(net.config().input());
    let options = (Kind::Float, net.device());
    tch::manual_seed(0);
    // Each filter has a pattern of its own in one batch.
    let mut x =
        Tensor::f_randn([filters, 3, side, side / 2 + 1, 2], options)?.f_mul_scalar(0.01)?;
    let (mut first, mut second) = (x.f_zeros_like()?, x.f_zeros_like()?);
    let own = Tensor::f_arange(filters, (Kind::Int64, net.device()))?.f_view([filters, 1])?;
    let frequencies = Frequencies::new(side, net.device())?;
    let progress = Progress::new("gradient ascent, steps", STEPS);
    for step in 1..=STEPS {
        let input = x.f_detach()?.f_set_requires_grad(true)?;
        let reach = (side / 8).max(1);
        let moved = Tensor::f_randint_low(-reach, reach + 1, [2], (Kind::Int64, Device::Cpu))?;
        let moved = [moved.f_int64_value(&[0])?, moved.f_int64_value(&[1])?];
        let pixels =
            frequencies.pixels(&input)?.f_sub_scalar(0.5)?.f_mul_scalar(255.0 / LEVEL_SCALE)?;
        let (response, _) = tapped(net, layer, &pixels.f_roll(moved, [2, 3])?)?;
        let response = response.f_reshape([filters, filters, -1])?;
        let score = response.f_mean_dim(2i64, false, Kind::Float)?.f_gather(1, &own, false)?;
        let gradient =
            Tensor::f_run_backward(&[score.f_sum(Kind::Float)?], &[&input], false, false)?
                .pop()
                .context("the layer has no gradient")?;
        // Adam, for frequencies differ in scale.
        let square = gradient.f_square()?.f_mul_scalar(0.01)?;
        first = first.f_mul_scalar(0.9)?.f_add(&gradient.f_mul_scalar(0.1)?)?;
        second = second.f_mul_scalar(0.99)?.f_add(&square)?;
        let up = first.f_div_scalar(1.0 - 0.9f64.powi(step as i32))?;
        let spread = second.f_div_scalar(1.0 - 0.99f64.powi(step as i32))?.f_sqrt()?;
        let change = up.f_div(&spread.f_add_scalar(1e-8)?)?.f_mul_scalar(0.05)?;
        x = x.f_add(&change)?;
        progress.step()?;
    }
    let title = format!("What excites the {filters} filters of {layer}");
    tiles(&title, &frequencies.pixels(&x)?.f_to_device(Device::Cpu)?)
}

/// The faces of a table of records that excite some channels of a layer most, nine a channel, one
/// channel a row: what a channel answers to, in pictures that exist.
///
/// # Errors
/// A layer or channel that the net does not have (the message says which it has), a table that is
/// not of this set or of fewer than nine rows, or a picture that can't be read.
pub fn exciting_faces(
    net: &Net,
    layer: &str,
    channels: &[i64],
    faces: &Faces,
    records: &DataFrame,
) -> Result<Figure> {
    let all = channels_of(net, layer)?;
    for channel in channels {
        ensure!(
            (0..all).contains(channel),
            "{layer} has no channel {channel}: choose 0 to {}",
            all - 1
        );
    }
    let indices = faces.indices(records)?;
    ensure!(indices.len() >= EXCITING, "{} rows: give {EXCITING} or more", indices.len());
    let pictures = faces.pictures(net.config().input())?.tensor;
    let chosen = Tensor::f_from_slice(channels)?.f_to_device(net.device())?;
    let progress = Progress::new("looking at pictures", indices.len());
    let mut scores = vec![];
    for some in indices.chunks(BATCH) {
        let rows: Vec<i64> = some.iter().map(|index| *index as i64).collect();
        let pixels = pictures.f_index_select(0, &Tensor::f_from_slice(&rows)?)?;
        let (response, _) = no_grad(|| tapped(net, layer, &net.normalise(&pixels, Kind::Float)?))?;
        let response = response.f_flatten(2, -1)?.f_index_select(1, &chosen)?;
        scores.push(response.f_amax([2i64].as_slice(), false)?.f_to_device(Device::Cpu)?);
        some.iter().try_for_each(|_| progress.step())?;
    }
    let (scores, best) = Tensor::f_cat(&scores, 0)?.f_topk(EXCITING as i64, 0, true, true)?;
    let mut shown = vec![];
    for (column, channel) in channels.iter().enumerate() {
        for rank in 0..EXCITING as i64 {
            let at = [rank, column as i64];
            let score = scores.f_double_value(&at)?;
            let face = indices[best.f_int64_value(&at)? as usize];
            shown.push((format!("channel {channel}: {score:.1}"), faces.bytes(face)?));
        }
    }
    plot::picture_grid(&format!("What excites {layer} most"), &shown, EXCITING)
}

/// How many channels a layer has.
fn channels_of(net: &Net, layer: &str) -> Result<i64> {
    let summary = net.summary()?;
    let known = || summary.layers.iter().map(|l| l.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = summary.layers.iter().find(|l| l.name == layer);
    Ok(found.with_context(|| format!("the net has no layer {layer}; it has {}", known()))?.output
        [0])
}

/// What a layer gives for normalised pictures, and what the whole net does.
pub(super) fn tapped(net: &Net, layer: &str, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let mut found = None;
    let logits = net.forward(x, false, &mut |name, output| {
        if name == layer {
            found = Some(output.shallow_clone());
        }
        Ok(())
    })?;
    Ok((found.context("the layer gave no output")?, logits))
}

/// Pictures as spatial frequencies.
struct Frequencies {
    side: i64,
    /// What each is multiplied by: long waves count more, as in photographs.
    scale: Tensor,
    /// From brightness, red to blue, and green to magenta, to red, green and blue.
    colours: Tensor,
}

impl Frequencies {
    fn new(side: i64, device: Device) -> Result<Self> {
        let options = (Kind::Float, device);
        let rows = Tensor::f_fft_fftfreq(side, 1.0, options)?.f_view([side, 1])?;
        let columns = Tensor::f_fft_rfftfreq(side, 1.0, options)?.f_view([1, side / 2 + 1])?;
        let length = rows.f_square()?.f_add(&columns.f_square()?)?.f_sqrt()?;
        let scale = length.f_clamp_min(1.0 / side as f64)?.f_reciprocal()?;
        let colours = [0.55f32, 0.15, 0.05, 0.55, 0.0, -0.1, 0.55, -0.15, 0.05];
        Ok(Self {
            side,
            scale: scale.f_mul_scalar(side as f64 / 4.0)?.f_unsqueeze(-1)?,
            colours: Tensor::f_from_slice(&colours)?.f_view([3, 3])?.f_to_device(device)?,
        })
    }

    /// Pixels of 0 to 1, `[n, 3, side, side]`, of `[n, 3, side, side / 2 + 1, 2]`.
    fn pixels(&self, x: &Tensor) -> Result<Tensor> {
        let waves = x.f_mul(&self.scale)?.f_view_as_complex()?;
        let plain = waves.f_fft_irfft2([self.side; 2].as_slice(), [2, 3], "backward")?;
        let coloured = self.colours.f_matmul(&plain.f_flatten(2, -1)?)?;
        Ok(coloured.f_view([-1, 3, self.side, self.side])?.f_sigmoid()?)
    }
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
    let (tile_w, tile_h) = (width as u32 + 1, height as u32 + 1);
    let rows = (n as u32).div_ceil(columns);
    let mut grid = RgbImage::from_pixel(columns * tile_w, rows * tile_h, Rgb([255; 3]));
    for (x, y, pixel) in grid.enumerate_pixels_mut() {
        let tile = i64::from(y / tile_h * columns + x / tile_w);
        let (u, v) = (i64::from(x % tile_w), i64::from(y % tile_h));
        if tile < n && u < width && v < height {
            let at =
                |colour| levels[(((tile * colours + colour) * height + v) * width + u) as usize];
            *pixel = Rgb(if colours == 3 { [at(0), at(1), at(2)] } else { [at(0); 3] });
        }
    }
    // Enlarged to whole multiples, so that a pixel stays a square, as far as the page is wide.
    let zoom = (PAGE / i64::from(grid.width().max(grid.height()))).clamp(1, 32) as u32;
    plot::enlarged(title, &grid, zoom)
}

/// Writes one PNG a layer into `folder`, numbered in the order a picture passes them, and
/// returns their paths.
///
/// # Errors
/// A picture that can't be read, or a folder that can't be written.
pub fn save_activations(net: &Net, picture: &Path, folder: &Path) -> Result<Vec<PathBuf>> {
    let decoded = read_picture(picture).and_then(|bytes| decode(&bytes));
    let picture = decoded.with_context(|| picture.display().to_string())?;
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
            progress.step()?;
            Ok(path)
        })
        .collect()
}
