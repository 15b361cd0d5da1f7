//! A net's shape, of whichever architecture.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use super::{
    Architecture, KerasBaselineConfig, Network, Params, Pretrained, PretrainedRorConfig, RorConfig,
};

/// The shape of a net of any [`Architecture`]: what [`super::Net`] is made from and a card keeps.
///
/// As JSON it has the architecture's fields and its name as `architecture`. Reading one needs
/// the architecture to be known: the crate's own are, and one's own are once a value of it has
/// become a `NetConfig`, or after [`register`].
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
    /// The fields, by which two configs are compared and saved.
    fields: Value,
}

/// [`Architecture`] without what keeps it from being a trait object.
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

/// How one of the crate's own architectures is made for a number of outputs, and read.
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

/// Makes an architecture of one's own known, so that saved nets of it can be opened.
pub fn register<A: Architecture>() {
    let mut own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
    own.insert(A::NAME, read::<A>);
}

impl NetConfig {
    /// The architecture's name.
    pub fn architecture(&self) -> &'static str {
        self.name
    }

    /// Whether the crate itself has the architecture, so that every process knows it.
    pub(crate) fn is_built_in(&self) -> bool {
        built_in(self.name).is_some()
    }

    /// Side of the input pictures, pixels.
    pub fn input(&self) -> u32 {
        self.shape.input()
    }

    /// How many logits a picture gets.
    pub fn outputs(&self) -> i64 {
        self.shape.outputs()
    }

    /// Refuses shapes that make no net.
    ///
    /// # Errors
    /// A value outside its range, named with the range.
    pub fn check(&self) -> Result<()> {
        self.shape.check()
    }

    /// The weights from other data that a training starts from.
    pub fn pretrained(&self) -> Option<Pretrained> {
        self.shape.pretrained()
    }

    /// Whether a parameter belongs to the pretrained part.
    pub(crate) fn is_backbone(&self, parameter: &str) -> bool {
        self.shape.is_backbone(parameter)
    }

    pub(super) fn build(&self, params: &Params) -> Result<Box<dyn Network>> {
        self.check()?;
        self.shape.build(params)
    }

    /// The same shape but for some fields; another `architecture` among them starts from that
    /// one's defaults for the crate's own.
    ///
    /// # Errors
    /// A field that the architecture does not have, or a value of the wrong type.
    pub fn with(&self, changes: impl Serialize) -> Result<Self> {
        let Value::Object(changes) = serde_json::to_value(changes)? else {
            bail!("changes of a net's shape: name fields and their values")
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

    fn from_json(mut value: Value) -> Result<Self> {
        let name = value
            .as_object_mut()
            .and_then(|fields| fields.remove("architecture"))
            .context("the net's shape lacks `architecture`")?;
        let name = name.as_str().unwrap_or_default();
        if let Some((_, read)) = built_in(name) {
            return read(value);
        }
        let own = OWN.lock().unwrap_or_else(PoisonError::into_inner);
        let found = own.get(name).copied();
        drop(own);
        match found {
            Some(read) => read(value),
            None => bail!(
                "the architecture `{name}` is not known here: call model::register::<ITS TYPE>() first"
            ),
        }
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
