"""By when something must be done: working days, working hours, limits and their clocks; pure."""
