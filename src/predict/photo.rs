//! Predictions for photographs: every face is detected, cropped and predicted.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use anyhow::{Context, Result};
use image::RgbImage;
use imaging::without_panic;
use serde::{Serialize, Serializer};

use super::{FacePrediction, Predictor};
use crate::data::decode;
use archive::{read_in, read_picture};
use mtcnn::{Chip, Detector, Found};
use utils::paths;
use utils::progress::Progress;
use utils::threads::{Room, on_every_core};

/// A face in a photograph, with its prediction.
///
/// As JSON: `box` ([x, y, width, height]), `score`, `landmarks` (five [x, y]), `chip` (four corners
/// [x, y] of the aligned crop), all in the photograph's pixels; `notes`; and the fields of
/// [`FacePrediction`].
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PhotoFace {
    /// Left, top, width and height in pixels.
    #[serde(rename = "box")]
    pub bounds: [f64; 4],
    /// The detector's confidence that it is a face, 0 to 1.
    pub score: f64,
    /// Left and right eye (in the photograph), nose, left and right corner of the mouth.
    pub landmarks: [[f64; 2]; 5],
    /// Corners of the aligned crop: upper left, upper right, lower right, lower left.
    pub chip: [[f64; 2]; 4],
    /// Reasons to trust the prediction less.
    pub notes: Vec<String>,
    /// The prediction.
    #[serde(flatten)]
    pub face: FacePrediction,
}

impl PhotoFace {
    /// By how many degrees clockwise the face is turned, to the nearest quarter of a full turn: 0 for
    /// an upright face, 90, 180 or 270.
    pub fn turned(&self) -> u32 {
        Chip::from_corners(self.chip[0], self.chip[1]).turned()
    }
}

impl fmt::Display for PhotoFace {
    /// The prediction and its notes.
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
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Photo {
    /// Path of the file; JSON has U+FFFD for bytes that are not UTF-8.
    #[serde(serialize_with = "as_text")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub path: PathBuf,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Its faces.
    pub faces: Vec<PhotoFace>,
    /// The upright photograph.
    #[serde(skip)]
    pub(crate) picture: Option<RgbImage>,
}

impl fmt::Debug for Photo {
    /// Omits the pixels.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Photo")
            .field("path", &self.path)
            .field("width", &self.width)
            .field("height", &self.height)
            .field("faces", &self.faces)
            .finish_non_exhaustive()
    }
}

/// Loads the face detector, with the weights `detector/mtcnn.safetensors` of the models folder.
///
/// # Errors
/// Weights that are missing or damaged.
pub fn detector() -> Result<Detector> {
    Detector::open(paths::models().join("detector").join("mtcnn.safetensors"))
}

impl Photo {
    /// Reads a photograph (JPEG, PNG, WebP, BMP, GIF or TIFF, upright by its EXIF orientation), detects its faces
    /// and predicts them with the pretrained network. The networks are opened on the first call and
    /// kept.
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
    /// A file that can't be read or is not an image, missing weights (the message says how to get
    /// them), or the device failing.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let read = read_picture(path).and_then(|bytes| Self::predicted(path, bytes));
        read.with_context(|| path.display().to_string())
    }

    /// [`Photo::open`] for the bytes of a file, such as one from the network. Its path is empty.
    ///
    /// # Errors
    /// As [`Photo::open`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::predicted(Path::new(""), bytes.to_vec())
    }

    fn predicted(path: &Path, bytes: Vec<u8>) -> Result<Self> {
        static READY: Mutex<Option<(Detector, Predictor)>> = Mutex::new(None);
        let mut ready = READY
            .lock()
            .map_err(|_| anyhow::anyhow!("an earlier prediction panicked: restart the kernel"))?;
        let (detector, predictor) = match ready.take() {
            Some(ready) => ready,
            None => (detector()?, Predictor::pretrained()?),
        };
        let photo = photo(&detector, path, bytes, |chips| predictor.predict_all(chips));
        *ready = Some((detector, predictor));
        photo
    }

    /// Returns the aligned crop of a face by its number from 0: 200 x 200 pixels, as in UTKFace.
    ///
    /// # Errors
    /// No face of this number, or a photograph whose image was dropped.
    pub fn chip(&self, face: usize) -> Result<RgbImage> {
        let one = self.faces.get(face).with_context(|| {
            format!("there is no face {face}: this photograph has {}", self.faces.len())
        })?;
        let picture = self
            .picture()
            .context("the photograph's image was not kept: open it with Photo::open")?;
        Chip::from_corners(one.chip[0], one.chip[1]).cut(picture)
    }

    /// The upright photograph; `None` once it was dropped.
    pub fn picture(&self) -> Option<&RgbImage> {
        self.picture.as_ref()
    }
}

