//! What the controls of `interact` are made from: ranges, choices, checkboxes, numbers and text.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::slice::Iter;

use serde::Deserialize;
use serde_json::{Value, json};

/// A value that [`interact`](crate::interact) makes a control from.
///
/// | value | control |
/// |---|---|
/// | a range, such as `0..=9` or `0.0..=1.0` | a slider that starts at the lower end |
/// | an array or `Vec` | a choice that starts with the first |
/// | `true` or `false` | a checkbox |
/// | a number | a field for a number |
/// | a string | a field for text |
/// | a tuple of these | one control for each |
pub trait Control: Send + 'static {
    /// What the closure gets.
    type Value;

    /// Adds the controls: ipywidgets' name of the widget and its state.
    #[doc(hidden)]
    fn describe(&self, controls: &mut Vec<Value>);

    /// Takes the controls' next values. `None` if they are not what the controls can have.
    #[doc(hidden)]
    fn read(&self, values: &mut Iter<'_, Value>) -> Option<Self::Value>;
}

/// A number of a slider or a field.
pub trait Number: Copy + PartialOrd + Send + 'static {
    #[doc(hidden)]
    const KIND: &'static str;

    #[doc(hidden)]
    fn json(self) -> Value;

    #[doc(hidden)]
    fn parse(value: &Value) -> Option<Self>;
}

macro_rules! numbers {
    ($kind:literal, $($type:ty),+) => {$(
        impl Number for $type {
            const KIND: &'static str = $kind;

            fn json(self) -> Value {
                json!(self)
            }

            fn parse(value: &Value) -> Option<Self> {
                Self::deserialize(value).ok()
            }
        }

        impl Control for $type {
            type Value = Self;

            fn describe(&self, controls: &mut Vec<Value>) {
                let is = concat!($kind, "Text");
                controls.push(json!({ "is": is, "value": self, "continuous_update": true }));
            }

            fn read(&self, values: &mut Iter<'_, Value>) -> Option<Self> {
                Self::parse(values.next()?)
            }
        }
    )+};
}

numbers!("Int", i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);
numbers!("Float", f32, f64);

impl<T: Number> Control for RangeInclusive<T> {
    type Value = T;

    fn describe(&self, controls: &mut Vec<Value>) {
        let (min, max) = (self.start().json(), self.end().json());
        let is = format!("{}Slider", T::KIND);
        let mut slider = json!({ "is": is, "value": min, "min": min, "max": max });
        if T::KIND == "Float" {
            let width = max.as_f64().unwrap_or(0.0) - min.as_f64().unwrap_or(0.0);
            slider["step"] = json!(10f64.powf((width / 100.0).log10().floor()));
        }
        controls.push(slider);
    }

    fn read(&self, values: &mut Iter<'_, Value>) -> Option<T> {
        T::parse(values.next()?).filter(|value| self.contains(value))
    }
}

/// Integers below the upper end. An empty range has no value.
macro_rules! ranges {
    ($($type:ty),+) => {$(
        impl Control for Range<$type> {
            type Value = $type;

            fn describe(&self, controls: &mut Vec<Value>) {
                (self.start..=self.end.saturating_sub(1)).describe(controls);
            }

            fn read(&self, values: &mut Iter<'_, Value>) -> Option<$type> {
                <$type>::parse(values.next()?).filter(|value| self.contains(value))
            }
        }
    )+};
}

ranges!(i8, i16, i32, i64, isize, u8, u16, u32, u64, usize);

fn describe_choice<T: Display>(options: &[T], controls: &mut Vec<Value>) {
    let labels: Vec<String> = options.iter().map(T::to_string).collect();
    controls.push(json!({ "is": "Dropdown", "index": 0, "_options_labels": labels }));
}

fn chosen<T: Clone>(options: &[T], values: &mut Iter<'_, Value>) -> Option<T> {
    options.get(usize::try_from(values.next()?.as_u64()?).ok()?).cloned()
}

