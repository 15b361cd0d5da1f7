//! The faces with the highest activations in a layer's channels.

use anyhow::{Result, ensure};
use polars::prelude::DataFrame;
use tch::{Device, Kind, Tensor, no_grad};

use crate::layer::{channels_of, tapped};
use ror::data::Faces;
use ror::model::Net;
use ror::plot::{self, Figure};
use utils::progress::Progress;

/// Faces shown per channel, and batch size.
const EXCITING: usize = 9;
const BATCH: usize = 128;

/// Draws the faces in a table of records with the highest activations in some channels of a layer:
/// one row per channel with nine faces.
///
/// # Errors
/// The layer or a channel does not exist (the error lists those that do), the table is not of this
/// data set or has fewer than nine rows, or an image can't be read.
pub fn exciting_faces(
    net: &Net,
    layer: &str,
    channels: &[i64],
    faces: &Faces,
    records: &DataFrame,
) -> Result<Figure> {
    let all = channels_of(net, layer)?;
    for channel in channels {
        ensure!(
            (0..all).contains(channel),
            "{layer} has no channel {channel}: choose 0 to {}",
            all - 1
        );
    }
    let indices = faces.indices(records)?;
    ensure!(
        indices.len() >= EXCITING,
        "{} rows are too few: use {EXCITING} or more",
        indices.len()
    );
    let pictures = faces.pictures(net.config().input())?;
    let chosen = Tensor::f_from_slice(channels)?.f_to_device(net.device())?;
    let progress = Progress::new("measuring activations", indices.len());
    let mut scores = vec![];
    for some in indices.chunks(BATCH) {
        let rows: Vec<i64> = some.iter().map(|index| *index as i64).collect();
        let pixels = pictures.f_index_select(0, &Tensor::f_from_slice(&rows)?)?;
        let (response, _) = no_grad(|| tapped(net, layer, &net.normalise(&pixels, Kind::Float)?))?;
        let response = response.f_flatten(2, -1)?.f_index_select(1, &chosen)?;
        scores.push(response.f_amax([2i64].as_slice(), false)?.f_to_device(Device::Cpu)?);
        some.iter().try_for_each(|_| progress.step())?;
    }
    let (scores, best) = Tensor::f_cat(&scores, 0)?.f_topk(EXCITING as i64, 0, true, true)?;
    let mut shown = vec![];
    for (column, channel) in channels.iter().enumerate() {
        for rank in 0..EXCITING as i64 {
            let at = [rank, column as i64];
            let score = scores.f_double_value(&at)?;
            let face = indices[best.f_int64_value(&at)? as usize];
            shown.push((format!("channel {channel}: {score:.1}"), face));
        }
    }
    let title = format!("Faces with the highest activations in {layer}");
    plot::captioned_faces(&title, faces, shown, EXCITING)
}
