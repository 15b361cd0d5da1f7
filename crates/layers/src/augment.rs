//! Augmentation of a whole batch at once, on its device.

use std::fmt;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// A custom augmentation, applied after the recipe's.
pub trait Augmentation: fmt::Debug {
    /// Identifies it and its settings in a run's key: change it whenever what it does changes.
    fn id(&self) -> String;

    /// Changes normalised images `[n, 3, side, side]`, f32, each in its own way.
    ///
    /// # Errors
    /// The device failing.
    fn apply(&self, x: &Tensor) -> Result<Tensor>;
}

/// How strongly training images are changed; the default is what the models that ship were
/// trained by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Whether half of the images are mirrored. Default: yes.
    pub mirror: bool,
    /// How far images are turned at most, radians, 0 to 3.2. Default: 0.18.
    pub rotation: f64,
    /// How far they are scaled at most, as a share, 0 to 0.9. Default: 0.12.
    pub scale: f64,
    /// How far they are moved at most, as a share of half their side, 0 to 1. Default: 0.12.
    pub shift: f64,
    /// How far their contrast changes at most, as a share, 0 to 1. Default: 0.2.
    pub contrast: f64,
    /// How far each colour's level moves at most, 0 to 4 in units of normalised pixels, which
    /// are 64 of 255 levels. Default: 0.3.
    pub level: f64,
    /// How many images have a square patch erased (Zhong et al., arXiv 1708.04896), as a share,
    /// 0 to 1. Default: 0.4.
    pub erased: f64,
    /// Half the patch's side at least and at most, as a share of the image's, 0 to 1. Default:
    /// 0.1 and 0.25.
    pub erased_size: [f64; 2],
    /// How many images lose their colours, as a share, 0 to 1. Default: none.
    pub grey: f64,
    /// How much darker or brighter images become at most, as a share, 0 to 1. Default: 0.
    pub brightness: f64,
    /// Half of the images are blurred by a Gaussian, whose standard deviation is drawn for each
    /// batch, from 0 to this share of an image's side, 0 to 0.2. Default: 0.
    pub blur: f64,
    /// Half of the images get normal noise, whose standard deviation is drawn for each image,
    /// from 0 to this, 0 to 4 in units of normalised pixels. Default: 0.
    pub noise: f64,
}

impl Default for Augment {
    fn default() -> Self {
        Self {
            mirror: true,
            rotation: 0.18,
            scale: 0.12,
            shift: 0.12,
            contrast: 0.2,
            level: 0.3,
            erased: 0.4,
            erased_size: [0.1, 0.25],
            grey: 0.0,
            brightness: 0.0,
            blur: 0.0,
            noise: 0.0,
        }
    }
}

impl Augment {
    /// No change at all.
    pub fn none() -> Self {
        Self {
            mirror: false,
            rotation: 0.0,
            scale: 0.0,
            shift: 0.0,
            contrast: 0.0,
            level: 0.0,
            erased: 0.0,
            ..Self::default()
        }
    }

    /// Refuses a value out of its range.
    ///
    /// # Errors
    /// The value and its range.
    pub fn check(&self) -> Result<()> {
        let [smallest, largest] = self.erased_size;
        for (what, value, most) in [
            ("rotation", self.rotation, 3.2),
            ("scale", self.scale, 0.9),
            ("shift", self.shift, 1.0),
            ("contrast", self.contrast, 1.0),
            ("level", self.level, 4.0),
            ("erased", self.erased, 1.0),
            ("erased_size", smallest, largest),
            ("erased_size", largest, 1.0),
            ("grey", self.grey, 1.0),
            ("brightness", self.brightness, 1.0),
            ("blur", self.blur, 0.2),
            ("noise", self.noise, 4.0),
        ] {
            ensure!((0.0..=most).contains(&value), "augment.{what} of {value}: choose 0 to {most}");
        }
        Ok(())
    }

