//! Faces as points: similar ones are near each other.

use anyhow::{Result, ensure};
use tch::{Kind, Tensor};

use crate::data::Faces;
use crate::model::embeddings_of;
use crate::store::Trained;

impl Trained {
    /// What the last layer before the head computes of the images at `indices`: f32
    /// `[n, features]`, each row of length 1. The network was trained for ages and gender, so faces
    /// near each other look alike in these; it does not recognize people.
    ///
    /// ```
    /// use ror::predict::nearest;
    /// use ror::prelude::*;
    ///
    /// # fn main() -> anyhow::Result<()> {
    /// # let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    /// let faces = Faces::synthetic(40, 0)?;
    /// let net = ModelStore::new(models).open("both-32px")?;
    /// let embeddings = net.embeddings(&faces, &(0..40).collect::<Vec<_>>())?;
    /// let alike = nearest(&embeddings, 7, 5)?; // the five rows nearest to row 7
    /// assert!(alike.len() == 5 && !alike.contains(&7));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// No images, an index outside the set, an image that can't be decoded, or a custom network that
    /// does not name its layers.
    pub fn embeddings(&self, faces: &Faces, indices: &[usize]) -> Result<Tensor> {
        embeddings_of(&self.net, faces, indices)
    }
}

/// The `k` rows of embeddings nearest to a row, the most similar first, itself left out.
///
/// # Errors
/// A row that is not there.
pub fn nearest(embeddings: &Tensor, row: usize, k: usize) -> Result<Vec<usize>> {
    let n = embeddings.size().first().copied().unwrap_or(0);
    ensure!((row as i64) < n, "there is no row {row}: there are {n} embeddings");
    let similar = embeddings.f_mv(&embeddings.f_get(row as i64)?)?;
    let order = Vec::<i64>::try_from(similar.f_argsort(0, true)?.f_to_kind(Kind::Int64)?)?;
    Ok(order
        .into_iter()
        .map(|other| other as usize)
        .filter(|other| *other != row)
        .take(k)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_rows_come_first_and_the_row_itself_is_left_out() {
        let rows = Tensor::from_slice(&[1.0f32, 0.0, 0.0, 1.0, 0.8, 0.6, 0.6, 0.8]).view([4, 2]);
        assert_eq!(nearest(&rows, 0, 2).unwrap(), [2, 3]);
        assert_eq!(nearest(&rows, 1, 9).unwrap(), [3, 2, 0]);
        assert!(nearest(&rows, 4, 1).is_err());
    }
}
