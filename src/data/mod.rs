//! The data set's way in: labels, records, balancing, splits, pictures.
//!
//! [`Faces`] is a whole set behind one handle: UTKFace, a folder of one's own, synthetic faces,
//! or any [`Source`]. Every later step refers to a picture by its index in it.

mod archive;
mod balance;
mod content_list;
mod contents;
mod corruption;
mod duplicates;
mod faces;
mod folder;
mod frame;
mod labels;
mod members;
pub(crate) mod parquet;
mod pictures;
mod protocol;
mod records;
mod shard;
mod source;
mod split;
mod synthetic;
mod utkface;

pub use balance::{Balance, Records};
pub use content_list::ContentList;
pub use corruption::Corruption;
pub use duplicates::Duplicates;
pub use faces::Faces;
pub use frame::{Frame, Values};
pub use pictures::{Pictures, decode, decode_photo, resize};
pub(crate) use pictures::{read_in, read_picture, room_for};
pub use protocol::Protocol;
pub use records::Record;
pub(crate) use shard::Member;
pub use shard::{PictureFiles, Shard, picture_files};
pub use source::Source;
pub use split::{Part, Split, SplitSizes};
pub use utkface::parse_name;
