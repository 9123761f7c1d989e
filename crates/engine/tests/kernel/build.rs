//! Builds whose steps run nothing: contexts, copies, the cache, what is refused.

use std::path::Path;
use std::process::Command;

use engine::settings::Settings;
use engine::{Engine, ShimProgram};
use model::api::build::Options;
use model::api::image::ImageConfig;
use model::api::progress::Message;
use rootfs::tar::{EntryKind, Header, Writer};
use rootfs::{Overlay, Root};
use tokio::sync::mpsc;

/// An engine of its own, and its folder.
struct Host {
    engine: Engine,
    _folder: tempfile::TempDir,
}

/// What a build said, and how it ended.
struct Built {
    said: String,
    last: Option<Message>,
    end: Result<(), String>,
}

impl Host {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let settings = Settings::new(path.join("data"), path.join("exec"));
        // Nothing is run here, so any program will do.
        let program = ShimProgram::of_this_program().unwrap();
        let engine = Engine::open(settings, program).unwrap();
        Self {
            engine,
            _folder: folder,
        }
    }

    /// One that has busybox.
    async fn with_busybox() -> Self {
        let host = Self::new();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tools/test-images");
        let made = Command::new(script).arg("busybox").output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let path = String::from_utf8(made.stdout).unwrap();
        let archive = tokio::fs::File::open(path.trim()).await.unwrap();
        let (sender, mut receiver) = mpsc::channel::<Message>(64);
        let telling = tokio::spawn(async move { while receiver.recv().await.is_some() {} });
        host.engine
            .load_images(archive, true, sender)
            .await
            .unwrap();
        telling.await.unwrap();
        host
    }

    async fn build(&self, files: &[(&str, &str)], options: Options) -> Built {
        self.build_archive(archive(files), options).await
    }

    async fn build_archive(&self, archive: Vec<u8>, options: Options) -> Built {
        let (sender, mut receiver) = mpsc::channel::<Message>(4);
        let hearing = tokio::spawn(async move {
            let mut said = String::new();
            let mut last = None;
            while let Some(message) = receiver.recv().await {
                said.push_str(message.stream.as_deref().unwrap_or_default());
                last = Some(message);
            }
            (said, last)
        });
        let archive = futures_util::stream::iter([Ok(archive.into())]);
        let end = self.engine.build_image(options, archive, sender).await;
        let (said, last) = hearing.await.unwrap();
        Built {
            said,
            last,
            end: end.map_err(|error| error.to_string()),
        }
    }

    fn config(&self, name: &str) -> ImageConfig {
        let image = self.engine.image_store().resolve(name).unwrap();
        image.config.config.clone()
    }

    /// The files of an image.
    fn root(&self, name: &str) -> Root {
        let store = self.engine.image_store();
        let image = store.resolve(name).unwrap();
        let layers = store.layer_directories(image.layers()).unwrap();
        Overlay::read_only(layers).mount().unwrap()
    }
}

fn named(tag: &str) -> Options {
    Options {
        tags: vec![tag.to_owned()],
        remove: true,
        ..Options::default()
    }
}

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for (name, contents) in files {
        if let Some(target) = contents.strip_prefix("-> ") {
            let mut header = Header::new(*name, EntryKind::Symlink, 0);
            header.link = target.into();
            writer.append(&header).unwrap();
        } else {
            let header = Header::new(*name, EntryKind::File, contents.len() as u64);
            writer.append_data(&header, contents.as_bytes()).unwrap();
        }
    }
    writer.finish().unwrap()
}

fn text(root: &Root, path: &str) -> String {
    use std::io::Read as _;
    let mut text = String::new();
    let mut file = root.open_file(path).unwrap();
    file.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test]
