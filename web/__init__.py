"""The gateway's sockets and HTTP; it may import `engine` and `schemas`, and nothing imports it."""
