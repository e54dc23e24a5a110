"""The packages of a project together."""
