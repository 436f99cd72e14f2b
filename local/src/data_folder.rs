//! The folder that keeps the stack's data between runs, for one running copy at a time.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Holds the folder's lock as long as it lives; the system lets go of it even when the process is killed.
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Makes the folder, readable by its owner alone, and locks it.
    pub fn open(path: &Path) -> Result<DataFolder> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("create the data folder {}", path.display()))?;
        let lock_path = path.join(".lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&lock_path)
            .with_context(|| format!("open {}", lock_path.display()))?;
        match lock.try_lock() {
            Ok(()) => Ok(DataFolder { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => bail!(
                "Another local stack is using the data folder {}: stop it, or choose another folder with --data-dir.",
                path.display()
            ),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("lock {}", lock_path.display())),
        }
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// A file that another library will write, there already and closed to others: SQLite gives its companions the
    /// permissions of the file they belong to.
    pub fn private_file(&self, name: &str) -> Result<PathBuf> {
        let path = self.file(name);
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .and_then(|file| file.set_permissions(Permissions::from_mode(0o600)))
            .with_context(|| format!("create {}", path.display()))?;
        Ok(path)
    }
}

/// Writes a file only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let doing = || format!("write {}", path.display());
    let unfinished = path.with_extension("unfinished");
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&unfinished).with_context(doing)?;
    file.write_all(bytes).with_context(doing)?;
    file.sync_all().with_context(doing)?;
    fs::rename(&unfinished, path).with_context(doing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Scratch;

    #[test]
    fn a_second_copy_on_the_same_folder_is_refused_until_the_first_ends() {
        let scratch = Scratch::new();
        let first = DataFolder::open(scratch.path()).unwrap();
        let refusal = DataFolder::open(scratch.path()).err().unwrap().to_string();
        assert!(refusal.starts_with("Another local stack is using the data folder"), "{refusal}");
        drop(first);
        DataFolder::open(scratch.path()).unwrap();
    }

    #[test]
    fn what_is_written_only_its_owner_can_read() {
        let scratch = Scratch::new();
        let folder = DataFolder::open(&scratch.path().join("data")).unwrap();
        let path = folder.file("keys.json");
        write_private(&path, b"{}").unwrap();
        write_private(&path, b"{\"again\":true}").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(fs::read(&path).unwrap(), b"{\"again\":true}");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        assert_eq!(mode(&folder.private_file("dynamodb.sqlite").unwrap()), 0o600);
    }
}
