"""What programs written with the package `docker` ask of an engine: its main calls, each with what they rely on.

Run with the engine's socket in DOCKER_HOST, on an engine that has the image `busybox` and nothing else.
"""

import io
import tarfile
import threading
import time
import unittest

import docker
from docker.errors import (
    APIError,
    BuildError,
    ContainerError,
    ImageLoadError,
    ImageNotFound,
    NotFound,
)
from docker.types import IPAMConfig, IPAMPool, LogConfig, Mount, Ulimit

IMAGE = "busybox"
FOREVER = "sleep 1000"


def read_to_end(connection):
    """All that comes over a connection that was taken over."""
    socket = getattr(connection, "_sock", connection)
    everything = b""
    while piece := socket.recv(4096):
        everything += piece
    return everything


def eventually(condition):
    """Waits until a condition holds, for ten seconds at most."""
    end = time.monotonic() + 10
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("it did not come about")
        time.sleep(0.05)


class Engine(unittest.TestCase):
    """A client, and containers that are removed whatever happens."""

    def setUp(self):
        self.client = docker.from_env(timeout=30)
        self.addCleanup(self.client.close)

    def run_detached(self, command=FOREVER, **options):
        container = self.client.containers.run(IMAGE, command, detach=True, **options)
        self.addCleanup(lambda: self.remove(container))
        return container

    def create(self, command, **options):
        container = self.client.containers.create(IMAGE, command, **options)
        self.addCleanup(lambda: self.remove(container))
        return container

    @staticmethod
    def remove(container):
        try:
            container.remove(force=True, v=True)
        except NotFound:
            pass

    def run_once(self, command, **options):
        return self.client.containers.run(IMAGE, command, remove=True, **options)


class Whole(Engine):
    def test_what_an_engine_says_of_itself(self):
        self.assertTrue(self.client.ping())
        self.assertIn("ApiVersion", self.client.version())
        self.assertIn("ID", self.client.info())
        self.assertGreater(self.client.df()["Images"][0]["Size"], 0)
        self.assertEqual(self.client.plugins.list(), [])

    def test_what_is_not_there_is_not_found(self):
        for find, kind in [
            (self.client.containers.get, NotFound),
            (self.client.images.get, ImageNotFound),
            (self.client.networks.get, NotFound),
            (self.client.volumes.get, NotFound),
        ]:
            with self.assertRaises(kind):
                find("nothing")
        with self.assertRaises(APIError) as refused:
            self.client.services.list()
        self.assertEqual(refused.exception.status_code, 503)

    def test_events_are_told_as_they_happen_and_afterwards(self):
        since = int(time.time()) - 1
        live = self.client.events(decode=True, filters={"type": "container"})
        seen = []

        def listen():
            for event in live:
                seen.append(event["Action"])

        threading.Thread(target=listen, daemon=True).start()
        container = self.run_detached("true", labels={"told": "yes"})
        container.wait()
        container.remove()
        eventually(lambda: "destroy" in seen)
        live.close()
        past = self.client.events(
            since=since, until=int(time.time()) + 1, filters={"label": "told=yes"}, decode=True
        )
        actions = [event["Action"] for event in past]
        for action in ["create", "start", "die", "destroy"]:
            self.assertIn(action, actions)


