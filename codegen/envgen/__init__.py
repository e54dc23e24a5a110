"""envgen: typed Python clients for reinforcement-learning environments, from their schemas."""

from __future__ import annotations

__version__ = "0.2.0"
