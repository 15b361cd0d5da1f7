//! Temperature scaling (Guo et al., arXiv 1706.04599, section 4.2).

use anyhow::Result;
use tch::Tensor;

use super::{LabelledPredictions, Predictions};
use crate::task::{Label, Task};

/// Fits the temperature of each head: the one with the lowest mean cross-entropy on images that
/// were not trained on.
pub(crate) fn fit_temperatures(task: Task, logits: &Tensor, labels: &[Label]) -> Result<Vec<f64>> {
    let heads = task.heads().len();
    (0..heads)
        .map(|head| {
            golden_section(-1.5, 1.5, |log_t| {
                let mut temperatures = vec![1.0; heads];
                temperatures[head] = log_t.exp();
                let own = Predictions::from_logits(task, &temperatures, logits)?.swap_remove(head);
                Ok(LabelledPredictions::new(own, labels.to_vec()).loss())
            })
            .map(f64::exp)
        })
        .collect()
}

/// Finds the minimum of a unimodal function between `low` and `high`.
fn golden_section(mut low: f64, mut high: f64, value: impl Fn(f64) -> Result<f64>) -> Result<f64> {
    let golden = (5f64.sqrt() - 1.0) / 2.0;
    for _ in 0..16 {
        let (a, b) = (high - golden * (high - low), low + golden * (high - low));
        if value(a)? < value(b)? {
            high = b;
        } else {
            low = a;
        }
    }
    Ok((low + high) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Gender;
    use tch::{Device, Kind};

    #[test]
    fn an_overconfident_net_is_cooled() {
        // Always 98 % sure, right in three of four.
        let sure = (0.98f64 / 0.02).ln();
        let gender = |i| [Gender::Male, Gender::Female][usize::from(i % 4 != 0)];
        let labels: Vec<Label> = (0..400).map(|i| Label::new(30, gender(i))).collect();
        let logits = Tensor::full([1, 400, 1], sure, (Kind::Float, Device::Cpu));
        let temperatures = fit_temperatures(Task::Gender, &logits, &labels).unwrap();
        let fitted = &Predictions::from_logits(Task::Gender, &temperatures, &logits).unwrap()[0];
        assert!((fitted.probabilities[0][1] - 0.75).abs() < 0.01, "{temperatures:?}");
    }
}
