"""What an environment says: its schemas, its tools, its fingerprint."""
