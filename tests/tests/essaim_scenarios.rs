//! The commands of one host, by Docker's clients and ours, on Docker's engine and ours: the same answers.

use blackbox::scenario::Pair;

#[test]
fn containers_live_and_end() {
    let pair = Pair::new(&["busybox"], &[]);
    pair.compare(
        r#"
        $ run --rm busybox echo hi
        $ run --rm busybox sh -c 'echo out; echo err >&2; exit 3'
        $ run --rm -i busybox cat <<< what is read
        $ run --rm --name one -w /tmp -e A=b --hostname host -u 1:2 busybox sh -c 'id -u; id -g; pwd; hostname; echo $A'
        ! run --rm busybox /nothing
        ! run --rm busybox /etc
        ! run --rm --nothing busybox true
        $ create --name one busybox sh -c 'echo started; exec sleep 1000'
        $ ps -a --format '{{.Names}} {{.Image}} {{.Command}} {{.Status}}'
        $ start one
        ~ logs one => started
        $ ps --format '{{.Names}} {{.Status}}'
        $ exec one echo in
        ! exec one sh -c 'exit 4'
        ? exec one /nothing
        $ exec -i one cat <<< read by exec
        $ exec -e X=y -w /tmp -u 5 one sh -c 'echo $X; pwd; id -u'
        $ logs one
        $ rename one two
        $ inspect --format '{{.Name}} {{.State.Status}} {{.State.Running}} {{.Config.Cmd}}' two
        $ pause two
        $ ps --format '{{.Names}} {{.Status}}'
        $ unpause two
        ! rm two
        $ kill two
        $ wait two
        $ ps -a --filter name=two --format '{{.Names}} {{.Status}}'
        $ ps --filter status=exited --filter name=two -q
        $ rm two
        ! inspect two
        ! start two
        $ run -d --name one busybox sh -c 'trap "exit 7" TERM; echo ready; while true; do sleep 0.1; done'
        ~ logs one => ready
        $ stop -t 5 one
        $ inspect --format '{{.State.ExitCode}} {{.State.Status}}' one
        $ restart one
        ~ logs one => ready
        $ rm -f one
        $ ps -aq
        "#,
    );
}

#[test]
fn files_go_in_and_out() {
    let pair = Pair::new(
        &["busybox"],
        &[("file", "contents\n"), ("folder/inside", "deep\n")],
    );
    pair.compare(
        r#"
        $ create --name one busybox sleep 1000
        $ cp file one:/tmp/
        $ cp folder one:/tmp/
        ! cp one:/nothing .
        $ start one
        $ exec one cat /tmp/file /tmp/folder/inside
        $ exec one sh -c 'echo new > /root/new; rm /bin/vi; chmod 700 /tmp/folder'
        % diff one
        $ commit -m words -c 'ENV X=y' -c 'CMD cat /root/new' one made
        $ run --rm made
        $ run --rm made sh -c 'echo $X; ls /bin/vi'
        $ history --format '{{.CreatedBy}} {{.Comment}} {{.Size}}' made
        $ rm -f one
        $ rmi made
        $ volume create kept
        $ run --rm -v kept:/data busybox sh -c 'echo stays > /data/file'
        $ run --rm -v kept:/data:ro busybox cat /data/file
        $ run --rm -v kept:/data:ro busybox sh -c 'echo no > /data/file'
        $ run --rm --mount type=tmpfs,destination=/t busybox sh -c 'grep -c " /t tmpfs" /proc/mounts'
        $ run --rm --read-only busybox sh -c 'echo no > /file'
        $ volume ls --format '{{.Name}} {{.Driver}}'
        $ volume inspect --format '{{.Name}} {{.Scope}}' kept
        $ volume rm kept
        ! volume inspect kept
        "#,
    );
}

#[test]
fn images_are_kept() {
    let pair = Pair::new(&["busybox", "alpine"], &[]);
    pair.compare(
        r"
        $ images busybox
        % images --format '{{.Repository}}:{{.Tag}} {{.ID}}'
        $ image ls -q busybox
        $ tag busybox mine:1
        $ tag busybox example.com:5000/mine:2
        $ images mine
        $ inspect --format '{{.Id}} {{.RepoTags}} {{.Config.Cmd}} {{.Os}} {{.Architecture}} {{len .RootFS.Layers}}' mine:1
        $ history --no-trunc --format '{{.CreatedBy}} {{.Size}}' mine:1
        $ save -o saved.tar mine:1 alpine
        $ rmi mine:1 example.com:5000/mine:2
        ! inspect mine:1
        % load -i saved.tar
        $ images mine
        $ rmi mine:1
        ! rmi nothing
        ! tag nothing else
        ! tag busybox 'not a name'
        $ images --filter reference=busy* --format '{{.Repository}}'
        ",
    );
}

