"""JSON Schema as data."""
