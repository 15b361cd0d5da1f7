//! Layers whose parameters are f32 and whose arithmetic is in the kind of their input, so that
//! one definition serves f32 and bf16.

use anyhow::Result;
use tch::nn::{self, BatchNormConfig, ConvConfig, Init};
use tch::{Kind, Tensor};

/// A square convolution, padded to keep the size at stride 1.
#[derive(Debug)]
pub(super) struct Conv {
    layer: nn::Conv2D,
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
    Conv {
        layer: nn::conv2d(path, from, to, kernel, config),
        stride,
        padding,
    }
}

pub(super) fn apply_conv(conv: &Conv, x: &Tensor) -> Result<Tensor> {
    let weight = conv.layer.ws.f_to_kind(x.kind())?;
    let bias = conv
        .layer
        .bs
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

pub(super) fn norm(path: nn::Path, channels: i64) -> nn::BatchNorm {
    // Scales start at 1, as PyTorch's do; tch alone would draw them between 0 and 1.
    let config = BatchNormConfig {
        ws_init: Init::Const(1.0),
        ..Default::default()
    };
    nn::batch_norm2d(path, channels, config)
}

pub(super) fn apply_norm(norm: &nn::BatchNorm, x: &Tensor, train: bool) -> Result<Tensor> {
    Ok(Tensor::f_batch_norm(
        x,
        norm.ws.as_ref(),
        norm.bs.as_ref(),
        Some(&norm.running_mean),
        Some(&norm.running_var),
        train,
        MOMENTUM,
        EPSILON,
        true,
    )?)
}

/// Batch normalisation, then ReLU in its place.
pub(super) fn norm_relu(norm: &nn::BatchNorm, x: &Tensor, train: bool) -> Result<Tensor> {
    Ok(apply_norm(norm, x, train)?.f_relu_()?)
}

pub(super) fn apply_linear(linear: &nn::Linear, x: &Tensor) -> Result<Tensor> {
    Ok(x.f_linear(&linear.ws, linear.bs.as_ref())?)
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
