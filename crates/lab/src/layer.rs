//! Access to one layer of a network by its name.

use anyhow::{Context, Result};
use tch::Tensor;

use ror::model::Net;

/// Returns the number of channels of a layer.
pub(super) fn channels_of(net: &Net, layer: &str) -> Result<i64> {
    let summary = net.summary()?;
    let known = || summary.layers().map(|layer| layer.0).collect::<Vec<_>>().join(", ");
    let found = summary.layers().find(|(name, ..)| *name == layer);
    let (_, output, _) =
        found.with_context(|| format!("unknown layer {layer}: the network has {}", known()))?;
    Ok(output[0])
}

/// Returns a layer's output and the logits for normalized images.
pub(super) fn tapped(net: &Net, layer: &str, x: &Tensor) -> Result<(Tensor, Tensor)> {
    let mut found = None;
    let logits = net.forward(x, false, &mut |name, output| {
        if name == layer {
            found = Some(output.shallow_clone());
        }
        Ok(())
    })?;
    Ok((found.context("the layer gave no output")?, logits))
}
