"""All filters of a gateway matched together, each trade once; docs/matching.md says how and what it costs."""

from engine.match.filter_index import FilterIndex as FilterIndex
