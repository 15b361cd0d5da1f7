//! Parameters under PyTorch's names.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use tch::{Device, Tensor, nn};

/// Creates parameters under a path of names, as in PyTorch: `groups.0.shortcut.weight`.
#[derive(Debug)]
pub struct Params<'a> {
    path: nn::Path<'a>,
    first: First<'a>,
}

/// Initial values of parameters.
#[derive(Debug, Clone, Copy)]
pub enum First<'a> {
    /// Drawn from libtorch's generator.
    Random,
    /// 0, to be overwritten; the generator is not used.
    Zeros,
    /// 0, to be overwritten by these, which must have the same shapes: an unsuitable file is
    /// rejected before memory is allocated for the network.
    Like(&'a BTreeMap<String, Tensor>),
}

impl<'a> Params<'a> {
    /// Parameters below the root of a store.
    pub fn new(variables: &'a nn::VarStore, first: First<'a>) -> Self {
        Self { path: variables.root(), first }
    }

    /// Rejects a parameter that the loaded file lacks.
    fn check(&self, name: &str, shape: &[i64]) -> Result<()> {
        if let First::Like(saved) = self.first {
            let name = self.path.components().chain([name]).collect::<Vec<_>>().join(".");
            let saved = saved.get(&name).with_context(|| format!("it has no tensor {name}"))?;
            ensure!(
                saved.size() == shape,
                "its tensor {name} has the shape {:?}, not {shape:?}",
                saved.size()
            );
        }
        Ok(())
    }

    /// The parameters below `name`.
    pub fn sub(&self, name: impl ToString) -> Self {
        Self { path: self.path.sub(name), first: self.first }
    }

    /// The path for layers of `tch::nn`.
    pub fn path(&self) -> &nn::Path<'a> {
        &self.path
    }

    /// The device of the parameters.
    pub fn device(&self) -> Device {
        self.path.device()
    }

    /// Weights drawn as He et al. (arXiv 1502.01852) do for layers before a ReLU: uniform, scaled
    /// by the number of inputs.
    ///
    /// # Errors
    /// No memory for them, or a loaded file that does not match.
    pub fn weight(&self, name: &str, shape: &[i64]) -> Result<Tensor> {
        self.check(name, shape)?;
        Ok(match self.first {
            First::Random => self.path.f_kaiming_uniform(name, shape)?,
            _ => self.path.f_zeros(name, shape)?,
        })
    }

    /// Parameters drawn uniformly between `-bound` and `bound`.
    ///
    /// # Errors
    /// No memory for them, or a loaded file that does not match.
    pub fn uniform(&self, name: &str, shape: &[i64], bound: f64) -> Result<Tensor> {
        self.check(name, shape)?;
        Ok(match self.first {
            First::Random => self.path.f_uniform(name, shape, -bound, bound)?,
            _ => self.path.f_zeros(name, shape)?,
        })
    }

    /// Parameters that start at one value, usually 0 or 1.
    ///
    /// # Errors
    /// No memory for them, or a loaded file that does not match.
    pub fn constant(&self, name: &str, shape: &[i64], value: f64) -> Result<Tensor> {
        self.check(name, shape)?;
        Ok(self.path.f_var(name, shape, nn::Init::Const(value))?)
    }

    /// Running statistics, without gradients, that start at `value`, 0 or 1.
    ///
    /// # Errors
    /// No memory for them, or a loaded file that does not match.
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
