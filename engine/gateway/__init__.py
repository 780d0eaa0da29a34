"""The stream without sockets: what each session gets, and when."""
