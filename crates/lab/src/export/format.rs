//! Export formats.

use std::str::FromStr;

use anyhow::{Error, Result, bail};

/// The format that [`super::export`] writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `model.safetensors`, `config.json`, `README.md` and `ror.py`, for Hugging Face's
    /// `PyTorchModelHubMixin`.
    HuggingFace,
    /// `model.onnx`, `config.json` and `README.md`.
    Onnx,
}

impl FromStr for Format {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "hf" => Ok(Format::HuggingFace),
            "onnx" => Ok(Format::Onnx),
            _ => bail!("unknown format {name}: choose hf or onnx"),
        }
    }
}
