//! What nets say of pictures: logits to probabilities, ages and classes.

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};

use crate::Task;
use crate::dataset::{Faces, Label};
use crate::model::{Net, batch};
use crate::progress::Progress;
use crate::threads::on_every_core;

/// What a net says of some pictures, for one of its heads.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// What is estimated: gender or an age, never [`Task::Both`].
    pub task: Task,
    /// Probability of each class, one row a picture.
    pub probabilities: Vec<Vec<f64>>,
    /// Expected age of each picture, years; empty for gender.
    pub years: Vec<f64>,
}

/// A net's answers for some pictures, beside the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// What the net says.
    pub estimate: Estimate,
    /// What the file names say, a picture.
    pub labels: Vec<Label>,
    /// The true class of each picture.
    pub truth: Vec<usize>,
}

/// Logits of the pictures at `indices` and of their mirror images, f32 `[2, n, outputs]`.
///
/// `size` is that of the net's input, or another one in a training that begins with smaller
/// pictures.
///
/// # Errors
/// No pictures, an index outside the set, pictures that can't be decoded, or the net failing.
pub(crate) fn logits_of(
    kind: Kind,
    net: &Net,
    faces: &Faces,
    indices: &[usize],
    size: u32,
) -> Result<Tensor> {
    ensure!(!indices.is_empty(), "there are no pictures to evaluate on");
    for index in indices {
        faces.record(*index)?;
    }
    let pictures = faces.pictures(size)?.tensor;
    let rows: Vec<i64> = indices.iter().map(|i| *i as i64).collect();
    let some = batch(net.device());
    let jobs = rows.len().div_ceil(some);
    let progress = Progress::after(10, &format!("evaluating, pictures / {some}"), jobs);
    let logits = on_every_core(
        net.device(),
        || Ok((net.inference(kind)?, pictures.shallow_clone())),
        jobs,
        |(net, pictures), job| {
            let rows = &rows[job * some..rows.len().min((job + 1) * some)];
            let chosen = pictures.f_index_select(0, &Tensor::f_from_slice(rows)?)?;
            let logits = net.mirrored_logits(&chosen)?;
            progress.step();
            Ok(logits)
        },
    )?;
    Ok(Tensor::f_cat(&logits, 1)?)
}

/// Reads logits `[ways, n, outputs]`: probabilities are the mean over the ways (a picture and
/// its mirror image). Logits are first divided by their head's temperature (Guo et al., arXiv
/// 1706.04599); heads without one have 1.
pub(crate) fn estimates(
    task: Task,
    temperatures: &[f64],
    logits: &Tensor,
) -> Result<Vec<Estimate>> {
    let logits = logits.f_to_kind(Kind::Double)?;
    let mut from = 0;
    task.heads()
        .into_iter()
        .enumerate()
        .map(|(i, head)| {
            let outputs = head.outputs();
            let own = logits
                .f_narrow(2, from, outputs)?
                .f_div_scalar(temperatures.get(i).copied().unwrap_or(1.0))?;
            from += outputs;
            estimate(head, &own)
        })
        .collect()
}

fn estimate(task: Task, logits: &Tensor) -> Result<Estimate> {
    let mean =
        |p: Tensor| -> Result<Tensor> { Ok(p.f_mean_dim([0i64].as_slice(), false, Kind::Double)?) };
    if task == Task::Gender {
        let female = mean(logits.f_sigmoid()?)?;
        let both = Tensor::f_cat(&[female.f_neg()?.f_add_scalar(1.0)?, female], 1)?;
        return Ok(Estimate {
            task,
            probabilities: Vec::<Vec<f64>>::try_from(both)?,
            years: vec![],
        });
    }
    let outputs = mean(logits.f_softmax(2, Kind::Double)?)?;
    let years = outputs.f_mv(&Tensor::f_from_slice(&task.ages())?)?;
    let probabilities = match task {
        Task::Years => outputs.f_matmul(&years_in_groups()?)?,
        _ => outputs,
    };
    Ok(Estimate {
        task,
        probabilities: Vec::<Vec<f64>>::try_from(probabilities)?,
        years: Vec::<f64>::try_from(years)?,
    })
}

