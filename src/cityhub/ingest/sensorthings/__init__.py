"""OGC SensorThings API Part 1: Sensing 1.1 as a door onto the hub's entities and their history.

Source: OGC 18-088; ADR 0009.
"""
