"""Cases: what is being done about something, by whom, by when."""
