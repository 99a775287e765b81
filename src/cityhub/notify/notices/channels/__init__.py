"""The channels that messages leave by, each behind one small protocol (`channel.Channel`)."""
