"""A real swarm on this machine: engines in network namespaces of their own, on one bridge."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker

from tests.docker.engine import OwnEngine, install, shell
from tests.support import PATIENCE_S

_BRIDGE = "envgentest"
_NETWORK = "10.98.76"
GATEWAY = f"{_NETWORK}.254"


class SwarmNode:
    """An engine that is a machine of its own, as far as the network goes."""

    def __init__(self, number: int, folder: Path) -> None:
        self.address = f"{_NETWORK}.{number}"
        self._namespace = f"envgentest{number}"
        self._link = f"envgentest{number}"
        self.engine = OwnEngine(
            folder,
            # The swarm's and the images' addresses are those of the bridge.
            (f"--insecure-registry={_NETWORK}.0/24",),
            # Not `ip netns exec`: that mounts another /sys, without the control groups.
            (
                *("nsenter", f"--net=/run/netns/{self._namespace}"),
                *("unshare", "--mount", "--propagation=private"),
            ),
        )

    def start(self) -> None:
        """Make the machine's network and start its engine."""
        link, space = self._link, self._namespace
        shell("ip", "netns", "add", space)
        shell("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space)
        shell("ip", "link", "set", link, "master", _BRIDGE, "up")
        shell("ip", "-n", space, "address", "add", f"{self.address}/24", "dev", "eth0")
        shell("ip", "-n", space, "link", "set", "eth0", "up")
        shell("ip", "-n", space, "link", "set", "lo", "up")
        shell("ip", "-n", space, "route", "add", "default", "via", GATEWAY)
        self.engine.start()

    def client(self) -> docker.DockerClient:
        """A client of the engine."""
        return docker.DockerClient(self.engine.address, timeout=60)

    def pull_the_plug(self) -> None:
        """What a machine that loses its power looks like from outside: silence."""
        shell("ip", "link", "set", self._link, "down")
        self.engine.kill()

    def remove(self) -> None:
        """End it, and whatever it ran."""
        self.engine.kill()
        self.engine.remove()
        for command in (("netns", "delete", self._namespace), ("link", "delete", self._link)):
            subprocess.run(["ip", *command], check=False, capture_output=True)


@contextmanager
def swarm(size: int, *, spare: int) -> Generator[list[SwarmNode]]:
    """A swarm of ``size`` machines, the first its manager, and ``spare`` ones in no swarm."""
    install("ip", "iproute2")
    install("iptables", "iptables")
    with tempfile.TemporaryDirectory(prefix="envgen-swarm-", ignore_cleanup_errors=True) as top:
        nodes = [
            SwarmNode(number, Path(top) / str(number)) for number in range(1, size + spare + 1)
        ]
        try:
            _bridge()
            for node in nodes:
                node.engine.folder.mkdir()
                node.start()
            _join(nodes[:size])
            yield nodes
        finally:
            for node in nodes:
                with suppress(Exception):
                    node.remove()
            _unbridge()


_RULES = [["FORWARD", way, _BRIDGE, "-j", "ACCEPT"] for way in ("-i", "-o")]


def _bridge() -> None:
    _unbridge()  # what a killed run left
    shell("ip", "link", "add", _BRIDGE, "type", "bridge")
    shell("ip", "address", "add", f"{GATEWAY}/24", "dev", _BRIDGE)
    shell("ip", "link", "set", _BRIDGE, "up")
    for rule in _RULES:  # Docker drops what it doesn't know
        shell("iptables", "-I", *rule)


def _unbridge() -> None:
    for rule in _RULES:
        subprocess.run(["iptables", "-D", *rule], check=False, capture_output=True)
    subprocess.run(["ip", "link", "delete", _BRIDGE], check=False, capture_output=True)


def _join(nodes: list[SwarmNode]) -> None:
    manager = nodes[0].client()
    try:
        # Ten seconds of silence would be usual; the tests haven't got as long.
        manager.swarm.init(advertise_addr=nodes[0].address, dispatcher_heartbeat_period=10**9)
        token = manager.swarm.attrs["JoinTokens"]["Worker"]
        for node in nodes[1:]:
            worker = node.client()
            worker.swarm.join(
                remote_addrs=[nodes[0].address], join_token=token, advertise_addr=node.address
            )
            worker.close()
        deadline = time.monotonic() + PATIENCE_S
        while len(_ready(manager)) < len(nodes):
            assert time.monotonic() < deadline, "the swarm is not complete"
            time.sleep(0.1)
    finally:
        manager.close()


def _ready(manager: docker.DockerClient) -> list[Any]:
    return [node for node in manager.nodes.list() if node.attrs["Status"]["State"] == "ready"]
