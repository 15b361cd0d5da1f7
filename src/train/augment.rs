//! Augmentation of a whole batch at once, on its device.

use anyhow::Result;
use tch::{Device, IndexOp, Kind, Tensor};

use super::targets::Targets;

/// How far pictures are turned at most, in radians.
const TURN: f64 = 0.18;
/// How far they are scaled at most, as a share.
const SCALE: f64 = 0.12;
/// How far they are moved at most, as a share of half their side.
const MOVE: f64 = 0.12;
/// How far their contrast changes at most, as a share.
const CONTRAST: f64 = 0.2;
/// How far each colour's level moves at most, in units of normalised pixels (64 of 255 levels).
const LEVEL: f64 = 0.3;
/// How many pictures have a patch erased, as a share.
const ERASED: f64 = 0.4;

/// Normalised pictures `[n, 3, side, side]` mirrored, moved, lit otherwise and partly erased,
/// each in its own way. Channels last in memory, as it came.
pub(super) fn augment(x: &Tensor) -> Result<Tensor> {
    let (n, side) = (x.size()[0], x.size()[2]);
    let options = (Kind::Float, x.device());
    // Uniform between -1 and 1.
    let random = |shape: &[i64]| -> Result<Tensor> {
        Ok(Tensor::f_rand(shape, options)?
            .f_mul_scalar(2.0)?
            .f_sub_scalar(1.0)?)
    };

    let angle = random(&[n])? * TURN;
    let scale = random(&[n])? * SCALE + 1.0;
    let mirror = random(&[n])?.f_sign()?;
    let (sin, cos) = (angle.f_sin()? * &scale, angle.f_cos()? * &scale);
    let shift = random(&[n, 2])? * MOVE;
    let rows = [
        &cos * &mirror,
        -&sin,
        shift.i((.., 0)),
        sin * mirror,
        cos,
        shift.i((.., 1)),
    ];
    let theta = Tensor::f_stack(&rows, 1)?.f_view([n, 2, 3])?;
    let grid = Tensor::f_affine_grid_generator(&theta, [n, 3, side, side], false)?;
    // Bilinear, and beyond the edge the picture reflected: no black corners to learn.
    let x = x.f_grid_sampler(&grid, 0, 2, false)?;

    let contrast = random(&[n, 1, 1, 1])? * CONTRAST + 1.0;
    let level = random(&[n, 3, 1, 1])? * LEVEL;
    let x = x.f_mul(&contrast)?.f_add(&level)?;

    let centre = Tensor::f_randint(side, [2, n, 1, 1], (Kind::Int64, x.device()))?;
    let reach = Tensor::f_randint_low(
        side / 10,
        side / 4 + 1,
        [n, 1, 1],
        (Kind::Int64, x.device()),
    )?;
    let at = Tensor::f_arange(side, (Kind::Int64, x.device()))?;
    let near = |axis: i64, at: Tensor| -> Result<Tensor> {
        Ok((at - centre.i(axis)).f_abs()?.f_less_tensor(&reach)?)
    };
    let chosen = Tensor::f_rand([n, 1, 1], options)?.f_less(ERASED)?;
    let patch = near(0, at.f_view([1, side, 1])?)?
        .f_logical_and(&near(1, at.f_view([1, 1, side])?)?)?
        .f_logical_and(&chosen)?
        .f_unsqueeze(1)?;
    let x = x.f_masked_fill(&patch, 0.0)?;
    // The sampler writes channels first; the convolutions want them last.
    Ok(x.f_permute([0, 2, 3, 1])?
        .f_contiguous()?
        .f_permute([0, 3, 1, 2])?)
}

/// Mixes each picture with another one of its batch, all in one share, and their targets alike.
pub(super) fn mixup(x: &Tensor, alpha: f64, targets: &mut Targets) -> Result<Tensor> {
    // Beta(a, a) as the ratio of two gamma variables, which libtorch draws.
    let two =
        Tensor::f_full([2], alpha, (Kind::Double, Device::Cpu))?.f_internal_standard_gamma()?;
    let (a, b) = (f64::try_from(two.i(0))?, f64::try_from(two.i(1))?);
    let share = if a + b > 0.0 { a / (a + b) } else { 1.0 };
    let order = Tensor::f_randperm(x.size()[0], (Kind::Int64, x.device()))?;
    targets.mix(&order, share)?;
    Ok(x.f_mul_scalar(share)?
        .f_add(&x.f_index_select(0, &order)?.f_mul_scalar(1.0 - share)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_change_each_in_its_own_way_and_keep_their_shape() {
        let _turn = crate::random::turn();
        tch::manual_seed(0);
        let one = Tensor::rand([1, 3, 32, 32], (Kind::Float, Device::Cpu));
        let x = one.repeat([4, 1, 1, 1]);
        let y = augment(&x).unwrap();
        assert_eq!(y.size(), x.size());
        assert_eq!(y.stride()[1], 1, "channels last");
        for i in 0..4 {
            assert!(f64::try_from((y.i(i) - x.i(i)).abs().mean(Kind::Float)).unwrap() > 0.05);
            assert!(
                f64::try_from((y.i(i) - y.i((i + 1) % 4)).abs().mean(Kind::Float)).unwrap() > 0.05
            );
        }
        tch::manual_seed(0);
        let _ = Tensor::rand([1, 3, 32, 32], (Kind::Float, Device::Cpu));
        assert!(augment(&x).unwrap().equal(&y), "the seed decides");
    }

    #[test]
    fn mixup_mixes_pictures_and_targets_in_one_share() {
        let _turn = crate::random::turn();
        use crate::Task;
        use crate::dataset::{Gender, Label};
        use crate::train::Recipe;
        let labels: Vec<Label> = (0..8)
            .map(|i| Label {
                age: 20,
                gender: if i < 4 { Gender::Male } else { Gender::Female },
                race: None,
            })
            .collect();
        let recipe = Recipe::report(Task::Gender);
        let mut targets = Targets::new(Task::Gender, &labels, &recipe, Device::Cpu).unwrap();
        // A picture is its own target, and stays so.
        let x = Tensor::from_slice(&[0f32, 0., 0., 0., 1., 1., 1., 1.]).view([8, 1, 1, 1]);
        tch::manual_seed(1);
        let mixed = mixup(&x, 0.5, &mut targets).unwrap();
        assert!(!mixed.equal(&x));
        assert!(
            mixed
                .view([8, 1])
                .allclose(targets.outputs(), 1e-6, 1e-6, false)
        );
    }
}
