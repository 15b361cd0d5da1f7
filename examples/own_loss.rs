//! A loss and an augmentation of one's own.
//!
//!     cargo run --example own_loss

use anyhow::Result;
use ror::prelude::*;
use ror::tch::{Kind, Tensor};
use ror::train::{Augmentation, Loss, Targets};

/// The squared error of the expected age, in decades, beside a little cross-entropy.
#[derive(Debug)]
struct SquaredError {
    cross_entropy: f64,
}

impl Loss for SquaredError {
    fn id(&self) -> String {
        format!("squared error in decades + {} cross-entropy", self.cross_entropy)
    }

    fn of(&self, logits: &Tensor, targets: &Targets) -> Result<Tensor> {
        let years = Tensor::f_arange(logits.size()[1], (Kind::Float, logits.device()))?;
        let expected = logits.f_softmax(1, Kind::Float)?.f_mv(&years)?;
        let error = expected.f_sub(targets.ages())?.f_div_scalar(10.0)?;
        let log = logits.f_log_softmax(1, Kind::Float)?;
        let cross_entropy = log.f_mul(targets.outputs())?.f_sum(Kind::Float)?;
        let cross_entropy = cross_entropy.f_div_scalar(-(logits.size()[0] as f64))?;
        let squared = error.f_square()?.f_mean(Kind::Float)?;
        Ok(squared.f_add(&cross_entropy.f_mul_scalar(self.cross_entropy)?)?)
    }
}

/// Grain, as of a film: normally distributed, in units of normalised pixels.
#[derive(Debug)]
struct Grain(f64);

impl Augmentation for Grain {
    fn id(&self) -> String {
        format!("grain of {}", self.0)
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_add(&x.f_randn_like()?.f_mul_scalar(self.0)?)?)
    }
}

fn main() -> Result<()> {
    ror::show_progress(true);
    let faces = Faces::open()?;
    let split = Protocol::Random.split(&faces)?;
    let (loss, grain) = (SquaredError { cross_entropy: 0.3 }, Grain(0.1));
    let training = Training::new(&faces, &split, Task::Years).epochs(4);
    let trained = training.loss(loss).augmentation(grain).train_or_load()?;
    println!("{}", trained.evaluate(&faces, &split)?);
    Ok(())
}
