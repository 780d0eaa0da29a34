"""The Redis in use: the embedded one or the configured one, how it is connected to, and whether it fits."""
