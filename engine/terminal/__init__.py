"""What people see in a terminal: tables, the live view, progress, and how numbers and times are written."""
