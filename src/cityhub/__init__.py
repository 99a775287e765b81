"""CityHub: the digital hub of a city district (区县城市数智中枢)."""

__version__ = "0.1.0"
