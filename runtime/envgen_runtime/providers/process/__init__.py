"""Servers that run as processes on this machine."""
