"""What models are shown of an environment, and their calls, read and validated."""
