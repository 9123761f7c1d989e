//! Archives of every kind, honest and hostile.

use std::process::Command;

use rootfs::tar::{EntryKind, Header, Reader, Writer};
use rootfs::{
    ExtractLimits, ExtractOptions, Extracted, Kind, Links, Mode, Overwriting, PackOptions,
    Whiteouts, extract, pack,
};

use crate::Ground;

struct Archive(Writer<Vec<u8>>);

impl Archive {
    fn new() -> Self {
        Self(Writer::new(Vec::new()))
    }

    fn file(mut self, path: &str, data: &str) -> Self {
        let header = Header::new(path, EntryKind::File, data.len() as u64);
        self.0.append_data(&header, data.as_bytes()).unwrap();
        self
    }

    fn link(mut self, kind: EntryKind, path: &str, target: &str) -> Self {
        let header = Header {
            link: target.into(),
            ..Header::new(path, kind, 0)
        };
        self.0.append(&header).unwrap();
        self
    }

    fn directory(mut self, path: &str) -> Self {
        let header = Header::new(path, EntryKind::Directory, 0);
        self.0.append(&header).unwrap();
        self
    }

    fn bytes(self) -> Vec<u8> {
        self.0.finish().unwrap()
    }
}

fn put(ground: &Ground, archive: &[u8]) -> Result<Extracted, rootfs::ExtractError> {
    extract(archive, &ground.root(), &ExtractOptions::default())
}

#[test]
fn nothing_is_made_outside() {
    let symlink = EntryKind::Symlink;
    let ground = Ground::new();
    let outside = ground.outside().display().to_string();
    let hostile = [
        Archive::new().file("../outside/new", "x"),
        Archive::new().file("a/../../outside/new", "x"),
        Archive::new()
            .link(symlink, "way", &outside)
            .file("way/new", "x"),
        Archive::new()
            .link(symlink, "up", "../../outside")
            .file("up/secret", "x"),
        Archive::new()
            .link(symlink, "target", &format!("{outside}/secret"))
            .file("target", "x"),
        Archive::new().link(EntryKind::HardLink, "hard", "../outside/secret"),
        Archive::new().link(symlink, "way", &outside).link(
            EntryKind::HardLink,
            "hard",
            "way/secret",
        ),
        Archive::new()
            .link(symlink, "way", &outside)
            .directory("way/secret"),
        Archive::new().file(&format!("{outside}/secret"), "x"),
    ];
    for archive in hostile {
        // Some are refused, others end up beneath the root: either is well.
        put(&ground, &archive.bytes()).ok();
        ground.assert_untouched();
        ground.root().clear().unwrap();
    }
}

#[test]
fn a_later_entry_takes_the_place_of_an_earlier_one() {
    let ground = Ground::new();
    let archive = Archive::new()
        .file("a", "one")
        .link(EntryKind::HardLink, "b", "a")
        .file("a", "two")
        .file("c/d", "x")
        .file("c", "file")
        .bytes();
    let extracted = put(&ground, &archive).unwrap();
    assert_eq!(extracted.unfaithful, 2);
    let read = |name: &str| std::fs::read_to_string(ground.path().join(name)).unwrap();
    assert_eq!(
        (read("a"), read("b"), read("c")),
        ("two".into(), "one".into(), "file".into())
    );
    let keeping = ExtractOptions {
        overwriting: Overwriting::KeepDirectories,
        ..ExtractOptions::default()
    };
    let root = ground.root();
    let over = Archive::new().directory("c").bytes();
    assert!(extract(over.as_slice(), &root, &keeping).is_err());
    root.make_directory("e", Mode(0o755)).unwrap();
    let over = Archive::new().file("e", "x").bytes();
    assert!(extract(over.as_slice(), &root, &keeping).is_err());
}

#[test]
fn limits_hold_and_damage_is_told() {
    let ground = Ground::new();
    let archive = Archive::new().file("a", "hello").file("b", "world").bytes();
    for limits in [
        ExtractLimits {
            entries: 1,
            ..ExtractLimits::default()
        },
        ExtractLimits {
            bytes: 9,
            ..ExtractLimits::default()
        },
    ] {
        let options = ExtractOptions {
            limits,
            ..ExtractOptions::default()
        };
        let error = extract(archive.as_slice(), &ground.root(), &options).unwrap_err();
        assert!(error.to_string().contains("more than"), "{error}");
    }
    let mut huge = Writer::new(Vec::new());
    let header = Header::new("huge", EntryKind::File, 1 << 50);
    huge.append_written(&header, |_| Ok::<(), rootfs::tar::Error>(()))
        .unwrap_err();
    let mut damaged = archive.clone();
    damaged[0] ^= 1;
    assert!(put(&ground, &damaged).is_err());
    for length in [1, 511, 512, 600] {
        assert!(put(&ground, &archive[..length]).is_err(), "{length}");
    }
}

