//! Names and images removed.

use image::Store;
use image::store::{Activity, Removal, Removed, User};

use crate::sample::{changes, image_on, store_with};

fn nobody(_: model::digest::ImageId) -> Option<User> {
    None
}

#[test]
fn an_image_goes_with_its_last_name() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_with(folder.path(), "busybox");
    let image = store.resolve("busybox").unwrap();
    store.tag(image.id, &"other:1".parse().unwrap()).unwrap();
    let removed = store
        .remove("other:1", Removal::default(), &nobody)
        .unwrap();
    assert_eq!(removed, [Removed::Untagged("other:1".to_owned())]);
    let removed = store
        .remove("busybox", Removal::default(), &nobody)
        .unwrap();
    assert_eq!(
        removed,
        [
            Removed::Untagged("busybox:latest".to_owned()),
            Removed::Image(image.id)
        ]
    );
    assert!(is_empty(&store, folder.path()));
    let error = store
        .remove("busybox", Removal::default(), &nobody)
        .unwrap_err();
    assert_eq!(error.to_string(), "No such image: busybox:latest");
}

#[test]
fn an_image_in_use_stays_unless_forced_and_its_layers_as_long_as_they_are_held() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_with(folder.path(), "busybox");
    let image = store.resolve("busybox").unwrap();
    let user = |activity| {
        move |_| {
            Some(User {
                container: "0123456789ab".to_owned(),
                activity,
            })
        }
    };
    let by_id = image.id.short();
    let refused = |name: &str, force, activity, words: &str| {
        let removal = Removal {
            force,
            ..Removal::default()
        };
        let error = store
            .remove(name, removal, &user(activity))
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    };
    refused(
        "busybox",
        false,
        Activity::Stopped,
        "(must force) - container 0123456789ab is using",
    );
    refused(
        &by_id,
        false,
        Activity::Stopped,
        "(must be forced) - image is being used by stopped",
    );
    refused(
        &by_id,
        true,
        Activity::Running,
        "(cannot be forced) - image is being used by running",
    );
    assert_eq!(store.names_of(image.id).tags.len(), 1, "nothing changed");
    let hold = store.hold(image.layers()).unwrap();
    let forced = Removal {
        force: true,
        ..Removal::default()
    };
    store
        .remove(&by_id, forced, &user(Activity::Stopped))
        .unwrap();
    assert!(store.list().is_empty());
    let directories = store.layer_directories(image.layers()).unwrap();
    assert!(directories[0].is_dir());
    drop(hold);
    assert_eq!(store.sweep().unwrap(), image.size);
    assert!(is_empty(&store, folder.path()));
}

#[test]
fn parents_go_with_their_last_child_and_prune_takes_children_first() {
    let folder = tempfile::tempdir().unwrap();
    let store = store_with(&folder.path().join("store"), "busybox");
    let base = store.resolve("busybox").unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let build = || {
        changes(&one, "one");
        changes(&two, "two");
        let middle = image_on(&store, &base, &one);
        image_on(&store, &middle, &two)
    };
    let top = build();
    store.tag(top.id, &"app".parse().unwrap()).unwrap();
    let error = store
        .remove(&base.id.short(), Removal::default(), &nobody)
        .unwrap_err();
    assert!(
        error.to_string().contains("dependent child images"),
        "{error}"
    );
    let removed = store.remove("app", Removal::default(), &nobody).unwrap();
    assert_eq!(removed.len(), 3, "name, image, parent: {removed:?}");
    assert_eq!(store.list().len(), 1, "the base has a name");
    let top = build();
    let pruned = store
        .prune(&|image| store.names_of(image.id).tags.is_empty(), &nobody)
        .unwrap();
    assert_eq!(pruned.removed[0], Removed::Image(top.id));
    assert_eq!((pruned.removed.len(), pruned.freed), (2, 6));
    assert_eq!(store.list().len(), 1);
}

fn is_empty(store: &Store, root: &std::path::Path) -> bool {
    let empty = |name: &str| std::fs::read_dir(root.join(name)).unwrap().next().is_none();
    store.list().is_empty() && empty("layers") && empty("recipes") && empty("incoming")
}
