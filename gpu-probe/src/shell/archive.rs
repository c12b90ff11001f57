//! A checkpoint as one stream of bytes, and back: a file as it is, a directory as a tar stream.
//!
//! Only files and directories travel. What comes back is untrusted: every entry stays inside the
//! directory that was made for it.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Component, Path};

use tar::{Archive, Builder, EntryType, HeaderMode};

/// Most files and directories in a checkpoint.
const ENTRIES_MAX: usize = 100_000;
/// Deepest directory in a checkpoint.
const DEPTH_MAX: usize = 32;

/// Why a checkpoint cannot be packed or unpacked.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error("`{0}` cannot be read or written")]
    Io(String, #[source] io::Error),
    #[error("the stream broke off")]
    Stream(#[source] io::Error),
    #[error("`{0}` is neither a file nor a directory")]
    Kind(String),
    #[error("`{0}` leaves the checkpoint")]
    Escapes(String),
    #[error("`{0}` changed while it was read")]
    Changed(String),
    #[error("more than {ENTRIES_MAX} entries")]
    TooMany,
    #[error("`{0}` lies deeper than {DEPTH_MAX} directories")]
    TooDeep(String),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
    let path = path.display().to_string();
    move |source| ArchiveError::Io(path, source)
}

/// Writes a file as it is, or a directory as a tar stream whose bytes depend on names, modes and
/// contents alone.
pub(super) fn pack(source: &Path, mut sink: impl Write) -> Result<(), ArchiveError> {
    if fs::metadata(source).map_err(at(source))?.is_file() {
        let mut file = File::open(source).map_err(at(source))?;
        io::copy(&mut file, &mut sink).map_err(ArchiveError::Stream)?;
        return sink.flush().map_err(ArchiveError::Stream);
    }
    let mut builder = Builder::new(sink);
    builder.mode(HeaderMode::Deterministic);
    let mut entries = 0;
    pack_dir(&mut builder, source, Path::new(""), &mut entries)?;
    let mut sink = builder.into_inner().map_err(ArchiveError::Stream)?;
    sink.flush().map_err(ArchiveError::Stream)
}

fn pack_dir<W: Write>(
    builder: &mut Builder<W>,
    root: &Path,
    inside: &Path,
    entries: &mut usize,
) -> Result<(), ArchiveError> {
    let dir = root.join(inside);
    if inside.components().count() > DEPTH_MAX {
        return Err(ArchiveError::TooDeep(inside.display().to_string()));
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir).map_err(at(&dir))? {
        names.push(entry.map_err(at(&dir))?.file_name());
        *entries += 1;
        if *entries > ENTRIES_MAX {
            return Err(ArchiveError::TooMany);
        }
    }
    names.sort();
    for name in names {
        let inside = inside.join(name);
        let path = root.join(&inside);
        let is_link = fs::symlink_metadata(&path).map_err(at(&path))?.is_symlink();
        let metadata = fs::metadata(&path).map_err(at(&path))?;
        if metadata.is_dir() && !is_link {
            builder
                .append_dir(&inside, &path)
                .map_err(ArchiveError::Stream)?;
            pack_dir(builder, root, &inside, entries)?;
        } else if metadata.is_file() {
            pack_file(builder, &path, &inside)?;
        } else {
            return Err(ArchiveError::Kind(inside.display().to_string()));
        }
    }
    Ok(())
}

fn pack_file<W: Write>(
    builder: &mut Builder<W>,
    path: &Path,
    inside: &Path,
) -> Result<(), ArchiveError> {
    let file = File::open(path).map_err(at(path))?;
    let metadata = file.metadata().map_err(at(path))?;
    let mut header = tar::Header::new_gnu();
    header.set_metadata_in_mode(&metadata, HeaderMode::Deterministic);
    // The header names the length: neither more nor fewer bytes may follow it.
    let mut exact = file.take(metadata.len());
    builder
        .append_data(&mut header, inside, &mut exact)
        .map_err(ArchiveError::Stream)?;
    let mut file = exact;
    let is_short = file.limit() > 0;
    let is_long = file.get_mut().read(&mut [0]).map_err(at(path))? > 0;
    if is_short || is_long {
        return Err(ArchiveError::Changed(inside.display().to_string()));
    }
    Ok(())
}

/// Unpacks a tar stream into `dest`, which must be a fresh directory.
pub(super) fn unpack(stream: impl Read, dest: &Path) -> Result<(), ArchiveError> {
    let mut archive = Archive::new(stream);
    archive.set_preserve_mtime(false);
    archive.set_overwrite(false);
    let mut count = 0;
    for entry in archive.entries().map_err(ArchiveError::Stream)? {
        let mut entry = entry.map_err(ArchiveError::Stream)?;
        count += 1;
        if count > ENTRIES_MAX {
            return Err(ArchiveError::TooMany);
        }
        let path = entry.path().map_err(ArchiveError::Stream)?.into_owned();
        if !matches!(
            entry.header().entry_type(),
            EntryType::Regular | EntryType::Directory
        ) {
            return Err(ArchiveError::Kind(path.display().to_string()));
        }
        check_inside(&path)?;
        let is_in = entry.unpack_in(dest).map_err(ArchiveError::Stream)?;
        if !is_in {
            return Err(ArchiveError::Escapes(path.display().to_string()));
        }
    }
    Ok(())
}

fn check_inside(path: &Path) -> Result<(), ArchiveError> {
    let mut depth = 0;
    for part in path.components() {
        if !matches!(part, Component::Normal(_)) {
            return Err(ArchiveError::Escapes(path.display().to_string()));
        }
        depth += 1;
    }
    match depth {
        0 => Err(ArchiveError::Escapes(path.display().to_string())),
        1..=DEPTH_MAX => Ok(()),
        _ => Err(ArchiveError::TooDeep(path.display().to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn packed(source: &Path) -> Result<Vec<u8>, ArchiveError> {
        let mut bytes = Vec::new();
        pack(source, &mut bytes)?;
        Ok(bytes)
    }

    #[test]
    fn a_directory_comes_back_as_it_was_and_packs_to_the_same_bytes_again() {
        let home = tempfile::tempdir().unwrap();
        let source = home.path().join("step-1");
        fs::create_dir_all(source.join("shards/empty")).unwrap();
        fs::write(source.join("meta"), b"{}").unwrap();
        fs::write(source.join("shards/0"), vec![7; 100_000]).unwrap();
        fs::write(source.join("x".repeat(150)), b"long name").unwrap();
        symlink("meta", source.join("latest")).unwrap();
        let bytes = packed(&source).unwrap();
        let dest = home.path().join("out");
        fs::create_dir(&dest).unwrap();
        unpack(&bytes[..], &dest).unwrap();
        assert_eq!(
            fs::read(dest.join("latest")).unwrap(),
            b"{}",
            "links to files are followed"
        );
        assert!(dest.join("shards/empty").is_dir());
        assert_eq!(packed(&dest).unwrap(), bytes);
    }

    #[test]
    fn a_loop_of_links_and_a_link_to_nothing_are_refused_and_named() {
        let home = tempfile::tempdir().unwrap();
        symlink("..", home.path().join("up")).unwrap();
        assert!(matches!(packed(home.path()), Err(ArchiveError::Kind(name)) if name == "up"));
        fs::remove_file(home.path().join("up")).unwrap();
        symlink("nowhere", home.path().join("gone")).unwrap();
        assert!(matches!(packed(home.path()), Err(ArchiveError::Io(..))));
        assert!(packed(&home.path().join("absent")).is_err());
    }

    /// A stream with one entry whose name is written as it is, unchecked.
    fn stream_with(name: &str, kind: EntryType, link: Option<&str>) -> Vec<u8> {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(0);
        if let Some(link) = link {
            header.set_link_name(link).unwrap();
        }
        header.set_cksum();
        let mut builder = Builder::new(Vec::new());
        builder.append(&header, io::empty()).unwrap();
        builder.into_inner().unwrap()
    }

    #[test]
    fn no_entry_leaves_its_directory_and_no_link_or_device_is_made() {
        for name in ["../out", "/tmp/out", "a/../../out", "..", "."] {
            let dest = tempfile::tempdir().unwrap();
            let stream = stream_with(name, EntryType::Regular, None);
            let error = unpack(&stream[..], dest.path()).unwrap_err();
            assert!(matches!(error, ArchiveError::Escapes(_)), "{name}: {error}");
            assert_eq!(fs::read_dir(dest.path()).unwrap().count(), 0, "{name}");
        }
        for kind in [
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Char,
            EntryType::Fifo,
        ] {
            let dest = tempfile::tempdir().unwrap();
            let stream = stream_with("x", kind, Some("/etc/passwd"));
            assert!(matches!(
                unpack(&stream[..], dest.path()),
                Err(ArchiveError::Kind(_))
            ));
        }
    }

    #[test]
    fn a_stream_that_is_cut_or_no_tar_at_all_is_refused() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("a"), vec![1; 5_000]).unwrap();
        let bytes = packed(home.path()).unwrap();
        let dest = tempfile::tempdir().unwrap();
        assert!(unpack(&bytes[..2_000], dest.path()).is_err());
        assert!(unpack(&[0x55; 4_096][..], dest.path()).is_err());
    }
}
