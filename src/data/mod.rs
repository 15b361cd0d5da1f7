//! Data sets: labels, records, balancing, splits and images.
//!
//! [`Faces`] is a whole data set: UTKFace, a custom folder, synthetic faces or any [`Source`].
//! Later steps refer to an image by its index in the set.

#[cfg(feature = "tables")]
mod balance;
mod content_list;
mod duplicates;
mod faces;
mod folder;
mod labels;
mod open;
mod part;
mod protocol;
#[cfg(feature = "tables")]
mod protocol_split;
mod readable;
mod records;
mod resized;
mod source;
mod split;
mod strata;
mod synthetic;
#[cfg(feature = "tables")]
mod tables;
mod utkface;

#[cfg(feature = "tables")]
pub use balance::{Balance, Records};
pub use content_list::ContentList;
pub use duplicates::Duplicates;
pub use faces::Faces;
#[cfg(feature = "tables")]
pub use frames::{Frame, Values, read_csv};
pub use imaging::{decode, resize};
pub use part::Part;
pub use protocol::Protocol;
pub use records::Record;
pub use source::Source;
pub use split::{Split, SplitSizes};
pub use utils::listing::{PictureFiles, picture_files};
pub use utkface::parse_name;
