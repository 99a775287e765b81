"""The register of rules: who wants what to be noticed, in which version, and how each rule stands."""
