"""The contract that a package carries: compared with the server's, and held against messages."""
