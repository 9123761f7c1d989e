//! Archives of images that lie: refused with a reason, and nothing of them stays.

use std::path::Path;

use image::{Progress, Store};
use model::digest::Digest;
use rootfs::tar::{EntryKind, Header, Writer};
use sha2::{Digest as _, Sha256};

fn hex(bytes: &[u8]) -> String {
    Digest::from_bytes(Sha256::digest(bytes).into()).hex()
}

fn tar(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (name, data) in entries {
        let header = Header::new(*name, EntryKind::File, data.len() as u64);
        writer.append_data(&header, *data).unwrap();
    }
    writer.finish().unwrap()
}

fn config(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<_> = layers
        .iter()
        .map(|layer| format!("\"sha256:{}\"", hex(layer)))
        .collect();
    format!(
        r#"{{"os":"linux","architecture":"amd64","rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        diff_ids.join(",")
    )
    .into_bytes()
}

fn docker(config: &[u8], layer: &[u8]) -> Vec<u8> {
    let manifest = br#"[{"Config":"config.json","RepoTags":["a:1"],"Layers":["layer.tar"]}]"#;
    tar(&[
        ("manifest.json", manifest),
        ("config.json", config),
        ("layer.tar", layer),
    ])
}

#[track_caller]
fn refused(archive: &[u8], words: &str) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let error = store.load(archive, &Progress::none()).unwrap_err();
    assert!(error.to_string().contains(words), "{words}: {error}");
    assert!(
        error.is_bad_request() || words == "read image archive",
        "{error:?}"
    );
    assert!(store.list().is_empty());
    for directory in ["incoming", "layers", "recipes"] {
        let left: Vec<_> = std::fs::read_dir(folder.path().join(directory))
            .unwrap()
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
    drop(store);
    Store::open(folder.path()).unwrap();
}

#[track_caller]
fn loads(archive: &[u8], root: &Path) -> Store {
    let store = Store::open(root).unwrap();
    store.load(archive, &Progress::none()).unwrap();
    store
}

#[test]
fn an_honest_archive_loads_however_its_layer_is_compressed() {
    let layer = tar(&[("hello", b"world")]);
    let zstd = zstd::encode_all(layer.as_slice(), 1).unwrap();
    for blob in [&layer, &zstd] {
        let folder = tempfile::tempdir().unwrap();
        let store = loads(&docker(&config(&[&layer]), blob), folder.path());
        let image = store.resolve("a:1").unwrap();
        assert_eq!(image.size, 5);
    }
}

#[test]
fn digests_and_counts_that_do_not_hold_are_refused() {
    let (layer, other) = (tar(&[("a", b"1")]), tar(&[("b", b"2")]));
    refused(&docker(&config(&[&other]), &layer), "layer has the digest");
    refused(
        &docker(&config(&[&layer, &other]), &layer),
        "names 2 layers",
    );
    refused(&docker(b"{", &layer), "invalid image configuration");
    let deep = format!("{}1{}", "[".repeat(200_000), "]".repeat(200_000));
    refused(
        &docker(deep.as_bytes(), &layer),
        "invalid image configuration",
    );
    let huge = [
        b"{\"a\":\"".to_vec(),
        vec![b'x'; 9_000_000],
        b"\"}".to_vec(),
    ]
    .concat();
    refused(&docker(&huge, &layer), "too much");
    refused(&docker(&config(&[&layer]), &layer[..600]), "cut off");
    let named = format!("blobs/sha256/{}", hex(b"other"));
    let manifest = format!(r#"[{{"Config":"{named}","Layers":[]}}]"#);
    let archive = tar(&[
        ("manifest.json", manifest.as_bytes()),
        (&named, &config(&[])),
    ]);
    refused(&archive, "has the digest");
}

#[test]
fn manifests_that_point_out_of_the_archive_are_refused() {
    let config = config(&[]);
    for path in ["../../etc/passwd", "/etc/passwd", "missing"] {
        let manifest = format!(r#"[{{"Config":"{path}","Layers":[]}}]"#);
        refused(
            &tar(&[("manifest.json", manifest.as_bytes())]),
            "is missing",
        );
        let manifest = format!(r#"[{{"Config":"c","Layers":["{path}"]}}]"#);
        let config = self::config(&[b"x"]);
        let archive = tar(&[("manifest.json", manifest.as_bytes()), ("c", &config)]);
        refused(&archive, "is missing");
    }
    let twice = tar(&[("manifest.json", b"[]"), ("manifest.json", b"[]")]);
    refused(&twice, "twice");
    refused(&tar(&[("../manifest.json", &config)]), "leads out");
    refused(
        &tar(&[("hello", b"world")]),
        "neither manifest.json nor index.json",
    );
    refused(&tar(&[("manifest.json", b"[]")]), "lists 0 images");
    refused(b"not an archive", "cut off");
    refused(&[0x1f, 0x8b, 8, 0, 1], "read image archive");
}

#[test]
fn an_index_that_lies_is_refused() {
    let layer = tar(&[("a", b"1")]);
    let config = config(&[&layer]);
    let blob = |bytes: &[u8]| format!("blobs/sha256/{}", hex(bytes));
    let described = |kind: &str, bytes: &[u8], size: usize| {
        format!(
            r#"{{"mediaType":"{kind}","digest":"sha256:{}","size":{size}}}"#,
            hex(bytes)
        )
    };
    let (image, config_type, layer_type) = (
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.oci.image.layer.v1.tar",
    );
    let build = |size: usize, extra: &str| {
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{},"layers":[{}]{extra}}}"#,
            described(config_type, &config, config.len()),
            described(layer_type, &layer, size)
        );
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{}]}}"#,
            described(image, manifest.as_bytes(), manifest.len())
        );
        tar(&[
            ("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#),
            ("index.json", index.as_bytes()),
            (&blob(manifest.as_bytes()), manifest.as_bytes()),
            (&blob(&config), &config),
            (&blob(&layer), &layer),
        ])
    };
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        loads(&build(layer.len(), ""), folder.path()).list().len(),
        1
    );
    refused(&build(layer.len() + 1, ""), "bytes, not");
    refused(&build(layer.len(), r#","manifests":[]"#), "ambiguous");
}

#[test]
fn a_layer_with_a_name_twice_keeps_its_archive() {
    let layer = tar(&[("a", b"first"), ("a", b"second")]);
    let folder = tempfile::tempdir().unwrap();
    let store = loads(&docker(&config(&[&layer]), &layer), folder.path());
    let image = store.resolve("a:1").unwrap();
    let directory = &store.layer_directories(image.layers()).unwrap()[0];
    assert_eq!(std::fs::read(directory.join("a")).unwrap(), b"second");
    let mut archive = Vec::new();
    store
        .write_archive(image.layers()[0], &mut archive)
        .unwrap();
    assert_eq!(archive, layer);
}