async fn an_image_is_built_and_found_again() {
    let host = Host::with_busybox().await;
    let dockerfile = "ARG BASE=busybox\nFROM $BASE\nENV a=1 b=${nothing:-2}\nWORKDIR /w/$b\n\
        COPY --chown=daemon:3 --chmod=600 hello.* sub/ ./\nADD one.tar /unpacked/\nLABEL x=y\n\
        EXPOSE 80\nCMD [\"sh\"]\n";
    let one = String::from_utf8(archive(&[("inside/file", "packed")])).unwrap();
    let files = [
        ("Dockerfile", dockerfile),
        ("hello.txt", "hello"),
        ("sub/deep/file", "deep"),
        ("one.tar", one.as_str()),
    ];
    let built = host.build(&files, named("made:1")).await;
    assert_eq!(built.end, Ok(()), "{}", built.said);
    assert!(
        built.said.contains("Step 1/9 : ARG BASE=busybox\n"),
        "{}",
        built.said
    );
    assert!(built.said.contains("Step 9/9 : CMD [\"sh\"]\n ---> "));
    assert!(!built.said.contains("Using cache"));
    assert!(built.said.contains("Successfully built "));
    assert!(built.said.ends_with("Successfully tagged made:1\n"));

    let root = host.root("made:1");
    assert_eq!(text(&root, "/w/2/hello.txt"), "hello");
    assert_eq!(text(&root, "/w/2/deep/file"), "deep");
    assert_eq!(text(&root, "/unpacked/inside/file"), "packed");
    let metadata = root
        .metadata("/w/2/hello.txt", rootfs::Links::Keep)
        .unwrap();
    assert_eq!((metadata.owner.user, metadata.owner.group), (1, 3));
    assert_eq!(metadata.mode.0, 0o600);
    let config = host.config("made:1");
    assert_eq!(config.working_dir, "/w/2");
    assert!(config.env.unwrap().contains(&"b=2".to_owned()));

    let again = host.build(&files, named("made:2")).await;
    assert_eq!(
        again.said.matches("Using cache").count(),
        7,
        "{}",
        again.said
    );
    let store = host.engine.image_store();
    let [one, two] = ["made:1", "made:2"].map(|name| store.resolve(name).unwrap().id);
    assert_eq!(one, two);

    let mut changed = files;
    changed[1].1 = "other";
    let changed = host.build(&changed, named("made:3")).await;
    assert_eq!(
        changed.said.matches("Using cache").count(),
        2,
        "{}",
        changed.said
    );
    assert_eq!(text(&host.root("made:3"), "/w/2/hello.txt"), "other");
    let options = Options {
        no_cache: true,
        quiet: true,
        ..named("made:4")
    };
    let quiet = host.build(&files, options).await;
    let id = store.resolve("made:4").unwrap().id;
    assert_eq!(quiet.said, format!("{id}\n"));
}

#[tokio::test]
async fn stages_give_files_to_later_ones() {
    let host = Host::new();
    let dockerfile = "FROM scratch AS one\nCOPY a /a\nCOPY b /dir/b\nFROM one AS two\nCOPY b /b\n\
        FROM scratch\nCOPY --from=one /a /dir /\nCOPY --from=1 /b /x/\nCOPY <<EOF /y\ntext\nEOF\n";
    let files = [("Dockerfile", dockerfile), ("a", "A"), ("b", "B")];
    let built = host.build(&files, named("made")).await;
    assert_eq!(built.end, Ok(()), "{}", built.said);
    let root = host.root("made");
    assert_eq!(text(&root, "/a"), "A");
    assert_eq!(text(&root, "/b"), "B");
    assert_eq!(text(&root, "/x/b"), "B");
    assert_eq!(text(&root, "/y"), "text\n");
    assert!(!root.exists("/dir").unwrap());
    let again = host.build(&files, named("made")).await;
    assert!(!again.said.contains("\n ---> Running"), "{}", again.said);
    assert_eq!(
        again.said.matches("Using cache").count(),
        6,
        "{}",
        again.said
    );

    let options = Options {
        target: "one".to_owned(),
        arguments: [("odd".to_owned(), Some("1".to_owned()))].into(),
        ..named("target")
    };
    let target = host.build(&files, options).await;
    assert!(target.said.contains("Step 3/3 : "), "{}", target.said);
    assert!(
        target
            .said
            .contains("[Warning] One or more build-args [odd] were not consumed\n")
    );
}

