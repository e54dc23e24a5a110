"""Environments in verifiers: what a package exports for it. Needs the extra ``verifiers``.

    from envgen_runtime.adapters.verifiers import environment
    from generated.coding_env import AsyncCodingEnv

    CodingTaskset, CodingRollout = environment(AsyncCodingEnv, "http://127.0.0.1:8000")
    __all__ = ["CodingRollout", "CodingTaskset"]

The session stays in the process that runs the rollout and scores it. verifiers serves tools from
another process: that one relays their calls (``relay``), and learns from the rollout's state where
to. An episode that is lost is a rollout that failed, with the error ``EnvironmentLost``: verifiers
scores none of those, and retries them if its settings say so. Read and run: verifiers 0.4.0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..errors import MissingExtra
from .connecting import CAPACITY_WAIT_S, Server
from .episode import AsyncClient, Read
from .losses import Losses
from .rows import Rows
from .shown import shown_schemas
from .text import observation_to_text
from .verifiers_rollout import Calls, World

__all__ = ["environment", "shown_schemas"]


def environment(
    client: type[AsyncClient],
    server: Server[AsyncClient],
    *,
    tasks: Rows | Callable[[], Rows] = ({},),
    calls: Calls = "tools",
    read: Read = observation_to_text,
    score: Callable[[Sequence[float]], float] = sum,
    capacity_wait_s: float = CAPACITY_WAIT_S,
) -> tuple[type, type]:
    """Make what a package exports for verifiers: a ``Taskset`` and an ``Env``.

    ``--env.taskset.task.server`` and ``--env.taskset.task.capacity-wait-s`` replace what is given
    here. The model's seat is called ``agent``, as in verifiers' own environment, and by default has
    the harness ``null`` in a subprocess, whose only tools are the environment's.

    Args:
        client: the generated asynchronous client's class.
        server: the server's address, or what makes a connected client.
        tasks: the rows, one for each task; or what returns them. A row's columns that ``reset``
            takes are its arguments, and ``prompt`` (a text, or messages) is what the model reads
            before the first observation. An attribute ``columns`` of the rows names further
            arguments.
        calls: how the model acts: by calling tools, which verifiers' harness does; or by answers
            in plain text, each of which is an action or a call. The system message then says in
            which forms.
        read: makes what the model reads of a result.
        score: makes the episode's score of its rewards, such as ``max``.
        capacity_wait_s: how long a rollout waits for a free session of a full server, in seconds.

    Raises:
        MissingExtra: verifiers isn't installed.
        ContractMissing: the client was written by hand.
    """
    try:
        from . import verifiers_classes as base
    except ImportError as error:
        raise MissingExtra("an environment for verifiers", extra="verifiers") from error
    shown_schemas(client)  # what fails shall fail here, rather than in each rollout
    losses = Losses(client.env_name)
    world = World(client, server, tasks, calls, read, score, capacity_wait_s, losses)
    return base.made(client.__name__.removeprefix("Async"), world)
