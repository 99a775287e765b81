"""The gateway: the process beside the hub that alone runs protocols, decoders, mappings and quality checks."""
