//! Trained nets for Python: a folder for Hugging Face's loader, or ONNX.
//!
//! `python/ror.py` is the net in PyTorch, which reads the weights as they are stored here. It goes
//! into the folder; ONNX is written through it.

mod folder;
mod format;
mod model_card;

pub use folder::export;
pub use format::Format;
