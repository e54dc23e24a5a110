"""A resources server of NeMo Gym, written as its package's users write them."""

from __future__ import annotations

from enum import StrEnum
from unittest.mock import MagicMock

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import PlainTextResponse
from nemo_gym.base_resources_server import (
    BaseResourcesServerConfig,
    BaseSeedSessionRequest,
    BaseSeedSessionResponse,
    BaseVerifyRequest,
    BaseVerifyResponse,
    SimpleResourcesServer,
)
from nemo_gym.server_utils import SESSION_ID_KEY, ServerClient
from pydantic import BaseModel, Field


class Unit(StrEnum):
    CELSIUS = "celsius"
    KELVIN = "kelvin"


class GetWeatherRequest(BaseModel):
    city: str
    unit: Unit = Unit.CELSIUS


class GetWeatherResponse(BaseModel):
    city: str
    degrees: float


class SeedRequest(BaseSeedSessionRequest):
    start: int = 0


class CountRequest(BaseModel):
    by: int


class CountResponse(BaseModel):
    total: int


class Verdict(BaseVerifyResponse):
    mask_sample: bool = False  # every server has it from 0.7 on
    failure_kind: str | None = None


class CountingServer(SimpleResourcesServer):
    config: BaseResourcesServerConfig
    totals: dict[str, int] = Field(default_factory=dict)

    def setup_webserver(self) -> FastAPI:
        app = super().setup_webserver()
        app.post("/get_weather")(self.get_weather)
        app.post("/count")(self.count)
        app.post("/crash")(self.crash)
        app.post("/refuse")(self.refuse)
        app.post("/say", response_class=PlainTextResponse)(self.say)
        app.post("/files/{path:path}")(self.read_file)
        return app

    async def seed_session(self, request: Request, body: SeedRequest) -> BaseSeedSessionResponse:
        self.totals[request.session[SESSION_ID_KEY]] = body.start
        return BaseSeedSessionResponse()

    async def get_weather(self, body: GetWeatherRequest) -> GetWeatherResponse:
        """The weather of a city."""
        return GetWeatherResponse(city=body.city, degrees=20.5)

    async def count(self, request: Request, body: CountRequest) -> CountResponse:
        session = request.session[SESSION_ID_KEY]
        self.totals[session] += body.by
        return CountResponse(total=self.totals[session])

    async def crash(self) -> None:
        raise HTTPException(500, "the environment is broken")

    async def refuse(self) -> CountResponse:
        raise HTTPException(409, "not now")

    async def say(self) -> str:
        return "42"

    async def read_file(self, path: str) -> str:
        return path

    async def verify(self, request: Request, body: BaseVerifyRequest) -> Verdict:
        total = self.totals[request.session[SESSION_ID_KEY]]
        if total == 13:
            raise RuntimeError("the judge fell over")
        failure = {"mask_sample": True, "failure_kind": "judge_failed"} if total == 17 else {}
        return Verdict(**body.model_dump(), reward=float(total == 5), **failure)


config = BaseResourcesServerConfig(
    host="127.0.0.1", port=0, entrypoint="", name="counting", domain="other"
)
app = CountingServer(config=config, server_client=MagicMock(spec=ServerClient)).setup_webserver()
