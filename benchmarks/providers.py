"""What starting a container costs over ``docker run``, and many of them side by side."""

from __future__ import annotations

import http.client
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from urllib.parse import urlsplit

from docker import DockerClient

from benchmarks.measuring import Spread, introduce, parse_runs, table
from envgen_runtime.providers import LocalDockerProvider, owner
from envgen_runtime.providers.docker import labels
from tests.docker.engine import openenv_image, plain_image, running_engine

_POLL_S = 0.005
_FRESH = """
import sys, time
begin = time.perf_counter()
from generated.coding_env import CodingEnv
imported = time.perf_counter()
env = CodingEnv.from_docker_image(sys.argv[1])
print(time.perf_counter() - imported, time.perf_counter() - begin)
env.close()
"""


def main() -> None:
    parser = parse_runs(__doc__ or "", default=9)
    parser.add_argument("--many", type=int, default=50, help="containers side by side")
    asked = parser.parse_args()
    with running_engine() as engine:
        images = {"a server of the standard library": plain_image(engine)}
        images["an OpenEnv 0.10.0 server"] = openenv_image(engine)
        introduce(
            "From the call to the first healthy answer, in seconds: median (least-most) of "
            f"{asked.runs} alternating\nrounds. The bare side is the command `docker run -d`, then "
            f"GET /health every {_POLL_S * 1000:g} ms. A fresh process\nimports the docker SDK."
        )
        sides = {
            "docker run, and polling": bare,
            "from_docker_image, warm": warm,
            "from_docker_image, fresh process": fresh,
        }
        for what, image in images.items():
            costs: dict[str, list[float]] = {side: [] for side in sides}
            for _ in range(asked.runs):
                for side, start in sides.items():
                    costs[side].append(start(image))
            medians = {side: Spread.of(some).median for side, some in costs.items()}
            least = medians["docker run, and polling"]
            table(
                [what, "seconds", "over docker run"],
                [
                    [side, Spread.of(some).show(digits=3), f"{medians[side] - least:+.3f}"]
                    for side, some in costs.items()
                ],
            )
        side_by_side(engine, images["a server of the standard library"], asked.many)


def bare(image: str) -> float:
    """``docker run`` and the first healthy answer."""
    begin = time.perf_counter()
    publish = ["--publish", "127.0.0.1::8000", "--publish", "127.0.0.1::7860"]
    name = docker("run", "-d", *publish, image)
    try:
        wanted = "7860" if "openenv" in image else "8000"
        address = urlsplit(f"http://{docker('port', name, wanted)}")
        while not healthy(str(address.hostname), address.port or 0):
            time.sleep(_POLL_S)
        return time.perf_counter() - begin
    finally:
        docker("rm", "--force", "--volumes", name)


def warm(image: str) -> float:
    """The provider in a process that has used it before."""
    from generated.coding_env import CodingEnv

    begin = time.perf_counter()
    with CodingEnv.from_docker_image(image):
        return time.perf_counter() - begin


def fresh(image: str) -> float:
    """The provider in a process of its own, with the SDK's import and without our own."""
    done = subprocess.run(
        [sys.executable, "-c", _FRESH, image], capture_output=True, text=True, check=True
    )
    return float(done.stdout.split()[0])


def docker(*arguments: str) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def healthy(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    connection.close()
    return False


def side_by_side(engine: DockerClient, image: str, count: int) -> None:
    """Start, use and remove many containers at once; say what is left."""
    begin = time.perf_counter()
    with ThreadPoolExecutor(count) as pool:
        providers = [LocalDockerProvider() for _ in range(count)]
        list(pool.map(partial(_start, image), providers))
        started = time.perf_counter()
        addresses = len({provider.base_url for provider in providers})
        list(pool.map(LocalDockerProvider.stop, providers))
    ended = time.perf_counter()
    mine = {"label": f"{labels.OWNER}={owner.this_process()}"}
    left = engine.containers.list(all=True, filters=mine)
    print(
        f"{count} containers side by side: {addresses} healthy after {started - begin:.1f} s, "
        f"removed in {ended - started:.1f} s, {len(left)} left"
    )


def _start(image: str, provider: LocalDockerProvider) -> None:
    provider.start_container(image)
    provider.wait_for_ready(timeout_s=120)


if __name__ == "__main__":
    main()
