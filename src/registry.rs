//! What can be named on the command line: built in, or added by a program before it starts an experiment.

use std::sync::{PoisonError, RwLock};

use crate::error::{Result, refuse, unknown_name};

/// An entry of a [`Registry`].
pub trait Named {
    /// Its name in settings, files and tables.
    fn name(&self) -> &'static str;
}

/// All entries of one kind, the built-in ones first. Names are unique.
pub struct Registry<T: ?Sized + 'static> {
    kind: &'static str,
    built_in: &'static [&'static T],
    added: RwLock<Vec<&'static T>>,
}

impl<T: Named + ?Sized> Registry<T> {
    /// The registry of what is called `kind` in messages.
    pub const fn new(kind: &'static str, built_in: &'static [&'static T]) -> Self {
        Self {
            kind,
            built_in,
            added: RwLock::new(Vec::new()),
        }
    }

    /// The entries that come with the program, in their order.
    pub fn built_in(&self) -> &'static [&'static T] {
        self.built_in
    }

    /// Every entry, in order of registration.
    pub fn all(&self) -> Vec<&'static T> {
        let added = self.added.read().unwrap_or_else(PoisonError::into_inner);
        self.built_in.iter().chain(added.iter()).copied().collect()
    }

    /// The entry called `name`.
    ///
    /// # Errors
    /// There is none; the error names the nearest one.
    pub fn find(&self, name: &str) -> Result<&'static T> {
        let all = self.all();
        let names = all.iter().map(|entry| entry.name());
        all.iter()
            .find(|entry| entry.name() == name)
            .copied()
            .ok_or_else(|| unknown_name(self.kind, name, names))
    }

    /// Adds an entry for the rest of the process.
    ///
    /// # Errors
    /// Another entry has its name.
    pub fn add(&self, entry: &'static T) -> Result<()> {
        let mut added = self.added.write().unwrap_or_else(PoisonError::into_inner);
        let mut known = self.built_in.iter().chain(added.iter());
        if known.any(|known| known.name() == entry.name()) {
            return Err(refuse(
                format!("there is a {} `{}` already", self.kind, entry.name()),
                "give yours another name",
            ));
        }
        added.push(entry);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Entry(&'static str);

    impl Named for Entry {
        fn name(&self) -> &'static str {
            self.0
        }
    }

    #[test]
    fn entries_are_found_by_name_and_names_are_unique() {
        let registry = Registry::new("colour", &[&Entry("pink"), &Entry("purple")]);
        registry.add(&Entry("white")).unwrap();
        let names: Vec<&str> = registry.all().iter().map(|entry| entry.name()).collect();
        assert_eq!(names, ["pink", "purple", "white"]);
        assert_eq!(registry.find("white").unwrap().name(), "white");
        let error = registry.add(&Entry("pink")).unwrap_err().to_string();
        assert_eq!(error, "there is a colour `pink` already");
        let error = registry.find("purpel").err().unwrap().to_string();
        assert!(error.contains("purpel"), "{error}");
    }
}
