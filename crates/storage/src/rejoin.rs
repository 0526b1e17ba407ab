//! What a node needs when it cannot vote with what its disk holds: to learn who it was, and to begin anew without
//! throwing anything away.
//!
//! Invariant: the log goes out of the way first and the identity last, so that a crash in between leaves an identity
//! without its log, which [`DataDir::lost`](crate::DataDir::lost) reports, and never a log that passes for a new node's.
//!
//! Called at start, before the data directory is opened, or after its parts were dropped.

use std::{io, io::IoSlice};

use crate::{
    DataDir, Error, Identity, LedgerVerdict,
    disk::{self, Disk},
    identity::IDENTITY_PATH,
};

/// Folders of files that move, in this order.
const FOLDERS: [&str; 2] = ["log", "snapshots"];
/// The ledger's folder belongs to its database and moves as a whole.
const LEDGER: &str = "ledger";
/// Data directories set aside in one place; nobody comes this far.
const ASIDE_MAX: u32 = 10_000;

impl Identity {
    /// The identity in a data directory that nobody has opened yet, if it has one.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn load(disk: &dyn Disk) -> Result<Option<Self>, Error> {
        match disk.open(IDENTITY_PATH) {
            Ok(file) => {
                let bytes =
                    disk::read_all(file.as_ref()).map_err(|error| Error::io("read", IDENTITY_PATH, error))?;
                Self::decode(&bytes, IDENTITY_PATH).map(Some)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("open", IDENTITY_PATH, error)),
        }
    }
}

impl LedgerVerdict {
    /// Why this node must not vote with what it found, if so.
    #[must_use]
    pub fn rolled_back(&self) -> Option<String> {
        match self {
            Self::Fine | Self::Rebuilt(_) => None,
            Self::SnapshotLost { purged, snapshot } => Some(format!(
                "the log begins after entry {}, and the newest snapshot ends at {}",
                purged.index,
                snapshot.map_or_else(|| "nothing".to_owned(), |snapshot| format!("entry {}", snapshot.index))
            )),
            Self::LogRolledBack { ledger, log } => Some(format!(
                "the log holds {log:?}, which is older than the {ledger:?} that the ledger remembers"
            )),
        }
    }
}

impl DataDir {
    /// Why this node must not vote with what it found, if so: its log was rolled back, or lost.
    #[must_use]
    pub fn lost(&self) -> Option<String> {
        if self.recovered.is_new && self.identity.incarnation > 1 {
            return Some("the log is missing".to_owned());
        }
        self.verdict.rolled_back()
    }

    /// Moves everything in a data directory to a folder `aside-N` in it, for a look later, with `reason` beside it.
    /// The directory must not be open.
    ///
    /// # Errors
    /// A file cannot be moved; calling it again carries on.
    pub fn set_aside(disk: &dyn Disk, reason: &str) -> Result<(), Error> {
        let failed = |path: &str| {
            let path = path.to_owned();
            move |error| Error::io("set aside", path, error)
        };
        let free = |n: &u32| disk.open(&format!("aside-{n}/reason")).is_err();
        let aside = (1..ASIDE_MAX).find(free).unwrap_or(ASIDE_MAX);
        let aside = format!("aside-{aside}");
        let note = format!("{aside}/reason");
        disk.create(&note)
            .and_then(|file| {
                file.write_at(0, &[IoSlice::new(reason.as_bytes())]).and_then(|()| file.sync_data())
            })
            .map_err(failed(&note))?;
        for folder in FOLDERS {
            for name in disk.list(folder).map_err(failed(folder))? {
                let (from, to) = (format!("{folder}/{name}"), format!("{aside}/{folder}-{name}"));
                disk.rename(&from, &to).map_err(failed(&from))?;
            }
            disk.sync_dir(folder).map_err(failed(folder))?;
            if folder == "log" && disk.folder().is_some_and(|root| root.join(LEDGER).exists()) {
                disk.rename(LEDGER, &format!("{aside}/{LEDGER}")).map_err(failed(LEDGER))?;
            }
        }
        match disk.rename(IDENTITY_PATH, &format!("{aside}/{IDENTITY_PATH}")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(IDENTITY_PATH)(error));
            }
            _ => {}
        }
        disk.sync_dir(&aside).and_then(|()| disk.sync_dir("")).map_err(failed(&aside))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{DataDirOptions, NodeId, RealDisk};

    #[test]
    fn a_directory_that_was_set_aside_is_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(folder.path()).unwrap());
        assert_eq!(Identity::load(disk.as_ref()).unwrap(), None);
        let mut old = DataDir::open(disk.clone(), DataDirOptions::new(NodeId(3))).unwrap();
        old.set_cluster_id(7).unwrap();
        assert_eq!(old.lost(), None);
        let identity = old.identity;
        old.log.close().unwrap();
        drop(old);
        assert_eq!(Identity::load(disk.as_ref()).unwrap(), Some(identity));

        DataDir::set_aside(disk.as_ref(), "for the test").unwrap();
        assert_eq!(Identity::load(disk.as_ref()).unwrap(), None);
        assert_eq!(std::fs::read_to_string(folder.path().join("aside-1/reason")).unwrap(), "for the test");
        let new = DataDir::open(disk.clone(), DataDirOptions::new(NodeId(1003))).unwrap();
        assert_eq!((new.lost(), new.recovered.is_new, new.identity.cluster_id), (None, true, None));
    }

    #[test]
    fn an_identity_without_its_log_must_not_vote() {
        let folder = tempfile::tempdir().unwrap();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(folder.path()).unwrap());
        let open = || {
            DataDir::open(disk.clone(), DataDirOptions { ledger: false, ..DataDirOptions::new(NodeId(3)) })
        };
        let first = open().unwrap();
        first.log.close().unwrap();
        drop(first);
        let second = open().unwrap();
        assert_eq!(second.lost(), None, "a log without entries is still there");
        second.log.close().unwrap();
        drop(second);
        std::fs::remove_dir_all(folder.path().join("log")).unwrap();
        assert!(open().unwrap().lost().is_some());
    }
}
