//! Explains which regions of a face determined a prediction.

use anyhow::{Context, Result, ensure};
use image::{GrayImage, RgbImage, imageops};
use imaging::encode_png;
use tch::{Kind, Tensor, no_grad};

use super::layer::tapped;
use ror::Task;
use ror::data::resize;
use ror::metrics::Predictions;
use ror::model::Net;
use ror::plot::{self, Figure};
use ror::store::Trained;
use utils::progress::counted;

/// Side of a map in pixels.
const SIDE: u32 = 200;
/// Side of the gray occlusion patch relative to the image's side, and positions per side.
const PATCH: f64 = 0.25;
const STEPS: i64 = 12;

/// Maps of the image regions that determined a network's gender and expected age.
#[derive(Debug)]
pub struct Explanation {
    /// The image, resized to `SIDE`.
    picture: RgbImage,
    /// What the network predicts for it.
    predicted: String,
    /// The title and values (0 to 1, shape `[SIDE, SIDE]`) of each map.
    maps: Vec<(String, Tensor)>,
}

/// Explaining a trained network's prediction.
pub trait Explain {
    /// Returns maps of the regions of an aligned crop that determine gender and age, each with two
    /// methods.
    ///
    /// *Grad-CAM* (Selvaraju et al., arXiv 1610.02391) weights the channels of the second block
    /// group by their gradients. Later groups have too few pixels. *Occlusion* (Zeiler and Fergus,
    /// arXiv 1311.2901) measures how much the output changes when a gray patch of a quarter of the
    /// side covers a region. It is slower, but shows what the network really needs.
    ///
    /// # Errors
    /// The network has no block groups, the image has no pixels, or the device fails.
    fn explain(&self, picture: &RgbImage) -> Result<Explanation>;
}

impl Explain for Trained {
    fn explain(&self, picture: &RgbImage) -> Result<Explanation> {
        let net = &self.net;
        let side = net.config().input();
        let small = resize(picture, side)?;
        let shape = [1, i64::from(side), i64::from(side), 3];
        let pixels = Tensor::f_from_data_size(small.as_raw(), &shape, Kind::Uint8)?;
        let x = net.normalise(&pixels, Kind::Float)?;
        let mut maps = vec![];
        for (name, answer) in answers(self.card.task) {
            maps.push((format!("{name}: Grad-CAM"), grad_cam(net, &x, &answer)?));
            maps.push((format!("{name}: occlusion"), occlusion(net, &x, &answer)?));
        }
        let mirrored = net.logits(&pixels.f_flip([2])?)?;
        let logits = Tensor::f_stack(&[net.logits(&pixels)?, mirrored], 0)?;
        let heads = Predictions::from_logits(self.card.task, &self.card.temperatures, &logits)?;
        let predicted = heads.iter().map(in_words).collect::<Vec<_>>().join(", ");
        Ok(Explanation { picture: resize(picture, SIDE)?, predicted, maps })
    }
}

/// The first image's prediction: "female (96 %)", or "85 years".
fn in_words(head: &Predictions) -> String {
    match head.years.first() {
        Some(years) => counted(years.round() as usize, "year"),
        None => {
            let probabilities = head.task.classes().into_iter().zip(&head.probabilities[0]);
            let most = probabilities.max_by(|a, b| a.1.total_cmp(b.1));
            most.map_or_else(String::new, |(class, p)| format!("{class} ({:.0} %)", 100.0 * p))
        }
    }
}

type Answer = Box<dyn Fn(&Tensor) -> Result<Tensor>>;