#[tokio::test]
async fn triggers_are_done_by_whoever_builds_on_the_image() {
    let host = Host::new();
    let base = "FROM scratch\nONBUILD COPY a /from-trigger\nONBUILD ENV t=1\n";
    let built = host.build(&[("Dockerfile", base)], named("base")).await;
    assert_eq!(built.end, Ok(()), "{}", built.said);
    let files = [("Dockerfile", "FROM base\nLABEL x=y\n"), ("a", "A")];
    let built = host.build(&files, named("made")).await;
    assert_eq!(built.end, Ok(()), "{}", built.said);
    assert!(built.said.contains("# Executing 2 build triggers\n"));
    assert_eq!(text(&host.root("made"), "/from-trigger"), "A");
    assert_eq!(host.config("made").on_build, None);
}

#[tokio::test]
async fn nothing_outside_of_the_context_or_the_image_is_reached() {
    let host = Host::new();
    let files = |dockerfile: &'static str| {
        [
            ("Dockerfile", dockerfile),
            ("file", "mine"),
            ("passwd", "-> /etc/passwd"),
            ("up", "-> ../../../../../../.."),
        ]
    };
    for (dockerfile, words) in [
        ("FROM scratch\nCOPY ../file /\n", "forbidden path outside"),
        ("FROM scratch\nCOPY passwd /\n", "file does not exist"),
        (
            "FROM scratch\nCOPY up/etc/passwd /\n",
            "file does not exist",
        ),
        (
            "FROM scratch\nADD https://example.com/x /\n",
            "not supported",
        ),
        ("FROM scratch\nCOPY file file /x\n", "must be a directory"),
        ("FROM scratch\nCOPY --chown=nobody file /\n", "no such user"),
        (
            "FROM scratch\nCOPY --from=later file /\nFROM scratch AS later\nLABEL a=b\n",
            "after it",
        ),
    ] {
        let built = host.build(&files(dockerfile), named("made")).await;
        let error = built.end.unwrap_err();
        assert!(error.contains(words), "{dockerfile}: {error}");
        assert!(
            error.contains("\nDockerfile:2: "),
            "the line is told: {error}"
        );
    }
    // A link in the image leads nowhere but within the image.
    let dockerfile = "FROM scratch\nCOPY links /\nCOPY file /out/stolen\n";
    let outside = tempfile::tempdir().unwrap();
    let link = format!("-> {}", outside.path().display());
    let files = [
        ("Dockerfile", dockerfile),
        ("file", "mine"),
        ("links/out", link.as_str()),
    ];
    let built = host.build(&files, named("made")).await;
    assert!(!outside.path().join("stolen").exists());
    if built.end.is_ok() {
        let inside = outside.path().join("stolen");
        assert_eq!(text(&host.root("made"), inside.to_str().unwrap()), "mine");
    }
}

#[tokio::test]
async fn what_is_wrong_is_told_with_line_and_hint() {
    let host = Host::new();
    let built = host
        .build(&[("Dockerfile", "FROM scratch\nRNU x\n")], named("made"))
        .await;
    assert_eq!(
        built.end,
        Err("dockerfile parse error line 2: unknown instruction: RNU\nDockerfile:2: RNU x\nhint: did you mean RUN?".to_owned())
    );
    assert_eq!(built.last, None, "nothing is said before");
    let built = host.build(&[("other", "")], named("made")).await;
    assert_eq!(
        built.end,
        Err("Cannot locate specified Dockerfile: Dockerfile".to_owned())
    );
    let built = host.build_archive(Vec::new(), named("made")).await;
    assert!(built.end.is_err());
    assert!(host.engine.image_store().list().is_empty());
    // The folders of builds that just ended may still be going.
    let builds = host.engine.settings().data_root.join("builds");
    while std::fs::read_dir(&builds).unwrap().count() > 0 {
        tokio::task::yield_now().await;
    }
    assert!(Path::new(&host.engine.settings().data_root).exists());
}

/// The same changes twice are the same layer twice.
#[tokio::test]
async fn a_layer_may_come_twice() {
    let host = Host::with_busybox().await;
    let dockerfile =
        "FROM busybox\nCOPY a /x\nCOPY b /x\nCOPY a /x\nCOPY a /x\nRUN [ $(cat /x) = one ]\n";
    let files = [("Dockerfile", dockerfile), ("a", "one"), ("b", "two")];
    let built = host.build(&files, named("twice:1")).await;
    assert_eq!(built.end, Ok(()), "{}", built.said);
    assert!(!built.said.contains("non-zero code"), "{}", built.said);
}
