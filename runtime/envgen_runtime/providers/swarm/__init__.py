"""Replicas on the machines of a Docker Swarm, shared by many clients."""
