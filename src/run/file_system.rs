//! What is known of the locks of the file system that a folder lies on.

use std::fs;
use std::path::Path;

/// Why locks in `folder` may not hold between machines, in a line; none where nothing speaks against them, or the system does
/// not say.
pub(super) fn doubt(folder: &Path) -> Option<String> {
    let folder = fs::canonicalize(folder).ok()?;
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let (kind, options) = mount_of(&mounts, &folder)?;
    let why = reason(&kind, &options)?;
    Some(format!(
        "`{}` lies on {kind}, {why}; the file `owner` keeps other machines out",
        folder.display()
    ))
}

/// Kind and options of the mount that `folder` lies on: the last of those with the longest place.
fn mount_of(mounts: &str, folder: &Path) -> Option<(String, String)> {
    let mounts = mounts.lines().filter_map(|line| {
        // 36 35 98:0 /root /place options … - kind source options
        let (front, back) = line.split_once(" - ")?;
        let place = front.split(' ').nth(4)?.replace("\\040", " ");
        let mut back = back.split(' ');
        let (kind, options) = (back.next()?, back.nth(1)?);
        folder
            .starts_with(&place)
            .then(|| (place.len(), kind.to_owned(), options.to_owned()))
    });
    let (_, kind, options) = mounts.max_by_key(|(length, ..)| *length)?;
    Some((kind, options))
}

/// Why locks on a file system of `kind` mounted with `options` may not hold between machines (nfs(5), mount.lustre(8)).
fn reason(kind: &str, options: &str) -> Option<&'static str> {
    let has = |wanted: &str| options.split(',').any(|option| option == wanted);
    match kind {
        "nfs" | "nfs4" if has("nolock") || has("local_lock=all") || has("local_lock=flock") => {
            Some("whose locks are each machine's own here (`nolock` or `local_lock`)")
        }
        "lustre" if has("localflock") => Some("whose locks are each machine's own (`localflock`)"),
        "lustre" if !has("flock") => Some("which is mounted without locks (`flock`)"),
        "beegfs" => Some(
            "whose locks hold between machines only if its clients are set so (`tuneUseGlobalFileLocks`)",
        ),
        "9p" | "vboxsf" | "smb3" | "cifs" => {
            Some("whose locks are not known to hold between machines")
        }
        kind if kind.starts_with("fuse.") => {
            Some("whose locks are not known to hold between machines")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:40 / /home rw,relatime shared:1 - nfs4 server:/home rw,vers=4.2,local_lock=none
31 22 0:41 / /home/old rw - nfs server:/old rw,vers=3,nolock,local_lock=all
32 22 0:42 / /scratch\\040disk rw master:2 - lustre mds:/scratch rw,lazystatfs
33 22 0:43 / /flock rw - lustre mds:/flock rw,flock
";

    #[test]
    fn the_innermost_mount_says_what_locks_are_worth() {
        let said = |folder: &str| {
            let (kind, options) = mount_of(MOUNTS, Path::new(folder)).unwrap();
            reason(&kind, &options)
        };
        assert_eq!(said("/tmp/runs"), None);
        assert_eq!(said("/home/ada/runs"), None, "NFS with locks at its server");
        assert!(said("/home/old/runs").unwrap().contains("nolock"));
        assert_eq!(said("/home/older/runs"), None, "whole names of folders");
        assert!(
            said("/scratch disk/runs")
                .unwrap()
                .contains("without locks")
        );
        assert_eq!(said("/flock/runs"), None);
    }
}
