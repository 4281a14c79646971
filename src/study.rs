//! A reading test: whether somebody who looks at patches can tell generated ones from real ones.
//!
//! [`write()`] makes a folder for readers, with shuffled patches and a page that asks, and a [`Key`] that stays with whoever scores.
//! [`score()`] compares the files of [`Answers`] that readers save with the key: by reader, over readers, and by class.

mod answers;
mod folder;
mod key;
mod score;
mod table;

pub use answers::{Answer, Answers};
pub use folder::{Images, write};
pub use key::{Item, Key, PatchKind};
pub use score::{Counts, OverReaders, ReaderScore, StudyScore, score};
pub use table::table;
