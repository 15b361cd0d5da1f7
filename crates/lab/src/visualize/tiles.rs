//! Many small images in one figure.

use anyhow::Result;
use image::{Rgb, RgbImage};
use tch::{Kind, Tensor};

use charts::{Figure, enlarged};

/// Width of a figure in pixels.
const PAGE: i64 = 720;

/// Draws images `[n, 1 or 3, height, width]` of any range as a grid of tiles.
pub(super) fn tiles(title: &str, pictures: &Tensor) -> Result<Figure> {
    let size = pictures.size();
    let [n, colours, height, width] = size[..] else {
        anyhow::bail!("cannot draw tiles of shape {size:?}")
    };
    // Each tile is scaled separately, so that channels with low values are visible too.
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
    // Enlarge by an integer factor, so that pixels stay square.
    let zoom = (PAGE / i64::from(grid.width().max(grid.height()))).clamp(1, 32) as u32;
    enlarged(title, &grid, zoom)
}
