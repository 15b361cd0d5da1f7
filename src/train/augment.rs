//! Augmentation of a whole batch at once, on its device.

use std::fmt;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

/// An augmentation of one's own, applied after the recipe's.
pub trait Augmentation: fmt::Debug {
    /// Identifies it and its settings in a run's key: change it whenever what it does changes.
    fn id(&self) -> String;

    /// Changes normalised pictures `[n, 3, side, side]`, f32, each in its own way.
    ///
    /// # Errors
    /// The device failing.
    fn apply(&self, x: &Tensor) -> Result<Tensor>;
}

/// How strongly training pictures are changed; the default is what the models that ship were
/// trained by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augment {
    /// Whether half of the pictures are mirrored. Default: yes.
    pub mirror: bool,
    /// How far pictures are turned at most, radians, 0 to 3.2. Default: 0.18.
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
    /// How many pictures have a square patch erased (Zhong et al., arXiv 1708.04896), as a share,
    /// 0 to 1. Default: 0.4.
    pub erased: f64,
    /// Half the patch's side at least and at most, as a share of the picture's, 0 to 1. Default:
    /// 0.1 and 0.25.
    pub erased_size: [f64; 2],
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

    pub(super) fn check(&self) -> Result<()> {
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
        ] {
            ensure!((0.0..=most).contains(&value), "augment.{what} of {value}: choose 0 to {most}");
        }
        Ok(())
    }

    /// Normalised pictures `[n, 3, side, side]`, changed each in its own way. Channels last in
    /// memory, as it came.
    pub(super) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        if *self == Self::none() {
            return Ok(x.shallow_clone());
        }
        let moved = self.moved(x)?;
        let lit = self.lit(&moved)?;
        let erased = self.erased(&lit)?;
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
        // Bilinear, and beyond the edge the picture reflected: no black corners to learn.
        Ok(x.f_grid_sampler(&grid, 0, 2, false)?)
    }

    /// With another contrast, and other levels of each colour.
    fn lit(&self, x: &Tensor) -> Result<Tensor> {
        let n = x.size()[0];
        let contrast =
            symmetric(&[n, 1, 1, 1], x)?.f_mul_scalar(self.contrast)?.f_add_scalar(1.0)?;
        let level = symmetric(&[n, 3, 1, 1], x)?.f_mul_scalar(self.level)?;
        Ok(x.f_mul(&contrast)?.f_add(&level)?)
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
        let _turn = crate::support::random::turn();
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
        let _turn = crate::support::random::turn();
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
        let refused = Augment { scale: 2.0, ..none };
        assert!(refused.check().unwrap_err().to_string().contains("augment.scale of 2"));
    }
}
