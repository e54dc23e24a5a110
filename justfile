# What a contributor needs. `just --list` prints this.

# The tests that take under a second each.
quick:
    uv run .ci/quick python

# All but those of servers and containers, and how much of the code they reach.
coverage:
    uv run pytest -m "not interop and not docker" --cov

# All tests.
test:
    uv run pytest

# Take the newest versions that resolve together for development and CI, to be read in the diff.
pin:
    python3 .ci/pin.py
    uv sync

# The quick tests with the newest of everything, in an environment of its own.
newest:
    bash .ci/newest

# Linters and both type checkers.
check:
    uv run ruff check
    uv run ruff format --check
    uv run mypy
    uv run pyright

# Write generated/ anew.
build:
    uv run envgen build

# Write what is generated over the golden packages, to be read in the diff.
golden:
    uv run pytest tests/test_generated.py --update-golden

# What is claimed about speed.
bench:
    uv run --group benchmarks python -m benchmarks.goals
    uv run python -m benchmarks.import_time
    uv run python -m benchmarks.build_time
    uv run python -m benchmarks.step_cost
    uv run python -m benchmarks.http_step
    uv run python -m benchmarks.large_observation
    uv run python -m benchmarks.idle_sessions
    uv run python -m benchmarks.mcp_calls
    uv run python -m benchmarks.providers
