"""The OpenEnv wire as plain functions, without I/O."""
