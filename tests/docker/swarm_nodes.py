"""A real swarm on this machine: engines in network namespaces of their own, on one bridge."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_interface
from pathlib import Path
from typing import Any

import docker

from tests.docker.engine import OwnEngine, install, shell
from tests.support import PATIENCE_S

# What a run calls its bridge, links and namespaces: its process first, for those who clean up.
_OURS = re.compile(r"egtest(\d+)(?:n\d+)?")


@dataclass(frozen=True)
class _Bridge:
    """What joins the machines of one run: runs side by side share no name and no address."""

    name: str
    network: IPv4Network

    @property
    def gateway(self) -> str:
        return str(self.network[254])

    def start(self) -> None:
        shell("ip", "link", "add", self.name, "type", "bridge")
        shell("ip", "address", "add", f"{self.gateway}/24", "dev", self.name)
        shell("ip", "link", "set", self.name, "up")
        for rule in self._rules():  # Docker drops what it doesn't know
            shell("iptables", "-I", *rule)

    def remove(self) -> None:
        for rule in self._rules():
            subprocess.run(["iptables", "-D", *rule], check=False, capture_output=True)
        _delete("link", self.name)

    def _rules(self) -> list[list[str]]:
        return [["FORWARD", way, self.name, "-j", "ACCEPT"] for way in ("-i", "-o")]


class SwarmNode:
    """An engine that is a machine of its own, as far as the network goes."""

    def __init__(self, number: int, folder: Path, bridge: _Bridge) -> None:
        self.address = str(bridge.network[number])
        self.gateway = bridge.gateway
        self._bridge = bridge
        self._link = self._namespace = f"{bridge.name}n{number}"
        self.engine = OwnEngine(
            folder,
            # The swarm's and the images' addresses are those of the bridge.
            (f"--insecure-registry={bridge.network}",),
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
        shell("ip", "link", "set", link, "master", self._bridge.name, "up")
        shell("ip", "-n", space, "address", "add", f"{self.address}/24", "dev", "eth0")
        shell("ip", "-n", space, "link", "set", "eth0", "up")
        shell("ip", "-n", space, "link", "set", "lo", "up")
        shell("ip", "-n", space, "route", "add", "default", "via", self.gateway)
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
        _delete("netns", self._namespace)
        _delete("link", self._link)


@contextmanager
def swarm(size: int, *, spare: int) -> Generator[list[SwarmNode]]:
    """A swarm of ``size`` machines, the first its manager, and ``spare`` ones in no swarm."""
    install("ip", "iproute2")
    install("iptables", "iptables")
    with tempfile.TemporaryDirectory(prefix="envgen-swarm-", ignore_cleanup_errors=True) as top:
        _remove_what_killed_runs_left()
        bridge = _Bridge(f"egtest{os.getpid()}", _free_network())
        nodes = [
            SwarmNode(number, Path(top) / str(number), bridge)
            for number in range(1, size + spare + 1)
        ]
        try:
            bridge.start()
            for node in nodes:
                node.engine.folder.mkdir()
                node.start()
            _join(nodes[:size])
            yield nodes
        finally:
            for node in nodes:
                with suppress(Exception):
                    node.remove()
            bridge.remove()


def _free_network() -> IPv4Network:
    """A network of which this machine has no address yet."""
    taken = [
        ip_interface(f"{address['local']}/{address['prefixlen']}").network
        for link in json.loads(shell("ip", "-json", "-4", "address"))
        for address in link["addr_info"]
    ]
    networks = (IPv4Network(f"10.98.{third}.0/24") for third in range(256))
    return next(one for one in networks if not any(map(one.overlaps, taken)))


def _remove_what_killed_runs_left() -> None:
    """End engines, and remove namespaces, links and bridges, of runs that could not do it."""
    for space in filter(_is_of_a_killed_run, _names_in("/run/netns")):
        inside = subprocess.run(
            ["ip", "netns", "pids", space], check=False, capture_output=True, text=True
        )
        for pid in inside.stdout.split():
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        _delete("netns", space)
    for link in filter(_is_of_a_killed_run, _names_in("/sys/class/net")):
        _delete("link", link)


def _names_in(folder: str) -> list[str]:
    return [path.name for path in Path(folder).glob("*")]


def _is_of_a_killed_run(name: str) -> bool:
    ours = _OURS.fullmatch(name)
    return ours is not None and not Path("/proc", ours[1]).exists()


def _delete(kind: str, name: str) -> None:
    subprocess.run(["ip", kind, "delete", name], check=False, capture_output=True)


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
