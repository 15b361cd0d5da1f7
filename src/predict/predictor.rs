//! Nets ready to predict: pictures in, predictions out.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use image::RgbImage;
use polars::prelude::{DataFrame, df};
use tch::{Kind, Tensor};

use super::FacePrediction;
use crate::data::{Faces, decode, read_in, resize};
use crate::metrics::Predictions;
use crate::model::{Inference, batch};
use crate::store::{Card, DEFAULT_MODEL, ModelStore, Trained};
use crate::support::device::{device, inference_kind};
use crate::support::progress::Progress;
use crate::support::threads::{Room, on_every_core};
use crate::task::Task;

/// Nets ready to predict: one for both gender and age, or one for each; of several for the
/// same, the mean counts.
///
/// ```no_run
/// use ror::prelude::*;
///
/// # fn main() -> anyhow::Result<()> {
/// let predictor = Predictor::pretrained()?;
/// for face in predictor.predict_files(&["anna.jpg".into(), "ben.jpg".into()])? {
///     println!("{}", face?); // female (98 %), 31 years (80 %: 25 to 38)
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Predictor {
    nets: Vec<Trained>,
    /// The same nets, for inference alone.
    ready: Vec<Inference>,
}

impl Predictor {
    /// The net for gender and age that ships, [`DEFAULT_MODEL`].
    ///
    /// # Errors
    /// Weights that are missing or damaged.
    pub fn pretrained() -> Result<Self> {
        Self::open(&[DEFAULT_MODEL])
    }

    /// Nets of the project's store by their names or cards.
    ///
    /// # Errors
    /// No net of such a name, a damaged one, or nets that leave out gender or age.
    pub fn open(names: &[&str]) -> Result<Self> {
        let store = ModelStore::local();
        Self::new(names.iter().map(|name| store.open(name)).collect::<Result<_>>()?)
    }

    /// Nets at hand.
    ///
    /// # Errors
    /// Nets that leave out gender or age.
    pub fn new(nets: Vec<Trained>) -> Result<Self> {
        let heads: Vec<Task> = nets.iter().flat_map(|net| net.card.task.heads()).collect();
        ensure!(
            heads.contains(&Task::Gender) && heads.iter().any(|task| task.has_age()),
            "a prediction needs a net for gender and one for age, or one for both"
        );
        Ok(Self { ready: inference(&nets)?, nets })
    }

    /// Predicts for a picture of a cropped and aligned face.
    ///
    /// # Errors
    /// A picture of no pixels, or the device failing.
    pub fn predict(&self, picture: &RgbImage) -> Result<FacePrediction> {
        self.predict_all(std::slice::from_ref(picture))?
            .pop()
            .context("no prediction for a picture")
    }

    /// Predicts for many picture files (JPEG or PNG) of cropped and aligned faces, in order, on
    /// every core; for a file that is not such a picture, says what is wrong with it.
    ///
    /// # Errors
    /// The device failing.
    pub fn predict_files(&self, files: &[PathBuf]) -> Result<Vec<Result<FacePrediction>>> {
        let (cards, room) = (self.cards(), Room::for_threads());
        self.predict_each(files.len(), |i| {
            let (bytes, _taken) = read_in(&room, &files[i])?;
            Inputs::of(&cards, &decode(&bytes)?)
        })
    }

    /// Predicts for the pictures of a table of records, on every core. One row a picture, in the
    /// table's order: `index`, `predicted_gender`, `predicted_age` and the other columns of
    /// [`FacePrediction::table`]; a join by `index` puts them beside the records.
    ///
    /// # Errors
    /// A table that is not of this set, a picture that can't be read or decoded, or the device
    /// failing.
    pub fn predict_records(&self, faces: &Faces, records: &DataFrame) -> Result<DataFrame> {
        let indices = faces.indices(records)?;
        let cards = self.cards();
        let read = |i: usize| Inputs::of(&cards, &faces.picture(indices[i])?);
        let predicted = self.predict_each(indices.len(), read)?;
        let predicted = predicted.into_iter().collect::<Result<Vec<FacePrediction>>>()?;
        let mut columns = FacePrediction::table(&predicted)?;
        // Records have a gender and an age of their own.
        columns.rename("gender", "predicted_gender".into())?;
        columns.rename("age", "predicted_age".into())?;
        let indices = indices.iter().map(|index| *index as u32).collect::<Vec<_>>();
        let mut table = df!("index" => indices)?;
        table.hstack_mut(columns.columns())?;
        Ok(table)
    }

