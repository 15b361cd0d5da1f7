//! `pred_gender_age_group` as the original project's notebook has it: it prints what it finds.

use ror::predict::LabelledPrediction;
use ror::train::Recipe;
use ror::{anyhow::Result, predict};

/// Predicts as [`ror::predict::pred_gender_age_group`] does, and prints the original project's four
/// lines, so that it also says something in a loop, in a function, or with a semicolon.
///
/// # Errors
/// As the library's.
pub fn pred_gender_age_group(index: impl TryInto<i64>) -> Result<LabelledPrediction> {
    printed(predict::pred_gender_age_group(index)?)
}

/// Predicts as [`ror::predict::pred_gender_age_group_with`] does, and prints the four lines.
///
/// # Errors
/// As the library's.
pub fn pred_gender_age_group_with(
    index: impl TryInto<i64>,
    recipe: Recipe,
) -> Result<LabelledPrediction> {
    printed(predict::pred_gender_age_group_with(index, recipe)?)
}

fn printed(found: LabelledPrediction) -> Result<LabelledPrediction> {
    println!("{found}");
    Ok(found)
}
