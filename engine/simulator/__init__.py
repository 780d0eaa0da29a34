"""A market that is not real: deterministic by seed, shaped like US options, labelled synthetic."""
