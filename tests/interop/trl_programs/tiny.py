"""A model of 2 layers with random weights, which says what it is told to. It runs beside TRL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM
from trl import chat_template_utils

_SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_POSITIONS = 20_000


def tokenizer() -> Any:
    """A tokenizer of bytes, with the chat template of Qwen3."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=[*_SPECIAL], initial_alphabet=alphabet
    )
    made.train_from_iterator(
        ['{"name": "run", "arguments": {"code": "print(6 * 7)"}}'] * 4, trainer
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    fast.chat_template = chat_template_utils.qwen3_chat_template
    return chat_template_utils.add_response_schema(fast)


class Scripted(Qwen2ForCausalLM):
    """Says in each turn of a rollout what its script has; its weights get a gradient all the same.

    A rollout is known by what it said before, so no two scripts may have a text in common.
    """

    scripts: Sequence[Sequence[str]] = ()
    reader: Any = None
    seen: list[str]

    def generate(self, input_ids: Any = None, **_others: Any) -> Any:
        texts = self.reader.batch_decode(input_ids)
        self.seen.extend(text.replace("<|endoftext|>", "") for text in texts)
        said = [turn_of(text, self.scripts, row) for row, text in enumerate(texts)]
        rows = [self.reader.encode(f"{text}<|im_end|>", add_special_tokens=False) for text in said]
        width = max(map(len, rows))
        padding = self.config.pad_token_id
        padded = [row + [padding] * (width - len(row)) for row in rows]
        return torch.cat([input_ids, torch.tensor(padded, device=input_ids.device)], dim=1)


def turn_of(text: str, scripts: Sequence[Sequence[str]], row: int) -> str:
    """What comes next in the script that a conversation follows; in the first turn, the row's."""
    for script in scripts:
        done = [number for number, turn in enumerate(script) if turn in text]
        if done:
            return [*script, "Done."][done[-1] + 1]
    return [*scripts[row % len(scripts)], "Done."][0]


def model(reader: Any, scripts: Sequence[Sequence[str]]) -> Scripted:
    """A model that follows these scripts: a list of turns for each generation of a step."""
    config = Qwen2Config(
        vocab_size=len(reader), hidden_size=32, intermediate_size=32, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=2, max_position_embeddings=_POSITIONS,
        pad_token_id=reader.pad_token_id, eos_token_id=reader.eos_token_id,
    )  # fmt: skip
    torch.manual_seed(0)
    made = Scripted(config)
    made.scripts, made.reader, made.seen = scripts, reader, []
    return made


__all__ = ["Scripted", "model", "tokenizer", "turn_of"]