    /// Normalised images `[n, 3, side, side]`, changed each in its own way. Channels last in
    /// memory, as it came.
    ///
    /// # Errors
    /// The device failing.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        if *self == Self::none() {
            return Ok(x.shallow_clone());
        }
        let moved = self.moved(x)?;
        // As a camera would: light, optics, sensor. A setting of 0 draws nothing.
        let lit = self.lit(&moved)?;
        let grey = self.greyed(lit)?;
        let blurred = self.blurred(grey)?;
        let noisy = self.noisy(blurred)?;
        let erased = self.erased(&noisy)?;
        // The sampler writes channels first; the convolutions want them last.
        Ok(erased.f_permute([0, 2, 3, 1])?.f_contiguous()?.f_permute([0, 3, 1, 2])?)
    }

    /// Turned, scaled, mirrored and moved.
    fn moved(&self, x: &Tensor) -> Result<Tensor> {
        let (n, side) = (x.size()[0], x.size()[2]);
        let angle = symmetric(&[n], x)?.f_mul_scalar(self.rotation)?;
        let scale = symmetric(&[n], x)?.f_mul_scalar(self.scale)?.f_add_scalar(1.0)?;
        let mirror = match self.mirror {
            true => symmetric(&[n], x)?.f_sign()?,
            false => angle.f_ones_like()?,
        };
        let (sin, cos) = (angle.f_sin()?.f_mul(&scale)?, angle.f_cos()?.f_mul(&scale)?);
        let shift = symmetric(&[n, 2], x)?.f_mul_scalar(self.shift)?;
        let rows = [
            cos.f_mul(&mirror)?,
            sin.f_neg()?,
            shift.f_select(1, 0)?,
            sin.f_mul(&mirror)?,
            cos,
            shift.f_select(1, 1)?,
        ];
        let theta = Tensor::f_stack(&rows, 1)?.f_view([n, 2, 3])?;
        let grid = Tensor::f_affine_grid_generator(&theta, [n, 3, side, side], false)?;
        // Bilinear, and beyond the edge the image reflected: no black corners to learn.
        Ok(x.f_grid_sampler(&grid, 0, 2, false)?)
    }

    /// With another contrast, and other levels of each colour.
    fn lit(&self, x: &Tensor) -> Result<Tensor> {
        let n = x.size()[0];
        let contrast =
            symmetric(&[n, 1, 1, 1], x)?.f_mul_scalar(self.contrast)?.f_add_scalar(1.0)?;
        let level = symmetric(&[n, 3, 1, 1], x)?.f_mul_scalar(self.level)?;
        let lit = x.f_mul(&contrast)?.f_add(&level)?;
        if self.brightness == 0.0 {
            return Ok(lit);
        }
        // A share of what is above black.
        let change = symmetric(&[n, 1, 1, 1], x)?.f_mul_scalar(self.brightness)?;
        Ok(lit.f_add(&lit.f_sub_scalar(BLACK)?.f_mul(&change)?)?)
    }

    /// Some of them without colours.
    fn greyed(&self, x: Tensor) -> Result<Tensor> {
        if self.grey == 0.0 {
            return Ok(x);
        }
        let luma = Tensor::f_from_slice(&[0.299f32, 0.587, 0.114])?.f_view([1, 3, 1, 1])?;
        let grey = x.f_mul(&luma.f_to_device(x.device())?)?;
        let grey = grey.f_sum_dim_intlist([1i64].as_slice(), true, Kind::Float)?;
        Ok(grey.f_expand_as(&x)?.f_where_self(&chosen(self.grey, &x)?, &x)?)
    }

    /// Half of them out of focus.
    fn blurred(&self, x: Tensor) -> Result<Tensor> {
        let (side, options) = (x.size()[3], (Kind::Float, x.device()));
        let deviation = match self.blur {
            0.0 => return Ok(x),
            most => most * side as f64 * Tensor::f_rand([], options)?.f_double_value(&[])?,
        };
        let reach = ((2.5 * deviation).ceil() as i64).clamp(1, side / 2 - 1);
        let at = Tensor::f_arange_start(-reach, reach + 1, options)?;
        let kernel = at.f_div_scalar(deviation.max(1e-3))?.f_square()?.f_mul_scalar(-0.5)?;
        let kernel = kernel.f_softmax(0, Kind::Float)?;
        let convolve = |x: &Tensor, shape: [i64; 2]| -> Result<Tensor> {
            let kernel = kernel.f_view([1, 1, shape[0], shape[1]])?.f_repeat([3, 1, 1, 1])?;
            let none: Option<Tensor> = None;
            Ok(x.f_conv2d(&kernel, none, [1, 1], [0, 0], [1, 1], 3)?)
        };
        let padded = x.f_reflection_pad2d([reach; 4])?;
        let size = 2 * reach + 1;
        let blurred = convolve(&convolve(&padded, [1, size])?, [size, 1])?;
        Ok(blurred.f_where_self(&chosen(0.5, &x)?, &x)?)
    }

    /// Half of them with noise.
    fn noisy(&self, x: Tensor) -> Result<Tensor> {
        if self.noise == 0.0 {
            return Ok(x);
        }
        // Below 0 for half of them: those stay as they are.
        let strength = symmetric(&[x.size()[0], 1, 1, 1], &x)?.f_relu()?;
        let noise = x.f_randn_like()?.f_mul(&strength.f_mul_scalar(self.noise)?)?;
        Ok(x.f_add(&noise)?)
    }

    /// With a patch of some of them grey.
    fn erased(&self, x: &Tensor) -> Result<Tensor> {
        let (n, side) = (x.size()[0], x.size()[2]);
        let whole = (Kind::Int64, x.device());
        let centre = Tensor::f_randint(side, [2, n, 1, 1], whole)?;
        let [smallest, largest] = self.erased_size.map(|size| (side as f64 * size) as i64);
        let reach = Tensor::f_randint_low(smallest, largest + 1, [n, 1, 1], whole)?;
        let at = Tensor::f_arange(side, whole)?;
        let near = |axis: i64, at: Tensor| -> Result<Tensor> {
            let apart = at.f_sub(&centre.f_select(0, axis)?)?.f_abs()?;
            Ok(apart.f_less_tensor(&reach)?)
        };
        let chosen = Tensor::f_rand([n, 1, 1], (Kind::Float, x.device()))?.f_less(self.erased)?;
        let patch = near(0, at.f_view([1, side, 1])?)?
            .f_logical_and(&near(1, at.f_view([1, 1, side])?)?)?
            .f_logical_and(&chosen)?
            .f_unsqueeze(1)?;
        Ok(x.f_masked_fill(&patch, 0.0)?)
    }
}