class Containers(Engine):
    def test_output_and_exit_codes(self):
        self.assertEqual(self.run_once("echo hi"), b"hi\n")
        self.assertEqual(self.run_once(["sh", "-c", "echo no >&2"], stderr=True), b"no\n")
        with self.assertRaises(ContainerError) as failed:
            self.run_once(["sh", "-c", "exit 4"])
        self.assertEqual(failed.exception.exit_status, 4)
        with self.assertRaises(APIError):
            self.run_once("/nothing")

    def test_a_life(self):
        container = self.run_detached(name="life")
        container.pause()
        container.reload()
        self.assertEqual(container.status, "paused")
        container.unpause()
        container.rename("other")
        container.restart(timeout=0)
        container.kill()
        self.assertEqual(container.wait()["StatusCode"], 137)
        container.start()
        container.stop(timeout=0)
        container.remove()
        self.assertEqual(self.client.containers.list(all=True, filters={"name": "other"}), [])

    def test_waiting(self):
        container = self.create("sleep 0.2")
        ended = {}
        waiting = threading.Thread(
            target=lambda: ended.update(container.wait(condition="next-exit"))
        )
        waiting.start()
        container.start()
        waiting.join(10)
        self.assertEqual(ended["StatusCode"], 0)

    def test_logs(self):
        container = self.run_detached(["sh", "-c", "for i in 1 2 3; do echo $i; sleep 0.05; done"])
        self.assertEqual(b"".join(container.logs(stream=True, follow=True)), b"1\n2\n3\n")
        container.wait()
        self.assertEqual(container.logs(tail=1), b"3\n")
        self.assertIn(b"T", container.logs(timestamps=True))
        self.assertEqual(container.logs(since=int(time.time()) + 100), b"")
        self.assertEqual(container.logs(stdout=False), b"")

    def test_attaching(self):
        container = self.create("cat", stdin_open=True)
        connection = container.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
        container.start()
        socket = getattr(connection, "_sock", connection)
        socket.sendall(b"there and back\n")
        socket.shutdown(1)
        self.assertIn(b"there and back", socket.recv(4096))
        container = self.create("echo said")
        stream = container.attach(stream=True, logs=True)
        container.start()
        self.assertEqual(b"".join(stream), b"said\n")

    def test_a_terminal(self):
        container = self.create("sh", tty=True, stdin_open=True)
        params = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        connection = container.attach_socket(params=params)
        container.start()
        container.resize(50, 120)
        getattr(connection, "_sock", connection).sendall(b"stty size; exit 5\n")
        self.assertIn(b"50 120", read_to_end(connection))
        self.assertEqual(container.wait()["StatusCode"], 5)

    def test_further_programs(self):
        container = self.run_detached()
        answer = container.exec_run(["sh", "-c", "echo out; echo err >&2; exit 3"], demux=True)
        self.assertEqual((answer.exit_code, answer.output), (3, (b"out\n", b"err\n")))
        answer = container.exec_run("env", environment={"A": "b"}, workdir="/tmp", user="1")
        self.assertIn(b"A=b", answer.output)
        self.assertIn(b"/dev/pts", container.exec_run("tty", tty=True).output)
        self.assertIn(container.exec_run("/nothing").exit_code, (126, 127))
        connection = container.exec_run("cat", stdin=True, socket=True).output
        socket = getattr(connection, "_sock", connection)
        socket.sendall(b"through")
        socket.shutdown(1)
        self.assertIn(b"through", read_to_end(connection))
        started = self.client.api.exec_create(container.id, "sh", tty=True, stdin=True)
        connection = self.client.api.exec_start(started, tty=True, socket=True)
        self.client.api.exec_resize(started, 40, 100)
        self.assertTrue(self.client.api.exec_inspect(started)["Running"])
        connection.close()

    def test_a_terminal_in_frames(self):
        """A client that does not speak of the terminal when it starts a program wants frames."""
        container = self.run_detached()
        program = self.client.api.exec_create(container.id, "echo framed", tty=True)
        said = read_to_end(self.client.api.exec_start(program, socket=True))
        self.assertEqual(said, b"\x01\0\0\0\0\0\0\x08framed\r\n")

    def test_waiting_for_what_starts_again(self):
        policy = {"Name": "always", "MaximumRetryCount": 0}
        container = self.run_detached(
            ["sh", "-c", "sleep 0.3; exit 4"], restart_policy=policy
        )
        self.assertEqual(container.wait(timeout=20)["StatusCode"], 4)
        with self.assertRaises(APIError) as refused:
            container.remove()
        self.assertEqual(refused.exception.status_code, 409)

    def test_where_logs_go(self):
        options = {"max-file": "3"}
        for driver in ["json-file", ""]:
            container = self.create(
                "true", log_config=LogConfig(type=driver, config=options)
            )
            config = container.attrs["HostConfig"]["LogConfig"]
            self.assertEqual(config, {"Type": "json-file", "Config": options})
        with self.assertRaises(APIError) as refused:
            container = self.create("true", log_config=LogConfig(type="asdf"))
            container.start()
        self.assertIn("asdf", refused.exception.explanation)

    def test_files_in_and_out(self):
        container = self.run_detached()
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            entry = tarfile.TarInfo("file")
            entry.size = 3
            tar.addfile(entry, io.BytesIO(b"abc"))
        self.assertTrue(container.put_archive("/tmp", archive.getvalue()))
        pieces, facts = container.get_archive("/tmp/file")
        self.assertEqual((facts["name"], facts["size"]), ("file", 3))
        with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
            self.assertEqual(tar.extractfile("file").read(), b"abc")
        self.assertIn({"Path": "/tmp/file", "Kind": 1}, container.diff())
        with self.assertRaises(NotFound):
            container.get_archive("/nothing")

    def test_what_is_used(self):
        container = self.run_detached()
        self.assertGreater(container.stats(stream=False)["memory_stats"]["usage"], 0)
        stream = container.stats(decode=True)
        self.assertIn("cpu_stats", next(stream))
        stream.close()
        self.assertEqual(len(container.top()["Processes"]), 1)
        self.assertIn("PID", container.top(ps_args="aux")["Titles"])

    def test_options(self):
        container = self.run_detached(
            cap_add=["NET_ADMIN"],
            dns=["192.0.2.1"],
            devices=["/dev/null:/dev/mine:rwm"],
            extra_hosts={"somebody": "192.0.2.2"},
            healthcheck={"test": ["CMD", "true"], "interval": 500_000_000},
            hostname="me",
            init=True,
            labels={"key": "value"},
            log_config=LogConfig(type="json-file", config={"max-size": "1m", "max-file": "2"}),
            mem_limit="32m",
            nano_cpus=500_000_000,
            pids_limit=20,
            read_only=True,
            restart_policy={"Name": "on-failure", "MaximumRetryCount": 2},
            security_opt=["no-new-privileges"],
            shm_size="8m",
            stop_signal="SIGINT",
            sysctls={"net.ipv4.ip_forward": "0"},
            tmpfs={"/t": "size=1m"},
            ulimits=[Ulimit(name="nofile", soft=100, hard=200)],
            user="nobody",
        )
        limits = container.attrs["HostConfig"]
        self.assertEqual((limits["Memory"], limits["PidsLimit"]), (32 << 20, 20))
        command = "hostname; grep somebody /etc/hosts; cat /etc/resolv.conf; ls /dev/mine; ulimit -n"
        said = container.exec_run(["sh", "-c", command]).output
        for word in [b"me\n", b"192.0.2.2", b"192.0.2.1", b"/dev/mine", b"100"]:
            self.assertIn(word, said)

        def is_healthy():
            container.reload()
            return container.attrs["State"]["Health"]["Status"] == "healthy"

        eventually(is_healthy)
        container.update(mem_limit="64m", memswap_limit="128m")
        container.reload()
        self.assertEqual(container.attrs["HostConfig"]["Memory"], 64 << 20)

    def test_filters(self):
        container = self.run_detached(name="found", labels={"key": "value"})
        for filters in [
            {"name": "found"},
            {"label": ["key=value"]},
            {"status": "running"},
            {"id": container.id},
            {"ancestor": IMAGE},
            {"network": "bridge"},
        ]:
            self.assertIn(container, self.client.containers.list(filters=filters), filters)
        with self.assertRaises(APIError) as refused:
            self.client.containers.list(filters={"nothing": "x"})
        self.assertEqual(refused.exception.status_code, 400)


