"""Models on history: what is unusual, what comes next, when the disk is full."""
