"""Who may in, and how much: tokens, their keys, tickets, rates, and connections of a user."""