class Images(Engine):
    def test_names_archives_and_history(self):
        image = self.client.images.get(IMAGE)
        self.assertTrue(image.tag("mine", "1"))
        self.assertTrue(image.history())
        archive = b"".join(image.save(named=True))
        self.assertEqual(self.client.images.load(archive)[0].id, image.id)
        self.client.images.remove("mine:1")
        self.assertEqual(self.client.images.list(name="mine"), [])

    def test_builds(self):
        dockerfile = b"FROM busybox\nARG A\nRUN echo $A > /made\nCMD cat /made\n"
        image, _ = self.client.images.build(
            fileobj=io.BytesIO(dockerfile), tag="built:1", buildargs={"A": "yes"}, labels={"l": "x"}
        )
        self.addCleanup(lambda: self.client.images.remove("built:1", force=True))
        self.assertEqual(self.client.containers.run("built:1", remove=True), b"yes\n")
        self.assertEqual(image.labels["l"], "x")
        with self.assertRaisesRegex(BuildError, "non-zero code: 3"):
            self.client.images.build(fileobj=io.BytesIO(b"FROM busybox\nRUN exit 3\n"))

    def build(self, dockerfile, **options):
        """What a build says, piece by piece."""
        said = self.client.api.build(
            fileobj=io.BytesIO(dockerfile.encode()), decode=True, **options
        )
        return [message.get("stream", "") for message in said]

    def test_errors_of_a_build_are_red(self):
        said = self.build(f"FROM {IMAGE}\nRUN echo wrong >&2\n", nocache=True)
        self.assertIn("\x1b[91mwrong\n\x1b[0m", said)

    def test_builds_take_what_they_may_from_the_cache(self):
        dockerfile = f"FROM {IMAGE}\nENV A=b\nRUN touch /built\n"
        self.build(dockerfile, tag="cached:1")
        for sources, found in [(None, 2), (["cached:1"], 2), (["nothing:1"], 0)]:
            said = self.build(dockerfile, tag="cached:2", cache_from=sources)
            self.assertEqual(sum("Using cache" in piece for piece in said), found, sources)
        for name in ["cached:1", "cached:2"]:
            self.client.images.remove(name)

    def test_what_cannot_be_pulled(self):
        with self.assertRaises(APIError):
            self.client.images.pull("127.0.0.1:1/nothing", tag="1")

    def test_what_is_no_archive(self):
        with self.assertRaises(ImageLoadError):
            self.client.images.load(b"no archive")

    def test_commits_and_imports(self):
        container = self.run_detached("touch /made")
        container.wait()
        container.commit(repository="committed", tag="1", changes="CMD ls /made")
        self.addCleanup(lambda: self.client.images.remove("committed:1", force=True))
        self.assertEqual(self.client.containers.run("committed:1", remove=True), b"/made\n")
        self.client.api.import_image_from_data(b"".join(container.export()), repository="imported")
        self.addCleanup(lambda: self.client.images.remove("imported", force=True))
        said = self.client.containers.run("imported", "echo in", remove=True)
        self.assertEqual(said, b"in\n")


