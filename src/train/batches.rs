//! Training images of one size and their targets, on the device.

use anyhow::Result;
use tch::{Device, Kind, Tensor};

use super::{Recipe, Targets};
use crate::Task;
use crate::data::Faces;
use utils::threads::keep_memory;

pub(super) struct Batches {
    /// Side length in pixels at which the network sees the images. They are loaded in this size, or
    /// in that of a teacher with a larger input.
    pub(super) size: u32,
    /// On the CPU, the images of the whole set, shared; on a GPU, the training images. u8 `[n, side,
    /// side, 3]`.
    pictures: Tensor,
    /// Row in `pictures` of each training image.
    rows: Tensor,
    targets: Targets,
    batch: i64,
}

impl Batches {
    /// Loads the images at `indices`, resized to `size`.
    pub(super) fn new(
        faces: &Faces,
        indices: &[usize],
        task: Task,
        recipe: &Recipe,
        size: u32,
        device: Device,
    ) -> Result<Self> {
        keep_memory();
        let rows: Vec<i64> = indices.iter().map(|i| *i as i64).collect();
        let rows = Tensor::f_from_slice(&rows)?;
        let all = faces.pictures(size)?;
        let (pictures, rows) = match device.is_cuda() {
            true => (
                all.f_index_select(0, &rows)?.f_to_device(device)?,
                Tensor::f_arange(indices.len() as i64, (Kind::Int64, device))?,
            ),
            false => (all, rows),
        };
        Ok(Self {
            size,
            pictures,
            rows,
            targets: Targets::new(task, &faces.labels(indices)?, recipe, device)?,
            batch: recipe.batch.min(indices.len()) as i64,
        })
    }

    /// Number of batches per epoch. Images that do not fill a batch are left out, others each time.
    pub(super) fn len(&self) -> i64 {
        self.rows.numel() as i64 / self.batch.max(1)
    }

    /// Batch size.
    pub(super) fn batch(&self) -> i64 {
        self.batch
    }

    /// The training images of each batch of an epoch, shuffled: i64 `[batch]`, counted from 0.
    pub(super) fn shuffled(&self) -> Result<Vec<Tensor>> {
        let (n, device) = (self.rows.numel() as i64, self.rows.device());
        let order = Tensor::f_randperm(n, (Kind::Int64, Device::Cpu))?.f_to_device(device)?;
        (0..self.len()).map(|i| Ok(order.f_narrow(0, i * self.batch, self.batch)?)).collect()
    }

    /// Images, u8 `[batch, side, side, 3]`, and their targets.
    pub(super) fn get(&self, chosen: &Tensor) -> Result<(Tensor, Targets)> {
        let rows = self.rows.f_index_select(0, chosen)?;
        Ok((self.pictures.f_index_select(0, &rows)?, self.targets.select(chosen)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn an_epoch_sees_each_picture_once_with_its_own_target() {
        let _turn = utils::random::turn();
        let faces = Faces::synthetic(40, 2).unwrap();
        let indices: Vec<usize> = (0..20).map(|i| 2 * i + 1).collect();
        let recipe = Recipe { batch: 6, ..Recipe::report(Task::Years) };
        let new = || Batches::new(&faces, &indices, Task::Years, &recipe, 16, Device::Cpu);
        let batches = new().unwrap();
        assert_eq!((batches.len(), batches.batch()), (3, 6));
        let all = faces.pictures(16).unwrap();
        let mut seen = BTreeSet::new();
        for chosen in batches.shuffled().unwrap() {
            let (pictures, targets) = batches.get(&chosen).unwrap();
            for (row, i) in Vec::<i64>::try_from(&chosen).unwrap().into_iter().enumerate() {
                let index = indices[i as usize];
                assert!(pictures.get(row as i64).equal(&all.get(index as i64)));
                let age = targets.ages().double_value(&[row as i64]);
                assert_eq!(age, f64::from(faces.record(index).unwrap().label.age));
                assert!(seen.insert(index), "picture {index} twice");
            }
        }
        assert_eq!(seen.len(), 18);
    }
}
