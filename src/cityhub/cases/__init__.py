"""Cases: decisions and processes."""