impl Predictor {
    /// Detects the faces in photographs and predicts them, on every core: one entry per file, in
    /// order. A file that is not an image has its own error.
    ///
    /// Each photograph is passed to `then` with its image, which is dropped afterwards; what `then`
    /// returns is kept.
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
            self.device(),
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

    /// Detects and predicts the faces in one photograph, which keeps its image.
    ///
    /// # Errors
    /// A file that can't be read or is not an image, or the device failing.
    pub fn predict_photo(&self, detector: &Detector, path: impl AsRef<Path>) -> Result<Photo> {
        let path = path.as_ref();
        read_picture(path)
            .and_then(|bytes| photo(detector, path, bytes, |chips| self.predict_all(chips)))
            .with_context(|| path.display().to_string())
    }
}

/// A photograph with its faces predicted by `predict`, which takes all aligned crops at once.
fn photo(
    detector: &Detector,
    path: &Path,
    bytes: Vec<u8>,
    predict: impl FnOnce(&[RgbImage]) -> Result<Vec<FacePrediction>>,
) -> Result<Photo> {
    let picture = decode(&bytes)?;
    drop(bytes);
    let mut seen = without_panic(|| Seen::new(detector, &picture))?;
    let predicted = predict(&std::mem::take(&mut seen.chips))?;
    let photo = seen.with(path, predicted);
    Ok(Photo { picture: Some(picture), ..photo })
}

/// The detected faces of a photograph, not predicted yet.
#[derive(Debug)]
pub struct Seen {
    width: u32,
    height: u32,
    found: Vec<(Found, Chip)>,
    /// The aligned crop of each face.
    pub chips: Vec<RgbImage>,
}

impl Seen {
    /// Detects and crops the faces of a photograph.
    ///
    /// # Errors
    /// A photograph without pixels, or libtorch failing.
    pub fn new(detector: &Detector, picture: &RgbImage) -> Result<Self> {
        let (width, height) = picture.dimensions();
        let found = detector.detect(picture)?.into_iter();
        let found: Vec<(Found, Chip)> = found
            .map(|face| {
                let chip = Chip::new(&face.points);
                (face, chip)
            })
            .collect();
        let chips = found.iter().map(|(_, chip)| chip.cut(picture)).collect::<Result<_>>()?;
        Ok(Self { width, height, found, chips })
    }

    /// Adds the predictions of its faces; the photograph's image is not kept.
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

/// Faces below this size are noted as small, in pixels.
const SMALL: f64 = 40.0;

/// Reasons to doubt a prediction: a face that is small, in a photo that is not upright, turned away or
/// cut off by the edge.
fn notes(found: &Found, chip: &Chip, width: u32, height: u32) -> Vec<String> {
    let mut notes = vec![];
    let side = found.bounds.width.max(found.bounds.height);
    if side < SMALL {
        notes.push(format!("small: {side:.0} px"));
    }
    if chip.turned() > 0 {
        notes.push(format!("photo turned by {} degrees", chip.turned()));
    }
    let [left, right, nose, ..] = found.points;
    // Position along the line between the eyes, 0 at the left one and 1 at the right one.
    let between = [right[0] - left[0], right[1] - left[1]];
    let along = [nose[0] - left[0], nose[1] - left[1]];
    let length = between[0].hypot(between[1]).max(1e-6);
    let at = (along[0] * between[0] + along[1] * between[1]) / (length * length);
    if !(0.2..=0.8).contains(&at) {
        notes.push("turned away".to_owned());
    }
    // The face itself, without the crop's margin.
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
