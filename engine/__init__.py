"""What happens: feeds, publishing, classification, indexing, search and the command line."""

__version__ = "0.1.0"