#[test]
fn whiteouts_become_the_overlays_own() {
    let ground = Ground::new();
    let archive = Archive::new()
        .file("etc/.wh.gone", "")
        .file("var/.wh..wh..opq", "")
        .file("etc/.wh.both", "")
        .file("etc/both/new", "x")
        .file(".wh..wh.plnk", "")
        .bytes();
    let options = ExtractOptions {
        whiteouts: Whiteouts::Overlay,
        ..ExtractOptions::default()
    };
    let root = ground.root();
    // `both` has no entry of its own before what is in it, so it cannot take the whiteout's place.
    assert!(extract(archive.as_slice(), &root, &options).is_err());
    root.clear().unwrap();
    let archive = Archive::new()
        .file("etc/.wh.gone", "")
        .file("var/.wh..wh..opq", "")
        .file("etc/.wh.both", "")
        .directory("etc/both")
        .file("etc/both/new", "x")
        .bytes();
    extract(archive.as_slice(), &root, &options).unwrap();
    let gone = root.metadata("etc/gone", Links::Keep).unwrap();
    assert_eq!((gone.kind, gone.device), (Kind::CharacterDevice, (0, 0)));
    for path in ["var", "etc/both"] {
        let attributes = root.attributes(path).unwrap();
        assert_eq!(attributes.get(c"trusted.overlay.opaque"), Some(&b"y"[..]));
    }
}

#[test]
fn gnu_tar_and_we_read_each_other() {
    let ground = Ground::new();
    let (source, archive) = (ground.path().join("source"), ground.path().join("a.tar"));
    std::fs::create_dir_all(source.join("d".repeat(90)).join("e".repeat(90))).unwrap();
    std::fs::write(source.join("é"), "accent").unwrap();
    std::fs::write(source.join("x".repeat(200)), "long").unwrap();
    std::os::unix::fs::symlink("y".repeat(300), source.join("link")).unwrap();
    std::fs::hard_link(source.join("é"), source.join("hard")).unwrap();
    let sparse = std::fs::File::create(source.join("sparse")).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", 10_000_000).unwrap();
    sparse.set_len(20_000_000).unwrap();
    for format in ["gnu", "pax", "ustar"] {
        let mut command = Command::new("tar");
        command.arg("--format").arg(format).arg("-C").arg(&source);
        if format == "ustar" {
            command.args(["--exclude", "link", "--exclude", "x*"]);
        } else {
            command.arg("--sparse");
        }
        let made = command.arg("-cf").arg(&archive).arg(".").status().unwrap();
        assert!(made.success());
        let target = ground.path().join(format);
        std::fs::create_dir(&target).unwrap();
        let root = rootfs::Root::open(&target).unwrap();
        let file = std::fs::File::open(&archive).unwrap();
        extract(file, &root, &ExtractOptions::default()).unwrap();
        let mut diff = Command::new("diff");
        diff.args(["-r", "--no-dereference"])
            .arg(&source)
            .arg(&target);
        let output = diff.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() || format == "ustar", "{text}");
    }
    let root = rootfs::Root::open(&source).unwrap();
    let file = std::fs::File::create(&archive).unwrap();
    pack(&root, "/", file, &PackOptions::default()).unwrap();
    let compared = Command::new("tar")
        .arg("-C")
        .arg(&source)
        .arg("-df")
        .arg(&archive)
        .output()
        .unwrap();
    // We keep whole seconds, which is all that a layer's archive has.
    let text = String::from_utf8(compared.stdout).unwrap();
    let other = text
        .lines()
        .find(|line| !line.ends_with("Mod time differs"));
    assert_eq!((other, compared.stderr.as_slice()), (None, &b""[..]));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]

    /// Whatever bytes come, reading ends, and with an answer.
    #[test]
    fn any_bytes_are_read_to_an_end(
        damage in proptest::collection::vec((0_usize..4_096, proptest::num::u8::ANY), 0..12),
        keep_checksum in proptest::bool::ANY,
    ) {
        let mut archive = Archive::new()
            .file("a", "hello")
            .file(&"long/".repeat(60), "")
            .link(EntryKind::Symlink, "link", "a")
            .bytes();
        for (at, byte) in damage {
            let length = archive.len();
            archive[at % length] = byte;
        }
        if keep_checksum {
            mend_checksums(&mut archive);
        }
        let mut reader = Reader::new(archive.as_slice());
        let mut entries = 0;
        while let Ok(Some(_)) = reader.next_entry() {
            entries += 1;
        }
        proptest::prop_assert!(entries <= archive.len() / 512);
    }

    /// Whatever paths and links an archive has, nothing outside changes.
    #[test]
    fn any_paths_stay_beneath(
        steps in proptest::collection::vec(
            (0_u8..4, "(/|\\.\\./|a/|b/|way/){0,4}(a|b|way|\\.\\.|secret)", "(/|\\.\\./|a/|outside/){0,5}(outside|secret|a|\\.\\.)"),
            1..8,
        ),
    ) {
        let ground = Ground::new();
        let mut archive = Archive::new();
        for (kind, path, target) in &steps {
            archive = match kind {
                0 => archive.file(path, "x"),
                1 => archive.directory(path),
                2 => archive.link(EntryKind::Symlink, path, target),
                _ => archive.link(EntryKind::HardLink, path, target),
            };
        }
        put(&ground, &archive.bytes()).ok();
        ground.assert_untouched();
    }
}

/// Gives every block the checksum of a header, so that damage is found later.
fn mend_checksums(archive: &mut [u8]) {
    for block in archive.chunks_exact_mut(512) {
        if block.iter().all(|byte| *byte == 0) {
            continue;
        }
        block[148..156].fill(b' ');
        let sum: u32 = block.iter().copied().map(u32::from).sum();
        block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}
