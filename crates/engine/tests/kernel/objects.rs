//! Volumes, networks and images that containers use: what is refused, told and pruned.

use engine::error::Kind;
use model::api::event;
use model::api::filter::Filters;
use model::api::image::RemoveOptions;
use model::api::network;
use serde_json::json;

use crate::computer::Computer;

#[test]
fn what_a_container_uses_stays() {
    let computer = Computer::new();
    let engine = computer.engine();
    let create = network::Create {
        name: "lab".to_owned(),
        ..network::Create::default()
    };
    computer
        .wait(engine.create_network(create.clone()))
        .unwrap();
    let again = computer.wait(engine.create_network(create)).unwrap_err();
    assert_eq!(again.kind(), Kind::Conflict);
    assert_eq!(again.to_string(), "network with name lab already exists");
    let id = computer.create(
        "one",
        json!({
            "Cmd": ["sleep", "1000"],
            "Volumes": {"/anonymous": {}},
            "HostConfig": {"NetworkMode": "lab", "Binds": ["data:/data"]},
        }),
    );
    computer.start(&id);

    let error = computer
        .wait(engine.remove_volume("data", true))
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Conflict);
    assert_eq!(
        error.to_string(),
        format!("remove data: volume is in use - [{id}]")
    );
    let error = computer.wait(engine.remove_network("lab")).unwrap_err();
    assert_eq!(error.kind(), Kind::Forbidden);
    assert!(
        error.to_string().contains("has active endpoints"),
        "{error}"
    );
    let error = computer.wait(engine.remove_image("busybox", RemoveOptions::default()));
    assert_eq!(error.unwrap_err().kind(), Kind::Conflict);
    let inspect = engine.inspect_network("lab").unwrap();
    assert_eq!(inspect.containers[&id].name, "one");
    let top = computer
        .wait(engine.top_container(&id, "-eo pid,args"))
        .unwrap();
    assert_eq!(top.titles, ["PID", "COMMAND"]);
    assert_eq!(top.processes.len(), 1);
    assert_eq!(top.processes[0][1], "sleep 1000");
    let stats = computer.wait(async {
        let stream = engine.container_stats(&id, true).unwrap();
        futures_util::StreamExt::next(&mut Box::pin(stream)).await
    });
    let stats = stats.unwrap();
    assert_eq!((stats.name.as_str(), stats.pids_stats.current), ("/one", 1));
    assert!(stats.networks.unwrap().contains_key("eth0"));
    assert!(stats.cpu_stats.system_cpu_usage > 0);
    prune(&computer, &id);
    check_events(&computer);
}

/// Prunes everything while the container runs, and again when it does not.
fn prune(computer: &Computer, id: &str) {
    let engine = computer.engine();
    let all = Filters::parse(r#"{"all":["true"]}"#).unwrap();
    let pruned = computer.wait(engine.prune_volumes(all.clone())).unwrap();
    assert!(pruned.volumes_deleted.is_none());
    let nothing = Filters::default();
    assert!(
        computer
            .wait(engine.prune_networks(nothing.clone()))
            .unwrap()
            .networks_deleted
            .is_none()
    );
    let every = Filters::parse(r#"{"dangling":["false"]}"#).unwrap();
    assert!(
        computer
            .wait(engine.prune_images(every.clone()))
            .unwrap()
            .images_deleted
            .is_none()
    );
    assert!(
        computer
            .wait(engine.prune_containers(nothing.clone()))
            .unwrap()
            .containers_deleted
            .is_none()
    );

    computer.wait(engine.kill_container(id, None)).unwrap();
    computer.until(id, |now| !now.state.running);
    let pruned = computer
        .wait(engine.prune_containers(nothing.clone()))
        .unwrap();
    assert_eq!(pruned.containers_deleted.unwrap(), [id]);
    let pruned = computer
        .wait(engine.prune_volumes(nothing.clone()))
        .unwrap();
    assert_eq!(pruned.volumes_deleted.unwrap().len(), 1);
    let pruned = computer.wait(engine.prune_volumes(all)).unwrap();
    assert_eq!(pruned.volumes_deleted.unwrap(), ["data"]);
    let pruned = computer.wait(engine.prune_networks(nothing)).unwrap();
    assert_eq!(pruned.networks_deleted.unwrap(), ["lab"]);
    let pruned = computer.wait(engine.prune_images(every)).unwrap();
    assert_eq!(pruned.images_deleted.unwrap().len(), 2);
}

fn check_events(computer: &Computer) {
    let told = computer.wait(async {
        let options = event::Options {
            since: Some(jiff::Timestamp::UNIX_EPOCH),
            until: Some(jiff::Timestamp::now()),
            filters: Filters::parse(
                r#"{"event":["create","destroy"],"type":["network","volume"]}"#,
            )
            .unwrap(),
        };
        let events = computer.engine().events(&options).unwrap();
        let events: Vec<event::Event> = futures_util::StreamExt::collect(events).await;
        events
            .into_iter()
            .map(|event| format!("{} {}", event.kind, event.action))
            .collect::<Vec<_>>()
    });
    let count = |wanted: &str| told.iter().filter(|event| *event == wanted).count();
    assert_eq!(count("network create"), 1);
    assert_eq!(count("network destroy"), 1);
    assert_eq!(count("volume create"), 2);
    assert_eq!(count("volume destroy"), 2);
}
