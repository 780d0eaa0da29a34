"""Recorded files: put in the order of time, played at a pace, and accounted for row by row."""