/// 1 where a year (row) belongs to a group (column).
fn years_in_groups() -> Result<Tensor> {
    let (task, groups) = (Task::Years, Task::Years.classes().len());
    let ones: Vec<f64> = (0..task.outputs() as u32)
        .flat_map(|age| (0..groups).map(move |g| f64::from(task.group_of(age) == g)))
        .collect();
    Ok(Tensor::f_from_slice(&ones)?.f_view([task.outputs(), groups as i64])?)
}

/// The temperature for each head that makes its probabilities fit the truth best: the lowest
/// mean cross-entropy on pictures that were not learnt from.
pub(crate) fn fit_temperatures(task: Task, logits: &Tensor, labels: &[Label]) -> Result<Vec<f64>> {
    let heads = task.heads();
    let mut found = vec![1.0; heads.len()];
    for i in 0..heads.len() {
        let loss = |log_t: f64| -> Result<f64> {
            let mut temperatures = vec![1.0; heads.len()];
            temperatures[i] = log_t.exp();
            let estimate = estimates(task, &temperatures, logits)?.swap_remove(i);
            Ok(Answers::new(estimate, labels.to_vec()).loss())
        };
        // The loss has one valley in the temperature's logarithm: a golden-section search.
        let golden = (5f64.sqrt() - 1.0) / 2.0;
        let (mut low, mut high) = (-1.5, 1.5);
        for _ in 0..16 {
            let (a, b) = (high - golden * (high - low), low + golden * (high - low));
            if loss(a)? < loss(b)? {
                high = b;
            } else {
                low = a;
            }
        }
        found[i] = ((low + high) / 2.0).exp();
    }
    Ok(found)
}

/// The mean of what several nets say of the same pictures.
///
/// # Errors
/// No estimates, or estimates of different things.
pub(crate) fn mean_estimate(estimates: &[Estimate]) -> Result<Estimate> {
    let Some(first) = estimates.first() else {
        anyhow::bail!("there are no estimates to average");
    };
    ensure!(
        estimates
            .iter()
            .all(|e| e.task == first.task && e.probabilities.len() == first.probabilities.len()),
        "nets of one ensemble must estimate the same of the same pictures"
    );
    let n = estimates.len() as f64;
    let mut mean = first.clone();
    for (row, probabilities) in mean.probabilities.iter_mut().enumerate() {
        for (class, p) in probabilities.iter_mut().enumerate() {
            *p = estimates
                .iter()
                .map(|e| e.probabilities[row][class])
                .sum::<f64>()
                / n;
        }
    }
    for (row, years) in mean.years.iter_mut().enumerate() {
        *years = estimates.iter().map(|e| e.years[row]).sum::<f64>() / n;
    }
    Ok(mean)
}

impl Answers {
    /// Puts the truth beside an estimate.
    pub fn new(estimate: Estimate, labels: Vec<Label>) -> Self {
        Self {
            truth: labels
                .iter()
                .map(|label| estimate.task.class_of(label))
                .collect(),
            estimate,
            labels,
        }
    }

    /// What was estimated.
    pub fn task(&self) -> Task {
        self.estimate.task
    }

    /// How many pictures were answered for.
    pub fn len(&self) -> usize {
        self.truth.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.truth.is_empty()
    }

    /// The class with the highest probability, a picture.
    pub fn classes(&self) -> Vec<usize> {
        self.estimate
            .probabilities
            .iter()
            .map(|p| most_likely(p))
            .collect()
    }

    /// How far off the answered class is, in classes, a picture.
    pub(super) fn distances(&self) -> Vec<usize> {
        self.classes()
            .into_iter()
            .zip(&self.truth)
            .map(|(answer, truth)| answer.abs_diff(*truth))
            .collect()
    }

    /// How far off the expected age is, in years, a picture; empty for gender.
    pub(super) fn errors(&self) -> Vec<f64> {
        self.estimate
            .years
            .iter()
            .zip(&self.labels)
            .map(|(years, label)| (years - f64::from(label.age)).abs())
            .collect()
    }

    /// Cross-entropy of the true class, nats, a picture.
    pub(super) fn losses(&self) -> Vec<f64> {
        self.estimate
            .probabilities
            .iter()
            .zip(&self.truth)
            .map(|(p, truth)| -p[*truth].max(1e-12).ln())
            .collect()
    }