/// Returns functions that reduce the logits `[n, outputs]` to one number per image: the logit of
/// female, and the expected age.
fn answers(task: Task) -> Vec<(&'static str, Answer)> {
    let mut answers: Vec<(&'static str, Answer)> = vec![];
    let mut from = 0;
    for head in task.heads() {
        let (start, outputs) = (from, head.outputs());
        from += outputs;
        if head == Task::Gender {
            answers.push(("Gender", Box::new(move |logits| Ok(logits.f_select(1, start)?))));
        } else {
            let ages: Vec<f32> = head.ages().iter().map(|age| *age as f32).collect();
            let answer = move |logits: &Tensor| {
                let own = logits.f_narrow(1, start, outputs)?.f_softmax(1, Kind::Float)?;
                Ok(own.f_mv(&Tensor::f_from_slice(&ages)?.f_to_device(own.device())?)?)
            };
            answers.push(("Age", Box::new(answer)));
        }
    }
    answers
}

fn grad_cam(net: &Net, x: &Tensor, answer: &Answer) -> Result<Tensor> {
    // The input requires a gradient, so that every layer has one.
    let x = x.f_detach()?.f_set_requires_grad(true)?;
    let (activation, logits) =
        tapped(net, "groups.1", &x).context("the network has no block groups")?;
    let score = answer(&logits)?.f_sum(Kind::Float)?;
    let gradient = Tensor::f_run_backward(&[score], &[&activation], false, false)?
        .pop()
        .context("the layer has no gradient")?;
    let weights = gradient.f_mean_dim([2i64, 3].as_slice(), true, Kind::Float)?;
    // Regions that raise the output and regions that lower it both count.
    let map =
        activation.f_mul(&weights)?.f_sum_dim_intlist([1i64].as_slice(), true, Kind::Float)?;
    scaled(&map.f_detach()?.f_abs()?)
}

fn occlusion(net: &Net, x: &Tensor, answer: &Answer) -> Result<Tensor> {
    let side = x.size()[2];
    let reach = ((side as f64 * PATCH / 2.0) as i64).max(1);
    no_grad(|| {
        let mut covered = vec![];
        for row in 0..STEPS {
            for column in 0..STEPS {
                let copy = x.f_detach_copy()?;
                let [top, left] =
                    [row, column].map(|at| (at * (side - 1) / (STEPS - 1) - reach).max(0));
                let [bottom, right] =
                    [row, column].map(|at| (at * (side - 1) / (STEPS - 1) + reach).min(side));
                let _ = copy
                    .f_narrow(2, top, bottom - top)?
                    .f_narrow(3, left, right - left)?
                    .f_fill_(0.0)?;
                covered.push(copy);
            }
        }
        let plain = answer(&net.forward(x, false, &mut |_, _| Ok(()))?)?;
        let all = net.forward(&Tensor::f_cat(&covered, 0)?, false, &mut |_, _| Ok(()))?;
        let moved = answer(&all)?.f_sub(&plain)?.f_abs()?;
        scaled(&moved.f_view([1, 1, STEPS, STEPS])?)
    })
}

/// Scales a map `[1, 1, h, w]` to `[SIDE, SIDE]` with values of 0 to 1.
fn scaled(map: &Tensor) -> Result<Tensor> {
    let side = i64::from(SIDE);
    let large = map.f_upsample_bicubic2d([side, side], false, None, None)?.f_clamp_min(0.0)?;
    let most = large.f_max()?.f_clamp_min(1e-8)?;
    Ok(large.f_div(&most)?.f_view([side, side])?.f_to_device(tch::Device::Cpu)?)
}

impl Explanation {
    /// Draws the image with its prediction, and each map over the image in gray. Regions that
    /// determined the prediction are red.
    ///
    /// # Errors
    /// The figure can't be drawn.
    pub fn figure(&self) -> Result<Figure> {
        ensure!(!self.maps.is_empty(), "there are no maps to draw");
        let mut shown =
            vec![(format!("Predicted: {}", self.predicted), encode_png(&self.picture)?)];
        let gray = even_gray(&self.picture);
        for (title, map) in &self.maps {
            let values: Vec<f32> = Vec::try_from(map.f_contiguous()?.f_view([-1])?)?;
            let over = gray.pixels().zip(values).flat_map(|(level, value)| heat(level.0[0], value));
            let over = RgbImage::from_raw(SIDE, SIDE, over.collect()).context("a map's size")?;
            shown.push((title.clone(), encode_png(&over)?));
        }
        plot::picture_grid("What determined the prediction", &shown, shown.len())
    }
}

/// The image in gray. Its darkest percent is black and its brightest white, so that faces in the dark
/// can be seen.
fn even_gray(picture: &RgbImage) -> GrayImage {
    let mut gray = imageops::grayscale(picture);
    let mut levels: Vec<u8> = gray.pixels().map(|pixel| pixel.0[0]).collect();
    levels.sort_unstable();
    let last = levels.len().saturating_sub(1);
    let [low, high] = [last / 100, last - last / 100].map(|at| f32::from(levels[at]));
    for pixel in gray.pixels_mut() {
        let share = (f32::from(pixel.0[0]) - low) / (high - low).max(1.0);
        pixel.0[0] = (255.0 * share.clamp(0.0, 1.0)) as u8;
    }
    gray
}

/// A gray level under a color from none over yellow to red, for values of 0 to 1.
fn heat(level: u8, value: f32) -> [u8; 3] {
    let value = value.clamp(0.0, 1.0);
    let over = [255.0, 225.0 * (1.0 - value), 0.0];
    let cover = 0.75 * value;
    over.map(|color| ((1.0 - cover) * f32::from(level) + cover * color) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ror::model::RorConfig;

    /// Returns the mean of a region of a map.
    fn mean(map: &Tensor, rows: [i64; 2], columns: [i64; 2]) -> f64 {
        let part = map.narrow(0, rows[0], rows[1]).narrow(1, columns[0], columns[1]);
        part.mean(Kind::Float).double_value(&[])
    }

    /// If the face is gray except for one corner, a gray patch only matters there.
    #[test]
    fn occlusion_shows_what_an_answer_needs() {
        let _turn = utils::random::turn();
        let net = Net::new(RorConfig::small(1), tch::Device::Cpu, 0).unwrap();
        let x = Tensor::zeros([1, 3, 32, 32], (Kind::Float, tch::Device::Cpu));
        let corner = x.narrow(2, 0, 6).narrow(3, 0, 6);
        corner.shallow_clone().f_copy_(&corner.randn_like()).unwrap();
        let answer = &answers(Task::Gender)[0].1;
        let map = occlusion(&net, &x, answer).unwrap();
        assert_eq!(map.size(), [200, 200]);
        assert!(mean(&map, [0, 30], [0, 30]) > 0.3);
        assert!(mean(&map, [110, 90], [0, 200]) < 1e-6 && mean(&map, [0, 200], [110, 90]) < 1e-6);

        let map = grad_cam(&net, &x, answer).unwrap();
        assert!(map.min().double_value(&[]) >= 0.0 && map.max().double_value(&[]) <= 1.0 + 1e-6);
        assert!(map.max().double_value(&[]) > 0.99);
    }

    #[test]
    fn a_map_is_seen_on_a_dark_face() {
        let dark = RgbImage::from_fn(SIDE, SIDE, |x, _| image::Rgb([(x / 20) as u8; 3]));
        let gray = even_gray(&dark);
        assert_eq!((gray.get_pixel(0, 0).0[0], gray.get_pixel(199, 0).0[0]), (0, 255));
        assert_eq!(heat(90, 0.0), [90; 3]);
        let [red, green, blue] = heat(0, 1.0);
        assert!(red > 180 && green < 10 && blue < 10);
        even_gray(&RgbImage::new(2, 2)); // one level
    }

    #[test]
    fn both_heads_have_an_answer() {
        let both = answers(Task::Both);
        let logits = Tensor::zeros([2, 118], (Kind::Float, tch::Device::Cpu));
        assert_eq!(both.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["Gender", "Age"]);
        // A uniform distribution over 0 to 116 years.
        assert!((both[1].1(&logits).unwrap().double_value(&[0]) - 58.0).abs() < 1e-3);
    }
}
