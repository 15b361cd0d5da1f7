//! Mixup (Zhang et al., arXiv 1710.09412).

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::Targets;

/// Mixes each image with another one of its batch, all in the same ratio, and their targets
/// likewise.
pub(super) fn mixup(x: &Tensor, alpha: f64, targets: &mut Targets) -> Result<Tensor> {
    // Beta(a, a) as the ratio of two gamma variables, which libtorch can draw.
    let two =
        Tensor::f_full([2], alpha, (Kind::Double, Device::Cpu))?.f_internal_standard_gamma()?;
    let (a, b) = (two.f_double_value(&[0])?, two.f_double_value(&[1])?);
    let share = if a + b > 0.0 { a / (a + b) } else { 1.0 };
    let order = Tensor::f_randperm(x.size()[0], (Kind::Int64, x.device()))?;
    targets.mix(&order, share)?;
    Ok(x.f_mul_scalar(share)?.f_add(&x.f_index_select(0, &order)?.f_mul_scalar(1.0 - share)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Task;
    use crate::task::{Gender, Label};
    use crate::train::Recipe;

    /// Both heads: gender's target and the age in years are mixed as the images are.
    #[test]
    fn pictures_and_the_targets_of_both_heads_are_mixed_in_one_share() {
        let _turn = utils::random::turn();
        let labels: Vec<Label> = (0..8)
            .map(|i| Label::new(10 * i, [Gender::Male, Gender::Female][i as usize % 2]))
            .collect();
        let recipe = Recipe::report(Task::Both);
        let mut targets = Targets::new(Task::Both, &labels, &recipe, Device::Cpu).unwrap();
        // Each image is filled with its number, so the image it is mixed with can be read off.
        let x = Tensor::arange(8, (Kind::Double, Device::Cpu)).view([8, 1, 1, 1]);
        tch::manual_seed(1);
        let mixed = mixup(&x, 0.5, &mut targets).unwrap().view([8]);
        assert!(!mixed.equal(&x.view([8])));
        let ages = Vec::<f64>::try_from(targets.ages().to_kind(Kind::Double)).unwrap();
        let outputs = Vec::<Vec<f64>>::try_from(targets.outputs().to_kind(Kind::Double)).unwrap();
        for (i, number) in Vec::<f64>::try_from(mixed).unwrap().into_iter().enumerate() {
            assert!((ages[i] - 10.0 * number).abs() < 1e-4, "ages go with pictures");
            let years = &outputs[i][1..];
            let mean: f64 = years.iter().enumerate().map(|(y, p)| y as f64 * p).sum();
            assert!((mean - 10.0 * number).abs() < 1e-3, "so do distributions");
            // The other image and its share: gender must agree with both.
            let own = years[10 * i];
            let other = (0..8).find(|j| *j != i && years[10 * j] > 1e-6);
            let female = |j: usize| (j % 2) as f64;
            let expected = own * female(i) + other.map_or(0.0, |j| years[10 * j] * female(j));
            assert!((outputs[i][0] - expected).abs() < 1e-5, "picture {i}");
        }
    }
}
