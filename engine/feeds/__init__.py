"""Where prints come from: one module a vendor or file format.

A module of this package that has a `FEED` is a live feed, one that has a `FORMAT` is a file format, and it is
found by that alone: a new vendor is one new file. `engine.feeds.registry` looks them up.
"""
