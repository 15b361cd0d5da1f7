//! One picture in, one answer out.

use std::borrow::Borrow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow, ensure};
use image::RgbImage;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::dataset::{Faces, Gender, Label, Protocol, Split, decode, index_in, resize};
use crate::device::{device, inference_kind};
use crate::evaluate::{Estimate, mean_estimate, most_likely};
use crate::model::{Inference, NetConfig, batch};
use crate::task::Task;
use crate::threads::on_every_core;
use crate::train::{Card, Recipe, Trained, Training, find, named};

/// A training of one of the two nets by the report's recipe, named by what the original's
/// `pred_gender_age_group` takes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fit {
    /// Pictures a step. Default: 64.
    pub batch: usize,
    /// Passes over the training pictures, at most.
    pub epochs: usize,
    /// Adam's learning rate. Default: 1e-4.
    pub learning_rate: f64,
}

impl Fit {
    /// The report's setting for a task: 20 epochs for gender, 50 for age.
    pub fn report(task: Task) -> Self {
        let Recipe {
            batch,
            epochs,
            learning_rate,
            ..
        } = Recipe::report(task);
        Self {
            batch,
            epochs,
            learning_rate,
        }
    }
}

/// The net that answers where none is named.
pub const DEFAULT_MODEL: &str = "both-64px";

/// The nets, ready to answer: one that estimates both gender and age, or one for each.
///
/// ```no_run
/// use ror::Predictor;
///
/// # fn main() -> anyhow::Result<()> {
/// let predictor = Predictor::shipped()?;
/// let answers = predictor.answers(&["anna.jpg".into(), "ben.jpg".into()])?;
/// for answer in answers {
///     println!("{}", answer?); // female (98 %), 31 years (30 - 35)
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Predictor {
    nets: Vec<Trained>,
    /// The same nets, ready to answer.
    ready: Vec<Inference>,
}

/// What the nets say of one picture, beside the truth.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// Where the picture is in its set.
    pub index: usize,
    /// Its file name.
    pub file: String,
    /// What the file name says.
    pub truth: Label,
    /// The net's answer.
    pub answer: Answer,
    /// The picture as it stands in its file (JPEG or PNG).
    pub(crate) picture: Vec<u8>,
}

/// What the nets say of one picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The likelier gender.
    pub gender: Gender,
    /// Probability that the gender is female, 0 to 1.
    pub female: f64,
    /// The expected age, years.
    pub age: f64,
    /// The likeliest age group, from 0.
    pub group: usize,
    /// That group in the original's words: `10 - 15` for ages 11 to 15.
    pub age_group: String,
    /// Name and probability of each group.
    pub groups: Vec<(String, f64)>,
}

/// The split that the defaults train by: the original's, gender on all records and age on the
/// balanced ones.
///
/// # Errors
/// Too few pictures.
pub fn default_split(faces: &Faces, task: Task) -> Result<Split> {
    Protocol::Original.split(faces, task)
}

/// The net for one task: trained with a setting, or else the one that ships (on photographs),
/// or else by the defaults, from `start` where that is allowed.
fn trained(
    faces: &Faces,
    task: Task,
    fit: Option<Fit>,
    start: Option<&Trained>,
) -> Result<Trained> {
    if let Some(fit) = fit {
        let Fit {
            batch,
            epochs,
            learning_rate,
        } = fit;
        let recipe = Recipe {
            batch,
            epochs,
            learning_rate,
            ..Recipe::report(task)
        };
        let split = default_split(faces, task)?;
        return Training::new(faces, &split)
            .net(NetConfig::ror(task.outputs()))
            .recipe(recipe)
            .quiet()
            .run();
    }
    if !faces.is_synthetic()
        && let Some(found) = find(device(), |card| card.task == task && !card.data.synthetic)?
    {
        return Ok(found);
    }
    let split = default_split(faces, task)?;
    let training = Training::new(faces, &split).quiet();
    // In a set of few pictures a rare class may put a test picture of one split into the
    // training of the other.
    match start {
        Some(start) if start.check_unseen(faces, &split.test).is_ok() => {
            training.start_from(start).run()
        }
        _ => training.run(),
    }
}

impl Predictor {
    /// The nets that ship, on photographs: the one for gender and age together. On drawings
    /// those trained on them, which are trained now where there are none.
    ///
    /// # Errors
    /// Weights that are missing or damaged, or a training that fails.
    pub fn new(faces: &Faces) -> Result<Self> {
        if faces.is_synthetic() {
            Self::with(faces, None, None)
        } else {
            Self::shipped()
        }
    }

