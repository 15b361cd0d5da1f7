//! Conversion of logits to probabilities and ages.

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};

use crate::Task;

/// Predictions of one head of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// The predicted task: gender or an age, never [`Task::Both`].
    pub task: Task,
    /// Probability of each class, one row per image.
    pub probabilities: Vec<Vec<f64>>,
    /// Expected age of each image in years; empty for gender.
    pub years: Vec<f64>,
}

impl Predictions {
    /// Converts logits `[ways, n, outputs]`: one entry per head. Probabilities are averaged over
    /// the ways (an image and its mirror image). Logits are first divided by the temperature of
    /// their head (Guo et al., arXiv 1706.04599), which is 1 for heads without one.
    ///
    /// # Errors
    /// Logits of another shape, or that are not finite; a temperature that is not positive.
    pub fn from_logits(task: Task, temperatures: &[f64], logits: &Tensor) -> Result<Vec<Self>> {
        ensure!(
            logits.dim() == 3 && logits.size()[2] == task.outputs(),
            "the logits have the shape {:?}, but {task} has {} outputs",
            logits.size(),
            task.outputs()
        );
        let mut heads = vec![];
        for (head, outputs) in distributions(task, temperatures, logits)? {
            heads.push(Self::of_head(head, outputs)?);
        }
        Ok(heads)
    }

    fn of_head(task: Task, outputs: Tensor) -> Result<Self> {
        if task == Task::Gender {
            let female = outputs;
            let male = female.f_neg()?.f_add_scalar(1.0)?;
            let both = Tensor::f_cat(&[male, female], 1)?;
            return Ok(Self {
                task,
                probabilities: Vec::<Vec<f64>>::try_from(both)?,
                years: vec![],
            });
        }
        let years = outputs.f_mv(&Tensor::f_from_slice(&task.ages())?)?;
        let probabilities = match task {
            Task::Years => outputs.f_matmul(&years_in_groups()?)?,
            _ => outputs,
        };
        Ok(Self {
            task,
            probabilities: Vec::<Vec<f64>>::try_from(probabilities)?,
            years: Vec::<f64>::try_from(years)?,
        })
    }

    /// Averages the predictions of several networks for the same images.
    ///
    /// # Errors
    /// No predictions, or predictions of different tasks or images.
    pub fn mean(each: &[Self]) -> Result<Self> {
        let Some(first) = each.first() else {
            anyhow::bail!("there are no predictions to average");
        };
        ensure!(
            each.iter()
                .all(|p| p.task == first.task && p.probabilities.len() == first.probabilities.len()),
            "the networks of an ensemble must predict the same task for the same images"
        );
        let n = each.len() as f64;
        let mean = |of: &dyn Fn(&Self) -> f64| each.iter().map(of).sum::<f64>() / n;
        let rows = 0..first.probabilities.len();
        Ok(Self {
            task: first.task,
            probabilities: rows
                .map(|row| {
                    let classes = 0..first.probabilities[row].len();
                    classes.map(|class| mean(&|p| p.probabilities[row][class])).collect()
                })
                .collect(),
            years: (0..first.years.len()).map(|row| mean(&|p| p.years[row])).collect(),
        })
    }
}

/// Each head with its predictions, f64 `[n, outputs]`: the probability of female, or a distribution
/// over ages or age groups. [`Predictions::from_logits`] describes the logits.
pub(crate) fn distributions(
    task: Task,
    temperatures: &[f64],
    logits: &Tensor,
) -> Result<Vec<(Task, Tensor)>> {
    temperatures.iter().try_for_each(|temperature| check_temperature(*temperature))?;
    let logits = logits.f_to_kind(Kind::Double)?;
    let mut from = 0;
    let heads = task.heads().into_iter().enumerate();
    heads
        .map(|(i, head)| {
            let outputs = head.outputs();
            let own = logits
                .f_narrow(2, from, outputs)?
                .f_div_scalar(temperatures.get(i).copied().unwrap_or(1.0))?;
            from += outputs;
            ensure!(
                is_finite(&own)?,
                "the network's outputs are not finite, so its weights are damaged: download its \
                 file again, or train it again"
            );
            let each = match head {
                Task::Gender => own.f_sigmoid()?,
                _ => own.f_softmax(2, Kind::Double)?,
            };
            Ok((head, each.f_mean_dim([0i64].as_slice(), false, Kind::Double)?))
        })
        .collect()
}

/// Whether all elements are finite.
pub(crate) fn is_finite(tensor: &Tensor) -> Result<bool> {
    Ok(bool::try_from(tensor.f_isfinite()?.f_all()?)?)
}

