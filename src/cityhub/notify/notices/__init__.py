"""Notices: from "these people are to be told" to messages on their channels, with a ledger of what was sent to whom and why."""
