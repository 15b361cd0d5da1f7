"""The precision of rivals: bf16 where the processor computes in it, as ours does. Elsewhere it would be imitated,
which is slower than f32."""

from pathlib import Path


def has_bf16() -> bool:
    """Whether the processor computes in bf16."""
    return "avx512_bf16" in Path("/proc/cpuinfo").read_text()


def autocast(device: str = "cpu"):
    """PyTorch's context that computes in bf16, as GPUs and some processors do."""
    import torch  # not for Keras

    return torch.autocast(device, torch.bfloat16, enabled=device == "cuda" or has_bf16())