impl<T: Display + Clone + Send + 'static, const N: usize> Control for [T; N] {
    type Value = T;

    fn describe(&self, controls: &mut Vec<Value>) {
        describe_choice(self, controls);
    }

    fn read(&self, values: &mut Iter<'_, Value>) -> Option<T> {
        chosen(self, values)
    }
}

impl<T: Display + Clone + Send + 'static> Control for Vec<T> {
    type Value = T;

    fn describe(&self, controls: &mut Vec<Value>) {
        describe_choice(self, controls);
    }

    fn read(&self, values: &mut Iter<'_, Value>) -> Option<T> {
        chosen(self, values)
    }
}

impl Control for bool {
    type Value = Self;

    fn describe(&self, controls: &mut Vec<Value>) {
        controls.push(json!({ "is": "Checkbox", "value": self }));
    }

    fn read(&self, values: &mut Iter<'_, Value>) -> Option<Self> {
        values.next()?.as_bool()
    }
}

impl Control for &'static str {
    type Value = String;

    fn describe(&self, controls: &mut Vec<Value>) {
        controls.push(json!({ "is": "Text", "value": self, "continuous_update": true }));
    }

    fn read(&self, values: &mut Iter<'_, Value>) -> Option<String> {
        values.next()?.as_str().map(str::to_owned)
    }
}

macro_rules! tuples {
    ($($name:ident)+) => {
        impl<$($name: Control),+> Control for ($($name,)+) {
            type Value = ($($name::Value,)+);

            fn describe(&self, controls: &mut Vec<Value>) {
                #[allow(non_snake_case)]
                let ($($name,)+) = self;
                $($name.describe(controls);)+
            }

            fn read(&self, values: &mut Iter<'_, Value>) -> Option<Self::Value> {
                #[allow(non_snake_case)]
                let ($($name,)+) = self;
                Some(($($name.read(values)?,)+))
            }
        }
    };
}

tuples!(A B);
tuples!(A B C);
tuples!(A B C D);

/// The value that a described control starts with.
pub(super) fn initial(control: &Value) -> Value {
    let key = if control["is"] == "Dropdown" { "index" } else { "value" };
    control[key].clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first<C: Control>(control: &C) -> (Vec<Value>, Option<C::Value>) {
        let mut controls = vec![];
        control.describe(&mut controls);
        let values: Vec<Value> = controls.iter().map(initial).collect();
        let value = control.read(&mut values.iter());
        (controls, value)
    }

    #[test]
    fn every_control_starts_with_a_value_it_can_have() {
        assert_eq!(first(&(3..=9)).1, Some(3));
        assert_eq!(first(&(3_usize..9)).1, Some(3));
        assert_eq!(first(&["all", "female"]).1, Some("all"));
        assert_eq!(first(&true).1, Some(true));
        assert_eq!(first(&1.5).1, Some(1.5));
        assert_eq!(first(&"a").1, Some("a".to_owned()));
        let (controls, value) = first(&(0.0..=1.0, [10_u8, 20], (7_u64, false)));
        assert_eq!(value, Some((0.0, 10, (7, false))));
        assert_eq!(controls.len(), 4);
        assert_eq!(controls[0]["step"], 0.01);
        assert_eq!(controls[1]["_options_labels"], json!(["10", "20"]));
    }

    #[test]
    fn values_outside_are_refused() {
        assert_eq!((3..=9).read(&mut [json!(10)].iter()), None);
        assert_eq!((3..9).read(&mut [json!(9)].iter()), None);
        assert_eq!((0..0).read(&mut [json!(0)].iter()), None);
        assert_eq!(["a"].read(&mut [json!(1)].iter()), None);
        assert_eq!((0_u8..=255).read(&mut [json!(-1)].iter()), None);
        assert_eq!((1, 2).read(&mut [json!(1)].iter()), None);
    }
}
