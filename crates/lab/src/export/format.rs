//! What an export writes.

use std::str::FromStr;

use anyhow::{Error, Result, bail};

/// What [`super::export`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `model.safetensors`, `config.json`, `README.md` and `ror.py`, which loads them: what
    /// Hugging Face's `PyTorchModelHubMixin` reads.
    HuggingFace,
    /// `model.onnx` in the place of the weights and of `ror.py`.
    Onnx,
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "hf" => Ok(Format::HuggingFace),
            "onnx" => Ok(Format::Onnx),
            _ => bail!("there is no format {name}: choose hf or onnx"),
        }
    }
}
