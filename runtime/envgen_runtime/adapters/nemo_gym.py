"""NeMo Gym: servers of its own kinds, made from a generated client.

Read and run: nemo-gym 0.7.0, on Python 3.13.0, though its metadata asks for 3.13.14. A resources
server (``SimpleResourcesServer``) has a route for each action and tool, which agents call as the
model does; ``verify`` gives the score, and a masked sample where the episode was lost. A Gymnasium
server (``GymnasiumServer``) takes the model's answers one by one. NeMo is imported by the functions
that make a class.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import Annotated, Any, Unpack

from pydantic import ConfigDict, Field, PrivateAttr, create_model

from ..calling.advice import InvalidCall, no_such_tool
from ..calling.catalogue import catalogue
from ..clients.asyncio import AsyncEnvClient
from ..errors import (
    ActionRejected,
    CapacityReached,
    ConnectError,
    ConnectionLost,
    EnvError,
    ExecutionError,
    FactoryError,
    InvalidRequest,
    MissingExtra,
    ProtocolError,
    ReplyMismatch,
    RequestTimeout,
)
from ..json_value import as_object
from .connecting import Server
from .episode import AsyncClient, AsyncEpisode, Turn
from .losses import EpisodeLost
from .nemo_tools import Arguments, Route, body_of, routes_of, show_schemas, shown_tools, task_data
from .rows import reset_parameters
from .sessions import Outcome, SessionOptions, Sessions
from .text import instructions

_KINDS: tuple[tuple[type[EnvError], str], ...] = (
    (ConnectionLost, "transport_peer_drop"),
    (RequestTimeout, "transport_timeout"),
    (ConnectError, "transport_unreachable"),
    (CapacityReached, "provider_quota_exhausted"),
    (FactoryError, "provider_unavailable"),
    (ReplyMismatch, "envgen:reply_mismatch"),
    (ProtocolError, "envgen:reply_mismatch"),
    (ExecutionError, "envgen:step_failed"),
)
"""NeMo's vocabulary (``nemo_gym.failure_kinds``), and ours where it has no word."""

_LOST_STATUS, _FAILED_STATUS, _INVALID_STATUS = 410, 503, 422
_MAX_REASON = 2000


# --- servers --------------------------------------------------------------------------------------


def resources_server(
    client: type[AsyncClient],
    server: Server[AsyncClient],
    **options: Unpack[SessionOptions],
) -> type[Any]:
    """Make the class of a resources server; its ``run_webserver()`` serves it.

    Each action and tool is a route. What it replies is the text that the model reads; the first
    reply of an episode begins with what the model reads of the reset. ``verify`` gives the sum of
    the rewards, or a masked sample where it is unknown.

    Args:
        client: the generated client's class, the async one.
        server: the environment's server: its address, or what makes a client.
        options: those of ``SessionOptions``, by keyword.

    Raises:
        MissingExtra: nemo-gym isn't installed.
        TypeError: the client isn't an async one.
        ContractMissing: the client was written by hand.
    """
    nemo = _imported("nemo_gym.base_resources_server")
    routes = routes_of(client)
    sessions = partial(Sessions, client, server, **options)

    async def seed_session(self: Any, request: Any, body: Any) -> Any:
        key = _session_key()
        if isinstance(body, nemo.ResourcesSeedSessionRequest):
            request.session[key] = body.resources_session_id
            owner = (body.episode_id, body.task_id)
            await _begin(self, body.resources_session_id, body.task_data, owner)
            return nemo.ResourcesSeedSessionResponse(resources_session_id=body.resources_session_id)
        await _begin(self, request.session[key], body.model_extra or {})
        return nemo.BaseSeedSessionResponse()

    async def verify(self: Any, request: Any, body: Any) -> Any:
        outcome = await self._sessions.outcome(request.session[_session_key()])
        return replied(**{**body.model_dump(), **_verdict(outcome, body)})

    async def close_resources_session(self: Any, body: Any) -> Any:
        await self._sessions.close(body.resources_session_id)
        return nemo.ResourcesCloseSessionResponse(resources_session_id=body.resources_session_id)

    def setup_webserver(self: Any) -> Any:
        app = nemo.SimpleResourcesServer.setup_webserver(self)
        _prepare(self, app)
        bodies = {route.name: body_of(route) for route in routes}
        for route in routes:
            _add_route(self, app, route, bodies[route.name])
        show_schemas(app, {bodies[route.name].__name__: route.parameters for route in routes})
        _tell_unknown(app, client, routes)
        return app

    row = create_model("Row", __config__=ConfigDict(extra="allow"))
    typed_seed: Any = nemo.ResourcesSeedSessionRequest
    seed: Any = Annotated[typed_seed | row, Field(union_mode="left_to_right")]
    asked, replied = (
        _open(getattr(nemo, name)) for name in ("BaseVerifyRequest", "BaseVerifyResponse")
    )
    seeded = nemo.ResourcesSeedSessionResponse | nemo.BaseSeedSessionResponse
    close, closed = nemo.ResourcesCloseSessionRequest, nemo.ResourcesCloseSessionResponse
    request = _imported("fastapi").Request
    namespace: dict[str, Any] = {
        "setup_webserver": setup_webserver,
        "seed_session": _typed(seed_session, request=request, body=seed, returns=seeded),
        "verify": _typed(verify, request=request, body=asked, returns=replied),
        "close_resources_session": _typed(close_resources_session, body=close, returns=closed),
    }
    return _class(nemo.SimpleResourcesServer, client, "ResourcesServer", namespace, sessions)


