//! Networks ready to predict: images in, predictions out.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use image::RgbImage;
use tch::{Device, Kind, Tensor};

use super::FacePrediction;
use crate::data::{decode, resize};
use crate::metrics::Predictions;
use crate::model::{Inference, batch};
use crate::store::{Card, DEFAULT_MODEL, ModelStore, Trained};
use crate::task::Task;
use archive::read_in;
use utils::device::{device, inference_kind};
use utils::progress::Progress;
use utils::threads::{Room, on_every_core};

/// Networks ready to predict: one for both gender and age, or one for each. Predictions of several
/// networks for the same task are averaged.
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
    /// The same networks, for this thread.
    ready: Worker,
}

impl Predictor {
    /// Opens the pretrained network for gender and age, [`DEFAULT_MODEL`].
    ///
    /// # Errors
    /// Weights that are missing or damaged.
    pub fn pretrained() -> Result<Self> {
        Self::open(&[DEFAULT_MODEL])
    }

    /// Opens networks of the project's store by their names or cards.
    ///
    /// # Errors
    /// No network of such a name, a damaged one, or networks that leave out gender or age.
    pub fn open(names: &[&str]) -> Result<Self> {
        Self::open_on(names, device())
    }

    /// Opens networks as [`Predictor::open`] does, on a given device.
    ///
    /// # Errors
    /// As [`Predictor::open`].
    pub fn open_on(names: &[&str], device: Device) -> Result<Self> {
        let store = ModelStore::default();
        Self::new(names.iter().map(|name| store.open_on(name, device)).collect::<Result<_>>()?)
    }

    /// Creates a predictor from networks that are loaded.
    ///
    /// # Errors
    /// Networks that leave out gender or age, or that are on several devices.
    pub fn new(nets: Vec<Trained>) -> Result<Self> {
        let heads: Vec<Task> = nets.iter().flat_map(|net| net.card.task.heads()).collect();
        ensure!(
            heads.contains(&Task::Gender) && heads.iter().any(|task| task.has_age()),
            "a prediction needs a network for gender and one for age, or one for both"
        );
        let device = nets[0].net.device();
        ensure!(
            nets.iter().all(|net| net.net.device() == device),
            "networks on several devices can't predict together: open them on the same device"
        );
        Ok(Self { ready: Worker::new(&nets)?, nets })
    }

    /// The device of the networks.
    pub fn device(&self) -> Device {
        self.nets[0].net.device()
    }

    /// Predicts for an image of a cropped and aligned face.
    ///
    /// # Errors
    /// An image that is far from square, and so not such a crop; one without pixels; or the device
    /// failing.
    pub fn predict(&self, picture: &RgbImage) -> Result<FacePrediction> {
        let (wide, high) = picture.dimensions();
        let (short, long) = (f64::from(wide.min(high)), f64::from(wide.max(high)));
        ensure!(
            long <= LONGEST_SIDE * short.max(1.0),
            "this image of {wide} x {high} pixels is no crop of a face, which is square: \
             Photo::open finds the faces in a photograph"
        );
        self.predict_all(std::slice::from_ref(picture))?
            .pop()
            .context("no prediction for the image")
    }

    /// Predicts for image files (JPEG or PNG) of cropped and aligned faces, in order, on every
    /// core. A file that is not such an image has its own error.
    ///
    /// # Errors
    /// The device failing.
    pub fn predict_files(&self, files: &[PathBuf]) -> Result<Vec<Result<FacePrediction>>> {
        let room = Room::for_threads();
        self.predict_each(files.len(), |worker, i| {
            let (bytes, _taken) = read_in(&room, &files[i])?;
            worker.inputs(&decode(&bytes)?)
        })
    }

