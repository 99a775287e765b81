"""Rules tried on the past: what they would have said, worked out by the engine that runs them, in a process of its own."""
