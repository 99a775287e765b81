"""The words of the city: entity, attribute, change, condition, time, error. Pure; no I/O."""
