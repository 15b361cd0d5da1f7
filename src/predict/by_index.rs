//! `pred_gender_age_group`: prediction for an image of the data set by its index.

use std::fmt;
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow};
use serde::{Serialize, Serializer};

use super::{FacePrediction, Predictor};
use crate::Task;
use crate::data::{Faces, Protocol, decode};
use crate::experiment::Training;
use crate::model::RorConfig;
use crate::task::Label;
use crate::train::Recipe;

/// The prediction for an image of a data set, with its label.
///
/// As JSON: `index`, `path`, `true_gender`, `true_age`, and the fields of [`FacePrediction`].
#[derive(Clone)]
pub struct LabelledPrediction {
    /// Index of the image in its set.
    pub index: usize,
    /// File name.
    pub file: String,
    /// Label.
    pub label: Label,
    /// Prediction.
    pub face: FacePrediction,
    /// The image file's bytes (JPEG or PNG).
    pub picture: Vec<u8>,
    /// Whether the image is synthetic rather than a photograph.
    pub synthetic: bool,
}

impl LabelledPrediction {
    /// The group of the true age; `None` if the network can't predict it.
    pub fn true_group(&self) -> Option<usize> {
        let (task, age) = (self.face.task, self.label.age);
        (age <= task.oldest()).then(|| task.group_of(age))
    }

    /// Says so if the true age is outside what the network can predict.
    pub fn note(&self) -> Option<String> {
        let (age, oldest) = (self.label.age, self.face.task.oldest());
        (age > oldest).then(|| {
            format!(
                "The true age, {age}, is outside what this network can predict: 0 to {oldest} years."
            )
        })
    }
}

impl fmt::Debug for LabelledPrediction {
    /// Omits the image's bytes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LabelledPrediction")
            .field("index", &self.index)
            .field("file", &self.file)
            .field("label", &self.label)
            .field("face", &self.face)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for LabelledPrediction {
    /// The four lines of the original project. It wrote `10 - 15` for ages 11 to 15, which are `11-15`
    /// here as everywhere else.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "True gender: {}", self.label.gender.name())?;
        writeln!(f, "Predict gender: {}", self.face.gender.name())?;
        writeln!(f, "True Age: {}", self.label.age)?;
        write!(f, "Predict age group: {}", self.face.age_group)
    }
}

impl Serialize for LabelledPrediction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Flat<'a> {
            index: usize,
            path: &'a str,
            true_gender: crate::task::Gender,
            true_age: u32,
            #[serde(flatten)]
            face: &'a FacePrediction,
        }
        Flat {
            index: self.index,
            path: &self.file,
            true_gender: self.label.gender,
            true_age: self.label.age,
            face: &self.face,
        }
        .serialize(serializer)
    }
}

impl Predictor {
    /// Opens the pretrained network on photographs. On synthetic faces, opens a network that is
    /// trained on them first if it does not exist.
    ///
    /// # Errors
    /// Weights that are missing or damaged, or a training that fails.
    pub fn suited(faces: &Faces) -> Result<Self> {
        match faces.is_synthetic() {
            true => trained(faces, |training| training),
            false => Self::pretrained(),
        }
    }

    /// Opens the report's network for gender and age trained with a recipe, or trains it.
    ///
    /// # Errors
    /// An invalid recipe, weights that are damaged, or a training that fails.
    pub fn by_recipe(faces: &Faces, recipe: Recipe) -> Result<Self> {
        let net = RorConfig::new(Task::Both.outputs());
        trained(faces, |training| training.net(net).recipe(recipe))
    }

    /// Predicts for the image at an index of a set.
    ///
    /// # Errors
    /// An index outside the set, or an image that can't be read or decoded.
    pub fn predict_index(&self, faces: &Faces, index: i64) -> Result<LabelledPrediction> {
        let index = faces.index(index)?;
        let record = faces.record(index)?;
        let bytes = faces.bytes(index)?;
        let picture = decode(&bytes).with_context(|| format!("image {index}, {}", record.file))?;
        Ok(LabelledPrediction {
            index,
            file: record.file.clone(),
            label: record.label,
            face: self.predict(&picture)?,
            picture: bytes,
            synthetic: faces.is_synthetic(),
        })
    }
}

/// A predictor of a network for gender and age that is trained on a data set.
fn trained(faces: &Faces, change: impl FnOnce(Training) -> Training) -> Result<Predictor> {
    let split = Protocol::OriginalGender.split(faces)?;
    let training = change(Training::new(faces, &split, Task::Both).quiet());
    Predictor::new(vec![training.train_or_load()?])
}

/// What the last call of [`pred_gender_age_group_with`] used.
type Last = Option<(Option<Recipe>, Faces, Predictor)>;

/// Predicts gender and age group of the image at an index of the data set.
///
/// The data set and the networks are opened on the first call and kept: later calls take
/// milliseconds and decode only that image. The index can have any integer type.
///
/// # Errors
/// An index outside the set, a data set that can't be opened, an image that can't be decoded,
/// weights that are missing or damaged, or a training that fails.
pub fn pred_gender_age_group(index: impl TryInto<i64>) -> Result<LabelledPrediction> {
    by_index(index, None)
}

/// Predicts as [`pred_gender_age_group`] does, with the report's network trained with a custom
/// recipe (batch size, epochs and learning rate as in the original, or any other field of a
/// [`Recipe`]). It is trained first if it does not exist.
///
/// # Errors
/// An index outside the set, a data set that can't be opened, an image that can't be decoded, an
/// invalid recipe, or a training that fails.
pub fn pred_gender_age_group_with(
    index: impl TryInto<i64>,
    recipe: Recipe,
) -> Result<LabelledPrediction> {
    by_index(index, Some(recipe))
}

fn by_index(index: impl TryInto<i64>, recipe: Option<Recipe>) -> Result<LabelledPrediction> {
    static LAST: Mutex<Last> = Mutex::new(None);
    let index = index.try_into().map_err(|_| anyhow!("the index does not fit into 64 bits"))?;
    let mut last =
        LAST.lock().map_err(|_| anyhow!("an earlier prediction panicked: restart the kernel"))?;
    if let Some((used, faces, predictor)) = &*last
        && *used == recipe
    {
        return predictor.predict_index(faces, index);
    }
    let faces = match last.take() {
        Some((_, faces, _)) => faces,
        None => Faces::open()?,
    };
    // Checked before a long training.
    faces.index(index)?;
    let predictor = match recipe.clone() {
        None => Predictor::suited(&faces)?,
        Some(recipe) => Predictor::by_recipe(&faces, recipe)?,
    };
    let prediction = predictor.predict_index(&faces, index);
    *last = Some((recipe, faces, predictor));
    prediction
}