    /// The net for gender and age together that ships, [`DEFAULT_MODEL`]: for photographs.
    ///
    /// # Errors
    /// Weights that are missing or damaged.
    pub fn shipped() -> Result<Self> {
        Self::named(&[DEFAULT_MODEL])
    }

    /// Nets by their names (see [`named`]): together they must estimate gender and age. Of
    /// several that estimate the same, the mean counts.
    ///
    /// # Errors
    /// No net of such a name, a damaged one, or nets that leave out gender or age.
    pub fn named(names: &[&str]) -> Result<Self> {
        let nets = names
            .iter()
            .map(|name| named(name, device()))
            .collect::<Result<_>>()?;
        Self::of(nets)
    }

    fn of(nets: Vec<Trained>) -> Result<Self> {
        let heads: Vec<Task> = nets.iter().flat_map(|net| net.card.task.heads()).collect();
        ensure!(
            heads.contains(&Task::Gender) && heads.iter().any(|task| task.has_age()),
            "a prediction needs a net for gender and one for age, or one for both"
        );
        let ready = nets
            .iter()
            .map(|net| net.net.inference(inference_kind(device())))
            .collect::<Result<_>>()?;
        Ok(Self { nets, ready })
    }

    /// Nets trained by the report's recipe with these settings, found or trained now; `None`
    /// for the original's net that ships.
    ///
    /// # Errors
    /// As [`Predictor::new`].
    pub fn with(faces: &Faces, gender: Option<Fit>, age: Option<Fit>) -> Result<Self> {
        let default_gender = gender.is_none();
        let gender = trained(faces, Task::Gender, gender, None).context("the gender net")?;
        // As the notebook does: the default age net starts from the default gender net.
        let start = Some(&gender).filter(|_| default_gender);
        let age = trained(faces, Task::age(), age, start).context("the age net")?;
        Self::of(vec![gender, age])
    }

    /// Answers for the picture at an index of a set.
    ///
    /// # Errors
    /// An index outside the set, or a picture that can't be read or decoded.
    pub fn predict(&self, faces: &Faces, index: i64) -> Result<Prediction> {
        let index = index_in(faces, index)?;
        let record = faces.record(index)?;
        let bytes = faces.bytes(index)?;
        let picture =
            decode(&bytes).with_context(|| format!("picture {index}, {}", record.file))?;
        Ok(Prediction {
            index,
            file: record.file.clone(),
            truth: record.label,
            answer: self.answer(&picture)?,
            picture: bytes,
        })
    }

    /// Answers for any picture of a cropped and aligned face.
    ///
    /// # Errors
    /// A picture of no pixels, or the device failing.
    pub fn answer(&self, picture: &RgbImage) -> Result<Answer> {
        let cards: Vec<&Card> = self.nets.iter().map(|net| &net.card).collect();
        answers_of(&cards, &self.ready, std::slice::from_ref(picture))?
            .pop()
            .context("no answer for a picture")
    }

    /// Answers for many picture files (JPEG or PNG) of cropped and aligned faces, in order, on
    /// every core; for a file that is not such a picture, what is wrong with it.
    ///
    /// # Errors
    /// The device failing.
    pub fn answers(&self, files: &[PathBuf]) -> Result<Vec<Result<Answer>>> {
        let cards: Vec<&Card> = self.nets.iter().map(|net| &net.card).collect();
        let device = device();
        let some = batch(device);
        let ready = || {
            let nets = self.nets.iter();
            nets.map(|net| net.net.inference(inference_kind(device)))
                .collect::<Result<Vec<_>>>()
        };
        let jobs = files.len().div_ceil(some);
        let answers = on_every_core(device, ready, jobs, |ready, job| {
            let files = &files[job * some..files.len().min((job + 1) * some)];
            let decoded: Vec<Result<RgbImage>> = files
                .iter()
                .map(|file| decode(&std::fs::read(file).context("cannot be read")?))
                .collect();
            let pictures: Vec<&RgbImage> = decoded.iter().flatten().collect();
            let mut answers = answers_of(&cards, ready, &pictures)?.into_iter();
            decoded
                .into_iter()
                .map(|picture| match picture {
                    Ok(_) => Ok(Ok(answers.next().context("no answer for a picture")?)),
                    Err(error) => Ok(Err(error)),
                })
                .collect::<Result<Vec<_>>>()
        })?;
        Ok(answers.into_iter().flatten().collect())
    }
}

