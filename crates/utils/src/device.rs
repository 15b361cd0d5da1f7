//! The compute device and the floating-point type.

use std::path::Path;
use std::sync::OnceLock;

use anyhow::{Result, bail, ensure};
use serde::{Deserialize, Serialize};
use tch::{Cuda, Device, Kind};

use super::names::did_you_mean;
use super::progress::say;

/// Returns the first GPU, or the CPU if there is none.
///
/// If the machine has an NVIDIA driver but its GPU can't be used, prints a note once and returns
/// the CPU.
pub fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    *DEVICE.get_or_init(|| {
        if !has_nvidia_driver() {
            return Device::Cpu;
        }
        if let Err(error) = load_cuda() {
            say(&format!("note: using the CPU: there is an NVIDIA GPU, but PyTorch's CUDA library failed to load: {error:#}"));
        } else if !Cuda::is_available() {
            say("note: using the CPU: there is an NVIDIA GPU, but PyTorch can't use it; the driver may be too old for this PyTorch");
        }
        // torchrun assigns one GPU to each process.
        let rank = std::env::var("LOCAL_RANK").ok().and_then(|text| text.parse::<usize>().ok());
        match (Device::cuda_if_available(), rank, Cuda::device_count()) {
            (Device::Cuda(_), Some(rank), count @ 1..) => Device::Cuda(rank % count as usize),
            (found, ..) => found,
        }
    })
}

/// Returns the device with this name: `auto`, `cpu`, `cuda`, or `cuda:1` for the second GPU.
///
/// # Errors
/// A GPU that does not exist or can't be used, or an unknown name.
pub fn device_named(name: &str) -> Result<Device> {
    match name {
        "auto" => Ok(device()),
        "cpu" => Ok(Device::Cpu),
        "cuda" => gpu(),
        other => {
            let number = other.strip_prefix("cuda:").map(str::parse::<usize>);
            let Some(Ok(number)) = number else {
                bail!(
                    "unknown device {other}: choose auto, cpu, cuda, or cuda:1 for the second GPU{}",
                    did_you_mean(other, ["auto", "cpu", "cuda"])
                );
            };
            gpu()?;
            let count = Cuda::device_count() as usize;
            ensure!(
                number < count,
                "there is no GPU {other}: the last one is cuda:{}",
                count.saturating_sub(1)
            );
            Ok(Device::Cuda(number))
        }
    }
}

fn gpu() -> Result<Device> {
    let device = device();
    ensure!(device.is_cuda(), "no usable GPU: use --device cpu or --device auto");
    Ok(device)
}

fn has_nvidia_driver() -> bool {
    cfg!(target_os = "linux") && Path::new("/dev/nvidiactl").exists()
}

/// Loads PyTorch's CUDA library, which registers itself. It is not linked, because then every
/// program would load its gigabytes even without a GPU.
pub fn load_cuda() -> Result<()> {
    // SAFETY: the library is PyTorch's own, of the version this crate is linked with, found on
    // the same path; its initialisers only register operators.
    let library = unsafe { libloading::Library::new("libtorch_cuda.so") }?;
    std::mem::forget(library); // stays loaded until the process exits
    Ok(())
}

/// Floating-point type for training. The default is `Auto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// bf16 if the device supports it, otherwise f32.
    #[default]
    Auto,
    /// bf16 for activations; parameters and their updates stay in f32.
    Bf16,
    /// f32 everywhere: slower, but results differ less between machines.
    F32,
}

impl Precision {
    pub fn training(self, device: Device) -> Kind {
        match self {
            Self::Auto => training_kind(device),
            Self::Bf16 => Kind::BFloat16,
            Self::F32 => Kind::Float,
        }
    }
}

/// Returns bf16 if the device supports it, otherwise f32.
fn training_kind(device: Device) -> Kind {
    match device {
        Device::Cuda(_) => Kind::BFloat16,
        _ if cpu_has_bf16() => Kind::BFloat16,
        _ => Kind::Float,
    }
}

/// Floating-point type for prediction, the same as for training. Published evaluations use f32;
/// with bf16, probabilities differ in the third digit.
pub fn inference_kind(device: Device) -> Kind {
    training_kind(device)
}

#[cfg(target_arch = "x86_64")]
fn cpu_has_bf16() -> bool {
    std::arch::is_x86_feature_detected!("avx512bf16")
}

#[cfg(not(target_arch = "x86_64"))]
fn cpu_has_bf16() -> bool {
    false
}

/// Describes the hardware, such as `AMD EPYC, 2 cores`, with the GPU's name first if there is one.
pub fn hardware(device: Device) -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| {
            line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned())
        })
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let processor = format!("{model}, {cores} core{}", if cores == 1 { "" } else { "s" });
    match device {
        Device::Cuda(n) => format!("{}, {processor}", gpu_name(n)),
        _ => processor,
    }
}

fn gpu_name(number: usize) -> String {
    let unknown = || format!("CUDA GPU {number}");
    let Ok(folders) = std::fs::read_dir("/proc/driver/nvidia/gpus") else {
        return unknown();
    };
    folders
        .flatten()
        .nth(number)
        .and_then(|gpu| std::fs::read_to_string(gpu.path().join("information")).ok())
        .and_then(|text| {
            text.lines()
                .find_map(|line| line.strip_prefix("Model:").map(|name| name.trim().to_owned()))
        })
        .unwrap_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_gpu_asking_for_one_is_an_error() {
        if !has_nvidia_driver() {
            assert_eq!(device(), Device::Cpu);
            for gpu in ["cuda", "cuda:0", "cuda:1"] {
                assert!(device_named(gpu).unwrap_err().to_string().contains("--device cpu"));
            }
        }
        for (name, says) in [("cdua", "did you mean cuda?"), ("cuda:x", "unknown device cuda:x")] {
            let error = device_named(name).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("choose auto"), "{error}");
        }
    }
}
