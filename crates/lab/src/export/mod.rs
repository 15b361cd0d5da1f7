//! Exports of trained networks for Python: a folder for Hugging Face's loader, or ONNX.
//!
//! `python/ror.py` implements the network in PyTorch and reads ror's weights. It is copied to the
//! folder and also writes ONNX.

mod folder;
mod format;
mod model_card;

pub use folder::export;
pub use format::Format;