#[test]
fn images_are_built() {
    let pair = Pair::new(
        &["busybox"],
        &[
            (
                "app/Dockerfile",
                "ARG BASE=busybox\nFROM $BASE AS one\nARG V=1\nENV W=w$V\nRUN echo built $V $W && echo $V > /out\nWORKDIR /srv\nCOPY *.txt sub ./\nRUN ls && cat *.txt\nFROM busybox\nCOPY --from=one /out /srv/a.txt /got/\nUSER daemon\nLABEL l=x\nEXPOSE 80\nVOLUME /data\nSTOPSIGNAL SIGINT\nHEALTHCHECK --interval=5s CMD true\nENTRYPOINT [\"cat\"]\nCMD [\"/got/out\"]\n",
            ),
            ("app/a.txt", "a\n"),
            ("app/b.txt", "b\n"),
            ("app/sub/c", "c\n"),
            ("app/secret.txt", "never\n"),
            ("app/.dockerignore", "# not these\nsecret*\n"),
            ("bad/Dockerfile", "FROM busybox\nRUN echo before; exit 3\n"),
            ("bad/Missing", "FROM busybox\nCOPY nothing /\n"),
            ("bad/Unknown", "FROM busybox\nRNU true\n"),
        ],
    );
    pair.compare(
        r"
        $ build -t made --build-arg V=2 app
        $ build -t made --build-arg V=2 app
        $ run --rm made
        $ run --rm made /got/a.txt
        $ inspect --format '{{.Config.User}} {{.Config.Labels}} {{json .Config.ExposedPorts}} {{json .Config.Volumes}} {{.Config.StopSignal}} {{.Config.Healthcheck.Test}} {{.Config.Entrypoint}} {{.Config.Cmd}}' made
        $ build -q --target one app
        ! build bad
        ! build -f bad/Missing bad
        ! build -f bad/Unknown bad
        ! build -f nothing bad
        ! build nothing
        $ build -t text - <<< FROM busybox
        $ rmi made text
        . container prune -f
        . image prune -f
        ",
    );
}

#[test]
fn networks_join_and_part() {
    let pair = Pair::new(&["busybox"], &[]);
    pair.compare(
        r"
        $ network create net
        $ network ls --format '{{.Name}} {{.Driver}} {{.Scope}}'
        $ run -d --name one --network net --network-alias other busybox httpd -f -p 80 -h /etc
        ~ exec one wget -qO- http://127.0.0.1/group => root
        $ run --rm --network net busybox wget -qO- http://one/group
        $ run --rm --network net busybox wget -qO- http://other/group
        $ run --rm busybox wget -T 2 -qO- http://one/group
        $ network inspect --format '{{.Name}} {{.Driver}} {{.Internal}} {{len .Containers}}' net
        ! network rm net
        $ network create second
        $ network connect second one
        $ run --rm --network second busybox wget -qO- http://one/group
        $ network disconnect second one
        $ network rm second
        $ run --rm --network none busybox sh -c 'ls /sys/class/net'
        $ run --rm --network container:one busybox wget -qO- http://127.0.0.1/group
        $ rm -f one
        $ network rm net
        ! network inspect net
        $ run -d --name one -p 127.0.0.1:8099:80 busybox httpd -f -p 80 -h /etc
        $ port one
        $ ps --format '{{.Ports}}'
        $ run --rm --network host busybox wget -qO- http://127.0.0.1:8099/group
        ! run --rm -p 127.0.0.1:8099:80 busybox true
        $ rm -f one
        ",
    );
}

#[test]
fn limits_and_rights_are_as_docker_sets_them() {
    let pair = Pair::new(&["busybox"], &[]);
    pair.compare(
        r"
        $ run --rm busybox grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status
        $ run --rm --cap-drop ALL --cap-add NET_RAW busybox grep Cap /proc/self/status
        $ run --rm --user nobody busybox grep Cap /proc/self/status
        $ run --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status
        $ run --rm busybox sh -c 'cat /proc/kcore; echo x > /proc/sys/kernel/hostname'
        $ run --rm --ulimit nofile=100:200 busybox sh -c 'ulimit -Sn; ulimit -Hn'
        $ run --rm --shm-size 8m busybox stat -f -c '%b %S' /dev/shm
        $ run --rm --sysctl net.ipv4.ip_forward=0 busybox cat /proc/sys/net/ipv4/ip_forward
        $ run --rm --device /dev/null:/dev/mine busybox ls -l /dev/mine
        $ run --rm --init busybox sh -c 'test $$ != 1; echo $?'
        $ run --rm --group-add 55 busybox id -G
        $ run --rm --add-host a:1.2.3.4 busybox grep 1.2.3.4 /etc/hosts
        $ run --rm busybox ls /dev
        $ create --name one -m 64m --cpus 0.5 --pids-limit 20 --restart on-failure:3 busybox true
        $ inspect --format '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy}}' one
        $ update --memory 128m --memory-swap 256m one
        $ inspect --format '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}' one
        $ rm one
        ",
    );
}
