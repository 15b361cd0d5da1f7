//! Layers with f32 parameters that compute in the precision of their input, so that one definition
//! serves f32 and bf16.

use anyhow::Result;
use tch::{Kind, Tensor, no_grad};

use crate::params::Params;
use crate::ranks::{Ranks, synchronised};

/// A square convolution, padded to keep the size at stride 1.
#[derive(Debug)]
pub struct Conv {
    weight: Tensor,
    bias: Option<Tensor>,
    stride: i64,
    padding: i64,
}

impl Conv {
    /// Creates a convolution of `from` channels to `to`, with `kernel` x `kernel` weights.
    ///
    /// # Errors
    /// No memory for its parameters.
    pub fn new(
        params: &Params,
        [from, to]: [i64; 2],
        kernel: i64,
        stride: i64,
        bias: bool,
    ) -> Result<Self> {
        Ok(Self {
            weight: params.weight("weight", &[to, from, kernel, kernel])?,
            bias: match bias {
                true => Some(params.constant("bias", &[to], 0.0)?),
                false => None,
            },
            stride,
            padding: kernel / 2,
        })
    }

    /// Creates a 1x1 convolution of `from` channels to `to` whose weights start at 0.
    ///
    /// # Errors
    /// No memory for its parameters.
    pub fn zero(params: &Params, [from, to]: [i64; 2]) -> Result<Self> {
        let weight = params.constant("weight", &[to, from, 1, 1], 0.0)?;
        Ok(Self { weight, bias: None, stride: 1, padding: 0 })
    }

    /// Removes the padding: positions at the edge are left out.
    pub fn unpadded(self) -> Self {
        Self { padding: 0, ..self }
    }

    /// Maps `[n, from, h, w]` to `[n, to, h / stride, w / stride]`.
    ///
    /// # Errors
    /// An input with another number of channels.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let in_kind = |tensor: &Tensor| tensor.f_to_kind(x.kind());
        Ok(x.f_conv2d(
            &in_kind(&self.weight)?,
            self.bias.as_ref().map(in_kind).transpose()?,
            [self.stride; 2],
            [self.padding; 2],
            [1, 1],
            1,
        )?)
    }

    /// Prepares the convolution for inference in `kind` and folds the following normalization into
    /// it: with fixed statistics that only scales and shifts each channel.
    ///
    /// # Errors
    /// No memory for the folded weights.
    pub fn fold(&mut self, norm: Option<&mut Norm>, kind: Kind) -> Result<()> {
        let mut weight = self.weight.f_detach()?;
        let mut bias = self.bias.as_ref().map(Tensor::f_detach).transpose()?;
        if let Some(norm) = norm
            && let Some(norm) = norm.0.take()
        {
            let deviation = norm.variance.f_add_scalar(EPSILON)?.f_sqrt()?;
            let scale = norm.scale.f_detach()?.f_div(&deviation)?;
            let mean = match &bias {
                Some(bias) => norm.mean.f_sub(bias)?,
                None => norm.mean.shallow_clone(),
            };
            bias = Some(norm.shift.f_detach()?.f_sub(&mean.f_mul(&scale)?)?);
            weight = weight.f_mul(&scale.f_view([-1, 1, 1, 1])?)?;
        }
        // Channels last, as the images are.
        self.weight = weight
            .f_to_kind(kind)?
            .f_permute([0, 2, 3, 1])?
            .f_contiguous()?
            .f_permute([0, 3, 1, 2])?;
        self.bias = bias.map(|bias| bias.f_to_kind(kind)).transpose()?;
        Ok(())
    }
}

/// Momentum of the running statistics and minimum variance: PyTorch's defaults.
const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;

/// Batch normalization (Ioffe and Szegedy, arXiv 1502.03167).
#[derive(Debug)]
pub struct Norm(Option<Channels>); // `None` once it is folded into the convolution before it

/// Parameters and statistics, one number per channel each.
#[derive(Debug)]
struct Channels {
    scale: Tensor,
    shift: Tensor,
    mean: Tensor,
    variance: Tensor,
}

impl Norm {
    /// Creates a normalization of `channels` channels.
    ///
    /// # Errors
    /// No memory for its parameters.
    pub fn new(params: &Params, channels: i64) -> Result<Self> {
        // Scales start at 1, as in PyTorch; tch's own layer draws them between 0 and 1.
        Ok(Self(Some(Channels {
            scale: params.constant("weight", &[channels], 1.0)?,
            shift: params.constant("bias", &[channels], 0.0)?,
            mean: params.statistics("running_mean", &[channels], 0.0)?,
            variance: params.statistics("running_var", &[channels], 1.0)?,
        })))
    }

