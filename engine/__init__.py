"""What happens: feeds, publishing, classification, indexing, search and the command line."""
