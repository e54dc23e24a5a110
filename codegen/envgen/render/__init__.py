"""Plan to audited source text."""
