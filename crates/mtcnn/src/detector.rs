//! The MTCNN cascade: from a photo to faces with five landmarks each.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use image::{RgbImage, imageops};
use imaging::resize_part;
use tch::{Kind, Tensor, no_grad};

use super::Bounds;
use super::boxes::{Overlap, suppressed};
use super::nets::{Answers, Stage, Weights};
use utils::hash::sha256;

/// A detected face.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The bounding box, in the photo's pixels.
    pub bounds: Bounds,
    /// The last network's score, 0 to 1.
    pub score: f64,
    /// The landmarks as x and y in the photo's pixels: left eye, right eye, tip of the nose, left
    /// and right corner of the mouth. Left and right are those of the photo.
    pub points: [[f64; 2]; 5],
}

/// Scale factor between levels of the image pyramid.
const STEP: f64 = 0.709;
/// Minimum scores at which the three networks keep a candidate.
const SURE: [f64; 3] = [0.6, 0.7, 0.7];
/// Side and stride of P-Net's windows, in pixels.
const CELL: f64 = 12.0;
const STRIDE: f64 = 2.0;
/// Maximum number of candidates for the second network.
const PIECES: usize = 2000;

/// The MTCNN face detector.
///
/// ```no_run
/// # fn main() -> anyhow::Result<()> {
/// let detector = mtcnn::Detector::open("models/detector/mtcnn.safetensors")?;
/// for face in detector.detect(&imaging::decode(&std::fs::read("party.jpg")?)?)? {
///     println!("{:?}", face.bounds);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Detector {
    proposal: Stage,
    refine: Stage,
    output: Stage,
    smallest: f64,
    /// The file of its weights.
    weights: PathBuf,
}

impl Detector {
    /// Opens a detector with the weights in a `.safetensors` file.
    ///
    /// # Errors
    /// The weights are missing or damaged.
    pub fn open(weights: impl AsRef<Path>) -> Result<Self> {
        let path = weights.as_ref();
        let why = || {
            format!(
                "cannot read the face detector's weights from {}: run make setup, which takes them \
                 from the Python package mtcnn",
                path.display()
            )
        };
        let open = || -> Result<Self> {
            let weights = Weights::read(path)?;
            Ok(Self {
                proposal: Stage::proposal(&weights)?,
                refine: Stage::refine(&weights)?,
                output: Stage::output(&weights)?,
                smallest: 40.0,
                weights: path.to_owned(),
            })
        };
        open().with_context(why)
    }

    /// Sets the minimum face size in pixels, by default 40. For a photo larger than 1,280 pixels
    /// per side, it applies to the photo scaled down to that size.
    ///
    /// # Errors
    /// `pixels` is less than 12, the input size of the first network.
    pub fn smallest(self, pixels: f64) -> Result<Self> {
        ensure!(
            pixels >= CELL,
            "a minimum face size of {pixels} pixels is too small: choose {CELL} or more"
        );
        Ok(Self { smallest: pixels, ..self })
    }

    /// Returns a detector with the same weights for another thread.
    pub fn share(&self) -> Self {
        Self {
            proposal: self.proposal.share(),
            refine: self.refine.share(),
            output: self.output.share(),
            smallest: self.smallest,
            weights: self.weights.clone(),
        }
    }

    /// Returns an ID made of everything that determines which faces are found: the weights, the
    /// minimum face size and the orientations.
    pub fn id(&self) -> Result<String> {
        let weights = std::fs::read(&self.weights)
            .with_context(|| format!("cannot read {}", self.weights.display()))?;
        let (weights, smallest) = (&sha256(&weights)[..16], self.smallest);
        Ok(format!("mtcnn {weights}, {smallest} pixels, orientation by landmarks"))
    }

    /// Detects the faces in a photo that are about upright.
    pub(super) fn upright(&self, photo: &RgbImage) -> Result<Vec<Found>> {
        no_grad(|| {
            let pieces = self.proposed(photo)?;
            let pieces = self.refined(photo, &pieces)?;
            self.final_faces(photo, &pieces)
        })
    }