    /// Mean cross-entropy of the true classes, nats.
    pub fn loss(&self) -> f64 {
        self.losses().iter().sum::<f64>() / self.len() as f64
    }

    /// Share of right answers, 0 to 1.
    pub fn accuracy(&self) -> f64 {
        self.distances().iter().filter(|d| **d == 0).count() as f64 / self.len() as f64
    }

    /// Mean absolute error of the expected age, years; none for gender.
    pub fn mae(&self) -> Option<f64> {
        self.task()
            .has_age()
            .then(|| self.errors().iter().sum::<f64>() / self.len() as f64)
    }

    /// How often each true class (row) was answered as each class (column).
    pub fn confusion(&self) -> Vec<Vec<u64>> {
        let n = self.task().classes().len();
        let mut counts = vec![vec![0; n]; n];
        for (answer, truth) in self.classes().into_iter().zip(&self.truth) {
            counts[*truth][answer] += 1;
        }
        counts
    }
}

/// The class with the highest probability; the first of equals.
pub(crate) fn most_likely(probabilities: &[f64]) -> usize {
    (0..probabilities.len())
        .reduce(|best, i| {
            if probabilities[i] > probabilities[best] {
                i
            } else {
                best
            }
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::Gender;

    #[test]
    fn both_heads_are_read_from_one_row_of_logits() {
        // Sure of female; half of 20 and half of 30 years.
        let mut row = vec![-50.0; 118];
        (row[0], row[1 + 20], row[1 + 30]) = (50.0, 0.0, 0.0);
        let logits = Tensor::from_slice(&row).view([1, 1, 118]);
        let found = estimates(Task::Both, &[], &logits).unwrap();
        assert_eq!(found[0].task, Task::Gender);
        assert!(found[0].probabilities[0][1] > 0.999);
        assert!((found[1].years[0] - 25.0).abs() < 1e-9);
        // Ages 16 to 20 are the fourth group, 26 to 30 the sixth.
        assert!((found[1].probabilities[0][3] - 0.5).abs() < 1e-9);
        assert!((found[1].probabilities[0][5] - 0.5).abs() < 1e-9);
        let answers = Answers::new(found[1].clone(), vec![Label::of(22, Gender::Male)]);
        assert!((answers.mae().unwrap() - 3.0).abs() < 1e-9);
    }

    #[test]
    fn probabilities_add_up_and_do_not_see_mirrors() {
        let _turn = crate::random::turn();
        for task in [Task::Gender, Task::age(), Task::Both] {
            let config = crate::model::NetConfig::small(task.outputs());
            let net = Net::new(&config, tch::Device::Cpu, 0).unwrap();
            tch::manual_seed(2);
            let pictures = Tensor::randint(255, [2, 32, 32, 3], (Kind::Uint8, tch::Device::Cpu));
            let net = net.inference(Kind::Float).unwrap();
            let read = |pictures: &Tensor| {
                let logits = net.mirrored_logits(pictures).unwrap();
                estimates(task, &[], &logits).unwrap()
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
    fn a_net_too_sure_of_itself_is_cooled() {
        // Always 98 % sure, right in three of four.
        let sure = (0.98f64 / 0.02).ln();
        let labels: Vec<Label> = (0..400)
            .map(|i| {
                Label::of(
                    30,
                    if i % 4 == 0 {
                        Gender::Male
                    } else {
                        Gender::Female
                    },
                )
            })
            .collect();
        let logits = Tensor::full([1, 400, 1], sure, (Kind::Float, tch::Device::Cpu));
        let temperature = fit_temperatures(Task::Gender, &logits, &labels).unwrap()[0];
        let fitted = &estimates(Task::Gender, &[temperature], &logits).unwrap()[0];
        assert!(
            (fitted.probabilities[0][1] - 0.75).abs() < 0.01,
            "{temperature}"
        );
    }

    #[test]
    fn an_ensemble_is_the_mean() {
        let one = |p: f64| Estimate {
            task: Task::Gender,
            probabilities: vec![vec![1.0 - p, p]],
            years: vec![],
        };
        let mean = mean_estimate(&[one(0.2), one(0.6)]).unwrap();
        assert!((mean.probabilities[0][1] - 0.4).abs() < 1e-12);
        assert!(mean_estimate(&[]).is_err());
    }
}
