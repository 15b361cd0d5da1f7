//! A net of one's own: trained, evaluated and found again as the crate's are.
//!
//!     cargo run --example own_net

use anyhow::Result;
use ror::model::{Architecture, Conv, Linear, Network, Norm, Params, Tap};
use ror::prelude::*;
use ror::tch::{Kind, Tensor};
use serde::{Deserialize, Serialize};

/// What a card keeps of the net's shape.
#[derive(Debug, Serialize, Deserialize)]
struct TwoConvs {
    width: i64,
    outputs: i64,
}

impl Architecture for TwoConvs {
    const NAME: &'static str = "two convolutions";
    fn input(&self) -> u32 {
        32
    }
    fn outputs(&self) -> i64 {
        self.outputs
    }
    fn build(&self, params: &Params) -> Result<Box<dyn Network>> {
        let first = Conv::new(&params.sub("conv1"), [3, self.width], 5, 2, false)?;
        let norm = Norm::new(&params.sub("bn1"), self.width)?;
        let second = Conv::new(&params.sub("conv2"), [self.width, 64], 3, 2, true)?;
        let head = Linear::new(&params.sub("head"), 64, self.outputs)?;
        Ok(Box::new(Layers(first, norm, second, head)))
    }
}

#[derive(Debug)]
struct Layers(Conv, Norm, Conv, Linear);

impl Network for Layers {
    fn forward(&self, x: &Tensor, train: bool, _tap: Tap) -> Result<Tensor> {
        let Self(first, norm, second, head) = self;
        let x = norm.relu(&first.forward(x)?, train)?;
        let x = second.forward(&x)?.f_relu()?;
        head.forward(&x.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?)
    }
}

fn main() -> Result<()> {
    ror::show_progress(true);
    let faces = Faces::open()?;
    let split = Protocol::OriginalGender.split(&faces)?;
    let net = TwoConvs { width: 32, outputs: 1 };
    let training = Training::new(&faces, &split, Task::Gender).net(net);
    let trained = training.epochs(3).train_or_load()?;
    println!("{}", trained.evaluate(&faces, &split)?);
    Ok(())
}
