"""What models and trainers are shown of an environment, and what comes back from them."""
