"""The tests of CityHub; `tests/conftest.py` has the fixtures."""