def gymnasium_server(
    client: type[AsyncClient],
    server: Server[AsyncClient],
    *,
    prompt: str | None = None,
    **options: Unpack[SessionOptions],
) -> type[Any]:
    """Make the class of a Gymnasium server, for NeMo's ``gymnasium_agent``.

    The model reads what the reset shows. It answers by function calls, if the rows have tools, or
    by text, as ``call_from_text`` reads it. Where the reward is unknown, the request fails, and
    with it the rollout.

    Args:
        client: as for ``resources_server``.
        server: as for ``resources_server``.
        prompt: what stands before what the model reads of the reset; "" if the rows say it. By
            default ``instructions`` of the client.
        options: those of ``SessionOptions``, by keyword.

    Raises:
        MissingExtra: nemo-gym isn't installed.
        TypeError: the client isn't an async one.
        ContractMissing: the client was written by hand.
    """
    gymnasium = _imported("resources_servers.gymnasium")
    told = instructions(client) if prompt is None else prompt
    sessions = partial(Sessions, client, server, **options)
    wire_names = {route.name: route.tool.wire_name for route in routes_of(client)}

    async def reset(self: Any, metadata: Any, session_id: Any = None) -> Any:
        text = await _begin(self, session_id, metadata)
        seen = "\n\n".join(part for part in (told, text) if part)
        return seen, {"supports_explicit_close": True}

    async def step(self: Any, action: Any, metadata: Any, session_id: Any = None) -> Any:
        del metadata
        calls = [item for item in action.output if item.type == "function_call"]
        turns = [await _turn(self, session_id, _named(call, wire_names)) for call in calls] or [
            await _turn(self, session_id, gymnasium.extract_text(action))
        ]
        outputs = [
            {"call_id": call.call_id, "output": turn.text}
            for call, turn in zip(calls, turns, strict=False)
        ]
        reward = sum(float(turn.reward or 0.0) for turn in turns)
        seen = None if calls else turns[0].text or None
        return seen, reward, turns[-1].done, False, {"tool_outputs": outputs}

    async def close_session(self: Any, session_id: Any) -> None:
        await self._sessions.end(session_id)

    def setup_webserver(self: Any) -> Any:
        async def close(request: Any) -> dict[str, Any]:
            await close_session(self, request.session.get(_session_key()))
            return {}

        app = gymnasium.GymnasiumServer.setup_webserver(self)
        _prepare(self, app)
        app.post("/close")(_typed(close, request=_imported("fastapi").Request))
        return app

    namespace: dict[str, Any] = {
        "setup_webserver": setup_webserver,
        "reset": reset,
        "step": step,
        "close_session": close_session,
    }
    return _class(gymnasium.GymnasiumServer, client, "GymnasiumServer", namespace, sessions)


# --- parts of both --------------------------------------------------------------------------------