    /// Returns O-Net's scores of a face as it is, and turned clockwise by 90, 180 and 270 degrees.
    pub(super) fn scores_turned(&self, photo: &RgbImage, face: &Found) -> Result<[f64; 4]> {
        let cut = piece(photo, &face.bounds.squared(), 48)?;
        let turned = [0, 1, 2, 3].map(|quarters| turned(&cut, quarters));
        let said = no_grad(|| self.output.forward(&pixels(&turned)?))?;
        let scores = Vec::<f64>::try_from(said.face.f_to_kind(Kind::Double)?)?;
        Ok(std::array::from_fn(|quarters| scores[quarters]))
    }

    /// Runs P-Net on an image pyramid.
    fn proposed(&self, photo: &RgbImage) -> Result<Vec<(Bounds, f64)>> {
        let (width, height) = photo.dimensions();
        let mut found = vec![];
        let mut scale = CELL / self.smallest;
        while f64::from(width.min(height)) * scale >= CELL {
            let (w, h) = (scaled(width, scale), scaled(height, scale));
            let copy = resize_part(photo, whole(photo), w, h)?;
            let Answers { face, edges, .. } = self.proposal.forward(&pixels(&[copy])?)?;
            let [rows, columns] = face.size()[1..] else {
                anyhow::bail!("unexpected output shape of P-Net")
            };
            let faces: Vec<f32> = Vec::try_from(face.f_flatten(0, -1)?)?;
            let edges: Vec<f32> = Vec::try_from(edges.f_flatten(0, -1)?)?;
            let cells = (rows * columns) as usize;
            // Sizes are rounded, so the two scales differ slightly.
            let [x_scale, y_scale] =
                [f64::from(w) / f64::from(width), f64::from(h) / f64::from(height)];
            let sure = (0..cells).filter(|cell| f64::from(faces[*cell]) > SURE[0]);
            let here = sure.map(|cell| {
                let (row, column) = (cell / columns as usize, cell % columns as usize);
                let bounds = Bounds {
                    x: STRIDE * column as f64 / x_scale,
                    y: STRIDE * row as f64 / y_scale,
                    width: CELL / x_scale,
                    height: CELL / y_scale,
                };
                let moves = [0, 1, 2, 3].map(|edge| f64::from(edges[edge * cells + cell]));
                (bounds, f64::from(faces[cell]), moves)
            });
            let kept = suppressed(here.collect(), 0.5, Overlap::Union, |one| (one.0, one.1));
            found.extend(kept);
            scale *= STEP;
        }
        let mut kept = suppressed(found, 0.7, Overlap::Union, |one| (one.0, one.1));
        kept.truncate(PIECES);
        let moved = kept
            .into_iter()
            .map(|(bounds, score, moves)| (bounds.regressed(moves).squared(), score));
        Ok(moved.collect())
    }

    /// Runs R-Net on P-Net's candidates.
    fn refined(&self, photo: &RgbImage, pieces: &[(Bounds, f64)]) -> Result<Vec<(Bounds, f64)>> {
        let mut found = vec![];
        for some in pieces.chunks(256) {
            let (faces, edges, _) = answers(&self.refine, photo, some, 24)?;
            for (i, (bounds, _)) in some.iter().enumerate() {
                if faces[i] > SURE[1] {
                    found.push((*bounds, faces[i], edges[i]));
                }
            }
        }
        let kept = suppressed(found, 0.7, Overlap::Union, |one| (one.0, one.1));
        let moved = kept.into_iter();
        Ok(moved.map(|(bounds, score, edges)| (bounds.regressed(edges).squared(), score)).collect())
    }

    /// Runs O-Net on the remaining candidates.
    fn final_faces(&self, photo: &RgbImage, pieces: &[(Bounds, f64)]) -> Result<Vec<Found>> {
        let mut found = vec![];
        for some in pieces.chunks(128) {
            let (faces, edges, points) = answers(&self.output, photo, some, 48)?;
            for (i, (bounds, _)) in some.iter().enumerate() {
                if faces[i] > SURE[2] {
                    let at = |k: usize| {
                        let (x, y) = (points[i][k], points[i][k + 5]);
                        [bounds.x + x * bounds.width, bounds.y + y * bounds.height]
                    };
                    found.push(Found {
                        bounds: bounds.regressed(edges[i]),
                        score: faces[i],
                        points: [0, 1, 2, 3, 4].map(at),
                    });
                }
            }
        }
        Ok(suppressed(found, 0.7, Overlap::Smaller, |one| (one.bounds, one.score)))
    }
}

