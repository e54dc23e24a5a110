"""NeMo Gym: the tools of a row, as its agents send them to the model."""

from __future__ import annotations

from collections.abc import Iterator

from nemo_gym.openai_utils import NeMoGymResponseCreateParamsNonStreaming

from benchmarks.shown.jobs import Shown, Source, answer, client_of, places, shown
from envgen_runtime.adapters.nemo_gym import shown_tools
from envgen_runtime.calling.catalogue import catalogue


def show(source: Source) -> Iterator[tuple[str, str, Shown]]:
    """Yield the parameters of the functions."""
    client = client_of(source)
    params = NeMoGymResponseCreateParamsNonStreaming(input="", tools=shown_tools(client))
    sent = params.model_dump(mode="json", exclude_unset=True)["tools"]
    for item, tool in zip(catalogue(client).tools, sent, strict=True):
        yield "NeMo Gym", places(source)[item.wire_name], shown(tool["parameters"])


if __name__ == "__main__":
    answer(show)
