"""The register of devices: who they are, how they prove it, how they are, and what they are told to do."""
