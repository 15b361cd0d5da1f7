//! Columns as numbers or names.

use std::cmp::Ordering;
use std::hash::Hash;

use anyhow::{Context, Result};
use polars::prelude::{DataFrame, DataType, PlHashMap};

use crate::format::short;

/// What a missing category is called.
pub(crate) const MISSING: &str = "missing";

/// A column: numbers, NaN where missing, or indices into names.
#[derive(Clone)]
pub(crate) enum Values {
    Numbers { values: Vec<f64>, whole: bool },
    Names { codes: Vec<usize>, names: Vec<String> },
}

/// Reads a column. Names are in natural order ("5 - 9" before "10 - 14", male before female), or in
/// the table's if `in_order` or if each is there once, as in a table of counts.
pub(crate) fn read(data: &DataFrame, name: &str, in_order: bool) -> Result<Values> {
    let column = data.column(name).with_context(|| {
        let names = data.get_column_names().iter().map(|n| n.as_str()).collect::<Vec<_>>();
        format!("there is no column `{name}` to plot; the table has {}", names.join(", "))
    })?;
    let dtype = column.dtype();
    if dtype.is_primitive_numeric() {
        let floats = column.cast(&DataType::Float64)?;
        let values: Vec<f64> =
            floats.f64()?.iter().map(|v| v.filter(|v| v.is_finite()).unwrap_or(f64::NAN)).collect();
        // Years that are stored as floats are whole, too.
        let whole = values.iter().all(|v| v.is_nan() || v.fract() == 0.0);
        return Ok(Values::Numbers { values, whole });
    }
    let texts = column
        .cast(&DataType::String)
        .with_context(|| format!("column `{name}` holds {dtype}, which can't be plotted"))?;
    let texts = texts.str()?.iter();
    let texts = texts.map(|text| text.filter(|text| !text.is_empty()).unwrap_or(MISSING));
    Ok(named(texts, str::to_owned, in_order))
}

/// Values as names. Each different one is named once, since most columns repeat a few.
fn named<T: Hash + Eq>(
    values: impl Iterator<Item = T>,
    name: impl Fn(T) -> String,
    in_order: bool,
) -> Values {
    let mut index = PlHashMap::default();
    let codes = values.map(|value| {
        let next = index.len();
        *index.entry(value).or_insert(next)
    });
    let codes: Vec<usize> = codes.collect();
    let mut names: Vec<(String, usize)> =
        index.into_iter().map(|(value, code)| (name(value), code)).collect();
    names.sort_by_key(|name| name.1);
    if !in_order && names.len() < codes.len() {
        names.sort_by(|a, b| natural(&a.0, &b.0));
    }
    let mut place = vec![0; names.len()];
    names.iter().enumerate().for_each(|(new, (_, old))| place[*old] = new);
    let codes = codes.into_iter().map(|code| place[code]).collect();
    Values::Names { codes, names: names.into_iter().map(|name| name.0).collect() }
}

/// Compares the first numbers of two names, then the names. What is missing comes last.
fn natural(a: &str, b: &str) -> Ordering {
    let number = |name: &str| {
        let digits = name.split(|c: char| !c.is_ascii_digit()).find(|part| !part.is_empty());
        let number = name.replace(',', "").parse().ok();
        number.or(digits.and_then(|digits| digits.parse().ok())).unwrap_or(f64::INFINITY)
    };
    let last = |name: &str| (name == MISSING, name != "male");
    (last(a).0.cmp(&last(b).0))
        .then(number(a).total_cmp(&number(b)))
        .then(last(a).1.cmp(&last(b).1))
        .then(a.cmp(b))
}

impl Values {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Numbers { values, .. } => values.len(),
            Self::Names { codes, .. } => codes.len(),
        }
    }

    pub(crate) fn numbers(&self, name: &str) -> Result<&[f64]> {
        match self {
            Self::Numbers { values, .. } => Ok(values),
            Self::Names { .. } => Err(anyhow::anyhow!("column `{name}` holds names, not numbers")),
        }
    }

    /// Numbers as names, in their order.
    pub(crate) fn into_names(self) -> Self {
        let Self::Numbers { values, .. } = self else { return self };
        let name = |value: f64| if value.is_nan() { MISSING.into() } else { short(value) };
        named(
            values.iter().map(|value| (value + 0.0).to_bits()),
            |bits| name(f64::from_bits(bits)),
            false,
        )
    }

    /// Makes names indices into `all`, which gets those that it lacks.
    pub(crate) fn share(&mut self, all: &mut Vec<String>) {
        let Self::Names { codes, names } = self else { return };
        for name in names.iter() {
            if !all.contains(name) {
                all.push(name.clone());
            }
        }
        let place: Vec<_> = names.iter().map(|name| all.iter().position(|n| n == name)).collect();
        codes.iter_mut().for_each(|code| *code = place[*code].unwrap_or_default());
    }

    /// The place of a row on the axis: a number, or the index of its name.
    pub(crate) fn at(&self, row: usize) -> f64 {
        match self {
            Self::Numbers { values, .. } => values[row],
            Self::Names { codes, .. } => codes[row] as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use polars::prelude::df;

    use super::*;

    fn names(values: Values) -> Vec<String> {
        let mut all = vec![];
        values.into_names().share(&mut all);
        all
    }

    #[test]
    fn names_are_in_a_natural_order_and_missing_ones_have_a_name() {
        let groups = [Some("10 - 14"), None, Some("5 - 9"), Some("5 - 9")];
        let genders = ["female", "male", "male", "female"];
        let table = df!["age" => [3u32, 30, 3, 4], "group" => groups, "gender" => genders].unwrap();
        assert_eq!(names(read(&table, "group", false).unwrap()), ["5 - 9", "10 - 14", MISSING]);
        assert_eq!(names(read(&table, "group", true).unwrap())[0], "10 - 14");
        assert_eq!(names(read(&table, "gender", false).unwrap()), ["male", "female"]);
        assert_eq!(names(read(&table, "age", false).unwrap()), ["3", "4", "30"]);
        let counts = df!["race" => ["White", "Asian"], "count" => [2u32, 1]].unwrap();
        assert_eq!(names(read(&counts, "race", false).unwrap()), ["White", "Asian"]);
        let error = read(&table, "sex", false).err().unwrap().to_string();
        assert_eq!(error, "there is no column `sex` to plot; the table has age, group, gender");
    }
}
