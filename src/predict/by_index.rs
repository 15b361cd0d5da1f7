//! `pred_gender_age_group`: prediction for an image of the data set by its index.

use std::fmt;
use std::sync::Mutex;

use anyhow::{Context, Result, anyhow};
use serde::{Serialize, Serializer};

use super::{FacePrediction, Predictor};
use crate::Task;
use crate::data::{Faces, Part, Protocol, decode};
use crate::experiment::Training;
use crate::model::RorConfig;
use crate::store::{ModelStore, Trained};
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
}

impl LabelledPrediction {
    /// The group of the true age; `None` above the last group.
    pub fn true_group(&self) -> Option<usize> {
        let group = Task::Years.group_of(self.label.age);
        (group < self.face.groups.len()).then_some(group)
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
    /// The four lines of the original project.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "True gender: {}", self.label.gender.name())?;
        writeln!(f, "Predict gender: {}", self.face.gender.name())?;
        writeln!(f, "True Age: {}", self.label.age)?;
        write!(f, "Predict age group: {}", self.face.task.original_name(self.face.group))
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
    /// Opens the pretrained network on photographs. On synthetic faces, opens a network for gender
    /// and one for age, trained first if they do not exist.
    ///
    /// # Errors
    /// Weights that are missing or damaged, or a training that fails.
    pub fn suited(faces: &Faces) -> Result<Self> {
        match faces.is_synthetic() {
            true => Self::by_recipes(faces, None, None),
            false => Self::pretrained(),
        }
    }

    /// Opens the report's networks trained with these recipes, or trains them. `None` is the
    /// original project's network that is included or, on synthetic faces, one trained with the
    /// defaults.
    ///
    /// # Errors
    /// Weights that are missing or damaged, or a training that fails.
    pub fn by_recipes(faces: &Faces, gender: Option<Recipe>, age: Option<Recipe>) -> Result<Self> {
        let is_default = gender.is_none();
        let gender = net(faces, Task::Gender, gender, None).context("the gender network")?;
        // As in the notebook: the default age network starts from the default gender network.
        let start = Some(&gender).filter(|_| is_default);
        let age = net(faces, Task::age_group(), age, start).context("the age network")?;
        Self::new(vec![gender, age])
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
        })
    }
}

/// Returns the network for one task: trained with a recipe, or else the pretrained one (on
/// photographs), or else trained with the defaults, from `start` if that has not seen this split's
/// images.
fn net(
    faces: &Faces,
    task: Task,
    recipe: Option<Recipe>,
    start: Option<&Trained>,
) -> Result<Trained> {
    let (protocol, shipped) = match task {
        Task::Gender => (Protocol::OriginalGender, "gender-32px"),
        _ => (Protocol::OriginalAge, "groups-32px"),
    };
    if recipe.is_none() && !faces.is_synthetic() {
        return ModelStore::default().open(shipped);
    }
    let split = protocol.split(faces)?;
    let training = Training::new(faces, &split, task).quiet();
    if let Some(recipe) = recipe {
        return training.net(RorConfig::new(task.outputs())).recipe(recipe).train_or_load();
    }
    let unseen = |start: &&Trained| {
        start.check_unseen(faces, &split, &[Part::Validation, Part::Test]).is_ok()
    };
    match start.filter(unseen) {
        Some(start) => training.start_from(start).train_or_load(),
        None => training.train_or_load(),
    }
}

/// What the last call of [`pred_gender_age_group_with`] used.
type Last = Option<((Option<Recipe>, Option<Recipe>), Faces, Predictor)>;

/// Predicts gender and age group of the image at an index of the data set.
///
/// The data set and the networks are opened on the first call and kept: later calls take
/// milliseconds and decode only that image. The index can have any integer type.
///
/// # Errors
/// An index outside the set, a data set that can't be opened, an image that can't be decoded,
/// weights that are missing or damaged, or a training that fails.
pub fn pred_gender_age_group(index: impl TryInto<i64>) -> Result<LabelledPrediction> {
    pred_gender_age_group_with(index, None, None)
}

/// Predicts as [`pred_gender_age_group`] does, with the report's networks trained with custom
/// recipes (batch size, epochs and learning rate as in the original, or any other field of a
/// [`Recipe`]). They are trained first if they do not exist.
///
/// # Errors
/// An index outside the set, a data set that can't be opened, an image that can't be decoded, an
/// invalid recipe, or a training that fails.
pub fn pred_gender_age_group_with(
    index: impl TryInto<i64>,
    gender: Option<Recipe>,
    age: Option<Recipe>,
) -> Result<LabelledPrediction> {
    let index = index.try_into().map_err(|_| anyhow!("the index does not fit into 64 bits"))?;
    by_index(index, (gender, age))
}

fn by_index(index: i64, wanted: (Option<Recipe>, Option<Recipe>)) -> Result<LabelledPrediction> {
    static LAST: Mutex<Last> = Mutex::new(None);
    let mut last =
        LAST.lock().map_err(|_| anyhow!("an earlier prediction panicked: restart the kernel"))?;
    if let Some((recipes, faces, predictor)) = &*last
        && *recipes == wanted
    {
        return predictor.predict_index(faces, index);
    }
    let faces = match last.take() {
        Some((_, faces, _)) => faces,
        None => Faces::open()?,
    };
    // Checked before a long training.
    faces.index(index)?;
    let predictor = match wanted.clone() {
        (None, None) => Predictor::suited(&faces)?,
        (gender, age) => Predictor::by_recipes(&faces, gender, age)?,
    };
    let prediction = predictor.predict_index(&faces, index);
    *last = Some((wanted, faces, predictor));
    prediction
}