/// Face probability, box regression and landmarks of each candidate.
type Said = (Vec<f64>, Vec<[f64; 4]>, Vec<[f64; 10]>);

/// Runs a network on candidates, cropped to its input size.
fn answers(net: &Stage, photo: &RgbImage, pieces: &[(Bounds, f64)], side: u32) -> Result<Said> {
    let cut = pieces.iter().map(|(bounds, _)| piece(photo, bounds, side));
    let said = net.forward(&pixels(&cut.collect::<Result<Vec<_>>>()?)?)?;
    let rows = |tensor: &Tensor| -> Result<Vec<Vec<f64>>> {
        Ok(Vec::<Vec<f64>>::try_from(tensor.f_to_kind(Kind::Double)?)?)
    };
    let edges = rows(&said.edges)?.into_iter().map(|row| [row[0], row[1], row[2], row[3]]);
    let points = match &said.points {
        Some(points) => rows(points)?,
        None => vec![],
    };
    let points = points.into_iter().map(|row| std::array::from_fn(|k| row[k]));
    let faces = Vec::<f64>::try_from(said.face.f_to_kind(Kind::Double)?)?;
    Ok((faces, edges.collect(), points.collect()))
}

/// Turns an image clockwise by some quarters of a full turn.
pub(super) fn turned(picture: &RgbImage, quarters: u8) -> RgbImage {
    match quarters {
        0 => picture.clone(),
        1 => imageops::rotate90(picture),
        2 => imageops::rotate180(picture),
        _ => imageops::rotate270(picture),
    }
}

pub(super) fn whole(photo: &RgbImage) -> [f64; 4] {
    [0.0, 0.0, f64::from(photo.width()), f64::from(photo.height())]
}

pub(super) fn scaled(side: u32, by: f64) -> u32 {
    (f64::from(side) * by).round().max(1.0) as u32
}

/// Crops a square candidate to `side` x `side` pixels. Pixels outside the photo are black.
fn piece(photo: &RgbImage, bounds: &Bounds, side: u32) -> Result<RgbImage> {
    let (wide, high) = (f64::from(photo.width()), f64::from(photo.height()));
    let [left, top] = [bounds.x.max(0.0), bounds.y.max(0.0)];
    let right = (bounds.x + bounds.width).min(wide);
    let bottom = (bounds.y + bounds.height).min(high);
    let mut out = RgbImage::new(side, side);
    let scale = f64::from(side) / bounds.width.max(1e-6);
    // The position of the photo in the crop.
    let place = |at: f64| (at * scale).round().clamp(0.0, f64::from(side)) as u32;
    let (x, y) = (place(left - bounds.x), place(top - bounds.y));
    let (x_end, y_end) = (place(right - bounds.x), place(bottom - bounds.y));
    if right - left < 1.0 || bottom - top < 1.0 || x_end <= x || y_end <= y {
        return Ok(out);
    }
    let inside = resize_part(photo, [left, top, right - left, bottom - top], x_end - x, y_end - y)?;
    if inside.dimensions() == (side, side) {
        return Ok(inside);
    }
    imageops::replace(&mut out, &inside, i64::from(x), i64::from(y));
    Ok(out)
}

/// Converts images of one size to the networks' input: `[n, 3, h, w]`, -1 to 1.
fn pixels(pictures: &[RgbImage]) -> Result<Tensor> {
    let (width, height) = pictures.first().map_or((0, 0), RgbImage::dimensions);
    let all: Vec<u8> = pictures.iter().flat_map(|picture| picture.as_raw()).copied().collect();
    let shape = [pictures.len() as i64, i64::from(height), i64::from(width), 3];
    let pixels = Tensor::f_from_data_size(&all, &shape, Kind::Uint8)?.f_to_kind(Kind::Float)?;
    Ok(pixels.f_sub_scalar(127.5)?.f_div_scalar(128.0)?.f_permute([0, 3, 1, 2])?)
}