/// Black, as a normalised pixel.
const BLACK: f64 = -127.5 / 64.0;

/// Yes for a share of the images of `x`.
fn chosen(share: f64, x: &Tensor) -> Result<Tensor> {
    Ok(Tensor::f_rand([x.size()[0], 1, 1, 1], (Kind::Float, x.device()))?.f_less(share)?)
}

/// Uniform between -1 and 1, on the device of `x`.
fn symmetric(shape: &[i64], x: &Tensor) -> Result<Tensor> {
    Ok(Tensor::f_rand(shape, (Kind::Float, x.device()))?.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, IndexOp};

    fn mean_change(a: &Tensor, b: &Tensor) -> f64 {
        f64::try_from((a - b).abs().mean(Kind::Float)).unwrap()
    }

    #[test]
    fn pictures_change_each_in_its_own_way_and_keep_their_shape() {
        let _turn = utils::random::turn();
        tch::manual_seed(0);
        let x = Tensor::rand([1, 3, 32, 32], (Kind::Float, Device::Cpu)).repeat([4, 1, 1, 1]);
        let augmented = |seed| {
            tch::manual_seed(seed);
            Augment::default().apply(&x).unwrap()
        };
        let y = augmented(1);
        assert_eq!(y.size(), x.size());
        assert_eq!(y.stride()[1], 1, "channels last");
        for i in 0..4 {
            assert!(mean_change(&y.i(i), &x.i(i)) > 0.05);
            assert!(mean_change(&y.i(i), &y.i((i + 1) % 4)) > 0.05);
        }
        assert!(augmented(1).equal(&y), "the seed decides");
        assert!(!augmented(2).equal(&y));
        assert!(Augment::none().apply(&x).unwrap().equal(&x));
    }

    #[test]
    fn each_strength_does_its_own() {
        let _turn = utils::random::turn();
        tch::manual_seed(3);
        // A gradient from left to right, on both of which a change shows.
        let x = Tensor::linspace(-1, 1, 32, (Kind::Float, Device::Cpu))
            .view([1, 1, 1, 32])
            .expand([64, 3, 32, 32], false)
            .contiguous();
        let only = |augment: Augment| augment.apply(&x).unwrap();
        let none = Augment::none();
        let mirrored = only(Augment { mirror: true, ..none.clone() });
        let flipped: Vec<bool> =
            (0..64).map(|i| mirrored.i(i).allclose(&x.i(i).flip([2]), 1e-4, 1e-4, false)).collect();
        let kept = (0..64).filter(|i| mirrored.i(*i).allclose(&x.i(*i), 1e-4, 1e-4, false));
        let n = flipped.iter().filter(|f| **f).count();
        assert!((16..48).contains(&n) && n + kept.count() == 64, "{n} of 64");
        let erased = only(Augment { erased: 0.5, ..none.clone() });
        let grey = erased.eq(0.0).reshape([64, -1]).any_dim(1, false);
        let n = i64::try_from(grey.sum(Kind::Int64)).unwrap();
        assert!((16..48).contains(&n), "{n} of 64 erased");
        let level = only(Augment { level: 0.5, ..none.clone() });
        let change = (&level - &x).reshape([64, 3, -1]);
        assert!(
            f64::try_from(change.std_dim([2i64].as_slice(), false, false).max()).unwrap() < 1e-5
        );
        assert!(f64::try_from(change.abs().max()).unwrap() <= 0.5 + 1e-6);
        let grey = only(Augment { grey: 0.5, ..none.clone() });
        assert!(grey.allclose(&x, 1e-4, 1e-4, false), "without colours as it is");
        let red = Augment { grey: 0.5, level: 1.0, ..none.clone() }.apply(&x).unwrap();
        let apart = (red.i((.., 0)) - red.i((.., 2)))
            .abs()
            .reshape([64, -1])
            .amax([1i64].as_slice(), false);
        let n = i64::try_from(apart.lt(1e-5).sum(Kind::Int64)).unwrap();
        assert!((16..48).contains(&n), "{n} of 64 without colours");
        let darker = only(Augment { brightness: 0.5, ..none.clone() });
        let share = (&darker - BLACK) / (&x - BLACK);
        let spread = share.reshape([64, -1]).std_dim([1i64].as_slice(), false, false);
        assert!(f64::try_from(spread.max()).unwrap() < 1e-5, "one share a picture");
        let (low, high) =
            (f64::try_from(share.min()).unwrap(), f64::try_from(share.max()).unwrap());
        assert!((0.5..0.7).contains(&low) && (1.3..1.5001).contains(&high), "{low} to {high}");
        // A blurred edge is less steep; what is flat stays as it is.
        let edge = x.sign();
        let blurred = Augment { blur: 0.1, ..none.clone() }.apply(&edge).unwrap();
        let steep = (blurred.i((.., 0, 5, 16)) - blurred.i((.., 0, 5, 15))).abs();
        let n = i64::try_from(steep.lt(1.99).sum(Kind::Int64)).unwrap();
        assert!((16..48).contains(&n), "{n} of 64 blurred");
        assert!((blurred.i((.., .., .., 0)) + 1.0).abs().max().double_value(&[]) < 1e-4);
        let noisy = only(Augment { noise: 0.5, ..none.clone() }) - &x;
        let deviation = noisy.reshape([64, -1]).std_dim([1i64].as_slice(), true, false);
        let n = i64::try_from(deviation.gt(1e-6).sum(Kind::Int64)).unwrap();
        assert!((16..48).contains(&n), "{n} of 64 with noise");
        assert!(deviation.max().double_value(&[]) < 0.55);
        let json = serde_json::to_string(&Augment::default()).unwrap();
        assert_eq!(serde_json::from_str::<Augment>(&json).unwrap(), Augment::default());
        let refused = Augment { blur: 0.3, ..none.clone() };
        assert!(refused.check().unwrap_err().to_string().contains("augment.blur of 0.3"));
        let refused = Augment { scale: 2.0, ..none };
        assert!(refused.check().unwrap_err().to_string().contains("augment.scale of 2"));
    }
}
