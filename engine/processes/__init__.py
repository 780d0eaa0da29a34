"""Child processes and tasks: started, watched, and ended with whoever started them."""
