//! Whole photographs: every face found, cut, predicted.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result};
use image::RgbImage;
use imaging::without_panic;
use serde::{Serialize, Serializer};

use super::{FacePrediction, Predictor};
use crate::data::{decode_photo, read_in, read_picture};
use mtcnn::{Chip, Detector, Found};
use utils::device::device;
use utils::paths;
use utils::progress::Progress;
use utils::threads::{Room, on_every_core};

/// A face in a photograph, and what is predicted for it.
///
/// As JSON: `box` ([x, y, width, height]), `score`, `landmarks` (five [x, y]), `chip` (four corners
/// [x, y] of the chip that was cut), all in the photograph's pixels; `notes`; and the fields of
/// [`FacePrediction`].
#[derive(Debug, Clone, Serialize)]
pub struct PhotoFace {
    /// Left, top, width and height, pixels.
    #[serde(rename = "box")]
    pub bounds: [f64; 4],
    /// How sure the detector is that it is a face, 0 to 1.
    pub score: f64,
    /// Left and right eye (in the photograph), nose, left and right corner of the mouth.
    pub landmarks: [[f64; 2]; 5],
    /// Corners of the chip: upper left, upper right, lower right, lower left.
    pub chip: [[f64; 2]; 4],
    /// Why the prediction deserves less trust, where it does.
    pub notes: Vec<String>,
    /// What is predicted.
    #[serde(flatten)]
    pub face: FacePrediction,
}

impl fmt::Display for PhotoFace {
    /// The prediction, and what makes it doubtful.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.face)?;
        match self.notes.is_empty() {
            true => Ok(()),
            false => write!(f, "; {}", self.notes.join(", ")),
        }
    }
}

/// A photograph with its faces, the largest first.
///
/// As JSON: `path`, `width`, `height` (upright, pixels), and `faces`.
#[derive(Clone, Serialize)]
pub struct Photo {
    /// Where it was read from; as JSON with U+FFFD for what is not UTF-8.
    #[serde(serialize_with = "as_text")]
    pub path: PathBuf,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Its faces.
    pub faces: Vec<PhotoFace>,
    /// The photograph itself, upright.
    #[serde(skip)]
    pub(crate) picture: Option<RgbImage>,
}

impl fmt::Debug for Photo {
    /// Without its pixels.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Photo")
            .field("path", &self.path)
            .field("width", &self.width)
            .field("height", &self.height)
            .field("faces", &self.faces)
            .finish_non_exhaustive()
    }
}

/// The face detector, with the weights `detector/mtcnn.safetensors` of the models folder.
///
/// # Errors
/// Weights that are missing or damaged.
pub fn detector() -> Result<Detector> {
    Detector::open(paths::models().join("detector").join("mtcnn.safetensors"))
}

impl Photo {
    /// Reads a photograph (JPEG, PNG or WebP, upright by its EXIF orientation), finds its faces and
    /// predicts them with the net that ships. The nets are opened at the first call and stay.
    ///
    /// ```no_run
    /// use ror::prelude::*;
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// let party = Photo::open("party.jpg")?;
    /// for face in &party.faces {
    ///     println!("{}", face.face); // female (98 %), 31 years (80 %: 25 to 38)
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A file that can't be read or is not a picture, weights that are missing (the message says
    /// how they come), or the device failing.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        static READY: Mutex<Option<(Detector, Predictor)>> = Mutex::new(None);
        let mut ready = READY
            .lock()
            .map_err(|_| anyhow::anyhow!("an earlier prediction panicked: restart the kernel"))?;
        let (detector, predictor) = match ready.take() {
            Some(ready) => ready,
            None => (detector()?, Predictor::pretrained()?),
        };
        let photo = predictor.predict_photo(&detector, path);
        *ready = Some((detector, predictor));
        photo
    }

    /// The chip of a face, by its number from 0: 200 x 200 pixels, as UTKFace's.
    ///
    /// # Errors
    /// No face of this number, or a photograph whose picture was dropped.
    pub fn chip(&self, face: usize) -> Result<RgbImage> {
        let one = self.faces.get(face).with_context(|| {
            format!("there is no face {face}: this photograph has {}", self.faces.len())
        })?;
        let picture = self.picture().context("the photograph's picture was not kept")?;
        Chip::at(one.chip[0], one.chip[1]).cut(picture)
    }

    /// The photograph itself, upright; none once it was dropped.
    pub fn picture(&self) -> Option<&RgbImage> {
        self.picture.as_ref()
    }
}

