//! One picture in, one answer out.

use std::fmt;
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow};
use image::RgbImage;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use crate::dataset::{Balance, Faces, Gender, Label, Records, Split, index_in, resize};
use crate::device::device;
use crate::evaluate::most_likely;
use crate::model::NetConfig;
use crate::task::{MAX_AGE, Task};
use crate::train::{Recipe, Trained, Training, find};

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

/// The two nets, ready to answer.
#[derive(Debug)]
pub struct Predictor {
    faces: Faces,
    gender: Trained,
    age: Trained,
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
    /// The likeliest age group, from 0.
    pub group: usize,
    /// That group in the original's words: `10 - 15` for ages 11 to 15.
    pub age_group: String,
    /// Name and probability of each group.
    pub groups: Vec<(String, f64)>,
}

/// The split that the defaults train by: gender on all records, age on the balanced ones.
///
/// # Errors
/// Too few pictures.
pub fn default_split(faces: &Faces, task: Task) -> Result<Split> {
    match task {
        Task::Gender => faces.split(faces.records(), &faces.plan(task)),
        Task::AgeGroup { .. } => faces.split(
            &faces.records().balance(&Balance::default())?,
            &faces.plan(task),
        ),
    }
}

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
        && let Some(found) = find(task, device(), |card| !card.data.synthetic)?
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
    /// The nets that ship, on photographs; on drawings those trained on them, which are trained
    /// now where there are none.
    ///
    /// # Errors
    /// Weights that are missing or damaged, or a training that fails.
    pub fn new(faces: &Faces) -> Result<Self> {
        Self::with(faces, None, None)
    }

    /// Nets trained by the report's recipe with these settings, found or trained now; `None`
    /// for the default net.
    ///
    /// # Errors
    /// As [`Predictor::new`].
    pub fn with(faces: &Faces, gender: Option<Fit>, age: Option<Fit>) -> Result<Self> {
        let default_gender = gender.is_none();
        let gender = trained(faces, Task::Gender, gender, None).context("the gender net")?;
        // As the notebook does: the default age net starts from the default gender net.
        let start = Some(&gender).filter(|_| default_gender);
        let age = trained(faces, Task::age(), age, start).context("the age net")?;
        Ok(Self {
            faces: faces.clone(),
            gender,
            age,
        })
    }

    /// Answers for the picture at an index of the set.
    ///
    /// # Errors
    /// An index outside the set, or a picture that can't be read or decoded.
    pub fn predict(&self, index: i64) -> Result<Prediction> {
        let index = index_in(&self.faces, index)?;
        let record = self.faces.record(index)?;
        let picture = self.faces.picture(index)?;
        Ok(Prediction {
            index,
            file: record.file.clone(),
            truth: record.label,
            answer: self.answer(&picture)?,
            picture: self.faces.bytes(index)?,
        })
    }

    /// Answers for any picture of a cropped and aligned face.
    ///
    /// # Errors
    /// A picture of no pixels, or the device failing.
    pub fn answer(&self, picture: &RgbImage) -> Result<Answer> {
        let probabilities = |trained: &Trained| -> Result<Vec<f64>> {
            let side = trained.net.config().input;
            let small = resize(picture, side)?;
            let side = i64::from(side);
            let pixels =
                Tensor::f_from_data_size(small.as_raw(), &[1, side, side, 3], Kind::Uint8)?;
            trained
                .net
                .probabilities(&pixels)?
                .pop()
                .context("the net gave no answer")
        };
        let gender = probabilities(&self.gender)?;
        let age = probabilities(&self.age)?;
        let task = self.age.card.task;
        let group = most_likely(&age);
        let names = task.classes();
        Ok(Answer {
            gender: if most_likely(&gender) == 1 {
                Gender::Female
            } else {
                Gender::Male
            },
            female: gender[1],
            group,
            age_group: names[group].clone(),
            groups: names.into_iter().zip(age).collect(),
        })
    }
}

impl Prediction {
    /// The group that the true age falls into; none above the last.
    pub(crate) fn true_group(&self) -> Option<usize> {
        (self.truth.age <= MAX_AGE).then(|| Task::age().group_of(self.truth.age))
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
type Last = Option<(Option<Fit>, Option<Fit>, Predictor)>;

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
        Some((g, a, predictor)) if (*g, *a) == (gender, age) => predictor.predict(index),
        _ => {
            let faces = match last.take() {
                Some((_, _, predictor)) => predictor.faces,
                None => Faces::open()?,
            };
            // A wrong index should not cost a training.
            index_in(&faces, index)?;
            let predictor = Predictor::with(&faces, gender, age)?;
            let prediction = predictor.predict(index);
            *last = Some((gender, age, predictor));
            prediction
        }
    }
}
