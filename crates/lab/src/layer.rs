//! One layer of a net, by its name.

use anyhow::{Context, Result};
use tch::Tensor;

use ror::model::Net;

/// How many channels a layer has.
pub(super) fn channels_of(net: &Net, layer: &str) -> Result<i64> {
    let summary = net.summary()?;
    let known = || summary.layers.iter().map(|l| l.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = summary.layers.iter().find(|l| l.name == layer);
    let found =
        found.with_context(|| format!("the net has no layer {layer}; it has {}", known()))?;
    Ok(found.output[0])
}

/// What a layer gives for normalised pictures, and what the whole net does.
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
