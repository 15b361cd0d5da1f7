//! Parameters under PyTorch's names.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use tch::{Device, Tensor, nn};

/// Makes parameters under a path of names, as PyTorch has them: `groups.0.shortcut.weight`.
#[derive(Debug)]
pub struct Params<'a> {
    path: nn::Path<'a>,
    first: First<'a>,
}

/// What parameters are at first.
#[derive(Debug, Clone, Copy)]
pub(super) enum First<'a> {
    /// Drawn from libtorch's generator.
    Random,
    /// 0, to be overwritten; the generator stays as it is.
    Zeros,
    /// 0, to be overwritten by these, which must have their shapes: a file that is not this net's is
    /// refused before memory is taken for the net.
    Like(&'a BTreeMap<String, Tensor>),
}

impl<'a> Params<'a> {
    pub(super) fn new(variables: &'a nn::VarStore, first: First<'a>) -> Self {
        Self { path: variables.root(), first }
    }

    /// Refuses a parameter that what is loaded has not.
    fn check(&self, name: &str, shape: &[i64]) -> Result<()> {
        if let First::Like(saved) = self.first {
            let name = self.path.components().chain([name]).collect::<Vec<_>>().join(".");
            let saved = saved.get(&name).with_context(|| format!("it has no {name}"))?;
            ensure!(saved.size() == shape, "its {name} is {:?}, not {shape:?}", saved.size());
        }
        Ok(())
    }

    /// The parameters of a part.
    pub fn sub(&self, name: impl ToString) -> Self {
        Self { path: self.path.sub(name), first: self.first }
    }

    /// For layers of `tch::nn`.
    pub fn path(&self) -> &nn::Path<'a> {
        &self.path
    }

    /// Where the parameters are.
    pub fn device(&self) -> Device {
        self.path.device()
    }

    /// Weights, drawn as He et al. (arXiv 1502.01852) do for layers before a ReLU: uniform, by
    /// the number of inputs.
    ///
    /// # Errors
    /// No memory for them, or a file that is loaded has others.
    pub fn weight(&self, name: &str, shape: &[i64]) -> Result<Tensor> {
        self.check(name, shape)?;
        Ok(match self.first {
            First::Random => self.path.f_kaiming_uniform(name, shape)?,
            _ => self.path.f_zeros(name, shape)?,
        })
    }

    /// Parameters uniform between `-bound` and `bound`.
    ///
    /// # Errors
    /// No memory for them, or a file that is loaded has others.
    pub fn uniform(&self, name: &str, shape: &[i64], bound: f64) -> Result<Tensor> {
        self.check(name, shape)?;
        Ok(match self.first {
            First::Random => self.path.f_uniform(name, shape, -bound, bound)?,
            _ => self.path.f_zeros(name, shape)?,
        })
    }

    /// Parameters that start at one value, 0 or 1 as a rule.
    ///
    /// # Errors
    /// No memory for them, or a file that is loaded has others.
    pub fn constant(&self, name: &str, shape: &[i64], value: f64) -> Result<Tensor> {
        self.check(name, shape)?;
        Ok(self.path.f_var(name, shape, nn::Init::Const(value))?)
    }

    /// Running statistics, which no gradient changes, that start at `value`, 0 or 1.
    ///
    /// # Errors
    /// No memory for them, or a file that is loaded has others.
    pub fn statistics(&self, name: &str, shape: &[i64], value: f64) -> Result<Tensor> {
        self.check(name, shape)?;
        Ok(if value == 0.0 {
            self.path.f_zeros_no_train(name, shape)?
        } else {
            let mut ones = self.path.f_ones_no_train(name, shape)?;
            ones.f_mul_scalar_(value)?
        })
    }
}
