"""A small physical model of a district: rain, weather, run-off, rivers, air, traffic, visitors and power load.

Pure functions with units in their names. Whatever does not carry water is a function of (seed, moment) alone, so it
goes on seamlessly after a restart; only stores of water have a state, which is spun up from the rain of the days before.
Nothing that it makes is an observation: every value leaves with `simulated: true`.
"""