/// What nets with these cards say of pictures of any size.
fn answers_of(
    cards: &[&Card],
    ready: &[Inference],
    pictures: &[impl Borrow<RgbImage>],
) -> Result<Vec<Answer>> {
    if pictures.is_empty() {
        return Ok(vec![]);
    }
    let mut estimates: Vec<Estimate> = vec![];
    for (card, net) in cards.iter().zip(ready) {
        let (n, side) = (pictures.len() as i64, i64::from(card.net.input));
        let mut pixels = vec![];
        for picture in pictures {
            pixels.extend_from_slice(resize(picture.borrow(), card.net.input)?.as_raw());
        }
        let pixels = Tensor::f_from_data_size(&pixels, &[n, side, side, 3], Kind::Uint8)?;
        estimates.extend(card.read(&net.mirrored_logits(&pixels)?)?);
    }
    let (gender, age): (Vec<_>, Vec<_>) =
        estimates.into_iter().partition(|e| e.task == Task::Gender);
    let (gender, age) = (mean_estimate(&gender)?, mean_estimate(&age)?);
    let names = age.task.classes();
    let answers = gender.probabilities.iter().zip(&age.probabilities);
    Ok(answers
        .zip(&age.years)
        .map(|((gender, groups), &age)| {
            let group = most_likely(groups);
            Answer {
                gender: if gender[1] > 0.5 {
                    Gender::Female
                } else {
                    Gender::Male
                },
                female: gender[1],
                age,
                group,
                age_group: names[group].clone(),
                groups: names.iter().cloned().zip(groups.iter().copied()).collect(),
            }
        })
        .collect())
}

impl fmt::Display for Answer {
    /// One line: `female (98 %), 31 years (30 - 35)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sure = self.female.max(1.0 - self.female) * 100.0;
        write!(
            f,
            "{} ({sure:.0} %), {:.0} years ({})",
            self.gender.name(),
            self.age,
            self.age_group
        )
    }
}

/// A [`Prediction`] without its picture, for JSON.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    index: usize,
    path: &'a str,
    true_gender: Gender,
    true_age: u32,
    #[serde(flatten)]
    answer: &'a Answer,
}

impl Prediction {
    /// What is worth writing down of it.
    pub fn report(&self) -> Report<'_> {
        Report {
            index: self.index,
            path: &self.file,
            true_gender: self.truth.gender,
            true_age: self.truth.age,
            answer: &self.answer,
        }
    }

    /// The group that the true age falls into; none above the last.
    pub(crate) fn true_group(&self) -> Option<usize> {
        let group = Task::Years.group_of(self.truth.age);
        (group < self.answer.groups.len()).then_some(group)
    }
}

impl fmt::Display for Prediction {
    /// The original's four lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "True gender: {}", self.truth.gender.name())?;
        writeln!(f, "Predict gender: {}", self.answer.gender.name())?;
        writeln!(f, "True Age: {}", self.truth.age)?;
        write!(f, "Predict age group: {}", self.answer.age_group)
    }
}

/// What the last call of [`pred_gender_age_group_with`] used.
type Last = Option<(Option<Fit>, Option<Fit>, Faces, Predictor)>;

/// Predicts gender and age group of the picture at an index of the data set.
///
/// The data set and the nets are opened at the first call and stay: later calls take
/// milliseconds, and decode that one picture.
///
/// # Errors
/// An index outside the set, a picture that can't be decoded, or what [`Faces::open`] and
/// [`Predictor::new`] return.
pub fn pred_gender_age_group(index: i64) -> Result<Prediction> {
    pred_gender_age_group_with(index, None, None)
}

/// [`pred_gender_age_group`] by nets trained with a setting of one's own, which are trained
/// first where there are none yet.
///
/// # Errors
/// As [`pred_gender_age_group`].
pub fn pred_gender_age_group_with(
    index: i64,
    gender: Option<Fit>,
    age: Option<Fit>,
) -> Result<Prediction> {
    static LAST: Mutex<Last> = Mutex::new(None);
    let mut last = LAST
        .lock()
        .map_err(|_| anyhow!("an earlier prediction failed badly: restart the kernel"))?;
    match &*last {
        Some((g, a, faces, predictor)) if (*g, *a) == (gender, age) => {
            predictor.predict(faces, index)
        }
        _ => {
            let faces = match last.take() {
                Some((_, _, faces, _)) => faces,
                None => Faces::open()?,
            };
            // A wrong index should not cost a training.
            index_in(&faces, index)?;
            let predictor = match (gender, age) {
                (None, None) => Predictor::new(&faces)?,
                _ => Predictor::with(&faces, gender, age)?,
            };
            let prediction = predictor.predict(&faces, index);
            *last = Some((gender, age, faces, predictor));
            prediction
        }
    }
}
