//! Copying what an image holds at a path into the volume that is mounted over it.

use std::path::Path;

use rootfs::{CopyOptions, Kind, Links, Overlay, Root, TopDirectory};

/// Whether nothing is in a volume's directory yet, as far as can be seen.
pub(crate) fn is_empty(mountpoint: &Path) -> bool {
    std::fs::read_dir(mountpoint).is_ok_and(|mut entries| entries.next().is_none())
}

/// Fills the directory `mountpoint` from `path` of the image, unless it holds something, or the image nothing.
pub(super) fn fill(mountpoint: &Path, image: &Overlay, path: &Path) -> Result<(), rootfs::Error> {
    let volume = Root::open(mountpoint)?;
    if !volume.entries("")?.is_empty() {
        return Ok(());
    }
    let image = image.mount()?;
    let is_directory = match image.metadata(path, Links::Follow) {
        Ok(metadata) => metadata.kind == Kind::Directory,
        Err(error) if error.is_not_found() => false,
        Err(error) => return Err(error),
    };
    if !is_directory {
        return Ok(());
    }
    // A link on the way is followed as the container would.
    let source = image.enter(path)?;
    let options = CopyOptions {
        top: TopDirectory::Takes,
        ..CopyOptions::default()
    };
    let copied = rootfs::copy(&source, ".", &volume, ".", &options);
    if copied.is_err() {
        // Half a copy would be taken for the container's own.
        volume.clear()?;
    }
    copied.map(drop)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    use std::path::Path;

    use rootfs::Overlay;

    use super::fill;

    #[test]
    fn an_empty_volume_takes_what_the_image_has() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        let volume = folder.path().join("volume");
        fs::create_dir_all(image.join("var/lib/data")).unwrap();
        fs::create_dir(&volume).unwrap();
        fs::write(image.join("var/lib/data/file"), "text").unwrap();
        fs::write(image.join("secret"), "no").unwrap();
        let mode = fs::Permissions::from_mode(0o1770);
        fs::set_permissions(image.join("var/lib/data"), mode).unwrap();
        symlink("/var/lib/data", image.join("link")).unwrap();
        let image = Overlay::read_only(vec![image]);
        fill(&volume, &image, Path::new("/none")).unwrap();
        fill(&volume, &image, Path::new("/secret")).unwrap();
        assert_eq!(fs::read_dir(&volume).unwrap().count(), 0);
        fill(&volume, &image, Path::new("/link")).unwrap();
        assert_eq!(fs::read_to_string(volume.join("file")).unwrap(), "text");
        let mode = fs::metadata(&volume).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o1770);
        fs::write(volume.join("file"), "own").unwrap();
        fill(&volume, &image, Path::new("/var/lib/data")).unwrap();
        assert_eq!(fs::read_to_string(volume.join("file")).unwrap(), "own");
    }
}
