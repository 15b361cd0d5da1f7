//! Finding the Python interpreter that has PyTorch.

use std::path::{Path, PathBuf};

/// Returns `$ROR_PYTHON`, otherwise the Python whose PyTorch this program is linked with, otherwise
/// `python3` from the path.
pub fn python() -> PathBuf {
    if let Some(chosen) = std::env::var_os("ROR_PYTHON").filter(|chosen| !chosen.is_empty()) {
        return PathBuf::from(chosen);
    }
    let mapped = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    of_libtorch(&mapped).filter(|python| python.is_file()).unwrap_or_else(|| "python3".into())
}

/// Returns the Python of the environment that libtorch is mapped from:
/// `ENV/lib/python3.11/site-packages/torch/lib/libtorch_cpu.so`.
fn of_libtorch(mapped: &str) -> Option<PathBuf> {
    let line = mapped.lines().find(|line| line.ends_with("/torch/lib/libtorch_cpu.so"))?;
    let library = Path::new(&line[line.find('/')?..]);
    Some(library.ancestors().nth(6)?.join("bin").join("python"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_python_of_libtorch_has_pytorch() {
        let mapped = "7f00-7f01 r--p 00000000 08:01 7 /usr/lib/libc.so.6\n\
                      7f02-7f03 r-xp 00000000 08:01 9   /a b/env/lib/python3.12/site-packages/torch/lib/libtorch_cpu.so\n";
        assert_eq!(of_libtorch(mapped), Some(PathBuf::from("/a b/env/bin/python")));
        assert_eq!(of_libtorch("7f00-7f01 r--p 00000000 08:01 7 /usr/lib/libc.so.6"), None);
        // The libtorch of this process.
        let _ = tch::Cuda::is_available();
        let own = std::fs::read_to_string("/proc/self/maps").unwrap();
        assert!(of_libtorch(&own).unwrap().is_file());
    }
}