class Networks(Engine):
    def test_links(self):
        """On a network of its own a link is one more name, for who has it alone."""
        network = self.client.networks.create("linked")
        self.addCleanup(network.remove)
        self.run_detached(name="target", network="linked")
        wanted = {"target": "called", "nobody": "absent"}
        links = self.client.api.create_endpoint_config(links=wanted)
        config = self.client.api.create_networking_config({"linked": links})
        mode = self.client.api.create_host_config(network_mode="linked")
        made = self.client.api.create_container(
            IMAGE, "nslookup -type=a called", networking_config=config, host_config=mode
        )
        container = self.client.containers.get(made["Id"])
        self.addCleanup(self.remove, container)
        container.start()
        self.assertEqual(container.wait()["StatusCode"], 0, container.logs())

    def test_names_with_spaces(self):
        network = self.client.networks.create("a lab")
        self.addCleanup(network.remove)
        self.assertEqual(self.client.networks.get("a lab").id, network.id)

    def test_addresses_and_names(self):
        pool = IPAMPool(subnet="10.77.0.0/24", gateway="10.77.0.1")
        network = self.client.networks.create("net", ipam=IPAMConfig(pool_configs=[pool]))
        container = self.run_detached(name="one")
        network.connect(container, ipv4_address="10.77.0.50", aliases=["alias"])
        network.reload()
        self.assertEqual(network.containers, [container])
        self.assertIn(b"10.77.0.50", self.run_once("nslookup alias", network="net"))
        with self.assertRaisesRegex(APIError, "active endpoints"):
            network.remove()
        network.disconnect(container)
        network.remove()
        self.assertEqual(self.client.networks.list(names=["net"]), [])

    def test_modes(self):
        self.assertNotIn(b"eth", self.run_once("ls /sys/class/net", network_mode="none"))
        self.assertIn(b"lo", self.run_once("ls /sys/class/net", network_mode="host"))

    def test_ports(self):
        ports = {"80/tcp": ("127.0.0.1", None), "53/udp": None}
        container = self.run_detached(ports=ports)
        container.reload()
        published = container.ports["80/tcp"][0]
        self.assertEqual(published["HostIp"], "127.0.0.1")
        self.assertTrue(container.ports["53/udp"][0]["HostPort"])
        taken = {"80/tcp": ("127.0.0.1", int(published["HostPort"]))}
        with self.assertRaisesRegex(APIError, "port is already allocated"):
            self.run_detached(ports=taken)


class Volumes(Engine):
    def test_volumes(self):
        volume = self.client.volumes.create("kept", labels={"a": "b"})
        self.run_once(["sh", "-c", "echo 1 > /d/f"], volumes={"kept": {"bind": "/d", "mode": "rw"}})
        mounts = [Mount("/d", "kept", read_only=True)]
        self.assertEqual(self.run_once("cat /d/f", mounts=mounts), b"1\n")
        container = self.run_detached(volumes=["kept:/d"])
        with self.assertRaisesRegex(APIError, "volume is in use"):
            volume.remove()
        container.remove(force=True)
        self.assertEqual(self.client.volumes.list(filters={"label": "a=b"}), [volume])
        volume.remove()


if __name__ == "__main__":
    unittest.main()
