//! A table of a network's layers, as Keras prints it.

use std::fmt;

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::Net;
use utils::progress::thousands;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Layer {
    /// Name, as in the weights file.
    name: String,
    /// Shape of its output without the batch: channels, height, width; or features.
    output: Vec<i64>,
    /// Number of trained parameters and running statistics.
    parameters: usize,
}

/// The layers of a network in order of the forward pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    layers: Vec<Layer>,
    /// Number of trained parameters.
    pub trainable: usize,
    /// Number of running statistics.
    pub statistics: usize,
}

impl Net {
    /// A table of the layers: name, output shape, parameters.
    ///
    /// # Errors
    /// The network failing on an image of its input size.
    pub fn summary(&self) -> Result<Summary> {
        Summary::of(self)
    }
}

impl Summary {
    fn of(net: &Net) -> Result<Self> {
        let variables = net.variables();
        let side = i64::from(net.config().input());
        let picture = Tensor::f_zeros([1, side, side, 3], (Kind::Uint8, Device::Cpu))?;
        let mut outputs: Vec<(String, Vec<i64>)> = vec![];
        let _logits = tch::no_grad(|| {
            net.forward(&net.normalise(&picture, Kind::Float)?, false, &mut |name, output| {
                outputs.push((name.to_owned(), output.size()[1..].to_vec()));
                Ok(())
            })
        })?;
        // A variable belongs to the layer with the longest name that is a prefix of its own.
        let mut layers: Vec<Layer> = outputs
            .into_iter()
            .map(|(name, output)| Layer { name, output, parameters: 0 })
            .collect();
        let mut rest = 0;
        for (variable, tensor) in &variables {
            let owner = layers
                .iter_mut()
                .filter(|layer| {
                    variable
                        .strip_prefix(layer.name.as_str())
                        .is_some_and(|left| left.starts_with('.'))
                })
                .max_by_key(|layer| layer.name.len());
            match owner {
                Some(layer) => layer.parameters += tensor.numel(),
                None => rest += tensor.numel(),
            }
        }
        // A custom network may not report all its layers.
        if rest > 0 {
            layers.push(Layer { name: "other".to_owned(), output: vec![], parameters: rest });
        }
        let all: usize = variables.values().map(Tensor::numel).sum();
        let trainable = net.parameters();
        Ok(Self { layers, trainable, statistics: all - trainable })
    }

    /// Each layer: its name, as in the weights file; the shape of its output without the batch
    /// (channels, height, width; or features); and the number of its parameters.
    pub fn layers(&self) -> impl DoubleEndedIterator<Item = (&str, &[i64], usize)> {
        self.layers.iter().map(|layer| (&layer.name[..], &layer.output[..], layer.parameters))
    }

    fn shape(output: &[i64]) -> String {
        output.iter().map(i64::to_string).collect::<Vec<_>>().join(" x ")
    }

    fn totals(&self) -> String {
        format!(
            "{} parameters: {} trained, {} running statistics",
            thousands(self.trainable + self.statistics),
            thousands(self.trainable),
            thousands(self.statistics)
        )
    }

    /// The table as HTML.
    pub fn to_html(&self) -> String {
        let rows: String = self
            .layers
            .iter()
            .map(|layer| {
                format!(
                    "<tr><td style='text-align:left'>{}</td><td style='text-align:left'>{}</td><td style='text-align:right'>{}</td></tr>",
                    layer.name, Self::shape(&layer.output), thousands(layer.parameters)
                )
            })
            .collect();
        format!(
            "<table><thead><tr><th style='text-align:left'>layer</th><th style='text-align:left'>output</th>\
             <th style='text-align:right'>parameters</th></tr></thead><tbody>{rows}</tbody></table><p>{}</p>",
            self.totals()
        )
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<28} {:<16} {:>12}", "layer", "output", "parameters")?;
        for layer in &self.layers {
            writeln!(
                f,
                "{:<28} {:<16} {:>12}",
                layer.name,
                Self::shape(&layer.output),
                thousands(layer.parameters)
            )?;
        }
        f.write_str(&self.totals())
    }
}