def _imported(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        missing = MissingExtra("a server for NeMo Gym", extra="nemo-gym")
        missing.add_note(
            "It runs beside nemo-gym itself, in the venv that NeMo makes for a server."
        )
        raise missing from error


def _session_key() -> str:
    key: str = _imported("nemo_gym.server_utils").SESSION_ID_KEY
    return key


def _class(
    base: Any,
    client: type,
    ending: str,
    namespace: dict[str, Any],
    sessions: Callable[[], Sessions],
) -> type[Any]:
    if not issubclass(client, AsyncEnvClient):
        raise TypeError(f"NeMo Gym's servers are asynchronous: use Async{client.__name__}")
    name = f"{client.__name__.removeprefix('Async')}{ending}"
    namespace |= {
        "_sessions": PrivateAttr(default_factory=sessions),
        "ray_enabled": False,
        "__module__": __name__,
        "__doc__": f"{client.__name__} as a server of NeMo Gym.",
    }
    made: type[Any] = type(base)(name, (base,), namespace)
    return made


def _typed(function: Any, *, returns: Any = None, **types: Any) -> Any:
    """Give a handler its types, which FastAPI reads: NeMo's are known only here."""
    function.__annotations__ = types | ({} if returns is None else {"return": returns})
    return function


def _open(model: Any) -> Any:
    """A model of NeMo's that keeps the columns of a row, too."""
    namespace = {"model_config": ConfigDict(extra="allow"), "__module__": __name__}
    return type(model)(model.__name__.replace("Base", "Env"), (model,), namespace)


def _prepare(server: Any, app: Any) -> None:
    """Refuse several workers, and end the sessions with the app."""
    if (getattr(server.config, "num_workers", None) or 1) > 1:
        raise ValueError("num_workers has to be 1: a session belongs to the process that began it")
    lifespan = app.router.lifespan_context

    @asynccontextmanager
    async def ending(of: Any) -> AsyncGenerator[Any]:
        try:
            async with lifespan(of) as state:
                yield state
        finally:
            await server._sessions.close_all()  # noqa: SLF001

    app.router.lifespan_context = ending


async def _begin(server: Any, name: str, row: Mapping[str, Any], owner: Any = None) -> str:
    """Begin an episode. Raises FastAPI's HTTPException, whose status says whether to try again."""
    fields, conflicts = _imported("nemo_gym.task_data").normalize_task_fields(dict(row))
    sessions: Sessions = server._sessions  # noqa: SLF001
    try:
        unclear = sorted(reset_parameters(sessions.client).keys() & {*conflicts})
        if unclear:
            raise InvalidRequest(f"the row has {unclear[0]!r} twice, with different values")
        text = await sessions.begin(name, fields, owner)
    except EnvError as error:
        status = _FAILED_STATUS if error.retryable else _INVALID_STATUS
        raise _failed(error, status) from error
    return text


def _failed(error: EnvError, status: int) -> Exception:
    made: Exception = _imported("fastapi").HTTPException(status, _reason(error))
    return made


def _reason(error: EnvError) -> str:
    known = f"retryable={error.retryable}, maybe_applied={error.maybe_applied}"
    return f"{type(error).__name__} ({known}): {error}"[:_MAX_REASON]


# --- a resources server's parts -------------------------------------------------------------------


def _add_route(server: Any, app: Any, route: Route, body_class: type[Arguments]) -> None:
    fastapi = _imported("fastapi")
    text_response = _imported("fastapi.responses").PlainTextResponse

    async def handler(request: Any, body: Any) -> Any:
        name = request.session[_session_key()]
        sessions: Sessions = server._sessions  # noqa: SLF001
        call = {"name": route.tool.wire_name, "arguments": body.root}
        try:
            turn = await sessions.call(name, call)
        except EpisodeLost as error:
            return text_response(str(error), _LOST_STATUS)
        texts = [text for text in (sessions.take_unread(name), turn.text) if text]
        is_refused = isinstance(turn.error, InvalidCall | ActionRejected)
        return text_response("\n\n".join(texts), _INVALID_STATUS if is_refused else 200)

    types = {"request": fastapi.Request, "body": body_class}
    app.post(
        f"/{route.name}", name=route.name, description=route.description,
        response_class=text_response,
    )(_typed(handler, **types))  # fmt: skip


def _tell_unknown(app: Any, client: type, routes: tuple[Route, ...]) -> None:
    """Tell a model that calls a tool that isn't there which there are."""
    text_response = _imported("fastapi.responses").PlainTextResponse
    known = {route.name for route in routes}

    async def tell(request: Any, error: Any) -> Any:
        name = request.url.path.rpartition("/")[2]
        is_call = request.method == "POST" and name not in known
        text = no_such_tool(name, catalogue(client)) if is_call else str(error.detail)
        return text_response(text, error.status_code)

    app.exception_handler(404)(tell)


def _verdict(outcome: Outcome, body: Any) -> dict[str, Any]:
    """What ``verify`` says of an episode, in NeMo's fields."""
    if outcome.failure is None:
        return {"reward": outcome.score}
    kinds = (kind for error, kind in _KINDS if isinstance(outcome.failure, error))
    config = getattr(body, "instance_config", None)
    return {
        "reward": 0.0,  # the field needs a number; a masked sample's doesn't count
        "mask_sample": True,
        "failure_kind": next(kinds, "session_lost"),
        "failure_reason": _reason(outcome.failure),
        # NeMo RL before 0.7 reads it there
        "instance_config": {**(as_object(config) or {}), "mask_sample": True},
    }


# --- a Gymnasium server's parts -------------------------------------------------------------------


def _named(call: Any, wire_names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": wire_names.get(call.name, call.name),
        "arguments": call.arguments,
        "id": call.call_id,
    }


async def _turn(server: Any, name: str, said: str | dict[str, Any]) -> Turn:
    """Play a turn. Raises FastAPI's HTTPException where the reward is unknown."""

    async def play(episode: AsyncEpisode) -> Turn:
        return await (episode.say(said) if isinstance(said, str) else episode.call(said))

    try:
        turn: Turn = await server._sessions.play(name, play)  # noqa: SLF001
    except EpisodeLost as error:
        cause = error.__cause__
        raise _failed(cause if isinstance(cause, EnvError) else error, _LOST_STATUS) from error
    if isinstance(turn.error, ExecutionError):
        await server._sessions.outcome(name)  # noqa: SLF001 - unknown, for the step may have counted
        raise _failed(turn.error, _LOST_STATUS)
    return turn


__all__ = ["gymnasium_server", "resources_server", "shown_tools", "task_data"]
