"""Watching a client: observers, OpenTelemetry, traces."""
