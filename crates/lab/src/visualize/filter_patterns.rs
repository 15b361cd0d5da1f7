//! Patterns that maximize a layer's filters, found by gradient ascent.

use anyhow::{Context, Result};
use tch::{Device, Kind, Tensor};

use super::tiles::tiles;
use crate::layer::{channels_of, tapped};
use ror::model::{LEVEL_SCALE, Net};
use ror::plot::Figure;
use utils::progress::Progress;

/// Steps of gradient ascent; with 30, the patterns are mostly noise.
const STEPS: usize = 96;

/// Draws the patterns that maximize a layer's filters, one tile per filter.
///
/// Uses gradient ascent with the regularization of Olah et al., "Feature Visualization" (Distill,
/// 2017), to avoid noise: it optimizes scaled spatial frequencies with decorrelated colors, and
/// shifts the pattern by a few random pixels at each step.
///
/// # Errors
/// The layer does not exist (the error lists those that do), or the device fails.
pub fn filter_patterns(net: &Net, layer: &str) -> Result<Figure> {
    let filters = channels_of(net, layer)?;
    let side = i64::from(net.config().input());
    let options = (Kind::Float, net.device());
    tch::manual_seed(0);
    // One batch with one pattern per filter.
    let mut x =
        Tensor::f_randn([filters, 3, side, side / 2 + 1, 2], options)?.f_mul_scalar(0.01)?;
    let (mut first, mut second) = (x.f_zeros_like()?, x.f_zeros_like()?);
    let own = Tensor::f_arange(filters, (Kind::Int64, net.device()))?.f_view([filters, 1])?;
    let frequencies = Frequencies::new(side, net.device())?;
    let progress = Progress::new("gradient ascent (steps)", STEPS);
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
        // Adam, because frequencies differ in scale.
        let square = gradient.f_square()?.f_mul_scalar(0.01)?;
        first = first.f_mul_scalar(0.9)?.f_add(&gradient.f_mul_scalar(0.1)?)?;
        second = second.f_mul_scalar(0.99)?.f_add(&square)?;
        let up = first.f_div_scalar(1.0 - 0.9f64.powi(step as i32))?;
        let spread = second.f_div_scalar(1.0 - 0.99f64.powi(step as i32))?.f_sqrt()?;
        let change = up.f_div(&spread.f_add_scalar(1e-8)?)?.f_mul_scalar(0.05)?;
        x = x.f_add(&change)?;
        progress.step()?;
    }
    let title = format!("Patterns that maximize the {filters} filters of {layer}");
    tiles(&title, &frequencies.pixels(&x)?.f_to_device(Device::Cpu)?)
}

/// Converts spatial frequencies to images.
struct Frequencies {
    side: i64,
    /// Scale of each frequency. Low frequencies are stronger, as in photos.
    scale: Tensor,
    /// Converts decorrelated colors (brightness, red-blue, green-magenta) to RGB.
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

    /// Converts frequencies `[n, 3, side, side / 2 + 1, 2]` to pixels `[n, 3, side, side]` of 0 to
    /// 1.
    fn pixels(&self, x: &Tensor) -> Result<Tensor> {
        let waves = x.f_mul(&self.scale)?.f_view_as_complex()?;
        let plain = waves.f_fft_irfft2([self.side; 2].as_slice(), [2, 3], "backward")?;
        let coloured = self.colours.f_matmul(&plain.f_flatten(2, -1)?)?;
        Ok(coloured.f_view([-1, 3, self.side, self.side])?.f_sigmoid()?)
    }
}
