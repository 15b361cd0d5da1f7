//! Layers whose parameters are f32 and whose arithmetic is in the kind of their input, so that
//! one definition serves f32 and bf16.

use anyhow::Result;
use tch::nn::{self, ConvConfig};
use tch::{Kind, Tensor};

/// A square convolution, padded to keep the size at stride 1.
#[derive(Debug)]
pub(super) struct Conv {
    weight: Tensor,
    bias: Option<Tensor>,
    stride: i64,
    padding: i64,
}

pub(super) fn conv(
    path: nn::Path,
    from: i64,
    to: i64,
    kernel: i64,
    stride: i64,
    bias: bool,
) -> Conv {
    let padding = kernel / 2;
    let config = ConvConfig {
        stride,
        padding,
        bias,
        ..Default::default()
    };
    let layer = nn::conv2d(path, from, to, kernel, config);
    Conv {
        weight: layer.ws,
        bias: layer.bs,
        stride,
        padding,
    }
}

pub(super) fn apply_conv(conv: &Conv, x: &Tensor) -> Result<Tensor> {
    let weight = conv.weight.f_to_kind(x.kind())?;
    let bias = conv
        .bias
        .as_ref()
        .map(|bias| bias.f_to_kind(x.kind()))
        .transpose()?;
    Ok(x.f_conv2d(
        &weight,
        bias.as_ref(),
        [conv.stride; 2],
        [conv.padding; 2],
        [1, 1],
        1,
    )?)
}

/// How fast running statistics follow, and what keeps variances above 0: PyTorch's defaults.
const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;

/// A batch normalisation, or none where it is part of the convolution before it.
#[derive(Debug)]
pub(super) struct Norm(Option<Channels>);

/// A number for each channel, of each kind.
#[derive(Debug)]
struct Channels {
    scale: Tensor,
    shift: Tensor,
    mean: Tensor,
    variance: Tensor,
}

pub(super) fn norm(path: nn::Path, channels: i64) -> Norm {
    // Scales start at 1, as PyTorch's do; tch's own layer would draw them between 0 and 1.
    Norm(Some(Channels {
        scale: path.ones("weight", &[channels]),
        shift: path.zeros("bias", &[channels]),
        mean: path.zeros_no_train("running_mean", &[channels]),
        variance: path.ones_no_train("running_var", &[channels]),
    }))
}

/// Batch normalisation, then ReLU in its place.
pub(super) fn norm_relu(norm: &Norm, x: &Tensor, train: bool) -> Result<Tensor> {
    let Some(norm) = &norm.0 else {
        let mut y = x.shallow_clone();
        return Ok(y.f_relu_()?);
    };
    let mut y = Tensor::f_batch_norm(
        x,
        Some(&norm.scale),
        Some(&norm.shift),
        Some(&norm.mean),
        Some(&norm.variance),
        train,
        MOMENTUM,
        EPSILON,
        true,
    )?;
    Ok(y.f_relu_()?)
}

impl Conv {
    /// This convolution for inference alone, in `kind`, with the normalisation behind it made
    /// part of it: normalising by fixed statistics only scales and shifts each channel.
    pub(super) fn folded(&self, norm: Option<&Norm>, kind: Kind) -> Result<Self> {
        let mut weight = self.weight.f_detach()?;
        let mut bias = self.bias.as_ref().map(Tensor::f_detach).transpose()?;
        if let Some(Norm(Some(norm))) = norm {
            let deviation = norm.variance.f_add_scalar(EPSILON)?.f_sqrt()?;
            let scale = norm.scale.f_detach()?.f_div(&deviation)?;
            let mean = match &bias {
                Some(bias) => norm.mean.f_sub(bias)?,
                None => norm.mean.shallow_clone(),
            };
            bias = Some(norm.shift.f_detach()?.f_sub(&mean.f_mul(&scale)?)?);
            weight = weight.f_mul(&scale.f_view([-1, 1, 1, 1])?)?;
        }
        // Channels last, as the pictures are.
        let weight = weight
            .f_to_kind(kind)?
            .f_permute([0, 2, 3, 1])?
            .f_contiguous()?
            .f_permute([0, 3, 1, 2])?;
        Ok(Self {
            weight,
            bias: bias.map(|bias| bias.f_to_kind(kind)).transpose()?,
            ..*self
        })
    }
}

impl Norm {
    /// What is left of a normalisation that is part of the convolution before it.
    pub(super) fn in_conv() -> Self {
        Self(None)
    }

    /// A copy, for inference alone.
    pub(super) fn copied(&self) -> Result<Self> {
        let copied = |tensor: &Tensor| tensor.f_detach_copy();
        Ok(Self(match &self.0 {
            None => None,
            Some(norm) => Some(Channels {
                scale: copied(&norm.scale)?,
                shift: copied(&norm.shift)?,
                mean: copied(&norm.mean)?,
                variance: copied(&norm.variance)?,
            }),
        }))
    }
}

pub(super) fn apply_linear(linear: &nn::Linear, x: &Tensor) -> Result<Tensor> {
    Ok(x.f_linear(&linear.ws, linear.bs.as_ref())?)
}

/// A copy of a dense layer, for inference alone.
pub(super) fn copied_linear(linear: &nn::Linear) -> Result<nn::Linear> {
    Ok(nn::Linear {
        ws: linear.ws.f_detach_copy()?,
        bs: linear.bs.as_ref().map(Tensor::f_detach_copy).transpose()?,
    })
}

/// The mean over height and width, in f32: what follows is small and decides.
pub(super) fn average_pool(x: &Tensor) -> Result<Tensor> {
    Ok(x.f_mean_dim([2i64, 3].as_slice(), false, Kind::Float)?)
}

/// Stochastic depth (Huang et al., arXiv 1603.09382): each picture's residual survives with
/// probability `survival`, and is scaled so that its expectation stays.
pub(super) fn drop_path(x: Tensor, survival: f64, train: bool) -> Result<Tensor> {
    if !train || survival >= 1.0 {
        return Ok(x);
    }
    let keep = Tensor::f_empty([x.size()[0], 1, 1, 1], (x.kind(), x.device()))?
        .f_bernoulli_float_(survival)?;
    Ok(x.f_mul(&keep.f_div_scalar(survival)?)?)
}

/// The sum, in training in the place of `y`; elsewhere someone may be looking at `y`.
pub(super) fn add(mut y: Tensor, x: &Tensor, train: bool) -> Result<Tensor> {
    Ok(if train { y.f_add_(x)? } else { y.f_add(x)? })
}
