"""What things are: contracts, prints, trades, conditions, exchanges, flags, filters, keys, errors. No I/O."""
