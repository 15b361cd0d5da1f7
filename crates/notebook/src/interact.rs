//! Controls that redraw what a closure returns: [`interact`].

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use utils::live::{has_front, tell};

use super::control::{Control, initial};
use super::front;
use super::show::{Output, Show};

type Closure = Box<dyn FnMut(&[Value]) -> Result<Output, String> + Send>;

/// The closures of all cells that have run, by number. Libraries of cells are never unloaded.
static CLOSURES: Mutex<BTreeMap<u64, Closure>> = Mutex::new(BTreeMap::new());

fn closures() -> MutexGuard<'static, BTreeMap<u64, Closure>> {
    CLOSURES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows controls and, below them, what the closure returns for their values. It is drawn again
/// whenever a control is moved; nothing is compiled again.
///
/// [`Control`] lists what controls are made from. The names of the closure's arguments become their
/// labels. The closure must own what it uses: clone variables of the notebook and write `move`. It is
/// never called while a cell runs. Its errors and panics are shown in place of the result.
///
/// The controls need the kernel of this project and a client with widgets, such as JupyterLab with
/// `jupyterlab_widgets`. Elsewhere the result for the first values is shown, and how to get them.
///
/// ```
/// use notebook::prelude::*;
///
/// let faces = Faces::synthetic(100, 0)?;
/// interact((18..=60, ["all", "female", "male"]), move |(from, gender)| {
///     let mut kept = faces.records().clone().lazy().filter(col("age").gt_eq(lit(from)));
///     if gender != "all" {
///         kept = kept.filter(col("gender").eq(lit(gender)));
///     }
///     plot::ages(&kept.collect()?)
/// });
/// # anyhow::Ok(())
/// ```
pub fn interact<C: Control, T: Show>(
    controls: C,
    mut draw: impl FnMut(C::Value) -> T + Send + 'static,
) {
    let mut described = vec![];
    controls.describe(&mut described);
    let first: Vec<Value> = described.iter().map(initial).collect();
    let mut closure = move |values: &[Value]| match controls.read(&mut values.iter()) {
        Some(values) => draw(values).output(),
        None => Err(format!("the controls can't have the values {}", json!(values))),
    };
    if !has_front() {
        match closure(&first) {
            Ok(output) => println!("{}", output.text),
            Err(error) => eprintln!("{error}"),
        }
        println!(
            "This is for the first values: the controls need a notebook opened with `make lab`."
        );
        return;
    }
    tell(&json!({ "capture": true }));
    let mut result = answer(closure(&first));
    let number = {
        let mut all = closures();
        let number = all.last_key_value().map_or(0, |(last, _)| last + 1);
        all.insert(number, Box::new(closure));
        number
    };
    result["interact"] = number.into();
    result["controls"] = described.into();
    tell(&result);
}

fn answer(result: Result<Output, String>) -> Value {
    match result {
        Ok(output) => json!({ "data": output.bundle() }),
        Err(error) => json!({ "error": error }),
    }
}

/// Calls a closure with the values that the front sends, or forgets it.
pub(super) fn call(command: &Value) {
    let Some(number) = command["call"].as_u64() else {
        for number in command["forget"].as_array().into_iter().flatten() {
            closures().remove(&number.as_u64().unwrap_or(u64::MAX));
        }
        return;
    };
    // Not locked during the call, which may come to another `interact`.
    let Some(mut closure) = closures().remove(&number) else {
        tell(&json!({ "called": number, "error": "this closure is gone: run the cell again" }));
        return;
    };
    let values = command["values"].as_array().map_or(&[][..], Vec::as_slice);
    // The panic's message has been printed.
    let result = catch_unwind(AssertUnwindSafe(|| closure(values)));
    closures().insert(number, closure);
    let mut result = answer(result.unwrap_or_else(|_| Err(String::new())));
    front::flush();
    result["called"] = number.into();
    tell(&result);
}
