//! The shape of a network of any architecture.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use super::{
    Architecture, KerasBaselineConfig, Network, Params, Pretrained, PretrainedRorConfig, RorConfig,
};

/// The shape of a network of any [`Architecture`]: a [`super::Net`] is built from it, and cards
/// keep it.
///
/// As JSON it has the architecture's fields, and the architecture's name as `architecture`. Reading
/// it requires a known architecture: a built-in one, or a custom one after a value of it was
/// converted to a `NetConfig` or after [`register`].
///
/// ```
/// use ror::model::{NetConfig, RorConfig};
///
/// let config = NetConfig::from(RorConfig::new(12));
/// let json = serde_json::to_string(&config)?;
/// assert!(json.contains(r#""architecture":"ror""#));
/// assert_eq!(serde_json::from_str::<NetConfig>(&json)?, config);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone)]
pub struct NetConfig {
    shape: Arc<dyn Shape>,
    name: &'static str,
    /// The fields, by which two configurations are compared and saved.
    fields: Value,
}

/// [`Architecture`] without the parts that are not allowed in trait objects.
trait Shape: Send + Sync {
    fn input(&self) -> u32;
    fn outputs(&self) -> i64;
    fn check(&self) -> Result<()>;
    fn pretrained(&self) -> Option<Pretrained>;
    fn is_backbone(&self, parameter: &str) -> bool;
    fn build(&self, params: &Params) -> Result<Box<dyn Network>>;
}

impl<A: Architecture> Shape for A {
    fn input(&self) -> u32 {
        Architecture::input(self)
    }
    fn outputs(&self) -> i64 {
        Architecture::outputs(self)
    }
    fn check(&self) -> Result<()> {
        Architecture::check(self)
    }
    fn pretrained(&self) -> Option<Pretrained> {
        Architecture::pretrained(self)
    }
    fn is_backbone(&self, parameter: &str) -> bool {
        Architecture::is_backbone(self, parameter)
    }
    fn build(&self, params: &Params) -> Result<Box<dyn Network>> {
        Architecture::build(self, params)
    }
}

impl<A: Architecture> From<A> for NetConfig {
    fn from(shape: A) -> Self {
        register::<A>();
        Self {
            fields: serde_json::to_value(&shape).unwrap_or_default(),
            shape: Arc::new(shape),
            name: A::NAME,
        }
    }
}

type Make = fn(i64) -> NetConfig;
type Read = fn(Value) -> Result<NetConfig>;

fn read<A: Architecture>(fields: Value) -> Result<NetConfig> {
    Ok(NetConfig::from(serde_json::from_value::<A>(fields)?))
}

/// How a built-in architecture is made for a number of outputs, and how it is read.
fn built_in(name: &str) -> Option<(Make, Read)> {
    match name {
        RorConfig::NAME => Some((|n| RorConfig::new(n).into(), read::<RorConfig>)),
        PretrainedRorConfig::NAME => {
            Some((|n| PretrainedRorConfig::new(n).into(), read::<PretrainedRorConfig>))
        }
        KerasBaselineConfig::NAME => {
            Some((|n| KerasBaselineConfig::new(n).into(), read::<KerasBaselineConfig>))
        }
        _ => None,
    }
}

static OWN: Mutex<BTreeMap<&str, Read>> = Mutex::new(BTreeMap::new());

/// Registers a custom architecture, so that saved networks of it can be opened.
pub fn register<A: Architecture>() {
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    own.insert(A::NAME, read::<A>);
}

/// How an architecture is read that is built in or registered.
fn reader(name: &str) -> Option<Read> {
    let own = || OWN.lock().unwrap_or_else(PoisonError::into_inner).get(name).copied();
    built_in(name).map(|(_, read)| read).or_else(own)
}

impl NetConfig {
    /// Whether an architecture is built in or registered.
    pub(crate) fn is_known(architecture: &str) -> bool {
        reader(architecture).is_some()
    }

    /// The architecture's name.
    pub fn architecture(&self) -> &'static str {
        self.name
    }

    /// Whether the architecture is built in, so that every process knows it.
    pub(crate) fn is_built_in(&self) -> bool {
        built_in(self.name).is_some()
    }

    /// Side length of the input images in pixels.
    pub fn input(&self) -> u32 {
        self.shape.input()
    }

    /// Number of logits per image.
    pub fn outputs(&self) -> i64 {
        self.shape.outputs()
    }

    /// Rejects invalid shapes.
    ///
    /// # Errors
    /// A value outside its range; the message names both.
    pub fn check(&self) -> Result<()> {
        self.shape.check()
    }

    /// The weights from other data that training starts from.
    pub fn pretrained(&self) -> Option<Pretrained> {
        self.shape.pretrained()
    }

    /// Whether a parameter belongs to the pretrained layers.
    pub(crate) fn is_backbone(&self, parameter: &str) -> bool {
        self.shape.is_backbone(parameter)
    }

    pub(super) fn build(&self, params: &Params) -> Result<Box<dyn Network>> {
        self.check()?;
        self.shape.build(params)
    }

    /// Returns the shape with some fields changed. If `architecture` is among them, the other
    /// fields start from that built-in architecture's defaults.
    ///
    /// # Errors
    /// A field that the architecture does not have, or a value of the wrong type.
    pub fn with(&self, changes: impl Serialize) -> Result<Self> {
        let Value::Object(changes) = serde_json::to_value(changes)? else {
            bail!("the changes of a network's shape are not a map: give fields and their values")
        };
        let mut value = match changes.get("architecture").and_then(Value::as_str) {
            None => serde_json::to_value(self)?,
            Some(name) => match built_in(name) {
                Some((default, _)) => serde_json::to_value(default(self.outputs()))?,
                None => serde_json::json!({ "architecture": name }),
            },
        };
        if let Value::Object(fields) = &mut value {
            fields.extend(changes);
        }
        Self::from_json(value)
    }

    /// The shape with another number of logits, if the architecture is built in.
    pub(crate) fn with_outputs(self, outputs: i64) -> Self {
        match self.is_built_in() && self.outputs() != outputs {
            true => self.with(serde_json::json!({ "outputs": outputs })).unwrap_or(self),
            false => self,
        }
    }

    fn from_json(mut value: Value) -> Result<Self> {
        let name = value
            .as_object_mut()
            .and_then(|fields| fields.remove("architecture"))
            .context("the network's shape has no field `architecture`")?;
        let name = name.as_str().unwrap_or_default();
        let read = reader(name).with_context(|| {
            format!(
                "the architecture `{name}` is unknown: call model::register::<ITS TYPE>() first"
            )
        })?;
        read(value)
    }
}

impl PartialEq for NetConfig {
    fn eq(&self, other: &Self) -> bool {
        (self.name, &self.fields) == (other.name, &other.fields)
    }
}

impl fmt::Debug for NetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.fields)
    }
}

impl Serialize for NetConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = self.fields.as_object().cloned().unwrap_or_default();
        fields.insert("architecture".to_owned(), self.name.into());
        fields.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for NetConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Self::from_json(value).map_err(|error| de::Error::custom(format!("{error:#}")))
    }
}