impl Predictor {
    /// Finds the faces in photographs and predicts them, on every core: one entry a file, in order;
    /// for a file that is not a picture, what is wrong with it.
    ///
    /// Each photograph goes through `then` while its picture is there, and is dropped afterwards:
    /// what `then` returns is what remains of it.
    ///
    /// # Errors
    /// The device failing, or Stop in a notebook.
    pub fn predict_photos<T: Send>(
        &self,
        detector: &Detector,
        files: &[PathBuf],
        then: impl Fn(&Photo) -> Result<T> + Sync,
    ) -> Result<Vec<Result<(Photo, T)>>> {
        let progress = Progress::new("predicting, photos", files.len());
        let room = Room::for_threads();
        on_every_core(
            device(),
            || Ok((detector.share(), self.worker()?)),
            files.len(),
            |(detector, worker), job| {
                let path = &files[job];
                let done = read_in(&room, path).and_then(|(bytes, _taken)| {
                    let mut photo = photo(detector, path, bytes, |chips| worker.predict(chips))?;
                    let kept = then(&photo)?;
                    photo.picture = None;
                    Ok((photo, kept))
                });
                progress.step()?;
                Ok(done)
            },
        )
    }

    /// Finds the faces in one photograph and predicts them; the photograph keeps its picture.
    ///
    /// # Errors
    /// A file that can't be read or is not a picture, or the device failing.
    pub fn predict_photo(&self, detector: &Detector, path: impl AsRef<Path>) -> Result<Photo> {
        let path = path.as_ref();
        read_picture(path)
            .and_then(|bytes| photo(detector, path, bytes, |chips| self.predict_all(chips)))
            .with_context(|| path.display().to_string())
    }
}

/// A photograph with its faces predicted by `predict`, which takes all chips at once.
fn photo(
    detector: &Detector,
    path: &Path,
    bytes: Vec<u8>,
    predict: impl FnOnce(&[RgbImage]) -> Result<Vec<FacePrediction>>,
) -> Result<Photo> {
    let picture = decode_photo(&bytes)?;
    drop(bytes);
    let mut seen = without_panic(|| Seen::new(detector, &picture))?;
    let predicted = predict(&std::mem::take(&mut seen.chips))?;
    let photo = seen.with(path, predicted);
    Ok(Photo { picture: Some(picture), ..photo })
}

/// The faces of a photograph, found and not predicted yet.
#[derive(Debug)]
pub struct Seen {
    width: u32,
    height: u32,
    found: Vec<(Found, Chip)>,
    /// The aligned crop of each face.
    pub chips: Vec<RgbImage>,
}

impl Seen {
    /// Finds the faces of a photograph, and cuts them out.
    ///
    /// # Errors
    /// A photograph without pixels, or libtorch failing.
    pub fn new(detector: &Detector, picture: &RgbImage) -> Result<Self> {
        let (width, height) = picture.dimensions();
        let found = detector.detect(picture)?.into_iter();
        let found: Vec<(Found, Chip)> = found
            .map(|face| {
                let chip = Chip::of(&face.points);
                (face, chip)
            })
            .collect();
        let chips = found.iter().map(|(_, chip)| chip.cut(picture)).collect::<Result<_>>()?;
        Ok(Self { width, height, found, chips })
    }

    /// The photograph with what is predicted for its faces; without its picture.
    pub fn with(self, path: &Path, predicted: impl IntoIterator<Item = FacePrediction>) -> Photo {
        let Self { width, height, found, .. } = self;
        let rounded = |value: f64| (10.0 * value).round() / 10.0;
        let faces = found.into_iter().zip(predicted).map(|((found, chip), face)| {
            let bounds = found.bounds;
            PhotoFace {
                bounds: [bounds.x, bounds.y, bounds.width, bounds.height].map(rounded),
                score: (1e4 * found.score).round() / 1e4,
                landmarks: found.points.map(|point| point.map(rounded)),
                chip: chip.corners().map(|corner| corner.map(|at| (100.0 * at).round() / 100.0)),
                notes: notes(&found, &chip, width, height),
                face,
            }
        });
        Photo { path: path.to_owned(), width, height, faces: faces.collect(), picture: None }
    }
}

fn as_text<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.display())
}

/// Faces of fewer pixels than this are small.
const SMALL: f64 = 40.0;

/// What makes a prediction doubtful: a small face, one turned away, one cut off by the edge.
fn notes(found: &Found, chip: &Chip, width: u32, height: u32) -> Vec<String> {
    let mut notes = vec![];
    let side = found.bounds.width.max(found.bounds.height);
    if side < SMALL {
        notes.push(format!("small: {side:.0} px"));
    }
    let [left, right, nose, ..] = found.points;
    // Along the line between the eyes, 0 at the left one and 1 at the right one.
    let between = [right[0] - left[0], right[1] - left[1]];
    let along = [nose[0] - left[0], nose[1] - left[1]];
    let length = between[0].hypot(between[1]).max(1e-6);
    let at = (along[0] * between[0] + along[1] * between[1]) / (length * length);
    if !(0.2..=0.8).contains(&at) {
        notes.push("turned away".to_owned());
    }
    // The face itself, without the chip's margin.
    let (low, high) = (30.0, 170.0);
    let inside = [[low, low], [high, low], [high, high], [low, high]].iter().all(|corner| {
        let [x, y] = chip.point(*corner);
        (0.0..=f64::from(width)).contains(&x) && (0.0..=f64::from(height)).contains(&y)
    });
    if !inside {
        notes.push("cut off by the edge".to_owned());
    }
    notes
}