    /// Predicts for `n` pictures that `read` gives, in order, on every core.
    fn predict_each(
        &self,
        n: usize,
        read: impl Fn(usize) -> Result<Inputs> + Sync,
    ) -> Result<Vec<Result<FacePrediction>>> {
        let device = device();
        let some = batch(device);
        let cards = self.cards();
        let progress = Progress::new("predicting, pictures", n);
        let read = |i| {
            let picture = read(i);
            progress.step()?;
            Ok(picture)
        };
        let predicted = on_every_core(
            device,
            || inference(&self.nets),
            n.div_ceil(some),
            |ready, job| {
                let decoded: Vec<Result<Inputs>> =
                    (job * some..n.min((job + 1) * some)).map(&read).collect::<Result<_>>()?;
                predict_decoded(&cards, ready, decoded)
            },
        )?;
        Ok(predicted.into_iter().flatten().collect())
    }

    /// Predicts for chips at once.
    pub(super) fn predict_all(&self, chips: &[RgbImage]) -> Result<Vec<FacePrediction>> {
        predict(&self.cards(), &self.ready, chips)
    }

    /// The nets for inference, for another thread.
    pub(super) fn ready_again(&self) -> Result<Vec<Inference>> {
        inference(&self.nets)
    }

    pub(super) fn cards(&self) -> Vec<&Card> {
        self.nets.iter().map(|net| &net.card).collect()
    }
}

fn inference(nets: &[Trained]) -> Result<Vec<Inference>> {
    let kind = inference_kind(device());
    nets.iter().map(|net| net.net.inference(kind)).collect()
}

/// A picture as nets take it, in the size of each: what is left of one that was large.
pub(super) struct Inputs(Vec<RgbImage>);

impl Inputs {
    /// For nets with these cards.
    ///
    /// # Errors
    /// A picture of no pixels.
    pub(super) fn of(cards: &[&Card], picture: &RgbImage) -> Result<Self> {
        let each = cards.iter().map(|card| resize(picture, card.net.input()));
        Ok(Self(each.collect::<Result<_>>()?))
    }
}

/// What nets with these cards predict for pictures of any size.
pub(super) fn predict(
    cards: &[&Card],
    ready: &[Inference],
    pictures: &[RgbImage],
) -> Result<Vec<FacePrediction>> {
    let inputs = pictures.iter().map(|picture| Inputs::of(cards, picture));
    predict_inputs(cards, ready, &inputs.collect::<Result<Vec<_>>>()?.iter().collect::<Vec<_>>())
}

fn predict_inputs(
    cards: &[&Card],
    ready: &[Inference],
    inputs: &[&Inputs],
) -> Result<Vec<FacePrediction>> {
    if inputs.is_empty() {
        return Ok(vec![]);
    }
    let mut heads: Vec<Predictions> = vec![];
    for (number, (card, net)) in cards.iter().zip(ready).enumerate() {
        let side = card.net.input();
        let mut pixels = vec![];
        for Inputs(each) in inputs {
            pixels.extend_from_slice(each[number].as_raw());
        }
        let shape = [inputs.len() as i64, i64::from(side), i64::from(side), 3];
        let pixels = Tensor::f_from_data_size(&pixels, &shape, Kind::Uint8)?;
        heads.extend(card.read(&net.mirrored_logits(&pixels)?)?);
    }
    FacePrediction::from_heads(heads)
}

/// The same for pictures of which some could not be decoded: for these, why.
pub(super) fn predict_decoded(
    cards: &[&Card],
    ready: &[Inference],
    decoded: Vec<Result<Inputs>>,
) -> Result<Vec<Result<FacePrediction>>> {
    let inputs: Vec<&Inputs> = decoded.iter().flatten().collect();
    let mut faces = predict_inputs(cards, ready, &inputs)?.into_iter();
    let predicted = decoded.into_iter().map(|inputs| match inputs {
        Ok(_) => Ok(Ok(faces.next().context("no prediction for a picture")?)),
        Err(error) => Ok(Err(error)),
    });
    predicted.collect()
}