    /// Normalizes `[n, channels]` or `[n, channels, h, w]`.
    ///
    /// # Errors
    /// An input with another number of channels.
    pub fn normalise(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        match &self.0 {
            None => Ok(x.shallow_clone()),
            Some(norm) => norm.normalised(x, train),
        }
    }

    /// Normalizes `[n, channels, h, w]`, then applies ReLU.
    ///
    /// # Errors
    /// An input with another number of channels.
    pub fn relu(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        Ok(self.normalise(x, train)?.f_relu_()?)
    }
}

impl Channels {
    fn normalised(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        if train && let Some(ranks) = synchronised() {
            return self.synchronised(x, &ranks);
        }
        Ok(Tensor::f_batch_norm(
            x,
            Some(&self.scale),
            Some(&self.shift),
            Some(&self.mean),
            Some(&self.variance),
            train,
            MOMENTUM,
            EPSILON,
            true,
        )?)
    }

    /// Normalizes by the statistics of the batches of all ranks.
    fn synchronised(&self, x: &Tensor, ranks: &Ranks) -> Result<Tensor> {
        let channels = x.size()[1];
        let pixels = (x.numel() as i64 / channels.max(1)) as f64;
        let sum_of = |x: &Tensor| x.f_sum_dim_intlist([0i64, 2, 3].as_slice(), false, Kind::Float);
        let columns = |x: &Tensor| x.f_view([1, -1, 1, 1]);
        let wide = x.f_to_kind(Kind::Float)?;
        let count = Tensor::f_full([1], pixels, (Kind::Float, x.device()))?;
        let sums = ranks.sum_with_gradient(&Tensor::f_cat(&[sum_of(&wide)?, count], 0)?)?;
        let count = sums.f_narrow(0, channels, 1)?.f_detach()?;
        let mean = sums.f_narrow(0, 0, channels)?.f_div(&count)?;
        // A second sum, around the mean: mean square less squared mean would lose digits.
        let centred = wide.f_sub(&columns(&mean)?)?;
        let squares = ranks.sum_with_gradient(&sum_of(&centred.f_square()?)?)?;
        let variance = squares.f_div(&count)?;
        no_grad(|| -> Result<()> {
            let unbiased = variance.f_mul(&count.f_div(&count.f_sub_scalar(1.0)?)?)?;
            for (running, now) in [(&self.mean, &mean), (&self.variance, &unbiased)] {
                let _ = running.shallow_clone().f_lerp_(now, MOMENTUM)?;
            }
            Ok(())
        })?;
        let scale = variance.f_add_scalar(EPSILON)?.f_rsqrt()?.f_mul(&self.scale)?;
        let y = centred.f_mul(&columns(&scale)?)?.f_add(&columns(&self.shift)?)?;
        Ok(y.f_to_kind(x.kind())?)
    }
}

/// A dense layer.
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// Creates a layer of `from` features to `to`.
    ///
    /// # Errors
    /// No memory for its parameters.
    pub fn new(params: &Params, from: i64, to: i64) -> Result<Self> {
        Ok(Self {
            weight: params.weight("weight", &[to, from])?,
            bias: params.uniform("bias", &[to], 1.0 / (from as f64).sqrt())?,
        })
    }

    /// Maps `[n, from]` to `[n, to]`.
    ///
    /// # Errors
    /// An input with another number of features.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_linear(&self.weight, Some(&self.bias))?)
    }
}

/// The mean over height and width of `[n, channels, h, w]`, in f32: the layers that follow are small
/// and need precision.
///
/// # Errors
/// An input of another shape.
pub fn average_pool(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?)
}

/// Stochastic depth (Huang et al., arXiv 1603.09382): each image's residual is kept with
/// probability `survival` and scaled so that its expectation is unchanged.
///
/// # Errors
/// No memory for the choice.
pub fn drop_path(x: Tensor, survival: f64, train: bool) -> Result<Tensor> {
    if !train || survival >= 1.0 {
        return Ok(x);
    }
    let keep = Tensor::f_empty([x.size()[0], 1, 1, 1], (x.kind(), x.device()))?
        .f_bernoulli_float_(survival)?;
    Ok(x.f_mul(&keep.f_div_scalar(survival)?)?)
}

/// Adds `x` to `y`: in place in training; otherwise a tap may still hold `y`.
///
/// # Errors
/// Shapes that differ.
pub fn add(mut y: Tensor, x: &Tensor, train: bool) -> Result<Tensor> {
    Ok(if train { y.f_add_(x)? } else { y.f_add(x)? })
}
