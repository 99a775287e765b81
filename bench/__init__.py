"""The speed of the hub beside a baseline and peers."""
