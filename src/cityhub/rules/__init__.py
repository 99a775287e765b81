"""What deserves attention: rules that watch the city's context, and the alerts that they raise."""