/// Rejects a temperature that is not positive and finite.
///
/// # Errors
/// An invalid temperature.
pub(crate) fn check_temperature(temperature: f64) -> Result<()> {
    ensure!(
        temperature.is_finite() && temperature > 0.0,
        "the temperature is {temperature}: it must be a finite number above 0"
    );
    Ok(())
}

/// 1 if a year (row) belongs to a group (column).
fn years_in_groups() -> Result<Tensor> {
    let (task, groups) = (Task::Years, Task::Years.classes().len());
    let ones: Vec<f64> = (0..task.outputs() as u32)
        .flat_map(|age| (0..groups).map(move |g| f64::from(task.group_of(age) == g)))
        .collect();
    Ok(Tensor::f_from_slice(&ones)?.f_view([task.outputs(), groups as i64])?)
}

/// The most likely class; the first one of a tie.
pub(crate) fn most_likely(probabilities: &[f64]) -> usize {
    (0..probabilities.len())
        .reduce(|best, i| if probabilities[i] > probabilities[best] { i } else { best })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::LabelledPredictions;
    use crate::model::{Net, RorConfig};
    use crate::task::{Gender, Label};

    #[test]
    fn both_heads_are_read_from_one_row_of_logits() {
        // Sure of female; half of 20 and half of 30 years.
        let mut row = vec![-50.0; 118];
        (row[0], row[1 + 20], row[1 + 30]) = (50.0, 0.0, 0.0);
        let logits = Tensor::from_slice(&row).view([1, 1, 118]);
        let found = Predictions::from_logits(Task::Both, &[], &logits).unwrap();
        assert_eq!(found[0].task, Task::Gender);
        assert!(found[0].probabilities[0][1] > 0.999);
        assert!((found[1].years[0] - 25.0).abs() < 1e-9);
        // Ages 16 to 20 are the fourth group, 26 to 30 the sixth.
        assert!((found[1].probabilities[0][3] - 0.5).abs() < 1e-9);
        assert!((found[1].probabilities[0][5] - 0.5).abs() < 1e-9);
        let labelled =
            LabelledPredictions::new(found[1].clone(), vec![Label::new(22, Gender::Male)]);
        assert!((labelled.mae().unwrap() - 3.0).abs() < 1e-9);
        assert!(Predictions::from_logits(Task::Gender, &[], &logits).is_err());
    }

    #[test]
    fn numbers_that_are_none_are_not_predicted() {
        let read = |logit: f64, temperature: f64| {
            let logits = Tensor::from_slice(&[0.5, logit]).view([1, 2, 1]);
            Predictions::from_logits(Task::Gender, &[temperature], &logits)
        };
        assert!(read(-40.0, 0.01).is_ok());
        for (logit, temperature, says) in [
            (f64::NAN, 1.0, "weights are damaged"),
            (f64::INFINITY, 1.0, "weights are damaged"),
            (1e10, 1e-300, "weights are damaged"),
            (1.0, 0.0, "temperature is 0"),
            (1.0, -1.5, "temperature is -1.5"),
            (1.0, f64::NAN, "temperature is NaN"),
        ] {
            let error = read(logit, temperature).unwrap_err().to_string();
            assert!(error.contains(says), "{logit} by {temperature}: {error}");
        }
    }

    #[test]
    fn probabilities_add_up_and_do_not_see_mirrors() {
        let _turn = utils::random::turn();
        for task in [Task::Gender, Task::age_group(), Task::Both] {
            let config = RorConfig::small(task.outputs());
            let net = Net::new(config, tch::Device::Cpu, 0).unwrap();
            tch::manual_seed(2);
            let pictures = Tensor::randint(255, [2, 32, 32, 3], (Kind::Uint8, tch::Device::Cpu));
            let net = net.inference(Kind::Float).unwrap();
            let read = |pictures: &Tensor| {
                let logits = net.mirrored_logits(pictures).unwrap();
                Predictions::from_logits(task, &[], &logits).unwrap()
            };
            for (plain, mirrored) in read(&pictures).iter().zip(&read(&pictures.flip([2]))) {
                for (row, other) in plain.probabilities.iter().zip(&mirrored.probabilities) {
                    assert_eq!(row.len(), plain.task.classes().len());
                    assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-9);
                    assert!(row.iter().zip(other).all(|(a, b)| (a - b).abs() < 1e-5));
                }
            }
        }
    }

    #[test]
    fn an_ensemble_is_the_mean() {
        let one = |p: f64| Predictions {
            task: Task::Gender,
            probabilities: vec![vec![1.0 - p, p]],
            years: vec![],
        };
        let mean = Predictions::mean(&[one(0.2), one(0.6)]).unwrap();
        assert!((mean.probabilities[0][1] - 0.4).abs() < 1e-12);
        assert!(Predictions::mean(&[]).is_err());
    }
}