    /// Predicts for the `n` images that `read` returns, in order, on every core.
    pub(super) fn predict_each(
        &self,
        n: usize,
        read: impl Fn(&Worker, usize) -> Result<Vec<RgbImage>> + Sync,
    ) -> Result<Vec<Result<FacePrediction>>> {
        let device = self.device();
        let some = batch(device);
        let progress = Progress::new("predicting images", n);
        let read = |worker: &Worker, i| {
            let picture = read(worker, i);
            progress.step()?;
            Ok(picture)
        };
        let predicted = on_every_core(
            device,
            || self.worker(),
            n.div_ceil(some),
            |worker, job| {
                let here = job * some..n.min((job + 1) * some);
                let decoded = here.map(|i| read(worker, i)).collect::<Result<Vec<_>>>()?;
                worker.predict_decoded(decoded)
            },
        )?;
        Ok(predicted.into_iter().flatten().collect())
    }

    /// Predicts for aligned crops in one call.
    pub(super) fn predict_all(&self, chips: &[RgbImage]) -> Result<Vec<FacePrediction>> {
        self.ready.predict(chips)
    }

    /// The networks' cards.
    pub fn cards(&self) -> Vec<&Card> {
        self.nets.iter().map(|net| &net.card).collect()
    }

    /// Copies the networks for another thread.
    ///
    /// # Errors
    /// No memory for the copy.
    pub fn worker(&self) -> Result<Worker> {
        Worker::new(&self.nets)
    }
}

/// Longer side of a crop of a face, in shorter sides.
const LONGEST_SIDE: f64 = 1.3;

fn inference(nets: &[Trained]) -> Result<Vec<Inference>> {
    let each = nets.iter().map(|Trained { net, .. }| net.inference(inference_kind(net.device())));
    each.collect()
}

/// The networks of a [`Predictor`] for one thread: libtorch is fastest with a copy per thread.
#[derive(Debug)]
pub struct Worker {
    cards: Vec<Card>,
    ready: Vec<Inference>,
}

impl Worker {
    fn new(nets: &[Trained]) -> Result<Self> {
        let cards = nets.iter().map(|net| net.card.clone()).collect();
        Ok(Self { cards, ready: inference(nets)? })
    }

    /// Resizes an image for the networks, one copy for each.
    ///
    /// # Errors
    /// An image without pixels.
    pub fn inputs(&self, picture: &RgbImage) -> Result<Vec<RgbImage>> {
        let each = self.cards.iter().map(|card| resize(picture, card.net.input()));
        each.collect()
    }

    /// Predicts for images of any size, in order.
    ///
    /// # Errors
    /// An image without pixels, or the device failing.
    pub fn predict(&self, pictures: &[RgbImage]) -> Result<Vec<FacePrediction>> {
        let inputs = pictures.iter().map(|picture| self.inputs(picture));
        self.predict_inputs(&inputs.collect::<Result<Vec<_>>>()?.iter().collect::<Vec<_>>())
    }

    fn predict_inputs(&self, inputs: &[&Vec<RgbImage>]) -> Result<Vec<FacePrediction>> {
        if inputs.is_empty() {
            return Ok(vec![]);
        }
        let mut heads: Vec<Predictions> = vec![];
        for (number, (card, net)) in self.cards.iter().zip(&self.ready).enumerate() {
            let side = card.net.input();
            let mut pixels = vec![];
            for each in inputs {
                pixels.extend_from_slice(each[number].as_raw());
            }
            let shape = [inputs.len() as i64, i64::from(side), i64::from(side), 3];
            let pixels = Tensor::f_from_data_size(&pixels, &shape, Kind::Uint8)?;
            heads.extend(card.read(&net.mirrored_logits(&pixels)?)?);
        }
        FacePrediction::from_heads(heads)
    }

    /// Predicts for inputs of which some could not be made: their errors are kept.
    ///
    /// # Errors
    /// The device failing.
    pub fn predict_decoded(
        &self,
        decoded: Vec<Result<Vec<RgbImage>>>,
    ) -> Result<Vec<Result<FacePrediction>>> {
        let inputs: Vec<&Vec<RgbImage>> = decoded.iter().flatten().collect();
        let mut faces = self.predict_inputs(&inputs)?.into_iter();
        let predicted = decoded.into_iter().map(|inputs| match inputs {
            Ok(_) => Ok(Ok(faces.next().context("no prediction for an image")?)),
            Err(error) => Ok(Err(error)),
        });
        predicted.collect()
    }
}
